"""What was traded, by the minute.

Decides: candles and the volume of a day. The market trades along with its price: a little all the time, and what it takes to move a price through
its book. Leaves to others: the accounts' trades, which come on top (matching).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from connectors.exchange.simulator.money import ZERO
from connectors.exchange.simulator.records import Candle, Symbol

MINUTE_MS = 60_000
DAY_MS = 86_400_000
MINUTES_MAX = 43_200
"""Thirty days; older ones are forgotten."""
_QUIET_SHARE = Decimal("0.0000005")
"""Of the depth, traded in a millisecond while nothing moves: with moves it makes a day of some hundred times the depth, as real markets have it."""
_PER_BOOK = Decimal("0.001")
"""To move a price by this share, the depth has to be traded through once."""


@dataclass(slots=True)
class _Minute:
    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0


class Tape:
    """The trades of one market, in minutes."""

    __slots__ = ("_began_ms", "_minutes", "_symbol")

    def __init__(self, symbol: Symbol, now_ms: int) -> None:
        """Begin now."""
        self._symbol, self._began_ms = symbol, now_ms
        self._minutes: deque[_Minute] = deque(maxlen=MINUTES_MAX)

    def moved(self, before: Decimal, price: Decimal, passed_ms: int, now_ms: int) -> None:
        """Let the market trade its way from one price to another."""
        value = self._symbol.depth_usd * (passed_ms * _QUIET_SHARE + abs(price - before) / before / _PER_BOOK)
        quantity = int(value / price / self._symbol.step_size) * self._symbol.step_size
        self.traded(price, quantity, now_ms)

    def traded(self, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Write a trade down."""
        open_ms = now_ms - now_ms % MINUTE_MS
        if not self._minutes or self._minutes[-1].open_ms != open_ms:
            self._minutes.append(_Minute(open_ms, price, price, price, price))
        minute = self._minutes[-1]
        minute.high, minute.low, minute.close = max(minute.high, price), min(minute.low, price), price
        minute.volume += quantity
        minute.quote_volume += quantity * price
        minute.trades += 1

    def candles(self, interval_ms: int, limit: int) -> Sequence[Candle]:
        """Give the newest candles of an interval, oldest first."""
        made: list[_Minute] = []
        for minute in reversed(self._minutes):
            open_ms = minute.open_ms - minute.open_ms % interval_ms
            if made and made[-1].open_ms == open_ms:
                made[-1] = _joined(open_ms, minute, made[-1])
            elif len(made) == limit:
                break
            else:
                made.append(_joined(open_ms, minute))
        return [
            Candle(
                one.open_ms, one.open_ms + interval_ms - 1, one.open, one.high, one.low, one.close, one.volume, one.quote_volume, one.trades
            )
            for one in reversed(made)
        ]  # fmt: skip

    def day_volume(self, now_ms: int, mark: Decimal) -> tuple[Decimal, Decimal]:
        """Give volume and quote volume of 24 hours. For the part of them before the beginning, the market is taken to have been quiet."""
        since_ms = now_ms - DAY_MS
        newest = islice(reversed(self._minutes), DAY_MS // MINUTE_MS)
        day = [minute for minute in newest if minute.open_ms > since_ms]
        before = self._symbol.depth_usd * _QUIET_SHARE * max(0, self._began_ms - since_ms)
        quantity = int(before / mark / self._symbol.step_size) * self._symbol.step_size
        return sum((one.volume for one in day), quantity), sum((one.quote_volume for one in day), quantity * mark)


def _joined(open_ms: int, earlier: _Minute, later: _Minute | None = None) -> _Minute:
    last = later or earlier
    return _Minute(
        open_ms,
        earlier.open,
        max(earlier.high, last.high),
        min(earlier.low, last.low),
        last.close,
        earlier.volume + (later.volume if later else ZERO),
        earlier.quote_volume + (later.quote_volume if later else ZERO),
        earlier.trades + (later.trades if later else 0),
    )
