"""The agent of execution: one executor for each partition of `orders` it is assigned.

Decides: when partitions are taken over and given up, when a batch is acknowledged (when all of it is durable, in order), how often the log is polled,
and what ends the worker. Leaves to others: who may begin when (pipeline.execution.takeover), what is done about an order (executor).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from streams.agents.ending import Ending
from streams.desk.outputs import Cancel, Order
from streams.pipeline.execution.executor import Executor
from streams.pipeline.execution.ledger import Ledger
from streams.pipeline.execution.takeover import Takeover
from streams.pipeline.execution.writing import Writing
from streams.pipeline.ports import Log, RecordIn

LOGGER = logging.getLogger(__name__)

Source = tuple[str, int]

SLICE_RECORDS = 50
"""Records taken between two looks at everything else: a few milliseconds, so that a stop is heard while a backlog is read."""
BATCHES_MAX = 8
"""Batches that wait to be durable; the next one waits in front. An acknowledgement takes milliseconds."""
LEAVING_S, IDLE_S = 0.001, 0.01
"""How often it is looked whether all is durable before a worker leaves, and whether batches are that are to be acknowledged."""
SETTLE_S_MAX, LEAVE_S_MAX = 1.0, 5.0
"""How long batches that were taken may still get durable, and how long it may take to write that this worker has left."""


class Waking(Log, Protocol):
    """A log that says when there is something to poll for."""

    @property
    def stirred(self) -> asyncio.Event:
        """Is set then."""

    def poll(self) -> object:
        """Take what has come."""


@dataclass
class Held:
    """A partition, and how far what was read of it is durable."""

    ledger: Ledger
    executor: Executor
    writing: Writing
    takeover: Takeover
    batches: "deque[tuple[list[asyncio.Future[None]], Callable[[], None]]]" = field(default_factory=deque)
    taking: "asyncio.Task[None] | None" = None

    def acknowledge(self) -> None:
        """Acknowledge the batches that are durable, up to the first that is not."""
        while self.batches and all(noted.done() for noted in self.batches[0][0]):
            batch, acknowledge = self.batches.popleft()
            if any(noted.cancelled() or noted.exception() for noted in batch):
                self.batches.clear()  # the executor has ended or the worker ends: whoever comes next reads it again
                return
            acknowledge()


class Places(Protocol):
    """Tells where partitions go on. It waits for the broker, so it is called beside the loop."""

    def start(self, source: Source) -> int:
        """Give the offset to read next."""


class ExecutorPorts(NamedTuple):
    """What the agent of execution needs of the world."""

    log: Waking
    read: Callable[[RecordIn], Order | Cancel | None]
    """Reads a record of `orders`; nothing for what is neither, after a person was told."""
    made: Callable[[int], Awaitable[Held]]
    """Puts a partition together from what its table holds."""
    places: Places
    opened: Callable[[], Awaitable[None]]
    """Opens the exchange and what is followed, where that was not done yet."""
    closed: Callable[[], Awaitable[None]]
    ending: Ending
    generation: Callable[[], int]
    clock: Callable[[], float]
    holds: Callable[[int], None] = lambda _: None
    """Is told of how many partitions are this worker's for certain, whenever that changes."""


class Executors:
    """The partitions a worker executes."""

    def __init__(self, ports: ExecutorPorts) -> None:
        """Begin with none."""
        self._ports = ports
        self.held: dict[int, Held] = {}
        self.ready = self.leaving = False
        self._turn = 0
        """Changes whenever partitions are taken away."""
        self._last_words: set[asyncio.Task[None]] = set()

    @property
    def executors(self) -> Mapping[int, Executor]:
        """Give the executors by partition."""
        return {partition: held.executor for partition, held in self.held.items()}

    async def positions(self, assigned: frozenset[Source]) -> Mapping[Source, int]:
        """Put together what was assigned, and begin to take it over; what was in memory of it is dropped."""
        ports = self._ports
        try:
            self.revoked()
            turn = self._turn
            await ports.opened()
            starts = await asyncio.to_thread(lambda: {source: ports.places.start(source) for source in sorted(assigned)})
            for _, partition in sorted(assigned):
                held = await ports.made(partition)
                if self._turn != turn:
                    return starts  # it was taken away again meanwhile
                self.held[partition] = held
                held.taking = asyncio.get_running_loop().create_task(self._take_over(partition, held))
                held.taking.add_done_callback(self._ended)
        except Exception as error:
            ports.ending.because(error)
            raise
        self._look()
        return starts

    async def _take_over(self, partition: int, held: Held) -> None:
        began_s = self._ports.clock()
        await held.takeover.take()
        LOGGER.info("orders partition %d was taken over after %.1f s", partition, self._ports.clock() - began_s)
        held.executor.start()
        self._look()

    async def take(self, partition: int, generation: int, records: Sequence[RecordIn], acknowledge: Callable[[], None]) -> None:
        """Take a batch, unless it was fetched for an assignment that has ended."""
        held = self.held.get(partition)
        if held is None or self.leaving or generation != self._ports.generation() or not records:
            return
        noted: list[asyncio.Future[None]] = []
        try:
            for start in range(0, len(records), SLICE_RECORDS):
                await self._room(held)
                if self.held.get(partition) is not held or self.leaving:
                    return
                read = [
                    (said, record.value)
                    for record in records[start : start + SLICE_RECORDS]
                    if (said := self._ports.read(record))
                ]
                accepted = held.executor.accept([said for said, _ in read], [raw for _, raw in read if raw is not None])
                noted.append(asyncio.ensure_future(accepted))
            held.batches.append((noted, acknowledge))
            self.tend()
        except Exception as error:
            self._ports.ending.because(error)
            raise

    async def _room(self, held: Held) -> None:
        """Let everything else have its turn, and wait while too much is not durable yet."""
        await asyncio.sleep(0)
        while len(held.batches) >= BATCHES_MAX and not self.leaving and not held.writing.closed:
            await self._tended()

    def tend(self) -> None:
        """Take acknowledgements, and acknowledge what they have made durable."""
        try:
            self._ports.log.poll()
            for held in self.held.values():
                held.acknowledge()
        except Exception as error:
            self._ports.ending.because(error)
            raise

    async def tending(self, _sleep: Callable[[float], Awaitable[None]]) -> None:
        """Tend for ever: every so often, and at once when the log says so."""
        stirred = self._ports.log.stirred
        while True:
            stirred.clear()
            self.tend()
            try:
                async with asyncio.timeout(IDLE_S):
                    await stirred.wait()
            except TimeoutError:
                continue

    async def leave(self) -> None:
        """Have what was taken made durable, end all executors, and write that they have ended."""
        self.leaving = True
        clock, held = self._ports.clock, list(self.held.values())
        until_s = clock() + SETTLE_S_MAX
        while clock() < until_s and any(one.batches for one in held):
            await self._tended()
        until_s = clock() + LEAVE_S_MAX
        self.revoked()
        while clock() < until_s and self._last_words:
            await self._tended()
        if self._last_words:
            LOGGER.warning("worker leaves without having written so: who comes next waits for the length of a session")
        await self._ports.closed()

    async def _tended(self) -> None:
        self.tend()
        await asyncio.sleep(LEAVING_S)

    def idle(self) -> None:
        """Be ready with nothing to do: there are more workers than partitions."""
        self.revoked()
        self.ready = True

    def revoked(self) -> None:
        """End everything: from now on the partitions may be somebody else's, and whoever that is need not wait for this worker."""
        self.ready = False
        self._turn += 1
        held, self.held = self.held, {}
        for one in held.values():
            one.executor.close()
            one.writing.closed = True
            if one.taking is not None:
                one.taking.cancel()
            said = asyncio.get_running_loop().create_task(one.takeover.leave())
            self._last_words.add(said)
            said.add_done_callback(self._ended)
        self._ports.holds(0)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Hear how a task of one partition has ended."""
        self._last_words.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._ports.ending.because(error)

    def _look(self) -> None:
        """Note how many partitions were taken over, and whether all were."""
        over = sum(held.executor.standing.taken_over for held in self.held.values())
        self._ports.holds(over)
        self.ready = over == len(self.held)
