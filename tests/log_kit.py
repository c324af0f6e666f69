"""A Kafka to test with: topics in memory, and producers whose acknowledgements come when the test says so.

Decides: what a broker and an idempotent producer promise, and nothing more: of what one producer appends to one partition a gapless prefix
reaches the log, in order; an acknowledgement follows its record, or never comes. Leaves to others: when anything is delivered, and who crashes.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from streams.pipeline.ports import Done, Headers, Read
from streams.pipeline.resuming import place_in
from streams.pipeline.steps import Step
from streams.pipeline.write_pipeline import LANES


class Crash(BaseException):
    """This process is gone. It is no Exception: nothing of the product may catch it."""


class CrashAt:
    """A watcher that ends the process the Nth time it is at a step."""

    def __init__(self, step: Step, times: int) -> None:
        self._step, self._left = step, times
        self.seen: defaultdict[Step, int] = defaultdict(int)

    @property
    def has_crashed(self) -> bool:
        return self._left == 0

    def at(self, step: Step, /) -> None:
        self.seen[step] += 1
        if step is self._step and self._left:
            self._left -= 1
            if self._left == 0:
                raise Crash(f"{step.name}")


class Kept(NamedTuple):
    """A record on a topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Receipt(NamedTuple):
    """What a producer is told of a record that is on its topic."""

    at: int

    def offset(self) -> int:
        return self.at


Place = tuple[str, int]


class Cluster:
    """Topics, and what groups have committed."""

    def __init__(self) -> None:
        self.logs: defaultdict[Place, list[Kept]] = defaultdict(list)
        self.starts: defaultdict[Place, int] = defaultdict(int)
        self.ends: defaultdict[Place, int] = defaultdict(int)
        self.committed: dict[Place, int] = {}

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
        """Append a record at once, as an outside writer does."""
        offset = self.ends[topic, partition]
        self.logs[topic, partition].append(Kept(offset, key, value, headers))
        self.ends[topic, partition] = offset + 1
        return offset

    def read(self, topic: str, partition: int, offset: int = 0, most: int = 1_000_000) -> list[Kept]:
        """Read records from an offset on."""
        log = self.logs[topic, partition]
        if len(log) == self.ends[topic, partition] - self.starts[topic, partition]:
            first = max(0, offset - self.starts[topic, partition])
            return log[first : first + most]
        return [record for record in log if record.offset >= offset][:most]

    def table(self, topic: str, partition: int) -> dict[bytes, bytes]:
        """Restore a table from its changelog, as Faust does."""
        found: dict[bytes, bytes] = {}
        for record in self.logs[topic, partition]:
            if record.key is not None and record.value is not None:
                found[record.key] = record.value
            elif record.key is not None:
                found.pop(record.key, None)
        return found

    def compact(self, topic: str, partition: int) -> None:
        """Let older records of a key give way to the newest; what was deleted goes as well."""
        newest = {record.key: record.offset for record in self.logs[topic, partition]}
        self.logs[topic, partition] = [
            record for record in self.logs[topic, partition] if newest[record.key] == record.offset and record.value is not None
        ]

    def cut(self, topic: str, partition: int, before: int) -> None:
        """Let retention take what is older than an offset."""
        self.logs[topic, partition] = [record for record in self.logs[topic, partition] if record.offset >= before]
        self.starts[topic, partition] = before

    def sent(self, partition: int, epoch: int) -> Mapping[str, tuple[int, int]]:
        """Give the last output of an epoch on each topic, from its last 200 records as the worker does."""
        tails = {topic: self.logs[topic, partition][-200:] for topic in LANES}
        places = {topic: [place for one in tail if (place := place_in(one.headers, epoch))] for topic, tail in tails.items()}
        return {topic: max(found) for topic, found in places.items() if found}

    def tape(self, partition: int, topic: str = "tape") -> "TapeOf":
        """Give a partition of the tape, for looking at single records."""
        return TapeOf(self, topic, partition)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Give the first offset there is, and the next."""
        return self.starts[topic, partition], self.ends[topic, partition]

    def holds_records(self, topic: str, partition: int, start: int, end: int) -> bool:
        """Tell whether there is any record from one offset to before another."""
        return any(record.offset < end for record in self.read(topic, partition, start, end - start))

    def check_identity(self) -> None:
        """Be the cluster the tape was begun on."""


class TapeOf(NamedTuple):
    """One tape partition."""

    cluster: Cluster
    topic: str
    partition: int

    def bounds(self) -> tuple[int, int]:
        return self.cluster.bounds(self.topic, self.partition)

    def read(self, offset: int) -> Read | None:
        found = self.cluster.read(self.topic, self.partition, offset, 1)
        return Read(*found[0][:3]) if found and found[0].offset == offset else None


class Producer:
    """An idempotent producer of one process: it queues, delivers and acknowledges when it is told to."""

    def __init__(self, cluster: Cluster, chance: Random | None = None, on_call: Callable[[], None] | None = None) -> None:
        self._cluster, self._chance, self._on_call = cluster, chance, on_call
        self._queues: defaultdict[Place, deque[tuple[Kept, Done]]] = defaultdict(deque)
        self._acks: defaultdict[Place, deque[tuple[Done, object, Receipt]]] = defaultdict(deque)
        self.appended = 0
        self.expected: list[int] = []
        self.fail_from: int | None = None
        """From this record on appending fails."""

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None, done: Done, /
    ) -> None:
        """Take a record."""
        self._called()
        self.appended += 1
        if self.fail_from is not None and self.appended > self.fail_from:
            self._acks[topic, partition].append((done, "message timed out", Receipt(-1)))
            return
        self._queues[topic, partition].append((Kept(-1, key, value, headers or ()), done))

    def deliver(self, places: Sequence[Place] | None = None) -> None:
        """Let what is queued reach the log: all of it, or a random prefix of each partition where there is a chance."""
        for place in list(self._queues) if places is None else places:
            queue = self._queues[place]
            for _ in range(len(queue) if self._chance is None else self._chance.randint(0, len(queue))):
                record, done = queue.popleft()
                offset = self._cluster.put(*place, record.key, record.value, record.headers)
                self._acks[place].append((done, None, Receipt(offset)))

    def poll(self) -> None:
        """Call back for what is acknowledged: all of it, or a random prefix of each partition."""
        self._called()
        for acks in list(self._acks.values()):
            for _ in range(len(acks) if self._chance is None else self._chance.randint(0, len(acks))):
                done, failure, receipt = acks.popleft()
                done(failure, receipt)

    def expect(self, records: int) -> None:
        """Take what has come, as changing the way records go does."""
        self.expected.append(records)
        self.poll()

    def flow(self) -> None:
        """Deliver and call back until nothing is left."""
        while self.busy:
            self.deliver()
            self.poll()

    def die(self) -> None:
        """Crash: any prefix of each queue may still have been on its way; nobody hears of it."""
        if self._chance is not None:
            self.deliver()
        self._queues.clear()
        self._acks.clear()

    @property
    def busy(self) -> bool:
        return any(self._queues.values()) or any(self._acks.values())

    def _called(self) -> None:
        if self._on_call is not None:
            self._on_call()


class Late(Producer):
    """A producer that tells of what failed only when the way records go changes."""

    def poll(self) -> None:
        """Tell nothing."""

    def expect(self, records: int) -> None:
        """Tell now."""
        self.expected.append(records)
        Producer.poll(self)


class Eager(Producer):
    """A producer whose records are on the log at once, and acknowledged with the next poll."""

    def poll(self) -> None:
        self.deliver()
        super().poll()


class MemoryTable:
    """What a worker remembers of a table."""

    def __init__(self, held: dict[bytes, bytes]) -> None:
        self.held = held

    def items(self) -> list[tuple[bytes, bytes]]:
        return list(self.held.items())

    def put(self, key: bytes, value: bytes) -> None:
        self.held[key] = value

    def drop(self, key: bytes) -> None:
        self.held.pop(key, None)


def places_of(cluster: Cluster, topic: str, partition: int, epoch: int = 1) -> dict[tuple[int, int], bytes]:
    """Give what is on an output topic by the place it was made at. Two of one place have to be the same."""
    found: dict[tuple[int, int], bytes] = {}
    for place, value in _placed(cluster, topic, partition, epoch):
        assert found.setdefault(place, value) == value, f"{topic} has two different outputs made at {place}"
    return found


def _placed(cluster: Cluster, topic: str, partition: int, epoch: int) -> Iterator[tuple[tuple[int, int], bytes]]:
    for record in cluster.logs[topic, partition]:
        place = place_in(record.headers, epoch)
        if place is not None:
            yield place, record.value or b""
