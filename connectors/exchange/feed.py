"""What waits between the private stream's connection and who reads its events.

Decides: how much may wait, and when silence means that the stream is dead. Leaves to others: connecting again (user_stream), reading (ccxt_answers).
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from connectors.exchange.ccxt_errors import clean

MESSAGES_MAX: Final = 1_000
"""A reader that is so far behind reads old news: it is quicker to ask how things stand."""


class Patience(NamedTuple):
    """How long silence is taken for peace."""

    silence_s: float = 300.0
    """With nothing asked: an account may have nothing to say for hours, but a stop may trigger any time."""
    answer_s: float = 10.0
    """After an order was accepted, which the stream has to tell of: it takes milliseconds as a rule."""


class Broken(Exception):
    """The stream broke off, or nobody can say that it has not."""


class Feed:
    """Messages of one connection."""

    def __init__(self, patience: Patience) -> None:
        """Begin empty, and not yet open."""
        self._patience = patience
        self._waiting: deque[Any] = deque()
        self._stirred = asyncio.Event()
        self._opened = self._heard = False
        self._reason = ""
        self._time = asyncio.get_running_loop().time
        self._silent_after = self._time() + patience.silence_s

    def open(self) -> None:
        """Note that the connection is there."""
        self._opened = True
        self._stirred.set()

    def put(self, message: Any) -> None:
        """Take a message. Too many end the feed: those that wait are read before that shows."""
        if len(self._waiting) >= MESSAGES_MAX:
            self.end(f"more than {MESSAGES_MAX} messages wait")
        if not self._reason:
            self._heard = True
            self._silent_after = self._time() + self._patience.silence_s
            self._waiting.append(message)
            self._stirred.set()

    def end(self, reason: str) -> None:
        """Note why there is nothing more to come. The first reason counts."""
        self._reason = self._reason or reason
        self._stirred.set()

    def ended(self, future: asyncio.Future[Any]) -> None:
        """Note what ended the connection."""
        error = None if future.cancelled() else future.exception()
        self.end("closed" if error is None else clean(f"{type(error).__name__}: {error}"))

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Wait less long for the next message, if what was done in between went well, and none came while it was."""
        self._heard = False
        yield
        if not self._heard:
            self._silent_after = min(self._silent_after, self._time() + self._patience.answer_s)
            self._stirred.set()

    async def opened(self, wait_s: float) -> None:
        """Wait until the connection is there."""
        limit = self._time() + wait_s
        while not self._opened:
            await self._stir(limit, f"not open after {wait_s:g} s")

    async def next(self) -> Any:
        """Wait for a message."""
        while not self._waiting:
            await self._stir(None, "silent")
        return self._waiting.popleft()

    async def _stir(self, limit: float | None, late: str) -> None:
        """Wait until something happens; no longer than until then, or until silence has lasted too long."""
        if self._reason:
            raise Broken(self._reason)
        self._stirred.clear()
        until = self._silent_after if limit is None else limit
        try:
            async with asyncio.timeout_at(until):
                await self._stirred.wait()
        except TimeoutError:
            if self._time() >= (self._silent_after if limit is None else limit):
                self.end(late)
