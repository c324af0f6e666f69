"""What is asked of an exchange about its markets, over REST.

Decides: which question is the cheaper one (of a few symbols, or of all at once), what each weighs, and how far down a book is asked for. Leaves to
others: when to ask (market_data), reading (market_answers), allowance and errors (ccxt_line).
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from connectors.exchange.ccxt_answers import Row, one, whole
from connectors.exchange.ccxt_line import Line
from connectors.exchange.clock import ExchangeClock
from connectors.exchange.endpoints import TIME, Endpoint
from connectors.exchange.local_book import Picture
from connectors.exchange.market_answers import Listed, intervals_of, listed_of, picture_of, price_of, some, touch_of, volume_of
from connectors.exchange.market_watch import Price, Touch, Volume

T = TypeVar("T")

PRICE: Final = Endpoint("fapiPublicGetPremiumIndex", 1, timed=False)
PRICES: Final = PRICE._replace(weight=10)
TOUCH: Final = Endpoint("fapiPublicGetTickerBookTicker", 2, timed=False)
TOUCHES: Final = TOUCH._replace(weight=5)
BOOK: Final = Endpoint("fapiPublicGetDepth", 2, timed=False)
DEEP_BOOK: Final = BOOK._replace(weight=10)
VOLUME: Final = Endpoint("fapiPublicGetTicker24hr", 1, timed=False)
MARKETS: Final = Endpoint("fapiPublicGetExchangeInfo", 1, timed=False)
FUNDING: Final = Endpoint("fapiPublicGetFundingInfo", 1, timed=False)
"""It weighs nothing, and is limited to 500 in five minutes."""

LEVELS: Final = 50
"""As many as the lightest question gives. Levels further down are missing from the depth: it is too small then, never too large."""
DEEP_LEVELS: Final = 500
"""As many as are within ten basis points where ticks are small. The changes that a stream tells of bring the levels that move beyond."""


class MarketQuestions:
    """Asks one exchange."""

    def __init__(self, line: Line, bad: Callable[[str], None]) -> None:
        """Ask over a line; `bad` hears of what cannot be read."""
        self._line, self._bad = line, bad

    async def prices(self, symbols: Sequence[str]) -> list[Price]:
        """Ask for mark prices."""
        return await self._some(symbols, PRICE, PRICES, price_of)

    async def touches(self, symbols: Sequence[str]) -> list[Touch]:
        """Ask for best bids and asks."""
        return await self._some(symbols, TOUCH, TOUCHES, touch_of)

    async def picture(self, symbol: str, *, deep: bool) -> Picture:
        """Ask for a book."""
        endpoint, levels = (DEEP_BOOK, DEEP_LEVELS) if deep else (BOOK, LEVELS)
        return await self._line.ask(endpoint, lambda answer: picture_of(symbol, answer), symbol=symbol, limit=levels)

    async def volume(self, symbol: str) -> Volume:
        """Ask what was traded in 24 hours."""
        return await self._line.ask(VOLUME, volume_of, symbol=symbol)

    async def listed(self, wanted: Collection[str]) -> Listed:
        """Ask which markets there are."""
        return await self._line.ask(MARKETS, lambda answer: listed_of(answer, wanted))

    async def compare_clocks(self, clock: ExchangeClock) -> None:
        """Ask what time it is: minutes of the allowance are those of the exchange."""
        await self._line.allowance.take(TIME.weight, urgent=True)  # all else waits a minute where the time is not known
        asked_ms = clock.clocks.ticking_ms()
        server_ms = await self._line.send(TIME, lambda answer: whole(one(answer), "serverTime"), "asking", {})
        clock.learn(asked_ms, server_ms, clock.clocks.ticking_ms())

    async def intervals(self) -> Mapping[str, int]:
        """Ask how many seconds are between fundings."""
        return await self._line.ask(FUNDING, intervals_of)

    async def _some(self, symbols: Sequence[str], single: Endpoint, every: Endpoint, read: Callable[[Row], T]) -> list[T]:
        def reader(answer: Any) -> list[T]:
            return some(answer, symbols, read, self._bad)

        if len(symbols) * single.weight >= every.weight:
            return await self._line.ask(every, reader)
        found = await asyncio.gather(*(self._line.ask(single, reader, symbol=symbol) for symbol in symbols))
        return [told for each in found for told in each]
