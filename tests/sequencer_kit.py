"""A sequencer to crash: the real one on the Kafka of tests.log_kit, fed by hand on a virtual clock.

Decides: what is checked when a batch is acknowledged: all of it is on the tape. Leaves to others: when it crashes, and what is on the sources.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from connectors.kafka.partitioner import partition_of
from schemas.codec import Undecodable
from streams.desk.messages import EquityReport, Mark
from streams.flow import INPUTS
from streams.pipeline.conflation import merged
from streams.pipeline.sequencer import PORTFOLIO, Inputs, Sequencer, Source, Tape
from streams.pipeline.steps import NOBODY_WATCHES, Watcher
from streams.replay.generate import generate
from tests.log_kit import Cluster, Producer
from tests.pipeline_kit import CODEC

TOPICS = (*(topic.name for topic in INPUTS), PORTFOLIO)
START_MS = 1_760_000_000_000


def decoded(raw: bytes) -> Any:
    """Read a record; nothing where nobody can."""
    try:
        return CODEC.decode(raw)
    except Undecodable:
        return None


def merge(raws: Sequence[bytes]) -> bytes | None:
    """Make one mark of several."""
    marks = [decoded(raw) for raw in raws]
    if any(not isinstance(mark, Mark) or mark.symbol != marks[0].symbol for mark in marks):
        return None
    return CODEC.encode(merged(marks))


def account_of(raw: bytes) -> str | None:
    account = getattr(decoded(raw), "account", None)
    return account if isinstance(account, str) else None


INPUT_KNOWLEDGE = Inputs(merge, lambda raw: isinstance(decoded(raw), EquityReport), account_of)


class Clock:
    """A clock that is set."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class Worker:
    """A sequencer with all sources, or some of them."""

    def __init__(
        self, cluster: Cluster, log: Producer, clock: Clock, partitions: int, watcher: Watcher = NOBODY_WATCHES,
        sources: Iterable[Source] | None = None,
    ) -> None:  # fmt: skip
        """Take over where the group has committed."""
        self.cluster, self.log, self.partitions = cluster, log, partitions
        tape = Tape("tape", partitions, lambda key: partition_of(key, partitions))
        self.sequencer = Sequencer(log, CODEC, INPUT_KNOWLEDGE, tape, clock, watcher)
        self.positions = {
            source: cluster.committed.get(source, 0)
            for source in sources or [(topic, partition) for topic in TOPICS for partition in range(partitions)]
        }
        self.sequencer.own((source, cluster.ends[source]) for source in self.positions)

    def take(self, source: Source, most: int) -> int:
        """Forward a batch of at most so many records; tell how many there were."""
        records = self.cluster.read(*source, self.positions[source], most)
        if records and self.sequencer.has_room:
            self.positions[source] = records[-1].offset + 1
            self.sequencer.forward(*source, records, self._acknowledge(source, records[-1].offset))
        return len(records)

    def tend(self) -> None:
        """Take acknowledgements, and move on."""
        self.log.poll()
        self.sequencer.progress()

    def finish(self, clock: Clock, most: int = 50) -> None:
        """Go on to the ends of all sources, and have everything on the tape."""
        while sum(self.take(source, most) for source in self.positions) or not self.sequencer.settled:
            clock.now_ms += 37
            self.log.deliver()
            self.tend()

    def _acknowledge(self, source: Source, last_offset: int) -> Callable[[], None]:
        def acknowledge() -> None:
            if source[0] not in ("marks", PORTFOLIO):
                on_tape = {
                    offset for partition in range(self.partitions) for offset in offsets_on(self.cluster, partition, source)
                }
                missing = set(range(self.cluster.committed.get(source, 0), last_offset + 1)) - on_tape
                assert missing == set(), f"{source} was acknowledged up to {last_offset}"
            self.cluster.committed[source] = max(last_offset + 1, self.cluster.committed.get(source, 0))

        return acknowledge


def offsets_on(cluster: Cluster, partition: int, source: Source) -> list[int]:
    """Give the places of a source that are on a tape partition, as often as they are there."""
    envelopes = [CODEC.unwrap(record.value or b"") for record in cluster.logs["tape", partition]]
    return [one.source_offset for one in envelopes if (one.topic, one.partition) == source]


def taken_by_desk(offsets: Iterable[int]) -> list[int]:
    """Give those that are not dropped as repeats."""
    highest, taken = -1, []
    for offset in offsets:
        if offset > highest:
            highest = offset
            taken.append(offset)
    return taken


def in_order(offsets: Sequence[int]) -> bool:
    return all(before < after for before, after in pairwise(offsets))


def coming_in(cluster: Cluster, partitions: int, seed: int, events: int) -> Iterator[Source]:
    """Put the inputs of a generated day on their topics, each under its key, one at a time; tell where each went."""
    for event, _ in generate(seed, events, 4, 4, mark_every_ms=1_000):
        body = event.body
        if event.topic in TOPICS:
            name = getattr(body, "account", None) or getattr(body, "symbol", None) or "*"
            key = str(name).encode()
            source = event.topic, partition_of(key, partitions)
            cluster.put(*source, key, CODEC.encode(body))
            yield source


def fill_sources(cluster: Cluster, partitions: int, seed: int, events: int) -> None:
    """Put all the inputs of a generated day on their topics."""
    for _ in coming_in(cluster, partitions, seed, events):
        pass
