"""The publisher on a real Kafka that is killed and comes back with its data: everything acknowledged arrives, in the order of each key."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from connectors.kafka.local_cluster import LocalCluster, running_cluster
from connectors.kafka.publisher import Publisher
from connectors.kafka.receipts import Receipt, Refused, UnknownTopic
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.system_clock import SystemClock
from tests.integration.kafka_server import KafkaMissingError, resolved_jars
from tests.publishing_child import KEYS

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parent.parent.parent.parent
PARTITIONS = 4
WAIT_S_MAX = 60.0
"""A broker is back in seconds; a loaded machine gets more, and a hang ends."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Give a broker of these tests' own: they kill it."""
    try:
        jars = resolved_jars()
    except KafkaMissingError as missing:
        pytest.skip(f"real Kafka could not be had: {missing}")
    with running_cluster(jars, tmp_path_factory.mktemp("kafka")) as running:
        yield running


def new_topic(cluster: LocalCluster, name: str, **config: str) -> str:
    admin = AdminClient({"bootstrap.servers": cluster.servers, "log_level": 0})
    for created in admin.create_topics([NewTopic(name, PARTITIONS, 1, config=config)], operation_timeout=30).values():
        created.result(timeout=30)
    return name


def publisher_of(cluster: LocalCluster, folder: Path) -> Publisher:
    return Publisher(KafkaSettings(servers=cluster.servers), folder, clock=SystemClock())


def until(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + WAIT_S_MAX
    while not condition():
        assert time.monotonic() < give_up, f"waited {WAIT_S_MAX} s for: {what}"
        time.sleep(0.02)


def arrived(cluster: LocalCluster, topic: str) -> dict[str, list[int]]:
    """Read a topic to its end: the values of each key, in their order, repeats left out."""
    consumer = Consumer(
        {"bootstrap.servers": cluster.servers, "group.id": f"reads-{topic}", "enable.auto.commit": False, "log_level": 0}
    )
    found: dict[str, list[int]] = {}
    try:
        for partition in range(PARTITIONS):
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=WAIT_S_MAX)
            consumer.assign([TopicPartition(topic, partition, 0)])
            at = 0
            while at < end:
                for message in consumer.consume(1_000, timeout=0.5):
                    key, value, offset = message.key(), message.value(), message.offset()
                    assert message.error() is None
                    assert isinstance(key, bytes)
                    assert value is not None
                    assert offset is not None
                    name = key.decode()
                    found.setdefault(name, []).append(int(value))
                    at = offset + 1
    finally:
        consumer.close()
    return {key: list(dict.fromkeys(values)) for key, values in found.items()}


def assert_all_there(found: dict[str, list[int]], acknowledged: set[int]) -> None:
    assert acknowledged - {value for values in found.values() for value in values} == set()
    assert {key: values for key, values in found.items() if values != sorted(values)} == {}


def test_everything_arrives_in_order_across_a_broker_that_is_killed_and_comes_back(cluster: LocalCluster, tmp_path: Path) -> None:
    topic = new_topic(cluster, "outage")
    receipts: list[Receipt] = []

    def some(count: int) -> None:
        for _ in range(count):
            number = len(receipts)
            receipts.append(
                publisher.publish(topic, f"k{number % KEYS}", b"%d" % number, headers=[("n", b"%d" % number)][: number % 2])
            )

    with publisher_of(cluster, tmp_path / "spool") as publisher:
        some(2_000)
        receipts[0].wait(WAIT_S_MAX)
        until(lambda: publisher.health().mode == "DIRECT", "the way to be open")
        some(3_000)
        cluster.kill(1)
        some(3_000)
        until(lambda: publisher.health().mode == "AWAY", "the publisher to notice")
        some(2_000)
        assert publisher.flush(WAIT_S_MAX) == 0
        assert not publisher.health().green
        assert publisher.health().spooled > 0
        cluster.revive(1)
        until(lambda: publisher.health().mode != "AWAY", "the broker to be back")
        some(2_000)
        assert publisher.drain(WAIT_S_MAX) == 0
        some(1_000)
        assert publisher.flush(WAIT_S_MAX) == 0
        assert publisher.health().green

    assert all(one.acknowledged for one in receipts)
    assert_all_there(arrived(cluster, topic), set(range(len(receipts))))


def killed_child(cluster: LocalCluster, folder: Path, topic: str, first: int, enough: Callable[[int], bool]) -> set[int]:
    """Run a publisher in a process of its own, kill -9 it when enough is acknowledged, and give what it told."""
    asked = [sys.executable, "-m", "tests.publishing_child", str(folder), cluster.servers, topic, str(first)]
    told: set[int] = set()
    with subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                told.add(int(line))
                if enough(len(told)):
                    child.kill()
        finally:
            child.kill()
    return told


def test_nothing_acknowledged_is_lost_when_the_publisher_is_killed_in_an_outage_and_while_draining(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    seed = 20_261_121
    chance = random.Random(seed)
    topic, folder = new_topic(cluster, "killed"), tmp_path / "spool"
    told: set[int] = set()
    down = False

    def in_an_outage(count: int) -> bool:
        nonlocal down
        if count >= 500 and not down:
            down = True
            cluster.kill(1)
        return count >= stop_at

    stop_at = 500 + chance.randint(3_000, 8_000)
    told |= killed_child(cluster, folder, topic, 0, in_an_outage)
    stop_at = chance.randint(1, 5_000)
    told |= killed_child(cluster, folder, topic, 1_000_000, in_an_outage)
    cluster.revive(1)
    for number in range(2, 5):
        stop_at = chance.randint(1, 400)
        told |= killed_child(cluster, folder, topic, number * 1_000_000, in_an_outage)
    with publisher_of(cluster, folder) as publisher:
        assert publisher.drain(WAIT_S_MAX) == 0
        assert publisher.health().set_aside == 0

    assert len(told) > 3_000, f"seed {seed}"
    assert_all_there(arrived(cluster, topic), told)


def test_a_topic_that_is_not_there_is_an_error_and_what_the_topic_does_not_take_is_refused(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    topic = new_topic(cluster, "small-records", **{"max.message.bytes": "2000"})
    with publisher_of(cluster, tmp_path / "spool") as publisher:
        publisher.publish(topic, "k0", b"0").wait(WAIT_S_MAX)
        with pytest.raises(UnknownTopic):
            publisher.publish("nobody-made-this", "k0", b"1")
        with pytest.raises(Refused):
            publisher.publish(topic, "k0", b"7" * 5_000).wait(WAIT_S_MAX)
        publisher.publish(topic, "k0", b"2").wait(WAIT_S_MAX)
        assert publisher.drain(WAIT_S_MAX) == 0

    assert arrived(cluster, topic) == {"k0": [0, 2]}
