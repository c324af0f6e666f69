"""What the simulated exchange keeps and tells: orders, conditional orders, trades, incomes, symbols, refusals.

Decides: fields and states, under names as near to the exchange's own as Python allows. Leaves to others: what happens to them (engine), how they
look on the wire (server).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, NamedTuple

QUOTE: Final = "USDT"
"""What everything is paid in, and all margin is."""

Side = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT"]
ConditionalType = Literal["STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
TimeInForce = Literal["GTC", "IOC", "FOK", "GTX"]
OrderStatus = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED"]
AlgoStatus = Literal["NEW", "TRIGGERED", "FINISHED", "CANCELED", "REJECTED", "EXPIRED"]
WorkingType = Literal["MARK_PRICE", "CONTRACT_PRICE"]
IncomeType = Literal["REALIZED_PNL", "FUNDING_FEE", "COMMISSION", "TRANSFER", "INSURANCE_CLEAR"]


class Refused(Exception):
    """The exchange says no, with its code: -2013, -2019, -4164 and so on."""

    def __init__(self, code: int, words: str) -> None:
        """Keep both."""
        super().__init__(f"{code} {words}")
        self.code, self.words = code, words


class Symbol(NamedTuple):
    """A market and its filters."""

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    max_market_quantity: Decimal
    min_notional: Decimal
    price_up: Decimal
    price_down: Decimal
    max_orders: int
    max_algo_orders: int
    maker_fee: Decimal
    taker_fee: Decimal
    funding_interval_ms: int
    maintenance_margin_ratio: Decimal
    max_leverage: int
    depth_usd: Decimal
    """What the book holds within 10 basis points of either side on a quiet day."""


class NewOrder(NamedTuple):
    """An order as it is asked for."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = "GTC"
    reduce_only: bool = False
    client_id: str = ""


class NewAlgo(NamedTuple):
    """A conditional order as it is asked for."""

    symbol: str
    side: Side
    type: ConditionalType
    quantity: Decimal | None
    trigger_price: Decimal | None
    callback_rate: Decimal | None = None
    activate_price: Decimal | None = None
    working_type: WorkingType = "CONTRACT_PRICE"
    reduce_only: bool = False
    close_position: bool = False
    client_id: str = ""


@dataclass(slots=True)
class OrderRow:
    """An order, for ever."""

    account: str
    order_id: int
    client_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    reduce_only: bool
    status: OrderStatus
    created_ms: int
    updated_ms: int
    filled: Decimal = Decimal(0)
    quote_filled: Decimal = Decimal(0)
    close_position: bool = False
    original_type: str = ""
    algo_id: int = 0
    expire_reason: str = ""


@dataclass(slots=True)
class AlgoRow:
    """A conditional order, for ever."""

    account: str
    algo_id: int
    client_id: str
    symbol: str
    side: Side
    type: ConditionalType
    quantity: Decimal
    trigger_price: Decimal
    callback_rate: Decimal
    activate_price: Decimal
    working_type: WorkingType
    reduce_only: bool
    close_position: bool
    status: AlgoStatus
    created_ms: int
    updated_ms: int
    order_id: int = 0
    """The order it became."""


class TradeRow(NamedTuple):
    """A trade of an account."""

    account: str
    trade_id: int
    order_id: int
    client_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    realized: Decimal
    maker: bool
    ts: int


class IncomeRow(NamedTuple):
    """Money that moved."""

    account: str
    income_id: int
    type: IncomeType
    symbol: str
    amount: Decimal
    asset: str
    info: str
    ts: int


class PositionRow(NamedTuple):
    """What an account holds of a symbol."""

    account: str
    symbol: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealized: Decimal
    liquidation_price: Decimal
    leverage: int
    isolated: bool
    updated_ms: int


class OrderUpdate(NamedTuple):
    """Something happened to an order: ORDER_TRADE_UPDATE. `order` is a copy as of then."""

    order: OrderRow
    execution: Literal["NEW", "TRADE", "CANCELED", "EXPIRED", "CALCULATED", "AMENDMENT"]
    trade: TradeRow | None
    ts: int


class AlgoUpdate(NamedTuple):
    """Something happened to a conditional order: ALGO_UPDATE. Rows are copies as of then."""

    algo: AlgoRow
    ts: int
    became: OrderRow | None = None


class AccountUpdate(NamedTuple):
    """Balances and positions that changed: ACCOUNT_UPDATE."""

    account: str
    reason: Literal["ORDER", "FUNDING_FEE", "DEPOSIT", "WITHDRAW", "INSURANCE_CLEAR", "MARGIN_TYPE_CHANGE"]
    balances: tuple[tuple[str, Decimal, Decimal], ...]
    """Asset, wallet balance, change."""
    positions: tuple[PositionRow, ...]
    ts: int


UserUpdate = OrderUpdate | AlgoUpdate | AccountUpdate


class Quote(NamedTuple):
    """The price of a symbol now."""

    symbol: str
    mark: Decimal
    index_price: Decimal
    last: Decimal
    bid: Decimal
    ask: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    ts: int


class Candle(NamedTuple):
    """One minute, or as long as it was asked for."""

    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
