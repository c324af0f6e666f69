"""The exchange's own time: this machine's, or one that only moves when it is told to.

Decides: that it never goes back, and how something waits for it. Leaves to others: the real clock (handed in), by how much the exchange shows a wrong
one (faults).
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """What time it is, and waiting for later."""

    def now_ms(self) -> int:
        """Tell the time; it never goes back."""

    async def wait(self, delay_ms: int) -> None:
        """Wait for so long."""


class RunningClock:
    """A time that goes by itself."""

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        """Follow a clock. While that one goes back, this one stands still."""
        self._wall_ms = wall_ms
        self._last_ms = wall_ms()

    def now_ms(self) -> int:
        """Tell the time."""
        self._last_ms = max(self._last_ms, self._wall_ms())
        return self._last_ms

    async def wait(self, delay_ms: int) -> None:
        """Wait for so long."""
        if delay_ms > 0:
            await asyncio.wait((asyncio.get_running_loop().create_future(),), timeout=delay_ms / 1_000)


class ManualClock:
    """A time that stands until it is moved."""

    def __init__(self, now_ms: int) -> None:
        """Stand at a time."""
        self._now_ms = now_ms
        self._serial = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        """Tell the time."""
        return self._now_ms

    async def wait(self, delay_ms: int) -> None:
        """Wait until it has been moved so far."""
        if delay_ms > 0:
            moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heappush(self._waiting, (self._now_ms + delay_ms, next(self._serial), moved))
            await moved

    def move_to(self, now_ms: int) -> None:
        """Move it forward, and wake who waited for that."""
        if now_ms < self._now_ms:
            raise ValueError(f"time does not go back from {self._now_ms} to {now_ms}")
        self._now_ms = now_ms
        while self._waiting and self._waiting[0][0] <= now_ms:
            moved = heappop(self._waiting)[2]
            if not moved.done():
                moved.set_result(None)
