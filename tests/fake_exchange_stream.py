"""One connection to the private stream of an account at the fake exchange.

Decides: what is heard when, and how a connection ends: at once, or after a while in which nothing is heard. Leaves to others: what is told
(fake_exchange_inside).
"""

import asyncio
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Final

from streams.exchange.port import UserEvent

FOR_EVER_MS: Final = 1 << 62


class Broken(Exception):
    """The connection has ended."""


class Stream:
    """A connection."""

    def __init__(self, account: str) -> None:
        """Connect the loop that runs now."""
        self.account, self._loop = account, asyncio.get_running_loop()
        self._stirred = asyncio.Event()
        self._told: list[tuple[int, int, Sequence[UserEvent]]] = []
        self._count = 0
        self._deaf_ms = self._end_ms = FOR_EVER_MS

    @property
    def gone(self) -> bool:
        """Tell whether who was connected has been killed."""
        return self._loop.is_closed()

    def tell(self, at_ms: int, message: Sequence[UserEvent]) -> None:
        """Let a message be heard then."""
        self._count += 1
        heappush(self._told, (at_ms, self._count, message))
        self.stir()

    def end(self, now_ms: int, silent_ms: int) -> None:
        """Let nothing be heard from now on, and the end be noticed after a while. The first end counts."""
        if self._end_ms == FOR_EVER_MS:
            self._deaf_ms, self._end_ms = now_ms, now_ms + silent_ms
            self.stir()

    def stir(self) -> None:
        """Have who listens look again when there will be something to hear."""
        self._stirred.set()

    async def next(self, pass_time: Callable[[], int], next_ms: Callable[[], int]) -> Sequence[UserEvent]:
        """Wait for the next message. Raises Broken."""
        while True:
            now_ms = pass_time()
            heard_ms = self._told[0][0] if self._told and self._told[0][0] < self._deaf_ms else FOR_EVER_MS
            if heard_ms <= now_ms:
                return heappop(self._told)[2]
            if now_ms >= self._end_ms:
                raise Broken("broken" if self._end_ms == self._deaf_ms else "silent")
            self._stirred.clear()
            await self._stir_or(min(heard_ms, self._end_ms, next_ms()), now_ms)

    async def _stir_or(self, until_ms: int, now_ms: int) -> None:
        try:
            async with asyncio.timeout(None if until_ms == FOR_EVER_MS else (until_ms - now_ms) / 1_000):
                await self._stirred.wait()
        except TimeoutError:
            return
