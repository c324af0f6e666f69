"""The private stream of an account: what happens to its orders, as it happens.

Decides: on ccxt's connection, but below its `watch_orders` and its kind, which merge, cache and drop what they get; when a stream counts as lost, how
long to wait before the next try, how often its listen key is kept alive. Leaves to others: reading messages (ccxt_answers), and asking for what was
missed (pipeline). Nothing is repaired here in silence: every break is a `Lost`.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final

from connectors.exchange import endpoints
from connectors.exchange.ccxt_answers import Unreadable, events_of, one, text
from connectors.exchange.ccxt_line import Line
from connectors.exchange.clock import Sleep
from connectors.exchange.feed import Broken, Feed, Patience
from streams.exchange.errors import ExchangeError, Fatal, Paused
from streams.exchange.port import Connected, Lost, UserEvent

OPEN_S: Final = 10.0
"""How long a connection may take to open."""
KEEP_S: Final = 1_800.0
"""A listen key lives for an hour; half of it leaves time for another try."""
WAIT_S: Final = 0.5
WAIT_S_MAX: Final = 30.0
"""The first wait, and the longest: each is twice the one before."""
STEADY_S: Final = 60.0
"""A connection that lived for so long starts with the first wait again."""


class UserStream:
    """One account's stream."""

    def __init__(self, line: Line, patience: Patience, chance: random.Random, sleep: Sleep, keep_s: float = KEEP_S) -> None:
        """Begin unconnected."""
        self._line, self._patience, self._chance, self._sleep, self._keep_s = line, patience, chance, sleep, keep_s
        self._feed: Feed | None = None
        self._reading = asyncio.Lock()

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Expect to hear of what is done in between."""
        feed = self._feed
        if feed is None:
            yield
        else:
            with feed.expecting():
                yield

    async def events(self) -> AsyncIterator[UserEvent]:
        """Give what happens, for ever, to one reader: the next one waits until the connection of the one before is closed."""
        async with self._reading, aclosing(self._connections()) as events:
            async for event in events:
                yield event

    async def _connections(self) -> AsyncGenerator[UserEvent, None]:
        """Connect, give events, and connect again."""
        time = asyncio.get_running_loop().time
        wait_s = WAIT_S
        while True:
            began, connected, least_s, reason = time(), False, 0.0, ""
            try:
                async with aclosing(self._connection()) as events:
                    async for event in events:
                        connected = True
                        yield event
            except Broken as broken:
                reason = str(broken)
            except Fatal:
                raise
            except ExchangeError as error:
                reason = str(error)
                least_s = (error.after_s or 0.0) if isinstance(error, Paused) else 0.0
            if connected:
                yield Lost(reason)
                wait_s = WAIT_S if time() - began >= STEADY_S else wait_s
            await self._sleep(max(least_s, wait_s * (0.5 + self._chance.random() / 2)))
            wait_s = min(2 * wait_s, WAIT_S_MAX)

    async def _connection(self) -> AsyncGenerator[UserEvent, None]:
        """Give events of one connection until it is broken."""
        line, client, feed = self._line, self._line.client, Feed(self._patience)
        key = await line.ask(endpoints.LISTEN, lambda answer: text(one(answer), "listenKey"))
        url = client.get_private_ws_url("linear", key)
        connection = client.client(url)
        client.ears[connection] = feed
        keeping: asyncio.Task[None] | None = None
        try:
            client.watch(url, "user", None, "user").add_done_callback(feed.ended)
            await feed.opened(OPEN_S)
            keeping = asyncio.create_task(self._keep(feed))
            self._feed = feed
            yield Connected()
            while True:
                for event in read(await feed.next()):
                    yield event
        finally:
            self._feed = None
            if keeping is not None:
                keeping.cancel()
            await self._close(url, connection)

    async def _keep(self, feed: Feed) -> None:
        """Keep the listen key alive, as long as that works."""
        while True:
            await self._sleep(self._keep_s)
            try:
                await self._line.ask(endpoints.KEEP_LISTENING, one)
            except ExchangeError as error:
                feed.end(f"the listen key could not be kept alive: {error}")
                return

    async def _close(self, url: str, connection: Any) -> None:
        """End a connection, and what ccxt remembers of it: it would take the next one for open already."""
        client = self._line.client
        client.ears.pop(connection, None)
        client.clients.pop(url, None)
        await connection.close()


def read(message: Any) -> list[UserEvent]:
    """Read a message. One that ends the stream, or cannot be read, breaks it: what it said has to be asked for."""
    try:
        row = one(message)
        row = one(row.get("data", row))
        if row.get("e") == "listenKeyExpired":
            raise Broken("the listen key expired")
        return list(events_of(row))
    except Unreadable as error:
        raise Broken(f"a message that cannot be read: {error}") from error
