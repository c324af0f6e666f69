"""A market that is followed by its marks: what heuristic models and operators make of it.

Decides: the slow average a price is compared with, the average true range, and which regime that looks like. All in whole numbers, from the marks
alone. Leaves to others: where marks come from, and what anybody says because of it (signals, operators).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isqrt

from streams.desk.messages import Mark, Regime
from streams.simulation.market import Market

_GRAIN = 1_000_000
"""Parts of a tick an average is kept in."""
_SLOW_MS = 120_000
"""The slow average follows the price within two minutes or so: what lasts longer is a trend to somebody who watches for as long."""
_BAR_MS = 300_000
"""Bars the average true range is taken from."""
_ATR_BARS = 4


@dataclass(slots=True)
class _Symbol:
    """What is known of a symbol, in millionths of a tick."""

    market: Market
    atr: int
    last: Mark | None = None
    price: int = 0
    slow: int = 0
    bar_ms: int = 0
    bar_high: int = 0
    bar_low: int = 0


class FollowedMarket:
    """The market as its marks tell it."""

    def __init__(self, markets: Sequence[Market]) -> None:
        """Know no price yet. Until there are bars, the range is the one the market's liveliness lets expect."""
        self.markets = tuple(markets)
        self._symbols = [_Symbol(market, _expected(market)) for market in self.markets]
        self._of = {one.market.symbol: one for one in self._symbols}

    @property
    def complete(self) -> bool:
        """Tell whether every symbol has a price, and a book behind it."""
        return not self.missing

    @property
    def missing(self) -> list[str]:
        """Name the symbols that cannot be traded yet."""
        return [one.market.symbol for one in self._symbols if one.last is None or not one.last.depth]

    def take(self, mark: Mark) -> None:
        """See a mark. One of another symbol, or from before the last one, says nothing."""
        one = self._of.get(mark.symbol)
        if one is None or (one.last is not None and mark.ts <= one.last.ts):
            return
        price = _grains(one.market, mark.mark)
        if one.last is None:
            one.slow, one.bar_ms, one.bar_high, one.bar_low = price, mark.ts, price, price
        else:
            one.slow += (price - one.slow) * min(mark.ts - one.last.ts, _SLOW_MS) // _SLOW_MS
        one.price, one.last = price, mark
        one.bar_high = max(one.bar_high, _grains(one.market, mark.high))
        one.bar_low = min(one.bar_low, _grains(one.market, mark.low))
        if mark.ts - one.bar_ms >= _BAR_MS:
            one.atr += (one.bar_high - one.bar_low - one.atr) // _ATR_BARS
            one.bar_ms, one.bar_high, one.bar_low = mark.ts, price, price

    def last(self, index: int, /) -> Mark | None:
        """Give the newest mark of a symbol."""
        return self._symbols[index].last

    def regime(self, index: int, /) -> Regime:
        """Tell the regime a symbol seems to be in: far away from its average, or all over the place, or neither."""
        one = self._symbols[index]
        if one.bar_high - one.bar_low > 2 * one.atr:
            return "VOLATILE"
        return "TREND" if 2 * abs(one.price - one.slow) > one.atr else "RANGE"

    def atr(self, index: int, /) -> Decimal:
        """Give the average true range, on the price grid and never zero."""
        one = self._symbols[index]
        return max(1, one.atr // _GRAIN) * one.market.tick

    def momentum_ppm(self, index: int, /) -> int:
        """Tell how far the price stands above its slow average, in millionths."""
        one = self._symbols[index]
        return (one.price - one.slow) * 1_000_000 // one.slow if one.slow else 0


def _expected(market: Market) -> int:
    """Give the range of a bar that goes with a standard deviation: 1.6 times as much, of a walk that long."""
    return market.start_ticks * _GRAIN * market.sigma_ppm * 16 * isqrt(_BAR_MS // 1_000) // 10_000_000


def _grains(market: Market, price: Decimal) -> int:
    return int(price / market.tick * _GRAIN)
