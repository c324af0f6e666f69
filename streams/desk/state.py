"""The state of one tape partition: what its accounts share, and each account.

Decides: what is remembered. Everything here is either written to snapshots (desk.snapshot) or, where marked derived, rebuilt from what is.
Leaves to others: every change. The state is owned by one `step` at a time, which changes it in place and hands it on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from streams.desk.emergency_stop import Stop
from streams.desk.memory import Memory
from streams.desk.messages import EquityReport, Instrument, Mark, OrderSide, OrderType
from streams.desk.policy import Phase, Policy
from streams.desk.throttle import SignalQueue
from streams.desk.values import ZERO

DESK_VERSION = "1"
"""Raised with every change that could answer an old input differently; a desk steps only offsets of its own reign."""

START_OF_CHAIN = "0" * 32


@dataclass(slots=True)
class Plan:
    """How a position is going to be left."""

    regime: str
    stop: Decimal
    take_profit: Decimal
    take_profit_share_pct: Decimal
    trail: Decimal
    trail_step: Decimal
    best: Decimal
    hold_ms: int
    deadline_ms: int
    taken: bool = False
    trailed: bool = False


@dataclass(slots=True, eq=False)
class Position:
    """A holding in one symbol. quantity and cost are signed; cost is what the held quantity was bought (sold) for."""

    account: str
    symbol: str
    quantity: Decimal
    cost: Decimal
    realised: Decimal
    opened_ms: int
    plan: Plan | None = None
    exiting: str = ""
    """Why the position is being closed; empty while it is not. Sticks until it is flat."""
    exit_after_ms: int = 0
    """No exit order before this."""
    dust: bool = False
    """Too small to be closed: held, valued, and otherwise as if it were not there."""
    size: float = 0.0
    """Derived, as all below: the quantity, for what only has to be near enough."""
    favourable: float = 0.0
    adverse: float = 0.0
    fav_level: float = 0.0
    adv_level: float = 0.0
    fav_serial: int = 0
    adv_serial: int = 0

    def __post_init__(self) -> None:
        """Derive the size."""
        self.size = float(self.quantity)


@dataclass(slots=True, eq=False)
class OpenOrder:
    """An order sent or about to be, until its terminal word."""

    order_id: str
    symbol: str
    side: OrderSide
    type: OrderType
    quantity: Decimal
    limit_price: Decimal | None
    reduce_only: bool
    purpose: str
    expires_ms: int
    """When it is taken back."""
    plan: Plan | None
    filled: Decimal = ZERO
    status: str = "SENT"
    cancel_due_ms: int = 0
    """When its cancel is asked for again; 0 while it was not asked for."""

    @property
    def rest(self) -> Decimal:
        """What may still fill."""
        return self.quantity - self.filled if self.quantity > self.filled else ZERO


@dataclass(slots=True)
class ClosedOrder:
    """What is remembered of an order after its terminal word, for fills that come late."""

    symbol: str
    side: OrderSide
    quantity: Decimal
    filled: Decimal
    how: str
    plan: Plan | None


@dataclass(slots=True)
class Adjustment:
    """A correction that no trade explains yet."""

    symbol: str
    quantity: Decimal
    price: Decimal
    amount: Decimal


@dataclass(slots=True, eq=False, repr=False)
class Account:
    """Everything the desk knows of one account."""

    account: str
    venue: str
    credentials: str
    leverage: Decimal
    cash: Decimal
    opening: Decimal
    high_water: Decimal
    day_start: Decimal
    in_service: bool = True
    enabled: bool = False
    phase: str = ""
    phase_since_ms: int = 0
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    transfers: Decimal = ZERO
    adjusted: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, OpenOrder] = field(default_factory=dict)
    closed_orders: dict[str, ClosedOrder] = field(default_factory=dict)
    adjustments: dict[str, Adjustment] = field(default_factory=dict)
    fees_owed: dict[str, Decimal] = field(default_factory=dict)
    doubt: str = ""
    stop: Stop = field(default_factory=Stop)
    queue: SignalQueue = field(default_factory=SignalQueue)
    budget_second: int = 0
    budget_used: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    order_times: deque[int] = field(default_factory=deque)
    signals_seen: Memory = field(default_factory=Memory)
    inputs_seen: Memory = field(default_factory=Memory)
    control_position: int = -1
    chain: str = START_OF_CHAIN
    unshown: bool = False
    """Something changed since the last portfolio."""
    version: int = 0
    """Derived: raised by every change, so that what is unchanged can be written again without encoding it again."""
    guard: Guard | None = None
    """Derived: what its value is watched between."""
    figures: str = ""
    """Derived: cached figures for the state hash, empty when stale."""


class Guard(NamedTuple):
    """What an account's value is watched between.

    base: its value but for what its positions are worth. high, floor: what the whole may not reach without an exact look. limit: the
    drawdown limit, which the floor keeps some distance from.
    """

    base: float
    high: float
    floor: float
    limit: float


@dataclass(slots=True)
class CrashWindow:
    """The highs of the last minutes of a symbol, falling: the first is the highest still inside the window."""

    highs: deque[tuple[int, Decimal]] = field(default_factory=deque)


@dataclass(slots=True)
class Total:
    """The stop over all accounts, on the partition that hosts it: what each partition last reported."""

    reports: dict[int, tuple[int, EquityReport]] = field(default_factory=dict)
    high_water: Decimal | None = None
    transfers: Decimal = ZERO
    incomplete_since_ms: int | None = None
    """Since when the sum has not been whole."""
    asked: str = ""
    """The cause of a trip that has been asked for and not yet come back as a command."""


@dataclass(slots=True, eq=False)
class Index:
    """Derived from the rest, so that an event costs what it touches and not what exists."""

    holders: dict[str, dict[str, Position]] = field(default_factory=dict)
    net: dict[str, list[Decimal]] = field(default_factory=dict)
    """By symbol: the sum over all accounts of quantity and of cost."""
    cash: Decimal = ZERO
    transfers: Decimal = ZERO
    below: dict[str, list[WatchEntry]] = field(default_factory=dict)
    above: dict[str, list[WatchEntry]] = field(default_factory=dict)
    serial: int = 0
    prices: dict[str, float] = field(default_factory=dict)
    timers: list[tuple[int, str, str, str]] = field(default_factory=list)
    timers_max: int = 1_024
    waiting: set[str] = field(default_factory=set)
    owing: dict[str, set[str]] = field(default_factory=dict)
    unshown: set[str] = field(default_factory=set)
    unsettled: set[str] = field(default_factory=set)
    exiting: set[tuple[str, str]] = field(default_factory=set)
    """(account, symbol) of every position that is being closed."""


WatchEntry = tuple[float, int, Position]
"""(price, negative where it is approached from above; serial, who): ordered for a heap."""


@dataclass(slots=True, eq=False, repr=False)
class State:
    """All the state of one tape partition."""

    epoch: int
    partition: int
    partitions: int
    offset: int = -1
    now_ms: int = 0
    second: int = 0
    version: str = DESK_VERSION
    next_version: str = ""
    sources: dict[tuple[str, int], int] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    mark_ms: dict[str, int] = field(default_factory=dict)
    windows: dict[str, CrashWindow] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    policy: Policy | None = None
    policy_document: str = ""
    policy_ms: int = 0
    policy_stale: bool = False
    phase: str = ""
    phase_since_ms: int = 0
    enabled: bool = False
    stop: Stop = field(default_factory=Stop)
    stages: dict[str, str] = field(default_factory=dict)
    seen: Memory = field(default_factory=Memory)
    control_position: int = -1
    chain: str = START_OF_CHAIN
    total: Total = field(default_factory=Total)
    accounts: dict[str, Account] = field(default_factory=dict)
    unshown: bool = False
    """Something about the partition as a whole changed since it was last shown."""
    index: Index = field(default_factory=Index)
    """Derived: who has to be looked at, and when."""

    def phase_of(self, account: Account) -> Phase | None:
        """Give the limits an account is under, None where policy or phase is missing."""
        return None if self.policy is None else self.policy.phases.get(account.phase or self.phase)


def new_state(epoch: int, partition: int, partitions: int = 1) -> State:
    """Start the state of an empty tape partition: no account, no policy, trading disabled."""
    return State(epoch, partition, partitions)
