"""The reader of topics on the embedded broker: ranges, repeats, gaps, and brokers that go away."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka import Producer

from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.reading import BrokerAway, ReadRefused, TopicReader
from connectors.kafka.settings import KafkaSettings, kafka_settings

WAIT_S = 30.0


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def reader(broker: EmbeddedBroker) -> Iterator[TopicReader]:
    with TopicReader(settings(broker)) as opened:
        yield opened


def settings(broker: EmbeddedBroker) -> KafkaSettings:
    return kafka_settings({"QTS_KAFKA_SERVERS": broker.servers})


def fill(broker: EmbeddedBroker, topic: str, count: int, size: int = 1) -> None:
    broker.create(topic, 2)
    producer = Producer({"bootstrap.servers": broker.servers, "log_level": 0})
    for number in range(count):
        producer.produce(topic, b"%d" % number * size, partition=number % 2)
        producer.poll(0)
    assert producer.flush(WAIT_S) == 0


def test_it_reads_exactly_what_was_asked_for(broker: EmbeddedBroker, reader: TopicReader) -> None:
    fill(broker, "ranges", 100)

    found = list(reader.from_to("ranges", {0: 10, 1: 48}, {0: 12, 1: 50}))

    assert sorted((seen.partition, seen.offset, seen.value) for seen in found) == [
        (0, 10, b"20"), (0, 11, b"22"), (1, 48, b"97"), (1, 49, b"99"),
    ]  # fmt: skip


def test_the_same_record_can_be_read_again_and_again(broker: EmbeddedBroker, reader: TopicReader) -> None:
    fill(broker, "again", 10)

    for _ in range(5):
        assert [seen.value for seen in reader.from_to("again", {1: 3}, {1: 4})] == [b"7"]
    assert len(list(reader.from_to("again", {0: 0, 1: 0}, {0: 5, 1: 5}))) == 10


def test_an_empty_range_is_nothing_at_once(broker: EmbeddedBroker, reader: TopicReader) -> None:
    fill(broker, "empty", 2)

    assert list(reader.from_to("empty", {0: 1, 1: 1}, {0: 1, 1: 1})) == []
    assert list(reader.from_to("empty", {}, {})) == []


def test_a_range_that_is_gone_from_the_broker_is_read_as_far_as_it_is_there(broker: EmbeddedBroker, reader: TopicReader) -> None:
    fill(broker, "gone", 1_600, size=4_000)
    bounds = reader.bounds("gone", 2)[0]
    assert bounds.low > 0

    assert list(reader.from_to("gone", {0: 0}, {0: bounds.low})) == []
    assert [seen.offset for seen in reader.from_to("gone", {0: 0}, {0: bounds.low + 2})] == [bounds.low, bounds.low + 1]


def test_a_range_beyond_the_end_ends_at_the_end(broker: EmbeddedBroker, reader: TopicReader) -> None:
    fill(broker, "short", 4)

    assert len(list(reader.from_to("short", {0: 0}, {0: 1_000}))) == 2


def test_following_begins_where_it_is_told_and_says_when_nothing_comes(broker: EmbeddedBroker, reader: TopicReader) -> None:
    fill(broker, "growing", 10)

    first = list(islice(reader.follow("growing", {0: 3, 1: 5}), 3))

    assert [seen.value for seen in first if seen is not None] == [b"6", b"8"]
    assert first[-1] is None


def test_topics_are_listed_with_their_partitions_and_none_is_made_by_asking(broker: EmbeddedBroker, reader: TopicReader) -> None:
    fill(broker, "listed", 1)

    assert reader.topics()["listed"] == 2
    with pytest.raises((ReadRefused, BrokerAway)):
        reader.bounds("never-made", 1)
    assert "never-made" not in reader.topics()


def test_a_broker_killed_under_a_reader_is_away() -> None:
    with EmbeddedBroker() as dying:
        fill(dying, "last", 2)
        with TopicReader(settings(dying)) as reader:
            assert len(list(reader.from_to("last", {0: 0, 1: 0}, {0: 1, 1: 1}))) == 2
            assert dying.pid is not None
            os.kill(dying.pid, signal.SIGKILL)

            with pytest.raises(BrokerAway):
                list(reader.follow("last", {0: 1}))


def test_settings_no_client_can_use_are_refused(tmp_path: Path) -> None:
    where = replace(kafka_settings({}), security="SSL", ca_file=str(tmp_path / "gone since it was checked"))

    with pytest.raises(ReadRefused, match="cannot be used"):
        TopicReader(where)
