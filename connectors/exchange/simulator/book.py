"""The order book of one market, made from its price: levels around the mark, as deep as the market is.

Decides: best prices, levels and their seeded sizes, and what an order that takes finds there. What is taken is gone until the price makes its next
step; then the book is new. Accounts' own resting orders are not in it: they trade with it, never with each other. Leaves to others: whose orders
trade (matching).
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random

from connectors.exchange.simulator.money import ZERO
from connectors.exchange.simulator.ports import PricePoint
from connectors.exchange.simulator.records import Side, Symbol

LEVELS = 60
"""Of a side. What is asked for beyond them is not there, as on the exchange, whose book also ends."""
_NEAR_BPS = Decimal("0.001")
"""Within ten basis points is what a market's depth is counted in."""
_NEAR_LEVELS = 10
"""Levels a fine-grained market has within that; one of coarse ticks has one a tick."""
Level = tuple[Decimal, Decimal]


class Book:
    """Bids and asks. Made only when somebody looks at it, and the same whether anybody did."""

    __slots__ = ("_ask_ticks", "_asks", "_bid_ticks", "_bids", "_point", "_seed", "_step_ms", "_symbol", "update_id")

    def __init__(self, symbol: Symbol, seed: int, point: PricePoint, now_ms: int) -> None:
        """Open at a price."""
        self._symbol, self._seed = symbol, seed
        self.update_id = 0
        self.move(point, now_ms)

    def move(self, point: PricePoint, now_ms: int) -> None:
        """Make a new book for a new price."""
        halves = int((point.mark + point.mark) / self._symbol.tick_size)
        self._bid_ticks = max(1, (halves - point.spread_ticks) // 2)
        self._ask_ticks = self._bid_ticks + point.spread_ticks
        self._point, self._step_ms = point, now_ms
        self._bids: list[Level] | None = None
        self._asks: list[Level] | None = None
        self.update_id += 1

    def best(self, side: Side) -> Decimal:
        """Give the price the first share of an order would be bought or sold at; of an empty side, where its last level was."""
        levels = self._asks if side == "BUY" else self._bids
        if levels is None:
            return (self._ask_ticks if side == "BUY" else self._bid_ticks) * self._symbol.tick_size
        return levels[0][0] if levels else self._prices(side)[-1]

    def levels(self, side: Side, most: int) -> Sequence[Level]:
        """Give the levels an order of a side would take, best first."""
        return tuple(self._side(side)[:most])

    def within(self, side: Side, limit: Decimal) -> Decimal:
        """Tell how much an order with that limit would find."""
        return sum((quantity for price, quantity in self._side(side) if _reaches(side, limit, price)), ZERO)

    def take(self, side: Side, limit: Decimal, quantity: Decimal) -> Iterator[Level]:
        """Take what is there, level by level, up to a quantity and no further than a limit."""
        levels = self._side(side)
        while quantity and levels and _reaches(side, limit, levels[0][0]):
            price, there = levels[0]
            taken = min(there, quantity)
            quantity -= taken
            if taken == there:
                del levels[0]
            else:
                levels[0] = (price, there - taken)
            self.update_id += 1
            yield price, taken

    def _side(self, side: Side) -> list[Level]:
        if side == "BUY":
            if self._asks is None:
                self._asks = self._made(side)
            return self._asks
        if self._bids is None:
            self._bids = self._made(side)
        return self._bids

    def _made(self, side: Side) -> list[Level]:
        """Lay the levels out: together, those within ten basis points of the best hold the market's depth times its share, give or take a quarter."""
        symbol, mark = self._symbol, self._point.mark
        chance = Random(f"{self._seed}/{symbol.symbol}/{self._step_ms}/{side}")  # noqa: S311 - seeded chance is the point
        value = symbol.depth_usd * self._point.depth_share / (1 + self._near_ticks() // self._gap())
        steps = value / mark / symbol.step_size
        return [
            (price, max(1, int(steps * (192 + chance.getrandbits(7)) / 256)) * symbol.step_size) for price in self._prices(side)
        ]

    def _prices(self, side: Side) -> list[Decimal]:
        """Give where levels are, as far as there are prices above zero."""
        best, gap = (self._ask_ticks, self._gap()) if side == "BUY" else (self._bid_ticks, -self._gap())
        return [ticks * self._symbol.tick_size for ticks in range(best, best + LEVELS * gap, gap) if ticks > 0]

    def _near_ticks(self) -> int:
        return int(self._point.mark * _NEAR_BPS / self._symbol.tick_size)

    def _gap(self) -> int:
        return max(1, self._near_ticks() // _NEAR_LEVELS)


def _reaches(side: Side, limit: Decimal, price: Decimal) -> bool:
    return price <= limit if side == "BUY" else price >= limit
