"""What the desk says: verdicts, orders, pictures of the accounts.

Decides: the fields of every output. An output is known by (tape partition, tape offset, n), n counting the outputs of one
event from 0. Leaves to others: topics and bytes.
"""

from decimal import Decimal
from enum import Enum
from typing import Literal, NamedTuple

from streams.desk.messages import Control, EquityReport, OrderSide, OrderType

Kind = Literal["SIGNAL", "COMMAND", "EXIT", "ESS", "ORDER", "ALERT"]
"""What a decision is about."""
Verdict = Literal["APPROVED", "REFUSED", "DROPPED", "APPLIED", "ALERT"]
"""What it comes to."""


class Fate(Enum):
    """What became of an input. Each has exactly one."""

    APPLIED = "applied"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    DEAD_LETTER = "dead-letter"


class Check(NamedTuple):
    """One gate's look at one request: the refusal's code, empty for a pass, and every figure that was compared."""

    gate: str
    code: str
    figures: str


class Decision(NamedTuple):
    """A verdict, chained to the one before it of the same account."""

    account: str
    offset: int
    n: int
    time_ms: int
    kind: Kind
    subject: str
    verdict: Verdict
    reason: str
    checks: tuple[Check, ...]
    order_id: str
    policy_version: int
    state_hash: str
    previous: str
    hash: str

    @property
    def code(self) -> str:
        """The first word of the reason."""
        return self.reason.partition(" ")[0]


class Order(NamedTuple):
    """An order the gates have approved. Only `streams.desk.approval` makes one."""

    order_id: str
    account: str
    offset: int
    n: int
    symbol: str
    side: OrderSide
    type: OrderType
    quantity: Decimal
    limit_price: Decimal | None
    reduce_only: bool
    protective_stop: Decimal | None
    parent: str
    attempt: int
    policy_version: int
    expires_ms: int
    collar_low: Decimal
    collar_high: Decimal
    control_position: int
    every_control_position: int
    ts: int


class Cancel(NamedTuple):
    """A wish to cancel an open order."""

    order_id: str
    account: str
    offset: int
    n: int
    symbol: str
    reason: str
    ts: int


class PositionView(NamedTuple):
    """One position as it is shown and stored outside."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    cost: Decimal
    mark: Decimal | None
    unrealised_pnl: Decimal | None
    realised_pnl: Decimal
    stop: Decimal | None
    opened_ms: int


class Portfolio(NamedTuple):
    """An account as of a tape offset. equity is None where a mark is missing."""

    account: str
    offset: int
    n: int
    time_ms: int
    mode: Literal["NORMAL", "REDUCING", "HALTED"]
    cash: Decimal
    equity: Decimal | None
    exposure: Decimal | None
    high_water: Decimal
    drawdown_pct: Decimal | None
    day_start_equity: Decimal
    realised_pnl: Decimal
    fees: Decimal
    funding: Decimal
    positions: tuple[PositionView, ...]
    open_orders: int
    queued: int
    phase: str
    ess_state: str
    ess_trip_ms: int | None
    ess_trip_reason: str
    ess_cooldown_ms: int | None
    ess_left_s: int
    ess_reset_count: int


class DeadLetter(NamedTuple):
    """A record that could not be read, or cannot be true, with its bytes and where it came from."""

    offset: int
    n: int
    topic: str
    partition: int
    source_offset: int
    error: str
    detail: str
    schema_id: int | None
    raw: bytes
    ts: int


Output = Decision | Order | Cancel | Portfolio | EquityReport | Control | DeadLetter
