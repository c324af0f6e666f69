"""The agent of execution: what it takes, when it acknowledges, and how it gives partitions up."""

import asyncio
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.agents.ending import DEFECT, OUTSIDE
from streams.agents.executing import BATCHES_MAX, ExecutorPorts, Executors, Held, Source
from streams.desk.outputs import Order
from streams.desk.turn import order_id
from streams.pipeline.execution.brakes import Brakes
from streams.pipeline.execution.executor import Executor
from streams.pipeline.execution.ledger import CHANGELOG, Ledger
from streams.pipeline.execution.mark_board import MarkBoard
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.takeover import Takeover
from streams.pipeline.execution.tasks import Tasks
from streams.pipeline.execution.writing import Writing
from streams.pipeline.ports import Done, Headers, Read
from streams.pipeline.steps import NOBODY_WATCHES
from tests.agent_kit import Ended, Ticking, run
from tests.fake_exchange import FakeExchange
from tests.log_kit import Cluster, Eager, MemoryTable, Producer
from tests.virtual_loop import Clock

CODEC = Codec(BundledRegistry())
SOURCE = ("orders", 0)
ASSIGNED = frozenset({SOURCE})


class Lease:
    """A lease that is never long enough to send anything."""

    session_s, assigned_s = 10.0, -100.0

    def left_s(self) -> float:
        return 0.0


class Stirring:
    """A log in memory that says at once that there is something to poll for."""

    def __init__(self, log: Producer) -> None:
        self._log = log
        self.stirred = asyncio.Event()

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None, done: Done, /
    ) -> None:  # fmt: skip
        self._log.append(topic, partition, key, value, headers, done)
        self.stirred.set()

    def poll(self) -> None:
        self._log.poll()


class Worker:
    """The agent on a cluster in memory."""

    def __init__(self, cluster: Cluster, log: Producer | None = None) -> None:
        self.cluster, self.producer, self.ended = cluster, log or Eager(cluster), Ended()
        self.log = Stirring(self.producer)
        self.acknowledged: list[int] = []
        self.counts: list[int] = []
        self.opened = self.closed = self.makes = 0
        self.may_make = asyncio.Event()
        self.may_make.set()
        self.generation, self._offset = 1, 0
        self.executors = Executors(
            ExecutorPorts(
                self.log,
                self._read,
                self._made,
                self,
                self._open,
                self._close,
                self.ended.ending,
                lambda: self.generation,
                Ticking(0.01),
                self.counts.append,
            )
        )

    def start(self, source: Source) -> int:
        assert source == SOURCE
        return 7

    def order(self) -> Read:
        """Make a record of an order."""
        self._offset += 1
        at, one = self._offset, Decimal(1)
        said = Order(
            order_id(1, "main", at, 0), "main", at, 0, "BTCUSDT", "BUY", "MARKET", one, None, False, None, "s", 0, 1, 0, one, one, -1, -1, at
        )  # fmt: skip
        return Read(at, b"main", CODEC.encode(said))

    async def assigned(self) -> Any:
        return await self.executors.positions(ASSIGNED)

    async def over(self) -> None:
        """Wait until the partition was taken over."""
        async with asyncio.timeout(10):
            while not self.executors.ready:
                self.executors.tend()
                await asyncio.sleep(0)

    async def take(self, *records: Read, generation: int = 1) -> None:
        last = records[-1].offset
        await self.executors.take(0, generation, records, lambda: self.acknowledged.append(last))

    def noted(self) -> int:
        """Count the orders that are on the changelog."""
        keys = [record.key for record in self.cluster.read(CHANGELOG, 0)]
        return sum(key is not None and key.endswith(b"/new") for key in keys)

    def owners(self) -> list[bool]:
        """Tell of each owner whether it has left."""
        return list(Ledger(0, CODEC, self.cluster.table(CHANGELOG, 0).items()).owners.values())

    def _read(self, record: Any) -> Order | None:
        return None if record.value == b"junk" else CODEC.decode(record.value)

    async def _open(self) -> None:
        self.opened += 1

    async def _close(self) -> None:
        self.closed += 1

    async def _made(self, partition: int) -> Held:
        self.makes += 1
        await self.may_make.wait()
        table = MemoryTable(self.cluster.table(CHANGELOG, partition))
        start = self.cluster.ends[CHANGELOG, partition]
        ledger = Ledger(partition, CODEC, table.items())
        writing = Writing(self.log, table, ledger, CODEC.encode, lambda _: 0)
        clock, lease = Clock(), Lease()
        means = Means(
            ledger, writing, FakeExchange(clock), Brakes(lambda: 0.0, lambda _: 0), MarkBoard(), {}, lease, lambda: 0.0, asyncio.sleep, Random(1),
            NOBODY_WATCHES, lambda _: None,
        )  # fmt: skip

        async def tail() -> list[tuple[bytes, bytes | None]]:
            return [(one.key or b"", one.value) for one in self.cluster.read(CHANGELOG, partition, start)]

        executor = Executor(means, Tasks(self.ended.ending.because), lambda _: True)
        return Held(ledger, executor, writing, Takeover(ledger, writing, table, lease, tail, lambda: 0.0, asyncio.sleep, "me"))


async def turns(count: int = 20) -> None:
    """Let everything that is ready have its turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_worker_is_ready_when_it_has_taken_over_and_reads_on_where_it_is_told_to() -> None:
    async def story() -> None:
        worker = Worker(Cluster())
        assert await worker.assigned() == {SOURCE: 7}
        assert (worker.executors.ready, worker.opened) == (False, 1)
        await worker.over()
        assert (worker.counts[-1], worker.owners()) == (1, [False])
        worker.executors.revoked()
        assert (worker.executors.ready, worker.counts[-1]) == (False, 0)

    run(story())


def test_a_batch_is_acknowledged_when_all_of_it_is_durable() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = Worker(cluster, Producer(cluster))
        await worker.assigned()
        await worker.take(*(worker.order() for _ in range(120)))
        await turns()
        assert (worker.noted(), worker.acknowledged) == (0, [])
        worker.producer.deliver()
        assert (worker.noted(), worker.acknowledged) == (120, [])
        worker.executors.tend()
        await turns()
        worker.executors.tend()
        assert worker.acknowledged == [120]

    run(story())


def test_a_batch_with_nothing_to_note_is_not_acknowledged_before_the_one_it_follows() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = Worker(cluster, Producer(cluster))
        await worker.assigned()
        order = worker.order()
        await worker.take(order)
        await worker.take(order._replace(offset=2))
        await worker.take(Read(3, None, b"junk"))
        await turns()
        worker.executors.tend()
        assert worker.acknowledged == []
        worker.producer.flow()
        await turns()
        worker.executors.tend()
        assert (worker.noted(), worker.acknowledged) == (1, [1, 2, 3])

    run(story())


def test_acknowledgements_are_taken_at_once_whoever_else_sleeps() -> None:
    async def story() -> None:
        worker = Worker(Cluster())
        tending = asyncio.create_task(worker.executors.tending(asyncio.sleep))
        await worker.assigned()
        await worker.take(worker.order())
        async with asyncio.timeout(5):
            while not worker.acknowledged:  # noqa: ASYNC110 - what it waits for sets no event
                await asyncio.sleep(0.001)
        assert worker.executors.ready
        tending.cancel()

    run(story())


def test_a_batch_of_an_assignment_that_has_ended_is_dropped() -> None:
    async def story() -> None:
        worker = Worker(Cluster())
        await worker.assigned()
        await worker.take(worker.order(), generation=0)
        worker.executors.revoked()
        await worker.take(worker.order())
        await turns()
        worker.executors.tend()
        assert (worker.noted(), worker.acknowledged) == (0, [])

    run(story())


def test_what_is_put_together_for_an_assignment_that_ends_meanwhile_is_never_begun() -> None:
    async def story() -> None:
        worker = Worker(Cluster())
        worker.may_make.clear()
        assigned = asyncio.create_task(worker.assigned())
        while not worker.makes:  # noqa: ASYNC110 - what it waits for sets no event
            await asyncio.sleep(0)
        worker.executors.revoked()
        worker.may_make.set()
        await assigned
        await turns()
        assert (dict(worker.executors.executors), worker.owners(), worker.counts) == ({}, [], [0, 0])

        await worker.assigned()
        await worker.over()
        assert worker.owners() == [False]

    run(story())


def test_a_worker_takes_no_more_than_can_wait_to_be_durable() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = Worker(cluster, Producer(cluster))
        await worker.assigned()
        for _ in range(BATCHES_MAX):
            await worker.take(worker.order())
        waiting = asyncio.create_task(worker.take(worker.order()))
        await turns()
        assert not waiting.done()
        worker.executors.revoked()
        await waiting
        assert worker.acknowledged == []

    run(story())


def test_who_gives_a_partition_up_says_so_and_acknowledges_nothing_of_it_any_more() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = Worker(cluster, Producer(cluster))
        await worker.assigned()
        await worker.take(worker.order())
        await turns()
        worker.executors.revoked()
        await turns()
        worker.producer.flow()
        worker.executors.tend()
        assert (worker.noted(), worker.acknowledged, worker.owners()) == (1, [], [True])
        assert worker.ended.codes == []

        await worker.assigned()
        await turns()
        worker.producer.flow()
        assert worker.owners() == [False]

    run(story())


def test_leaving_has_everything_taken_acknowledged_and_says_that_nothing_is_sent_any_more() -> None:
    async def story() -> None:
        worker = Worker(Cluster())
        await worker.assigned()
        await worker.over()
        await worker.take(worker.order(), worker.order())
        await worker.executors.leave()
        await worker.take(worker.order())
        assert (worker.noted(), worker.acknowledged, worker.owners(), worker.closed) == (2, [2], [True], 1)

    run(story())


def test_leaving_gives_up_in_time_where_nothing_gets_durable(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = Worker(cluster, Producer(cluster))
        await worker.assigned()
        await worker.take(worker.order())
        await worker.executors.leave()
        assert (worker.acknowledged, worker.closed) == ([], 1)

    run(story())
    assert "without having written so" in caplog.text


def test_a_failed_append_ends_the_worker() -> None:
    async def story() -> None:
        worker = Worker(Cluster())
        worker.producer.fail_from = 0
        await worker.assigned()
        await turns()
        worker.executors.tend()
        await turns()
        assert worker.ended.codes == [OUTSIDE]

    run(story())


def test_a_partition_that_cannot_be_put_together_ends_the_worker() -> None:
    cluster = Cluster()
    cluster.put(CHANGELOG, 0, b"0/main/order/1-9-0/new", b"garbage")
    worker = Worker(cluster)

    with pytest.raises(ValueError, match="NOT_AVRO"):
        run(worker.assigned())
    assert (worker.ended.codes, worker.executors.ready) == ([DEFECT], False)


def test_a_worker_without_a_partition_is_ready() -> None:
    async def story() -> None:
        worker = Worker(Cluster())
        worker.executors.idle()
        assert worker.executors.ready

    run(story())
