"""Market data of the venue orders go to, and what other venues offer: heard, asked for where nothing is heard, said.

    data = MarketData(venue, symbols, Ports(allowance, clock, asyncio.sleep, random.Random(), says), others)
    await data.run()                                      # for ever; ends by being cancelled

Decides: what runs beside what, how often is asked, and that no trouble outside ends any of it: it is told when it begins and when it is over, and
the symbols concerned fall silent meanwhile. A defect of ours ends all. Leaves to others: what is known and what it comes to (market_watch), streams
(market_stream), questions (market_questions), weights (allowance), getting records out (the port `Says`).
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, NamedTuple, Protocol

import aiohttp

from connectors.exchange.ccxt_client import Allows, Client, trusted
from connectors.exchange.ccxt_line import Line
from connectors.exchange.clock import ExchangeClock, Sleep
from connectors.exchange.failover import Route
from connectors.exchange.liquidity import Liquidities
from connectors.exchange.local_book import Change
from connectors.exchange.market_answers import Heard
from connectors.exchange.market_instruments import MarketInstruments
from connectors.exchange.market_questions import MarketQuestions
from connectors.exchange.market_stream import STREAMS_MAX, MarketStream, Streams
from connectors.exchange.market_venues import OtherVenue, close_all
from connectors.exchange.market_watch import EVERY_MS, SPOOLED_EVERY_MS, STALE_MS, MarketWatch, Price, Touch
from connectors.exchange.modes import Venue
from streams.desk.messages import Instrument, Liquidity, Mark
from streams.desk.validation import wrong
from streams.exchange.errors import ExchangeError, Fatal, Retryable

LOGGER = logging.getLogger(__name__)

ANSWER_MS: Final = 3_000
"""Public answers take milliseconds. What is not there by then is asked again before a price is stale."""
ASK_S: Final = 2.0
"""How often is asked for what no stream tells: twice before a price is stale."""
BOOKS_AT_ONCE: Final = 5
"""Books asked for in a round, with a weight of 2 each; of deep ones, which weigh 10, one. With prices and best prices of many symbols (10 and 5) all
streams may be dead, and the questions take 750 of the 2,400 a minute that the exchange gives."""
VOLUMES_S: Final = 10.0
VOLUME_EVERY_MS: Final = 60_000
INSTRUMENTS_S: Final = 1.0
"""How often is looked for news, most of which is that funding moves on with the prices: filters are asked for every minute."""
COMPARE_S: Final = 60.0
REFUSED_S: Final = 60.0
"""Until the next question to an exchange that will not answer us until a person has looked."""
PRICES_SILENT_S, BOOKS_SILENT_S = 5.0, 15.0
"""Prices come every second. A book, or the best prices, of the quietest symbol may stay the same for longer."""
UNREADABLE_EVERY_MS: Final = 60_000
"""How often is told that something cannot be read: there may be ten a second."""
SYMBOLS_MAX: Final = STREAMS_MAX // 2

Said = Mark | Instrument | Liquidity


class Says(Protocol):
    """Where records go."""

    @property
    def away(self) -> bool:
        """Tell whether they wait on the disk, because the broker is away."""

    async def say(self, records: Sequence[Said]) -> Sequence[Said]:
        """Take records; give those that were not taken."""


class Ports(NamedTuple):
    """The world."""

    allowance: Allows
    clock: ExchangeClock
    sleep: Sleep
    chance: random.Random
    says: Says


class Counts:
    """How often what happened since the start."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.marks = self.not_taken = self.unreadable = 0
        self.breaks = {"prices": 0, "books": 0}


class MarketData:
    """Market data of some symbols."""

    def __init__(self, venue: Venue, symbols: Sequence[str], ports: Ports, others: Sequence[OtherVenue] = ()) -> None:
        """Be ready to run."""
        if not 0 < len(symbols) <= SYMBOLS_MAX:
            raise Fatal(f"{len(symbols)} symbols: name one at least, and {SYMBOLS_MAX} at most")
        self.symbols = symbols
        self._venue, self._ports, self._others = venue, ports, others
        self._liquidities = Liquidities([venue.name, *(other.name for other in others)])
        self._watch = MarketWatch(symbols, self._liquidities, self._now_ms())
        self._started_ms = self.turned_ms = self._now_ms()
        """`turned_ms`: when it last looked for marks to make, which it does ten times a second."""
        self._told_ms: int | None = None
        self._silent: set[str] = set()
        self.counts = Counts()

    def ages_ms(self) -> dict[str, int]:
        """Tell how long ago each symbol's price was heard."""
        return self._watch.ages_ms(self._now_ms())

    def silent(self) -> set[str]:
        """Name the symbols that get no marks."""
        return self._watch.silent(self._now_ms())

    def turned_ms_ago(self) -> int:
        """Tell how long ago it last looked for marks to make."""
        return self._now_ms() - self.turned_ms

    async def run(self) -> None:
        """Run for ever."""
        ports = self._ports
        async with AsyncExitStack() as opened:
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted()), cookie_jar=aiohttp.DummyCookieJar())
            await opened.enter_async_context(session)
            route = Route(self._venue.places)
            line = Line("", Client(None, route.api, session, ANSWER_MS), ports.allowance, ports.clock, route)
            opened.push_async_callback(line.client.close)
            opened.push_async_callback(close_all, self._others)
            questions, time_asked = MarketQuestions(line, self.bad), asyncio.Event()

            async def time() -> None:
                try:
                    await questions.compare_clocks(line.clock)
                finally:
                    time_asked.set()

            instruments = MarketInstruments(self.symbols, questions, self.bad)
            async with asyncio.TaskGroup() as tasks:
                for streams, hears in self._listening():
                    tasks.create_task(MarketStream(line, streams, hears, ports.chance, ports.sleep).run())
                tasks.create_task(self._make_marks())
                tasks.create_task(self._every(COMPARE_S, "the time", time))
                # The allowance gives next to nothing before answers have told how much is used, of which minute.
                await time_asked.wait()
                for period_s, what, ask in self._asking(questions, instruments):
                    tasks.create_task(self._every(period_s, what, ask))
                for other in self._others:
                    tasks.create_task(other.run(instruments.pairs, self._liquidities, self._now_ms, ports.sleep))

    def bad(self, words: str) -> None:
        """Count what cannot be read, and tell of it, but not of each."""
        self.counts.unreadable += 1
        now_ms = self._now_ms()
        if self._told_ms is None or now_ms - self._told_ms >= UNREADABLE_EVERY_MS:
            self._told_ms = now_ms
            LOGGER.warning("cannot be read, and is left out (%d so far): %s", self.counts.unreadable, words)

    def _now_ms(self) -> int:
        return self._ports.clock.clocks.ticking_ms()

    def _listening(self) -> list[tuple[Streams, "_Listener"]]:
        def names(*kinds: str) -> list[str]:
            return [f"{symbol.lower()}@{kind}" for symbol in self.symbols for kind in kinds]

        def listener(name: str) -> _Listener:
            return _Listener(name, self._watch, self._liquidities, self, self._now_ms)

        return [
            (Streams("market", names("markPrice@1s", "miniTicker"), PRICES_SILENT_S), listener("prices")),
            (Streams("public", names("bookTicker", "depth@500ms"), BOOKS_SILENT_S), listener("books")),
        ]

    def _asking(
        self, questions: MarketQuestions, instruments: MarketInstruments
    ) -> list[tuple[float, str, Callable[[], Awaitable[None]]]]:
        """Give what is asked, how often, and how it is called."""
        watch, now_ms = self._watch, self._now_ms

        async def prices() -> None:
            wanted = watch.wanted(now_ms()).prices
            for price in await questions.prices(wanted) if wanted else ():
                watch.take_price(price, now_ms(), streamed=False)

        async def touches() -> None:
            wanted = watch.wanted(now_ms()).touches
            for touch in await questions.touches(wanted) if wanted else ():
                watch.take_touch(touch, now_ms(), streamed=False)

        async def books() -> None:
            wanted = watch.wanted(now_ms())
            for symbol in wanted.books[: 1 if wanted.deep else BOOKS_AT_ONCE]:
                watch.book_asked(symbol, now_ms())
                watch.take_picture(await questions.picture(symbol, deep=wanted.deep), now_ms())

        async def volumes() -> None:
            own = self._liquidities.own
            for symbol in self.symbols:
                if self._liquidities.volume_due(own, symbol, VOLUME_EVERY_MS, now_ms()):
                    self._liquidities.take_volume(own, symbol, (await questions.volume(symbol)).amount, now_ms())

        async def filters() -> None:
            await instruments.ask(now_ms())
            news = instruments.news(watch.next_funding_ms)
            refused = await self._say(news)
            instruments.said(one for one in news if one not in refused)

        return [
            (ASK_S, "prices", prices), (ASK_S, "best prices", touches), (ASK_S, "books", books), (VOLUMES_S, "volumes", volumes),
            (INSTRUMENTS_S, "instruments", filters),
        ]  # fmt: skip

    async def _every(self, period_s: float, what: str, ask: Callable[[], Awaitable[None]]) -> None:
        """Ask for ever. Trouble is told when it changes."""
        trouble = ""
        while True:
            pause_s, now = period_s, ""
            try:
                await ask()
            except ExchangeError as error:
                now = f"{type(error).__name__} {error}"
                pause_s = REFUSED_S if isinstance(error, Fatal) else period_s
                if isinstance(error, Retryable) and error.after_s is not None:
                    pause_s = max(period_s, error.after_s)
            if now != trouble:
                LOGGER.warning("%s: %s", what, now or "answered again")
                trouble = now
            await self._ports.sleep(pause_s)

    async def _make_marks(self) -> None:
        """Make and say marks, and liquidity, for ever."""
        while True:
            await self._ports.sleep(EVERY_MS / 1_000)
            now_ms = self.turned_ms = self._now_ms()
            marks = self._watch.due(now_ms, SPOOLED_EVERY_MS if self._ports.says.away else EVERY_MS)
            possible = [mark for mark in marks if not self._impossible(mark)]
            refused = await self._say([*possible, *self._watch.liquidity(now_ms)])
            for one in refused:
                if isinstance(one, Mark):
                    self._watch.put_back(one)
            self.counts.marks += sum(one not in refused for one in possible)
            self._tell_silence(now_ms)

    async def _say(self, records: Sequence[Said]) -> Sequence[Said]:
        refused = await self._ports.says.say(records) if records else ()
        self.counts.not_taken += len(refused)
        return refused

    def _impossible(self, mark: Mark) -> str:
        """Tell why the desk would refuse it."""
        found = wrong(mark, mark.ts)
        if found:
            self.bad(f"{mark.symbol}: {found}")
        return found

    def _tell_silence(self, now_ms: int) -> None:
        """Say which symbols have fallen silent, and which are heard again."""
        if now_ms - self._started_ms <= STALE_MS:
            return
        silent = self._watch.silent(now_ms)
        if silent - self._silent:
            LOGGER.warning("stale, and without marks: %s", ", ".join(sorted(silent - self._silent)))
        if self._silent - silent:
            LOGGER.info("marks again: %s", ", ".join(sorted(self._silent - silent)))
        self._silent = silent


class _Listener:
    """Tells what one connection says to who has to know."""

    def __init__(
        self, name: str, watch: MarketWatch, liquidities: Liquidities, data: MarketData, now_ms: Callable[[], int]
    ) -> None:
        self._name, self._watch, self._liquidities, self._data, self._now_ms = name, watch, liquidities, data, now_ms

    def opened(self) -> None:
        LOGGER.info("the stream of %s is open", self._name)
        if self._name == "books":
            self._watch.books_opened(self._now_ms())

    def heard(self, news: Heard) -> None:
        now_ms = self._now_ms()
        if isinstance(news, Price):
            self._watch.take_price(news, now_ms, streamed=True)
        elif isinstance(news, Touch):
            self._watch.take_touch(news, now_ms, streamed=True)
        elif isinstance(news, Change):
            self._watch.take_change(news, now_ms)
        else:
            self._liquidities.take_volume(self._liquidities.own, news.symbol, news.amount, now_ms)

    def lost(self, reason: str) -> None:
        self._data.counts.breaks[self._name] += 1
        LOGGER.warning("the stream of %s broke: %s", self._name, reason)

    def bad(self, words: str) -> None:
        self._data.bad(words)
