"""What is kept under the ledger's keys, beside whole orders and events.

Decides: the fields. Leaves to others: how records of one fact merge (ledger, ledger_stops, ledger_adjustments).
"""

from decimal import Decimal
from typing import NamedTuple

from streams.desk.values import ZERO


class StepRecord(NamedTuple):
    """What is kept under a step's key."""

    ts: int
    quantity: Decimal
    window_ms: int = 0
    filled: Decimal = ZERO
    rest: Decimal = ZERO
    exchange_id: str = ""
    kind: str = ""
    reason: str = ""


def later(known: StepRecord | None, sending: StepRecord) -> StepRecord:
    """Give the one of two sendings whose window ends later: only after that is anybody sure."""
    return sending if known is None or sending.ts + sending.window_ms > known.ts + known.window_ms else known


class Cursor(NamedTuple):
    """How far the trades of a symbol were said."""

    trade_id: str = ""
    ts: int = 0
    """Of that trade; where there is none, of when on trades are ours to say."""
    position: Decimal = ZERO
