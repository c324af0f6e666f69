"""What the contract suite of the `Exchange` port needs to know of an implementation besides the port: a price it can move, and a way to break it.

Decides: the stage every test begins on, one account with 100,000 USDT that was checked, and a price that stands still. Leaves to others: the promises
themselves (tests/contract/test_exchange.py). Another implementation is one more stage, and one more line in `STAGES` there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Final, Protocol

from streams.exchange.port import AccountRef, Exchange, Placing, StopPlacing, UserEvent

ACCOUNT: Final = "main"
SYMBOL: Final = "BTCUSDT"
REF: Final = AccountRef(ACCOUNT, ACCOUNT, Decimal(5))
FUNDS: Final = Decimal(100_000)
PRICE: Final = Decimal(60_000)
"""Of SYMBOL, at the beginning."""
QUANTITY: Final = Decimal("0.010")
"""Small against the book: it trades at once, at about the price."""


class Stage(Protocol):
    """An exchange, and the hand that moves it."""

    @property
    def exchange(self) -> Exchange:
        """The exchange, ACCOUNT checked."""

    async def move_to(self, price: Decimal) -> None:
        """Move the mark price of SYMBOL, and let happen what follows."""

    async def pay_in(self, amount: Decimal) -> None:
        """Pay money into the account."""

    async def break_down(self) -> None:
        """Let every question fail from now on."""


Scene = Callable[[Stage], Awaitable[None]]


class Orders:
    """Makes orders of one stage, each under a name of its own unless it is given one."""

    def __init__(self, exchange: Exchange) -> None:
        """Count from nothing."""
        self._exchange, self._made = exchange, 0

    def market(self, quantity: Decimal = QUANTITY, name: str = "", *, reduce_only: bool = False) -> Placing:
        """Make an order that trades at once: sold where the quantity is negative."""
        side, now_ms = ("BUY" if quantity > 0 else "SELL"), self._exchange.now_ms()
        placing = Placing(ACCOUNT, name or self._name(), SYMBOL, "BUY", "MARKET", abs(quantity), None, reduce_only, now_ms, 5_000)
        return placing if side == "BUY" else placing._replace(side="SELL")

    def resting(self, name: str = "", price: Decimal = PRICE * Decimal("0.97")) -> Placing:
        """Make an order that waits in the book, unless the price is in the market."""
        return self.market(QUANTITY, name)._replace(type="LIMIT", limit_price=price)

    def stop(self, name: str = "", price: Decimal = PRICE * Decimal("0.98")) -> StopPlacing:
        """Make a stop that closes what was bought."""
        return StopPlacing(ACCOUNT, name or self._name(), SYMBOL, "SELL", price, self._exchange.now_ms(), 5_000)

    def _name(self) -> str:
        self._made += 1
        return f"order-{self._made}"


async def next_of(events: AsyncIterator[UserEvent], *kinds: type[UserEvent]) -> UserEvent:
    """Give the next event of these kinds."""
    async for event in events:
        if isinstance(event, kinds):
            return event
    raise AssertionError("the events ended")
