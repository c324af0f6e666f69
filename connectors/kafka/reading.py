"""Reads topics as they stand, and as they grow: for commands that show records.

Decides: which topics there are, that all partitions of one are read at once without a group, and when a broker counts as away. Leaves to others:
what records mean; single records at known offsets (connectors.kafka.log_reader).
"""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.kafka.settings import KafkaSettings

AWAY_S = 8.0
"""A broker answers within milliseconds, after a change of its leader within seconds. Whoever asks waits for this at a terminal."""
_POLL_S = 0.25
_BATCH = 1_000
AWAY_CODES = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001 - their public names
        KafkaError._TIMED_OUT,  # noqa: SLF001 - their public names
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - their public names
        KafkaError._RESOLVE,  # noqa: SLF001 - their public names
        KafkaError._DESTROY_BROKER,  # noqa: SLF001 - their public names
    }
)
"""What is said of a broker that is away; the last of one whose connection the library gives up for another."""
_SILENT_POLLS_MAX = 40
"""Ten seconds without a record that has to be there: the broker is asked whether it is."""


class BrokerAway(OSError):
    """It does not answer."""


class ReadRefused(OSError):
    """It answers, and does not give the records."""


class Seen(NamedTuple):
    """A record, and where it stands."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class Bounds(NamedTuple):
    """The first offset there is, and the one the next record will get."""

    low: int
    high: int


class TopicReader:
    """Reads topics. Belongs to no group, commits nothing, makes no topic."""

    def __init__(self, settings: KafkaSettings, client_id: str = "qts-look") -> None:
        """Connect when the first question is asked."""
        self._servers = settings.servers
        self._doubtful = False
        self._ended: set[int] = set()
        options: dict[str, Any] = {
            **settings.librdkafka(),
            "client.id": client_id,
            "group.id": client_id,  # asked for by the library; nothing is ever committed for it
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",  # what was deleted meanwhile is passed over: this only shows what there is
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": 50,
            "socket.timeout.ms": 10_000,  # a broker that stands still is found out while somebody is still looking
            "log_level": 0,
            "error_cb": self._said,
        }
        try:
            self._consumer = Consumer(options)
        except KafkaException as bad:
            raise ReadRefused(f"these settings cannot be used: {bad.args[0].str()}") from bad

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._consumer.close()

    def topics(self) -> dict[str, int]:
        """Give every topic there is, with its partitions; Kafka's own left out."""
        try:
            found = self._consumer.list_topics(timeout=AWAY_S).topics
        except KafkaException as silent:
            raise BrokerAway(f"no broker answers at {self._servers} within {AWAY_S:.0f} s: {silent.args[0].str()}") from silent
        return {name: len(about.partitions) for name, about in sorted(found.items()) if not name.startswith("__")}

    def bounds(self, topic: str, partitions: int) -> dict[int, Bounds]:
        """Give where each partition of a topic begins and ends now."""
        try:
            return {
                partition: Bounds(
                    *map(int, self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=AWAY_S))
                )
                for partition in range(partitions)
            }
        except KafkaException as failed:
            raise self._failure(topic, failed.args[0]) from failed

    def from_to(self, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[Seen]:
        """Read each partition from one offset to before another. Compaction and retention may have taken some."""
        waited = {partition for partition in starts if starts[partition] < ends[partition]}
        silent, left = 0, sum(ends[partition] - starts[partition] for partition in waited)
        self._assign(topic, {partition: starts[partition] for partition in waited})
        while waited:
            read = self._poll(topic, min(_BATCH, left))  # asked for more than there is, the library waits for it
            silent = 0 if read else silent + 1
            if silent > _SILENT_POLLS_MAX:
                self.topics()
                raise ReadRefused(f"{topic}: nothing came for {silent * _POLL_S:.0f} s")
            done = set(self._ended)  # what is missing before the end, compaction or retention took
            for seen in read:
                if seen.partition in waited and seen.offset < ends[seen.partition]:
                    left -= 1
                    yield seen
                if seen.offset >= ends.get(seen.partition, 0) - 1:
                    done.add(seen.partition)
            self._consumer.pause([TopicPartition(topic, partition) for partition in done & waited])
            waited -= done

    def follow(self, topic: str, starts: Mapping[int, int]) -> Iterator[Seen | None]:
        """Read from some offsets on, for ever; None for each quarter of a second in which nothing came."""
        self._assign(topic, starts)
        while True:
            read = self._poll(topic, _BATCH)
            if read:
                yield from read
                continue
            if self._doubtful:
                self._doubtful = False
                self.topics()
            yield None

    def _assign(self, topic: str, starts: Mapping[int, int]) -> None:
        self._consumer.unassign()
        self._consumer.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])
        # A partition stays paused from one assignment to the next.
        self._consumer.resume([TopicPartition(topic, partition) for partition in starts])

    def _poll(self, topic: str, most: int) -> list[Seen]:
        read = []
        self._ended = set()
        for message in self._consumer.consume(max(most, 1), _POLL_S):
            error = message.error()
            if error is None:
                read.append(_seen(message))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                self._ended.add(int(message.partition() or 0))
            elif not error.retriable():
                raise self._failure(topic, error)
        return read

    def _failure(self, topic: str, error: KafkaError) -> BrokerAway | ReadRefused:
        if error.code() in AWAY_CODES:
            return BrokerAway(f"the broker at {self._servers} went away: {error.str()}")
        return ReadRefused(f"{topic}: {error.str()}")

    def _said(self, error: KafkaError) -> None:
        self._doubtful = self._doubtful or error.code() in {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT}  # noqa: SLF001


def _seen(message: Message) -> Seen:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Seen(topic, partition, offset, message.timestamp()[1], message.key(), message.value())
