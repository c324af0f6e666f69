"""What the tape needs from a real Kafka: bytes come back as they went in, in order, at contiguous offsets of the partition they were sent to."""

import random
import time

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from schemas.registry import BundledRegistry
from streams.desk.desk import step
from streams.replay.hashes import decisions_hash
from streams.replay.replay import recorded, starting_state
from streams.replay.tape_file import TapeReader
from tests.integration.kafka_server import Kafka
from tests.tapes.build import path_of
from tests.tapes_fixture import ReplayByName

pytestmark = pytest.mark.kafka

PARTITIONS = 4
READ_S_MAX = 60
"""The records take well under a second; a loaded machine gets more, and a hang ends."""


def written(kafka: Kafka, topic: str, records: dict[int, list[bytes]]) -> None:
    """Produce records to explicit partitions, acknowledged by all replicas, without repeats; any failure fails the test."""
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer({"bootstrap.servers": kafka.servers, "enable.idempotence": True, "acks": "all", "linger.ms": 0})
    for partition, values in records.items():
        for value in values:
            producer.produce(topic, value=value, key=b"account", partition=partition, on_delivery=delivered)
            producer.poll(0)
    assert producer.flush(READ_S_MAX) == 0
    assert failures == []


def read(kafka: Kafka, topic: str, partition: int, count: int) -> list[tuple[int, bytes]]:
    """Read a partition from its beginning: offsets and bytes."""
    consumer = Consumer({"bootstrap.servers": kafka.servers, "group.id": f"reads-{topic}", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: list[tuple[int, bytes]] = []
    give_up = time.monotonic() + READ_S_MAX
    try:
        while len(found) < count and time.monotonic() < give_up:
            for message in consumer.consume(500, timeout=1.0):
                assert message.error() is None
                offset, value = message.offset(), message.value()
                assert offset is not None
                assert isinstance(value, bytes)
                found.append((offset, value))
    finally:
        consumer.close()
    return found


def test_records_come_back_in_order_and_byte_for_byte_at_contiguous_offsets(kafka: Kafka) -> None:
    topic = kafka.new_topic("tape-bytes", PARTITIONS)
    chance = random.Random(20_260_101)
    records = {partition: [b"\x00" + chance.randbytes(chance.randint(1, 300)) for _ in range(1_000)] for partition in (0, 3)}

    written(kafka, topic, records)

    for partition, values in records.items():
        assert read(kafka, topic, partition, len(values)) == list(enumerate(values))


def test_a_topic_is_never_made_by_merely_naming_it(kafka: Kafka) -> None:
    known = kafka.admin.list_topics(timeout=10).topics

    assert "nobody-made-this" not in known
    asked = kafka.admin.list_topics(topic="nobody-made-this", timeout=10).topics["nobody-made-this"]
    assert asked.error is not None
    assert "nobody-made-this" not in kafka.admin.list_topics(timeout=10).topics


def test_a_tape_that_went_through_kafka_gives_the_same_decisions(kafka: Kafka, replay: ReplayByName) -> None:
    name = "quiet-day"
    with TapeReader(path_of(name)) as tape:
        codec = tape.codec(BundledRegistry())
        state = starting_state(tape, codec)
        values = [one.event for one in recorded(tape)]
    topic = kafka.new_topic("tape-replayed", PARTITIONS)

    written(kafka, topic, {2: values})

    for offset, value in read(kafka, topic, 2, len(values)):
        step(state, codec.decode_event(value, offset))
    assert decisions_hash(state) == replay(name).decisions_hash
