"""How far topics are written, and filling them: for benchmarks.

Decides: that only what is committed counts as written. Leaves to others: what is measured by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from threading import Event

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from connectors.kafka.settings import KafkaSettings

ASK_S_MAX = 30.0
GONE_TRIES_MAX = 100
"""A deleted topic's name is free again, and a new one has a leader, after some milliseconds; a busy broker is asked some times more."""
FORGOTTEN_TRIES_MAX = 60
"""A static member is counted until its session of ten seconds ends."""
Place = tuple[str, int]


class NotDone(Exception):
    """A side did not get through all its work: there is nothing to compare."""


class Bench:
    """A broker that belongs to the benchmark: topics come and go as runs need them."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connect."""
        self._settings, self._pause = settings, Event()
        self._admin = AdminClient({**settings.librdkafka(), "log_level": 0})
        self._reader = Consumer(
            {**settings.librdkafka(), "group.id": "qts-bench-looks", "isolation.level": "read_committed", "log_level": 0}
        )

    def fresh(self, topics: Mapping[str, int], settings: Mapping[str, str] | None = None) -> None:
        """Make topics, each empty: what was there is deleted."""
        self.drop(topics)
        for name, partitions in topics.items():
            self._make(NewTopic(name, partitions, 1, config=dict(settings or {})))

    def drop(self, topics: Iterable[str]) -> None:
        """Delete those of these topics that are there."""
        there = self._admin.list_topics(timeout=ASK_S_MAX).topics
        old = [topic for topic in topics if topic in there]
        if old:
            for gone in self._admin.delete_topics(old, operation_timeout=ASK_S_MAX).values():
                gone.result(timeout=ASK_S_MAX)

    def ends(self, topics: Mapping[str, int]) -> dict[Place, int]:
        """Give how far each partition is written, and committed."""
        return {(name, partition): self._end(name, partition) for name, count in topics.items() for partition in range(count)}

    def committed(self, group: str, topic: str) -> int:
        """Give the sum of the offsets a group has committed on a topic."""
        try:
            asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=ASK_S_MAX)
            found = asked[group].result(timeout=ASK_S_MAX).topic_partitions
        except KafkaException:
            return 0  # nobody has joined it yet
        return sum(max(0, place.offset) for place in found if place.topic == topic)

    def forget(self, group: str) -> None:
        """Delete a group, once the session of its last member has ended."""
        failed: BaseException | None = None
        for _ in range(FORGOTTEN_TRIES_MAX):
            try:
                self._admin.delete_consumer_groups([group], request_timeout=ASK_S_MAX)[group].result(timeout=ASK_S_MAX)
            except KafkaException as refused:
                if refused.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                    return
                failed = refused
                self._pause.wait(0.5)
            else:
                return
        raise NotDone(f"group {group} could not be deleted: {failed}")

    def fill(self, topic: str, records: Iterable[tuple[int, bytes | None, bytes]]) -> int:
        """Write records to explicit partitions; tell how many, once all are acknowledged."""
        failures: list[object] = []
        producer = Producer(
            {**self._settings.librdkafka(), "enable.idempotence": True, "acks": "all", "linger.ms": 20, "log_level": 3}
        )
        count = 0
        for partition, key, value in records:
            while True:
                try:
                    producer.produce(
                        topic, value, key, partition, on_delivery=lambda error, _: failures.append(error) if error else None
                    )
                except BufferError:
                    producer.poll(0.1)
                else:
                    break
            count += 1
            if count % 1_000 == 0:
                producer.poll(0)
        if producer.flush(ASK_S_MAX) or failures:
            raise NotDone(f"topic {topic} could not be filled: {failures[:1] or 'the broker takes nothing'}")
        return count

    def _end(self, topic: str, partition: int) -> int:
        failed: BaseException | None = None
        for _ in range(GONE_TRIES_MAX):
            try:
                return int(self._reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=ASK_S_MAX)[1])
            except KafkaException as moved:  # a topic just made has no leader yet
                failed = moved
                self._pause.wait(0.05)
        raise NotDone(f"{topic}/{partition} cannot be looked at: {failed}")

    def _make(self, topic: NewTopic) -> None:
        failed: BaseException | None = None
        for _ in range(GONE_TRIES_MAX):
            try:
                self._admin.create_topics([topic], operation_timeout=ASK_S_MAX)[topic.topic].result(timeout=ASK_S_MAX)
            except KafkaException as busy:
                failed = busy
                self._pause.wait(0.05)
            else:
                return
        raise NotDone(f"topic {topic.topic} could not be made: {failed}")


def total(ends: Mapping[Place, int], topics: Sequence[str]) -> int:
    """Count the records of some topics."""
    return sum(end for (topic, _), end in ends.items() if topic in topics)
