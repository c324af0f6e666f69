"""Looks at single records and at the ends of topics, beside whatever group consumes them.

Decides: how long a look may take. Leaves to others: what is looked for.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.kafka.settings import KafkaSettings

LOOK_S_MAX = 20.0
"""A look takes milliseconds; a broker that has just changed its leader takes some seconds."""
_POLL_S = 0.5
_BATCH, _FEW = 1_000, 2_000


class ReadFailed(OSError):
    """The broker did not give what was asked for in time."""


class Found(NamedTuple):
    """A record that was looked at."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class LogReader:
    """Reads topics by partition and offset. Belongs to no group and commits nothing."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        """Connect when the first look is taken."""
        self._consumer = Consumer(
            {
                **settings.librdkafka(),
                "client.id": client_id,
                "group.id": f"{client_id}-looks",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
                "log_level": 3,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Give the first offset there is, and the one the next record will get."""
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=LOOK_S_MAX)
        except KafkaException as failed:
            raise ReadFailed(f"{topic}/{partition}: {failed.args[0]}") from failed
        return int(low), int(high)

    def read(self, topic: str, partition: int, offset: int) -> Found | None:
        """Read the record at an offset; nothing where there is none."""
        low, high = self.bounds(topic, partition)
        if not low <= offset < high:
            return None
        for found in self.between(topic, partition, offset, offset + 1):
            return found if found.offset == offset else None
        return None

    def tail(self, topic: str, partition: int, count: int) -> list[Found]:
        """Read the last records of a partition."""
        low, high = self.bounds(topic, partition)
        return list(self.between(topic, partition, max(low, high - count), high))

    def between(self, topic: str, partition: int, start: int, end: int) -> Iterator[Found]:
        """Read the records from one offset to before another. Compaction may have taken some."""
        if start >= end:
            return
        self._consumer.assign([TopicPartition(topic, partition, start if start >= 0 else OFFSET_BEGINNING)])
        silent_s = 0.0
        try:
            while True:
                messages = self._some(end - start)
                silent_s = 0.0 if messages else silent_s + _POLL_S
                if silent_s >= LOOK_S_MAX:
                    raise ReadFailed(f"{topic}/{partition} gave nothing from offset {start} on for {LOOK_S_MAX:.0f} s")
                for message in messages:
                    error = message.error()
                    if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name for it
                        return
                    if error is not None:
                        raise ReadFailed(f"{topic}/{partition}: {error.str()}")
                    found = _found(message)
                    if found.offset >= end:
                        return
                    yield found
                    if found.offset == end - 1:
                        return
        finally:
            self._consumer.unassign()

    def _some(self, wanted: int) -> list[Message]:
        """Wait for records: for the first one where few are wanted, because a batch is waited for until it is full."""
        if wanted > _FEW:
            return self._consumer.consume(_BATCH, _POLL_S)
        message = self._consumer.poll(_POLL_S)
        return [] if message is None else [message]


def _found(message: Message) -> Found:
    headers: Any = message.headers() or []
    offset = message.offset()
    assert offset is not None
    return Found(offset, message.timestamp()[1], message.key(), message.value(), tuple((name, value) for name, value in headers))
