"""The agent of the desk: one write pipeline for each tape partition it is assigned.

Decides: when partitions are resumed and dropped, how much is stepped before others get a turn, and what ends the worker. Leaves to others:
the order of writes (pipeline.write_pipeline), where to go on (pipeline.resuming), reading and writing Kafka (ports).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from streams.agents.ending import Ending
from streams.desk.desk import WrongReign
from streams.pipeline.flood import FloodGate
from streams.pipeline.identity import Identity
from streams.pipeline.ports import DeskCodec, Polled, SnapshotTable
from streams.pipeline.resuming import ReignEnded, Resumed, TapeLog, resume
from streams.pipeline.steps import Step, Watcher
from streams.pipeline.write_pipeline import DESK_WORK, ReignOver, Work, WritePipeline

LOGGER = logging.getLogger(__name__)

SLICE_RECORDS = 100
"""Records stepped between two looks at everything else: some milliseconds, so that other partitions and the web page get their turn."""
TEND_S = 0.01
"""How often acknowledgements are taken while nothing else is done."""
QUIET_S = 0.2
"""Without a record of any partition: a worker has caught up. Between two fetches of a long tape pass some milliseconds."""
LEAVE_S_MAX = 7.0
"""A worker has ten seconds to leave; what is not durable by then is stepped again by whoever comes next."""


class Look(Protocol):
    """Looks at the tape and at the ends of the outputs. It waits for the broker, so it is called beside the loop."""

    def tape(self, partition: int) -> TapeLog:
        """Give a partition of the tape."""

    def sent(self, partition: int, epoch: int) -> Mapping[str, tuple[int, int]]:
        """Give by topic the last output of an epoch that is on it."""

    def check_identity(self) -> None:
        """Make sure that the topics are those the tape was begun with."""


class DeskPorts(NamedTuple):
    """What the desk's agent needs of the world."""

    identity: Identity
    codec: Callable[[], DeskCodec]
    log: Polled
    table: Callable[[int], SnapshotTable]
    look: Look
    ending: Ending
    watcher: Watcher
    flood: Callable[[], FloodGate]
    generation: Callable[[], int]
    clock: Callable[[], float]
    work: Callable[[], Work] = lambda: DESK_WORK
    """Called for each partition."""
    pace: Callable[[], float] | None = None
    """The clock by which snapshots are not taken again and again while catching up; None: at every point."""


class Desks:
    """The partitions a worker decides for."""

    def __init__(self, ports: DeskPorts) -> None:
        """Begin with none."""
        self._ports = ports
        self.pipelines: dict[int, WritePipeline] = {}
        self.leaving = False
        self.ready = False
        self._stepping = False
        self._stepped_s = float("-inf")
        self._turn = 0
        self._over: dict[int, str] = {}
        self._ends: dict[int, int] = {}

    @property
    def caught_up(self) -> bool:
        """Tell whether every partition has been stepped to where the tape ended when it was resumed."""
        return (
            self.ready
            and bool(self.pipelines)
            and all(
                pipeline.closed or pipeline.next_offset >= self._ends[partition] for partition, pipeline in self.pipelines.items()
            )
        )

    async def positions(self, assigned: frozenset[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Resume every partition that was assigned; what was in memory of them is dropped, somebody else may have been at work."""
        ports, topic = self._ports, self._ports.identity.tape
        try:
            self.revoked()
            await asyncio.to_thread(ports.look.check_identity)
            resumed, over = await self._all_resumed([partition for name, partition in sorted(assigned) if name == topic])
            self._drop()
            self.pipelines, self._over = resumed, over
        except Exception as error:
            ports.ending.because(error)
            raise
        self.ready = True
        return {(topic, partition): pipeline.next_offset for partition, pipeline in self.pipelines.items()}

    async def take(self, partition: int, generation: int, records: Any, acknowledge: Callable[[], None]) -> None:
        """Step a batch, unless it was fetched for an assignment that has ended."""
        pipeline = self.pipelines.get(partition)
        if pipeline is None or self.leaving or generation != self._ports.generation() or not records:
            return
        self._stepping = True
        try:
            self._ports.log.expect(len(records))
            self.tend()  # what failed meanwhile ends the worker before anything is said behind it
            await self._step(pipeline, records, acknowledge)
        except Exception as error:
            self._ports.ending.because(error)
            raise
        finally:
            self._stepping, self._stepped_s = False, self._ports.clock()

    def tend(self) -> None:
        """Take acknowledgements, move on what they have made possible, and do what there is time for where nothing is stepped."""
        try:
            self._ports.log.poll()
            for partition, pipeline in self.pipelines.items():
                try:
                    pipeline.progress()
                except ReignOver as over:
                    pipeline.close()
                    self._over[partition] = str(over)
            if self._over and all(pipeline.closed for pipeline in self.pipelines.values()):
                self._ports.ending.because(ReignOver("; ".join(self._over.values())))
            if not self._stepping:
                self._rest()
        except Exception as error:
            self._ports.ending.because(error)
            raise

    def _rest(self) -> None:
        """Have the next partition in turn that has anything to do besides stepping do some of it."""
        waiting = list(self.pipelines.values())
        caught_up = self._ports.clock() - self._stepped_s >= QUIET_S
        for number in range(len(waiting)):
            if waiting[(self._turn + number) % len(waiting)].rest(caught_up):
                self._turn += number + 1
                return

    async def tending(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Tend for ever."""
        while True:
            self.tend()
            await sleep(TEND_S)

    async def leave(self) -> None:
        """Write everything down before the worker ends, as far as there is time."""
        self.leaving = True
        until = self._ports.clock() + LEAVE_S_MAX
        open_ = [pipeline for pipeline in self.pipelines.values() if not pipeline.closed]
        while self._ports.clock() < until and not all(pipeline.settled or pipeline.closed for pipeline in open_):
            for pipeline in open_:
                pipeline.take_snapshot()
            self.tend()
            await asyncio.sleep(TEND_S)
        left = [pipeline.partition for pipeline in open_ if not pipeline.settled and not pipeline.closed]
        if left:
            LOGGER.warning(
                "worker leaves without a last snapshot of tape partitions %s: they are stepped again from the one before", left
            )

    def idle(self) -> None:
        """Be ready with nothing to do: there are more workers than partitions."""
        self._drop()
        self.ready = True

    def revoked(self) -> None:
        """Drop everything: from now on the partitions may be somebody else's."""
        self.ready = False
        self._drop()

    def _drop(self) -> None:
        for pipeline in self.pipelines.values():
            pipeline.close()
        self.pipelines = {}
        self._over = {}

    async def _all_resumed(self, partitions: Sequence[int]) -> tuple[dict[int, WritePipeline], dict[int, str]]:
        """Resume partitions; give those that go on, and why others do not."""
        resumed: dict[int, WritePipeline] = {}
        over: dict[int, str] = {}
        for partition in partitions:
            try:
                resumed[partition] = await self._resumed(partition)
            except ReignEnded as ended:  # nothing is left to do there; other partitions may not have come so far
                over[partition] = str(ended)
        if over and not resumed:
            raise WrongReign("; ".join(over.values()))
        return resumed, over

    async def _resumed(self, partition: int) -> WritePipeline:
        ports = self._ports
        ports.watcher.at(Step.RESUMING)
        codec, table, epoch = ports.codec(), ports.table(partition), ports.identity.epoch
        items = list(table.items())

        def look() -> Resumed:
            sent = ports.look.sent(partition, epoch)
            return resume(
                epoch,
                partition,
                ports.identity.partitions,
                items,
                codec,
                ports.look.tape(partition),
                sent,
                ports.identity.begun_by,
            )

        self._ends[partition] = (await asyncio.to_thread(ports.look.tape(partition).bounds))[1]
        resumed = await asyncio.to_thread(look)
        for why in resumed.passed_over:
            LOGGER.warning("passed over: %s", why)
        LOGGER.info(
            "tape partition %d goes on at offset %d with %d accounts", partition, resumed.next_offset, len(resumed.state.accounts)
        )
        return WritePipeline(resumed, codec, ports.log, table, ports.flood(), ports.watcher, ports.work(), ports.pace)

    async def _step(self, pipeline: WritePipeline, records: Any, acknowledge: Callable[[], None]) -> None:
        last_offset = records[-1].offset
        for start in range(0, len(records), SLICE_RECORDS):
            while not pipeline.has_room and not pipeline.closed:
                self.tend()
                await asyncio.sleep(TEND_S)
            if pipeline.closed:
                return
            self._ports.watcher.at(Step.STEPPING)
            pipeline.step(records[start : start + SLICE_RECORDS])
            self.tend()
            await asyncio.sleep(0)
        if not pipeline.closed:
            pipeline.covered_by(last_offset, acknowledge)
        self._ports.watcher.at(Step.IDLE)
