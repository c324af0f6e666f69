"""An exchange that takes each order once.

Decides: that an order whose id was seen is dropped and counted: a desk that comes back after a crash may say the end of what it had said again, in
the same words. Leaves to others: what an exchange does with an order (venue, or whatever stands behind the `Exchange` port).
"""

from collections.abc import Sequence

from streams.desk.messages import Mark
from streams.desk.outputs import Cancel, Order
from streams.simulation.venue import Exchange, Reply

ORDER_IDS_MAX = 100_000
"""Order ids remembered: a day of one order a second. The oldest leave; what comes back after a crash is seconds old."""


class OnceOnly:
    """Stands in front of an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        """Stand in front of this one."""
        self._exchange = exchange
        self.books = exchange.books
        self.placed = 0
        self.duplicate_orders = 0
        self._seen: dict[str, None] = {}

    def place(self, order: Order, now_ms: int) -> Sequence[Reply]:
        """Take an order, unless it was taken before."""
        if order.order_id in self._seen:
            self.duplicate_orders += 1
            return ()
        self._seen[order.order_id] = None
        if len(self._seen) > ORDER_IDS_MAX:
            del self._seen[next(iter(self._seen))]
        self.placed += 1
        return self._exchange.place(order, now_ms)

    def cancel(self, cancel: Cancel, now_ms: int) -> Sequence[Reply]:
        """Take a wish to cancel; twice does no harm, what is no longer open answers nothing."""
        return self._exchange.cancel(cancel, now_ms)

    def match(self, mark: Mark, now_ms: int) -> Sequence[Reply]:
        """See a new price."""
        return self._exchange.match(mark, now_ms)

    def pay_funding(self, symbol: str, now_ms: int) -> Sequence[Reply]:
        """Let the funding time of a symbol pass."""
        return self._exchange.pay_funding(symbol, now_ms)
