"""One connection to an exchange's market data streams, kept up.

Decides: on ccxt's connection, but below its `watch_ticker` and its kind, which make floats of prices; that silence ends a connection, and how long to
wait before the next one. What cannot be read is left out and told: one strange market does not silence the others. Leaves to others: what is heard
(market_watch), and asking meanwhile (market_data).
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

from connectors.exchange.ccxt_answers import Unreadable
from connectors.exchange.ccxt_errors import clean
from connectors.exchange.ccxt_line import Line
from connectors.exchange.clock import Sleep
from connectors.exchange.feed import Broken
from connectors.exchange.market_answers import Heard, heard, refusal
from connectors.exchange.user_stream import OPEN_S, STEADY_S, WAIT_S, WAIT_S_MAX

Category = Literal["market", "public"]
"""Where the exchange keeps streams: prices and volumes, or best prices and books."""
STREAMS_MAX: Final = 200
"""Of one connection. The exchange refuses more."""
MESSAGES_MAX: Final = 10_000
"""Seconds of all streams. Who is so far behind reads old news: the connection is given up, and things are asked for."""


class Hears(Protocol):
    """Who is told."""

    def opened(self) -> None:
        """Hear that the connection is there."""

    def heard(self, news: Heard) -> None:
        """Hear news."""

    def lost(self, reason: str) -> None:
        """Hear that it broke."""

    def bad(self, words: str) -> None:
        """Hear of a message that cannot be read."""


class Streams(NamedTuple):
    """What is listened to, and how long silence is taken for peace."""

    category: Category
    names: Sequence[str]
    silence_s: float


class MarketStream:
    """One connection."""

    def __init__(self, line: Line, streams: Streams, hears: Hears, chance: random.Random, sleep: Sleep) -> None:
        """Begin unconnected."""
        if len(streams.names) > STREAMS_MAX:
            raise ValueError(f"{len(streams.names)} streams on one connection, {STREAMS_MAX} at most: name fewer symbols")
        self._line, self._streams, self._hears, self._chance, self._sleep = line, streams, hears, chance, sleep

    async def run(self) -> None:
        """Listen for ever."""
        time = asyncio.get_running_loop().time
        wait_s = WAIT_S
        while True:
            began_s = time()
            try:
                await self._connection()
            except Broken as broken:
                self._hears.lost(str(broken))
            wait_s = WAIT_S if time() - began_s >= STEADY_S else wait_s
            await self._sleep(wait_s * (0.5 + self._chance.random() / 2))
            wait_s = min(2 * wait_s, WAIT_S_MAX)

    async def _connection(self) -> None:
        """Listen until it breaks."""
        client, streams = self._line.client, self._streams
        client.ws_dial_backoff = {}  # ccxt would wait as well, in silence; here is waited already
        url = client.get_ws_url("linear", streams.category)
        connection, ear = client.client(url), _Ear(self._hears, streams.silence_s)
        client.ears[connection] = ear
        try:
            asked = {"method": "SUBSCRIBE", "params": list(streams.names), "id": 1}
            client.watch(url, streams.category, asked, streams.category).add_done_callback(ear.ended)
            await ear.until_over()
        finally:
            client.ears.pop(connection, None)
            client.clients.pop(url, None)
            await connection.close()


class _Ear:
    """Takes what one connection says, and hands it on where an error is seen: ccxt would stop reading, and say nothing."""

    def __init__(self, hears: Hears, silence_s: float) -> None:
        self._hears, self._silence_s = hears, silence_s
        self._time: Callable[[], float] = asyncio.get_running_loop().time
        self._limit_s, self._late = self._time() + OPEN_S, f"not open after {OPEN_S:g} s"
        self._stirred = asyncio.Event()
        self._waiting: deque[Any] = deque()
        self._reason = ""

    def open(self) -> None:
        self._limit_s, self._late = self._time() + self._silence_s, "silent"
        self._stirred.set()
        self._hears.opened()

    def put(self, message: Any) -> None:
        self._limit_s = self._time() + self._silence_s
        self._stirred.set()
        if len(self._waiting) < MESSAGES_MAX:
            self._waiting.append(message)
        else:
            self._end(f"more than {MESSAGES_MAX} messages wait")

    def ended(self, future: asyncio.Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        self._end("closed" if error is None else clean(f"{type(error).__name__}: {error}"))

    async def until_over(self) -> None:
        """Hand on what is said until there is nothing to be heard any more. Raises Broken."""
        while not self._reason:
            self._stirred.clear()
            try:
                async with asyncio.timeout_at(self._limit_s):
                    await self._stirred.wait()
            except TimeoutError:
                if self._time() >= self._limit_s:
                    self._end(self._late)
            while self._waiting:
                self._hand_on(self._waiting.popleft())
        raise Broken(self._reason)

    def _hand_on(self, message: Any) -> None:
        refused = refusal(message)
        if refused:
            self._end(f"refused: {refused}")
            return
        try:
            news = heard(message)
        except Unreadable as error:
            self._hears.bad(str(error))
            return
        if news is not None:
            self._hears.heard(news)

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._stirred.set()
