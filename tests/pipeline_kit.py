"""A desk worker to crash: the real write pipeline on the Kafka of tests.log_kit, stepped by hand.

Decides: what a worker does between two crashes, and what is checked at each acknowledgement: the snapshot that covers a batch is durable
before the batch is acknowledged. Leaves to others: when it crashes.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.state import State
from streams.pipeline.flood import FloodGate
from streams.pipeline.resuming import Resumed, resume
from streams.pipeline.snapshots import SnapshotWriter
from streams.pipeline.steps import NOBODY_WATCHES, Watcher
from streams.pipeline.stored_snapshots import newest
from streams.pipeline.write_pipeline import CHANGELOG, LANES, WritePipeline
from streams.replay.generate import generate
from streams.replay.hashes import decisions_hash
from tests.log_kit import Cluster, Eager, MemoryTable, Producer, places_of

CODEC = Codec(BundledRegistry())
"""One for all: what it keeps are compiled schemas, and compiling is what would cost most here."""


@cache
def generated_tape(seed: int, events: int, accounts: int = 3) -> tuple[bytes, ...]:
    """Give a generated tape as bytes: three minutes in a thousand events, so that there are many snapshots."""
    return tuple(CODEC.encode_event(event) for event, _ in generate(seed, events, accounts, 4, mark_every_ms=1_000))


def cluster_with(tape: Sequence[bytes], partition: int = 0) -> Cluster:
    """Give a cluster with a tape on it."""
    cluster = Cluster()
    for raw in tape:
        cluster.put("tape", partition, b"acc", raw)
    return cluster


def resumed(cluster: Cluster, partition: int = 0, partitions: int = 1, epoch: int = 1) -> Resumed:
    """Come back from what a cluster holds."""
    sent = cluster.sent(partition, epoch)
    return resume(epoch, partition, partitions, cluster.table(CHANGELOG, partition).items(), CODEC, cluster.tape(partition), sent)


class Desk:
    """A desk worker with one partition."""

    def __init__(
        self, cluster: Cluster, log: Producer, watcher: Watcher = NOBODY_WATCHES, partition: int = 0, partitions: int = 1
    ) -> None:
        """Come back from what the cluster holds."""
        self.cluster, self.log = cluster, log
        self.partition = partition
        back = resumed(cluster, partition, partitions)
        self.began_at = back.next_offset
        self.passed_over = back.passed_over
        self.table = MemoryTable(cluster.table(CHANGELOG, partition))
        self.pipeline = WritePipeline(back, CODEC, log, self.table, FloodGate(), watcher)
        self.position = back.next_offset
        self.acknowledged: list[int] = []

    def take(self, most: int) -> int:
        """Step a batch of at most so many records; tell how many there were."""
        records = self.cluster.read("tape", self.partition, self.position, most)
        if records and self.pipeline.has_room:
            self.position = records[-1].offset + 1
            self.pipeline.feed(records, self._acknowledge(records[-1].offset))
        return len(records)

    def rewind(self, by: int) -> None:
        """Have the consumer sent back."""
        self.position = max(0, self.position - by)
        self.pipeline.rejoin()

    def tend(self) -> None:
        """Take acknowledgements and move on."""
        self.log.poll()
        self.pipeline.progress()

    def finish(self, most: int = 100) -> None:
        """Go on to the end of the tape, and write everything down."""
        while self.take(most):
            self.log.deliver()
            self.tend()
        while not self.pipeline.settled:
            self.pipeline.take_snapshot()
            self.log.deliver()
            self.tend()

    def _acknowledge(self, last_offset: int) -> Callable[[], None]:
        def acknowledge() -> None:
            durable = newest(self.cluster.table(CHANGELOG, self.partition).items(), self.partition, 1, CODEC, [])
            assert durable is not None
            assert durable.marker.offset >= last_offset, "a batch was acknowledged before the snapshot that covers it"
            self.acknowledged.append(last_offset)
            place = "tape", self.partition
            self.cluster.committed[place] = max(last_offset + 1, self.cluster.committed.get(place, 0))

        return acknowledge


class Result(NamedTuple):
    """What came of a tape."""

    outputs: dict[str, dict[tuple[int, int], bytes]]
    state_hash: str
    decisions_hash: str


def result_of(cluster: Cluster, state: State) -> Result:
    """Give what is on the topics, each place once, and where the state has come to."""
    outputs = {topic: places_of(cluster, topic, 0) for topic in LANES}
    return Result(outputs, SnapshotWriter(CODEC).state_hash(state), decisions_hash(state))


@cache
def uninterrupted(seed: int, events: int, accounts: int = 3) -> Result:
    """Run a generated tape without a crash."""
    cluster = cluster_with(generated_tape(seed, events, accounts))
    desk = Desk(cluster, Eager(cluster))
    desk.finish()
    return result_of(cluster, desk.pipeline.state)
