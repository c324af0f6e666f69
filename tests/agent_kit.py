"""What agents are tested with: an ending that notes its code instead of ending, and workers on the Kafka of tests.log_kit.

Decides: how an agent is driven through an assignment. Leaves to others: what happens in it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from streams.agents.deciding import DeskPorts, Desks
from streams.agents.ending import Ending
from streams.pipeline.flood import FloodGate
from streams.pipeline.identity import Identity
from streams.pipeline.steps import NOBODY_WATCHES, Watcher
from streams.pipeline.write_pipeline import CHANGELOG
from tests.log_kit import Cluster, Eager, MemoryTable, Producer
from tests.pipeline_kit import CODEC

T = TypeVar("T")


def run(doing: Coroutine[Any, Any, T]) -> T:
    """Run to the end, or say that it hangs."""

    async def bounded() -> T:
        return await asyncio.wait_for(doing, 20)

    return asyncio.run(bounded())


class Ended:
    """Notes with which codes a worker would have ended."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.ending = Ending(self.codes.append)


class Ticking:
    """A clock that moves when it is looked at."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


class DeskWorker:
    """The desk's agent on a cluster."""

    def __init__(
        self, cluster: Cluster, log: Producer | None = None, watcher: Watcher = NOBODY_WATCHES, partitions: int = 1,
        look: Any = None, clock: Callable[[], float] | None = None, pace: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        self.cluster, self.log, self.ended = cluster, log or Eager(cluster), Ended()
        self.generation = 1
        self.acknowledged: list[int] = []
        self.desks = Desks(
            DeskPorts(
                Identity(1, partitions, "tape", {}),
                lambda: CODEC,
                self.log,
                lambda partition: MemoryTable(cluster.table(CHANGELOG, partition)),
                look or cluster,
                self.ended.ending,
                watcher,
                lambda: FloodGate(3),
                lambda: self.generation,
                clock or Ticking(),
                pace=pace,
            )
        )

    async def assigned(self, *partitions: int) -> dict[int, int]:
        """Take partitions over; give where they go on."""
        found = await self.desks.positions(frozenset(("tape", partition) for partition in partitions))
        return {partition: offset for (_, partition), offset in found.items()}

    async def take(self, partition: int, offset: int, most: int = 1_000, generation: int | None = None) -> None:
        """Take a batch."""
        records = self.cluster.read("tape", partition, offset, most)
        last = records[-1].offset if records else -1
        await self.desks.take(
            partition, self.generation if generation is None else generation, records, lambda: self.acknowledged.append(last)
        )

    async def to_the_end(self, most: int = 70) -> None:
        """Take partition 0 over, step all of its tape, and leave."""
        offset = (await self.assigned(0))[0]
        while offset < self.cluster.ends["tape", 0]:
            await self.take(0, offset, most)
            offset = min(offset + most, self.cluster.ends["tape", 0])
        await self.desks.leave()
