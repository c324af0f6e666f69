"""What other venues offer in our symbols: asked through ccxt's unified methods, read only, without keys.

Decides: which of a venue's markets is ours (the linear swap of the same base and quote), that a contract is turned into coins, that a figure which is
not there counts as unknown; how often is asked, and that a venue in trouble is left alone for longer. It never raises for what a venue does: the sums
go on without it. ccxt keeps each venue's own limits. Leaves to others: the sums (liquidity).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

import ccxt.async_support  # type: ignore[import-untyped]  # ccxt says nothing about its types
from ccxt.base.errors import BadSymbol, BaseError  # type: ignore[import-untyped]

from connectors.exchange.ccxt_answers import Unreadable
from connectors.exchange.ccxt_client import QUIET, trusted
from connectors.exchange.ccxt_errors import clean
from connectors.exchange.ccxt_line import UNEXPECTED
from connectors.exchange.clock import Sleep
from connectors.exchange.liquidity import Liquidities
from connectors.exchange.local_book import Level, near
from streams.exchange.errors import Fatal

EVERY_S: Final = 10.0
"""As often as liquidity is said."""
SOON_S: Final = 1.0
"""Until the own venue has told which markets there are."""
WAIT_S_MAX: Final = 300.0
"""The longest a venue is left alone: twice as long after each round in which nothing was answered."""
VOLUME_EVERY_MS: Final = 60_000
ANSWER_MS: Final = 10_000
LEVELS: Final = 100
"""Most venues know this number of levels. What is further down is missing from the sum: it is too small then, never too large."""
VENUES_MAX: Final = 10
"""There are hardly more that matter, and each takes memory for all its markets."""

_QUANTUM: Final = Decimal("1E-10")
"""The last place a figure on the wire has."""

FAILURES: Final = (BaseError, *UNEXPECTED)
"""Whatever a venue, its answers, or what ccxt makes of them can be."""


class OtherVenue:
    """A venue that is looked at, and where nothing is ever sent."""

    def __init__(self, name: str, exchange: Any, said: Callable[[str], None]) -> None:
        """Take ccxt's exchange; `said` hears of every change for the worse or better, once."""
        self.name, self._exchange, self._said = name, exchange, said
        self._trouble: dict[str, str] = {}

    async def run(
        self, pairs: Mapping[str, tuple[str, str]], liquidities: Liquidities, now_ms: Callable[[], int], sleep: Sleep
    ) -> None:
        """Ask for ever about symbols, each with its base and quote; the mapping may fill up meanwhile."""
        wait_s = EVERY_S
        while True:
            answered = [await self._ask(symbol, pair, liquidities, now_ms) for symbol, pair in list(pairs.items())]
            wait_s = min(2 * wait_s, WAIT_S_MAX) if answered and not any(answered) else EVERY_S
            await sleep(wait_s if answered else SOON_S)

    async def close(self) -> None:
        """End its connections."""
        await self._exchange.close()

    async def _ask(self, symbol: str, pair: tuple[str, str], liquidities: Liquidities, now_ms: Callable[[], int]) -> bool:
        """Ask about one symbol; tell whether the venue answered, be it that it has no such market."""
        try:
            market = await self._market(*pair)
            liquidities.take_depth(self.name, symbol, await self._depth(market), now_ms())
            if liquidities.volume_due(self.name, symbol, VOLUME_EVERY_MS, now_ms()):
                await self._volume(symbol, market, liquidities, now_ms)
        except BadSymbol as missing:
            self._note(symbol, f"has no market for {symbol}: {clean(str(missing))}")
            return True
        except FAILURES as failed:
            self._note(symbol, f"does not tell about {symbol}: {type(failed).__name__} {clean(str(failed))}")
            return False
        self._note(symbol, "")
        return True

    async def _market(self, base: str, quote: str) -> Mapping[str, Any]:
        await self._exchange.load_markets()
        market: Mapping[str, Any] = self._exchange.market(f"{base}/{quote}:{quote}")
        if not market.get("swap") or not market.get("linear"):
            raise BadSymbol(f"{market.get('symbol')} is no linear swap")
        return market

    async def _depth(self, market: Mapping[str, Any]) -> Decimal:
        book = await self._exchange.fetch_order_book(market["symbol"], LEVELS)
        coins = known(market.get("contractSize") or Decimal(1))
        return near(_levels(book["bids"], coins), _levels(book["asks"], coins))

    async def _volume(self, symbol: str, market: Mapping[str, Any], liquidities: Liquidities, now_ms: Callable[[], int]) -> None:
        """Ask what was traded in 24 hours. Some venues do not say it in quote currency: it stays unknown then."""
        ticker = await self._exchange.fetch_ticker(market["symbol"])
        volume = ticker.get("quoteVolume")
        if volume is not None:
            liquidities.take_volume(self.name, symbol, known(volume), now_ms())

    def _note(self, symbol: str, trouble: str) -> None:
        if self._trouble.get(symbol, "") != trouble:
            self._trouble[symbol] = trouble
            self._said(f"{self.name} {trouble or f'tells about {symbol} again'}")


def known(value: Any) -> Decimal:
    """Take a figure of ccxt. Its unified books are floats: its shortest text has the digits the venue wrote. No money is in these."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float):
        raise Unreadable(f"{value!r:.40} is no amount")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or number < 0:
        raise Unreadable(f"{value!r:.40} is no amount")
    return number.quantize(_QUANTUM, ROUND_DOWN)


def other_venues(names: Sequence[str], own: str, said: Callable[[str], None]) -> list[OtherVenue]:
    """Make venues by ccxt's names for them. Has to be called where the loop runs."""
    refuse(names, own)
    return [OtherVenue(name, opened(name), said) for name in names]


def refuse(names: Sequence[str], own: str) -> None:
    """Refuse names that are no venues, or would count the same book twice."""
    if len(names) > VENUES_MAX or len(set(names)) < len(names):
        raise Fatal(f"QTS_MARKET_VENUES={','.join(names)}: {VENUES_MAX} venues at most, each once")
    for name in names:
        if name not in ccxt.async_support.exchanges:
            raise Fatal(f"QTS_MARKET_VENUES: ccxt knows no venue {name}")
        if own == "binance" and name.startswith("binance"):
            raise Fatal(f"QTS_MARKET_VENUES: {name} is where orders go, and is counted already")


def opened(name: str, **more: Any) -> Any:
    """Make ccxt's exchange: no keys, no repeating, and figures exact where ccxt can."""
    settings = {
        "enableRateLimit": True, "timeout": ANSWER_MS, "number": Decimal, "logger": QUIET, "ssl_context": trusted(),
        "enableLastHttpResponse": False, "enableLastJsonResponse": False, "enableLastResponseHeaders": False,
        "options": {"defaultType": "swap", "defaultSubType": "linear", "fetchCurrencies": False, "maxRetriesOnFailure": 0},
    }  # fmt: skip
    return getattr(ccxt.async_support, name)({**settings, **more})


def _levels(side: Sequence[Sequence[Any]], coins: Decimal) -> list[Level]:
    return [(known(price), known(amount) * coins) for price, amount, *_ in side]


async def close_all(venues: Sequence[OtherVenue]) -> None:
    """End the connections of all of them."""
    await asyncio.gather(*(venue.close() for venue in venues))
