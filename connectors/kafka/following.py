"""Follows several topics at once, from given places on: for a program that answers what it reads, and for one that shows it.

Decides: that a broker that is away is waited for, and how long a look waits. Leaves to others: where to begin (connectors.kafka.reading tells the
bounds), what records mean. Belongs to no group, commits nothing, makes no topic.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, TopicPartition

from connectors.kafka.reading import AWAY_CODES, ReadRefused, Seen
from connectors.kafka.settings import KafkaSettings

BATCH = 500
"""Records of one look: more wait for the next, so that whoever draws gets to it."""
QUEUED_KBYTES_MAX = 16 * 1024
"""What the library fetches ahead: seconds of everything a demo writes."""


class Follower:
    """Reads on from some offsets."""

    def __init__(self, settings: KafkaSettings, starts: Mapping[tuple[str, int], int], client_id: str = "qts-follow") -> None:
        """Begin at these offsets, by topic and partition."""
        self._consumer = Consumer(
            {
                **settings.librdkafka(),
                "client.id": client_id,
                "group.id": client_id,  # asked for by the library; nothing is ever committed for it
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",  # what was deleted meanwhile is passed over: this only follows what there is
                "allow.auto.create.topics": False,
                "fetch.wait.max.ms": 20,
                "queued.max.messages.kbytes": QUEUED_KBYTES_MAX,
                "log_level": 0,
            }
        )
        self.next_offsets = dict(starts)
        self._consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in starts.items()])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._consumer.close()

    def poll(self, wait_s: float) -> list[Seen]:
        """Give what has come; waits so long unless very much has."""
        read = []
        for message in self._consumer.consume(BATCH, wait_s):
            error = message.error()
            if error is not None:
                if not (error.retriable() or error.code() in AWAY_CODES):
                    raise ReadRefused(f"{message.topic()}: {error.str()}")
                continue
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            self.next_offsets[topic, partition] = offset + 1
            read.append(Seen(topic, partition, offset, message.timestamp()[1], message.key(), message.value()))
        return read
