"""The agent of the views: keeps the tables `positions` and `ess` from `portfolio`.

Decides: when partitions are taken over and dropped. Leaves to others: which picture wins (pipeline.views), who may ask for it (the web pages).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from streams.agents.ending import Ending
from streams.pipeline.ports import Polled, SnapshotTable
from streams.pipeline.views import Picture, ViewsKeeper

TEND_S = 0.02
LEAVE_S_MAX = 5.0


class ViewsPorts(NamedTuple):
    """What the views' agent needs of the world."""

    tables: Callable[[int], Mapping[str, SnapshotTable]]
    log: Polled
    read: Callable[[Any], Picture | None]
    """Reads a record of `portfolio`; nothing for what is no picture of an account."""
    place_of: Callable[[bytes], tuple[int, int, int]]
    ending: Ending
    generation: Callable[[], int]
    clock: Callable[[], float]


class Viewing:
    """The partitions whose accounts a worker shows."""

    def __init__(self, ports: ViewsPorts) -> None:
        """Begin with none."""
        self._ports = ports
        self.keepers: dict[int, ViewsKeeper] = {}
        self.ready = False
        self.leaving = False

    async def positions(self, assigned: frozenset[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Take over what was assigned; where to read is what the group has committed."""
        self._drop()
        try:
            for _, partition in sorted(assigned):
                tables = self._ports.tables(partition)
                self.keepers[partition] = ViewsKeeper(partition, tables, self._ports.log, self._ports.place_of)
        except Exception as error:
            self._ports.ending.because(error)
            raise
        self.ready = True
        return {}

    async def take(self, partition: int, generation: int, records: Sequence[Any], acknowledge: Callable[[], None]) -> None:
        """Take a batch, unless it was fetched for an assignment that has ended."""
        keeper = self.keepers.get(partition)
        if keeper is None or self.leaving or generation != self._ports.generation() or not records:
            return
        try:
            while not keeper.has_room and not keeper.closed:
                self.tend()
                await asyncio.sleep(TEND_S)
            if keeper.closed:
                return
            pictures = [picture for record in records if (picture := self._ports.read(record)) is not None]
            keeper.feed(pictures, acknowledge)
            self.tend()
        except Exception as error:
            self._ports.ending.because(error)
            raise

    def tend(self) -> None:
        """Take acknowledgements and move on what they have made possible."""
        try:
            self._ports.log.poll()
            for keeper in self.keepers.values():
                keeper.progress()
        except Exception as error:
            self._ports.ending.because(error)
            raise

    async def tending(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Tend for ever."""
        while True:
            self.tend()
            await sleep(TEND_S)

    async def leave(self) -> None:
        """Have everything taken made durable before the worker ends."""
        self.leaving = True
        until = self._ports.clock() + LEAVE_S_MAX
        while self._ports.clock() < until and not all(keeper.settled for keeper in self.keepers.values()):
            self.tend()
            await asyncio.sleep(TEND_S)

    def idle(self) -> None:
        """Be ready with nothing to do: there are more workers than partitions."""
        self._drop()
        self.ready = True

    def revoked(self) -> None:
        """Drop everything."""
        self.ready = False
        self._drop()

    def _drop(self) -> None:
        for keeper in self.keepers.values():
            keeper.close()
        self.keepers = {}
