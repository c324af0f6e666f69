"""The exchange, as the pipeline sees it.

Decides: what can be asked of an exchange and the shape of its answers; whatever is not an answer is an `ExchangeError`. A query that failed is never
an empty answer. Leaves to others: protocol, signatures, allowances (connectors.exchange), and what to do with an answer (pipeline.execution).

Two id spaces: orders, and stops (conditional orders, which a venue keeps apart). Each is named by us with a client id.
"""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from streams.desk.messages import OrderSide, OrderType

OrderStatus = Literal["OPEN", "FILLED", "CANCELLED", "REJECTED", "EXPIRED"]
StopStatus = Literal["OPEN", "TRIGGERED", "CANCELLED", "REJECTED", "EXPIRED"]
PaymentKind = Literal["FUNDING", "DEPOSIT", "WITHDRAWAL", "LIQUIDATION", "OTHER"]


class AccountRef(NamedTuple):
    """An account and where its keys are to be found. The keys themselves never leave the connector."""

    account: str
    credentials: str
    leverage: Decimal


class Placing(NamedTuple):
    """An order to be sent. Its timestamp was written down before: a request that is delayed past the window is refused by the exchange."""

    account: str
    client_id: str
    symbol: str
    side: OrderSide
    type: OrderType
    quantity: Decimal
    limit_price: Decimal | None
    reduce_only: bool
    sent_ms: int
    """By the exchange's clock."""
    window_ms: int


class StopPlacing(NamedTuple):
    """A stop that closes whatever position there is when its price is reached, and never opens one."""

    account: str
    client_id: str
    symbol: str
    side: OrderSide
    trigger_price: Decimal
    sent_ms: int
    window_ms: int


class OrderReport(NamedTuple):
    """An order as the exchange sees it."""

    client_id: str
    """Empty where the exchange names none."""
    exchange_id: str
    symbol: str
    side: OrderSide
    status: OrderStatus
    quantity: Decimal
    filled: Decimal
    updated_ms: int
    reason: str = ""
    reduce_only: bool = False


class StopReport(NamedTuple):
    """A stop as the exchange sees it."""

    client_id: str
    exchange_id: str
    symbol: str
    side: OrderSide
    status: StopStatus
    trigger_price: Decimal
    order_exchange_id: str
    """The order it became when it was triggered; empty before."""
    updated_ms: int


class Trade(NamedTuple):
    """A trade of ours."""

    trade_id: str
    symbol: str
    exchange_id: str
    """Of the order."""
    client_id: str
    """Of the order; empty where this answer does not name it."""
    side: OrderSide
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_currency: str
    ts: int


class Position(NamedTuple):
    """What an account holds of a symbol; signed."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    updated_ms: int


class Payment(NamedTuple):
    """Money that moved without a trade; signed as it changed the wallet."""

    payment_id: str
    kind: PaymentKind
    symbol: str | None
    amount: Decimal
    currency: str
    ts: int


class Connected(NamedTuple):
    """The stream of an account runs, from now on. What happened before has to be asked for."""


class Lost(NamedTuple):
    """The stream of an account broke off or went silent. It is being connected again."""

    reason: str


UserEvent = OrderReport | StopReport | Trade | Payment | Connected | Lost


class Exchange(Protocol):
    """An exchange. Every method takes its share of the allowance and waits for it; only `place` does not: see `room`."""

    @property
    def name(self) -> str:
        """The venue, as fills name it."""

    def now_ms(self) -> int:
        """Tell the exchange's time, as far as it is known."""

    def clock_error_ms(self) -> int | None:
        """Tell by how much `now_ms` may be wrong; None where it was not compared yet, or too long ago."""

    def allows_risk(self) -> bool:
        """Tell whether the exchange has answered well enough lately for risk to be added."""

    async def check(self, ref: AccountRef, symbols: Sequence[str]) -> None:
        """Make an account known, look once whether it may trade (permissions, position mode), set leverage and margin of symbols. `Fatal` if not.

        An account that was opened again with other keys goes by those from then on.
        """

    async def room(self, account: str, *, urgent: bool) -> None:
        """Wait until one order, or one stop, may be sent. Urgent (cancels, less risk) goes first and may use the reserve."""

    async def place(self, order: Placing) -> OrderReport:
        """Send an order, at once."""

    async def cancel(self, account: str, symbol: str, client_id: str) -> OrderReport:
        """Cancel an order; `NotThere` where nothing of that name is open."""

    async def find(self, account: str, symbol: str, client_id: str) -> OrderReport:
        """Look an order up by its newest bearer of the name; `NotThere` where there is none."""

    async def open_orders(self, account: str, symbol: str | None = None) -> Sequence[OrderReport]:
        """Give all open orders."""

    async def orders(self, account: str, symbol: str, since_ms: int) -> Sequence[OrderReport]:
        """Give orders of a symbol whatever their state, all since then."""

    async def trades(
        self, account: str, symbol: str, *, since_ms: int = 0, after_id: str = "", exchange_id: str = ""
    ) -> Sequence[Trade]:
        """Give trades in their order: all since then, or after that one, or of that order."""

    async def positions(self, account: str) -> Sequence[Position]:
        """Give what is held; nothing of symbols that are flat."""

    async def balances(self, account: str) -> dict[str, Decimal]:
        """Give what is in the wallet, by currency, without unrealised profit."""

    async def payments(self, account: str, since_ms: int) -> Sequence[Payment]:
        """Give money that moved without a trade."""

    async def place_stop(self, stop: StopPlacing) -> StopReport:
        """Place a stop, at once."""

    async def cancel_stop(self, account: str, symbol: str, client_id: str) -> StopReport:
        """Cancel a stop; `NotThere` where it is not open."""

    async def find_stop(self, account: str, symbol: str, client_id: str) -> StopReport:
        """Look a stop up; `NotThere` where there is none."""

    async def open_stops(self, account: str) -> Sequence[StopReport]:
        """Give all open stops."""

    def events(self, account: str) -> AsyncIterator[UserEvent]:
        """Give what happens to an account, for ever: begins with `Connected`, says `Lost` and `Connected` again after a break."""
