"""What reaches the desk: the bodies of tape events.

Decides: the fields and types of every input, as they are once decoded. Immutable; Decimals for money, epoch milliseconds for
time (`ts` is the producer's clock, `stamp_ms` the sequencer's). Leaves to others: bytes (schemas), ranges (desk.validation),
meaning (desk.desk). Field names equal the Avro field names.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

EVERY_ACCOUNT = "*"
"""Key of commands to all accounts, and the account id of the stop over all accounts."""

SignalSide = Literal["LONG", "SHORT", "CLOSE"]
OrderSide = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT"]
Regime = Literal["TREND", "RANGE", "VOLATILE"]


class Signal(NamedTuple):
    """A wish of a strategy, to be judged."""

    signal_id: str
    account: str
    symbol: str
    side: SignalSide
    confidence: Decimal
    model_scores: Mapping[str, float]
    model_agreement: Decimal
    source: str
    degraded: bool
    regime: Regime
    atr: Decimal
    ts: int


class Mark(NamedTuple):
    """The newest price of a symbol, with the extremes since the mark before it."""

    mark_id: str
    symbol: str
    mark: Decimal
    high: Decimal
    low: Decimal
    bid: Decimal
    ask: Decimal
    depth: Decimal
    funding_rate: Decimal
    ts: int
    volume_24h: Decimal | None = None
    """What was traded in 24 hours on all venues that are asked, in quote currency; None where nobody knows."""


class Liquidity(NamedTuple):
    """What a symbol's market offers, over all venues that are asked. The desk reads it from its marks; this is for whoever looks on."""

    liquidity_id: str
    symbol: str
    spread_bps: Decimal
    depth: Decimal
    volume_24h: Decimal | None
    venues: tuple[str, ...]
    ts: int


class Instrument(NamedTuple):
    """What the exchange demands of an order in a symbol."""

    instrument_id: str
    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    max_market_quantity: Decimal
    min_notional: Decimal
    price_up_ratio: Decimal
    price_down_ratio: Decimal
    max_open_orders: int
    maker_fee: Decimal
    taker_fee: Decimal
    funding_interval_s: int
    next_funding_ts: int
    ts: int


class Enable(NamedTuple):
    """Allow new risk."""


class Disable(NamedTuple):
    """Allow no new risk."""


class Trip(NamedTuple):
    """Trip the emergency stop by hand."""


class Reset(NamedTuple):
    """Re-arm the emergency stop; before the cooldown's end only with override."""

    override: bool


class PolicyUpdate(NamedTuple):
    """Publish the limits: a canonical JSON document and the hash of it."""

    version: int
    hash: str
    document: str


class PhaseChange(NamedTuple):
    """Move to a phase of the policy; before its predecessor's min_days only with override."""

    phase: str
    override: bool


class ManualOrder(NamedTuple):
    """An operator's order. It passes the gates like any other."""

    symbol: str
    side: OrderSide
    type: OrderType
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    reduce_only: bool


class ClosePosition(NamedTuple):
    """Close the position in a symbol, or all of them where symbol is None."""

    symbol: str | None


class VersionChange(NamedTuple):
    """End the reign of the running desk version at this offset."""

    version: str


class Promotion(NamedTuple):
    """Say whether a source's signals may trade."""

    source: str
    stage: Literal["LIVE", "SHADOW", "RETIRED"]


class OpenAccount(NamedTuple):
    """Make an account known. Accounts nobody opened get no orders."""

    venue: str
    credentials: str
    leverage: Decimal
    opening_balance: Decimal


class CloseAccount(NamedTuple):
    """Take an account out of service: no new risk until it is opened again."""


Command = (
    Enable | Disable | Trip | Reset | PolicyUpdate | PhaseChange | ManualOrder | ClosePosition | VersionChange | Promotion
    | OpenAccount | CloseAccount
)  # fmt: skip


class Control(NamedTuple):
    """A command, with who gave it and why."""

    control_id: str
    account: str
    user: str
    reason: str
    ts: int
    command: Command


class AccountEvent(NamedTuple):
    """Money or quantity that moved without a trade.

    FUNDING: amount is signed, negative is paid. DEPOSIT, WITHDRAWAL: amount > 0. LIQUIDATION, ADJUSTMENT: quantity is the signed
    change of the position, at price; amount a signed cash change beside it. `reverses` names the adjustment that is undone.
    """

    event_id: str
    account: str
    kind: Literal["FUNDING", "DEPOSIT", "WITHDRAWAL", "LIQUIDATION", "ADJUSTMENT"]
    symbol: str | None
    amount: Decimal
    quantity: Decimal
    price: Decimal
    reverses: str | None
    note: str
    ts: int


class OrderEvent(NamedTuple):
    """What the exchange said of an order. CANCEL_REJECTED: it is still open. UNKNOWN: its fate is being asked for."""

    event_id: str
    account: str
    order_id: str
    kind: Literal["ACKNOWLEDGED", "REJECTED", "CANCELLED", "EXPIRED", "UNKNOWN", "CANCEL_REJECTED"]
    attempt: int
    exchange_order_id: str
    reason: str
    ts: int


class Fill(NamedTuple):
    """A trade the exchange made for us. Its id is (venue, symbol, trade_id)."""

    venue: str
    trade_id: str
    account: str
    symbol: str
    order_id: str
    side: OrderSide
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_currency: str
    ts: int


class EquityReport(NamedTuple):
    """One partition's equity over all its accounts at a tick, for the stop over all accounts."""

    report_id: str
    partition: int
    partitions: int
    second: int
    equity: Decimal
    transfers: Decimal
    accounts: int
    complete: bool
    ts: int


class Tick(NamedTuple):
    """A second of desk time has come."""

    second: int


class Unreadable(NamedTuple):
    """A record nobody could read, kept with its bytes. Becomes a dead letter."""

    error: str
    detail: str
    schema_id: int | None
    raw: bytes


Body = Signal | Mark | Instrument | Control | AccountEvent | OrderEvent | Fill | EquityReport | Tick | Unreadable


class TapeEvent(NamedTuple):
    """One input in the tape's order: where it stands, when it was sequenced, where it came from, what it says.

    raw: its bytes as its producer wrote them, for a dead letter; empty where it never was bytes.
    """

    offset: int
    stamp_ms: int
    topic: str
    partition: int
    source_offset: int
    body: Body
    raw: bytes = b""
