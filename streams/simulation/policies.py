"""The limits a generated day runs under: one phase with every limit spelled out.

Decides: figures that let a generated market show the desk's whole behaviour in hours instead of weeks, wide enough that trading goes on and
narrow enough that every kind of limit is met now and then. Not for real money: those limits are in infra/phases. Leaves to others: what
the desk makes of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from streams.desk.messages import PolicyUpdate
from streams.desk.policy_check import canonical, document_hash

PHASE = "phase3"


def exit_rules(stop_atr: str, take_profit_atr: str, share_pct: str, trail_atr: str, hold_s_max: str) -> dict[str, str]:
    """Spell out the exits of one regime."""
    return {
        "stop_atr": stop_atr,
        "take_profit_atr": take_profit_atr,
        "take_profit_share_pct": share_pct,
        "trail_atr": trail_atr,
        "trail_step_pct": "10",
        "hold_s_max": hold_s_max,
    }


def document(symbols: Sequence[str], **changes: Mapping[str, str]) -> dict[str, Any]:
    """Build a policy document of one phase; changes replace figures by section: `orders={"lifetime_s": "5"}`."""
    phase: dict[str, Any] = {
        "trading_mode": "full",
        "symbols": list(symbols),
        "min_days": "none",
        "monitoring_frequency": "daily",
        "throttle": {"signals_per_cycle": "10", "queue_max": "100"},
        "age": {"signal_s_max": "10", "signal_ahead_s_max": "2", "mark_s_max": "5", "policy_s_max": "600"},
        "entry": {"confidence_min": "0.45", "agreement_min": "0.60", "allow_degraded": "false"},
        "size": {
            "positions_max": "20",
            "max_position_usd": "2000",
            "max_exposure_usd": "24000",
            "leverage_max": "3",
            "risk_per_trade_pct": "2.00",
        },
        "market": {"funding_pay_pct_max": "0.03", "spread_bps_max": "12", "depth_share_max_pct": "4", "collar_pct_max": "1.5"},
        "orders": {"per_10s_max": "100", "open_max": "40", "lifetime_s": "20", "retry_s": "5"},
        "ess": {"drawdown_pct": "5.0", "on_trip": "flatten", "cooldown_s": "900", "stale_mark_s": "30"},
        "exits": {
            "trend": exit_rules("2.0", "4.0", "33", "2.5", "7200"),
            "range": exit_rules("1.5", "2.0", "75", "1.0", "3600"),
            "volatile": exit_rules("3.0", "3.0", "50", "2.0", "1800"),
            "adopted_stop_pct": "4.0",
        },
    }
    shared: dict[str, Any] = {
        "crash": {"fall_pct": "20", "window_s": "300"},
        "total": {"drawdown_pct": "4.0", "on_trip": "hold", "cooldown_s": "900", "report_s_max": "30"},
    }
    for section, figures in changes.items():
        (shared if section in shared else phase)[section].update(figures)
    return {**shared, "phases": {PHASE: phase}}


def generated_policy(symbols: Sequence[str], version: int = 1, **changes: Mapping[str, str]) -> PolicyUpdate:
    """Publish the limits of a generated day."""
    written = canonical(document(symbols, **changes))
    return PolicyUpdate(version, document_hash(written), written)
