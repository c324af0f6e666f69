"""Limits in a hurry: whatever takes hours or minutes in a real policy takes seconds here.

Decides: a policy of two phases and a few variants of it that move every kind of limit. Leaves to others: when which is published (adversary).
"""

from copy import deepcopy
from typing import Any

from streams.desk.policy_check import canonical
from streams.simulation.policies import PHASE, document
from tests.desk_kit import SYMBOLS

TIGHT = "tight"
"""The second phase."""
_HURRIED: dict[str, dict[str, Any]] = {
    "throttle": {"signals_per_cycle": "3", "queue_max": "4"},
    "age": {"signal_s_max": "4", "mark_s_max": "4", "policy_s_max": "60"},
    "size": {"positions_max": "3", "max_exposure_usd": "5000", "leverage_max": "2"},
    "market": {"collar_pct_max": "3"},
    "orders": {"lifetime_s": "5", "retry_s": "2", "per_10s_max": "12", "open_max": "6"},
    "ess": {"cooldown_s": "6", "stale_mark_s": "9", "on_trip": "flatten"},
    "total": {"drawdown_pct": "9", "cooldown_s": "4", "report_s_max": "20"},
}
VARIANTS: tuple[dict[str, dict[str, Any]], ...] = (
    {},
    {"ess": {"on_trip": "hold", "drawdown_pct": "3"}, "orders": {"retry_s": "5"}},
    {
        "total": {"on_trip": "flatten", "drawdown_pct": "4"},
        "size": {"positions_max": "1", "max_position_usd": "700", "max_exposure_usd": "900"},
    },
    {"orders": {"retry_s": "1", "lifetime_s": "2"}, "crash": {"fall_pct": "6", "window_s": "8"}, "ess": {"stale_mark_s": "20"}},
)


def policy_document(changes: dict[str, dict[str, Any]]) -> str:
    """Write limits of two phases, the second with less of everything."""
    written = document(SYMBOLS, **_HURRIED)
    for section, figures in changes.items():
        (written if section in written else written["phases"][PHASE])[section].update(figures)
    for rules in written["phases"][PHASE]["exits"].values():
        if isinstance(rules, dict):
            rules["hold_s_max"] = "25"
    tight = deepcopy(written["phases"][PHASE])
    tight["size"].update(positions_max="1", max_position_usd="300", max_exposure_usd="300")
    tight["ess"].update(drawdown_pct="1", on_trip="hold")
    tight["symbols"] = ["BTCUSDT", "SOLUSDT"]
    written["phases"][TIGHT] = tight
    return canonical(written)
