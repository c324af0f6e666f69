"""The embedded broker with real clients: what it can do, what it cannot (docs/adr/0011), and that it never outlives whoever started it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]  # it brings no types
from aiokafka import TopicPartition as AioPartition
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from connectors.kafka.embedded import DEFAULT_PARTITIONS, PARTITION_BYTES_MAX, EmbeddedBroker, EmbeddedBrokerFailed

WAIT_S = 30.0

ANOTHER = """
import sys, time
from connectors.kafka.embedded import EmbeddedBroker
broker = EmbeddedBroker()
broker.start()
print(broker.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


def until(true: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + WAIT_S
    while not true() and time.monotonic() < give_up:
        time.sleep(0.02)
    return true()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def produce(broker: EmbeddedBroker, topic: str, values: list[bytes], partitions: int) -> None:
    producer = Producer(
        {"bootstrap.servers": broker.servers, "enable.idempotence": True, "acks": "all", "linger.ms": 0, "log_level": 0}
    )
    failed: list[object] = []
    for number, value in enumerate(values):
        producer.produce(
            topic, value, partition=number % partitions, on_delivery=lambda error, _: failed.append(error) if error else None
        )
    assert producer.flush(WAIT_S) == 0
    assert failed == []


async def joined(broker: EmbeddedBroker, topic: str, group: str, instance: str | None) -> AIOKafkaConsumer:
    member = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.servers, group_id=group, group_instance_id=instance, enable_auto_commit=False,
        auto_offset_reset="earliest", session_timeout_ms=3_000, heartbeat_interval_ms=500, rebalance_timeout_ms=3_000, fetch_max_wait_ms=20,
    )  # fmt: skip
    await asyncio.wait_for(member.start(), WAIT_S)
    return member


async def took(member: AIOKafkaConsumer, count: int) -> list[tuple[int, int]]:
    got: list[tuple[int, int]] = []
    while len(got) < count:
        read = await asyncio.wait_for(member.getmany(timeout_ms=200), WAIT_S)
        got += [(record.partition, record.offset) for records in read.values() for record in records]
    return got


@pytest.mark.parametrize("partitions", [1, 4, 7])
def test_a_topic_has_the_partitions_it_was_made_with(broker: EmbeddedBroker, partitions: int) -> None:
    broker.create(f"made-with-{partitions}", partitions)
    broker.create(f"made-with-{partitions}", partitions + 1)  # it is there already

    produce(broker, f"made-with-{partitions}", [b"x"] * partitions, partitions)

    found = Producer({"bootstrap.servers": broker.servers, "log_level": 0}).list_topics(timeout=WAIT_S).topics
    assert len(found[f"made-with-{partitions}"].partitions) == partitions


def test_a_topic_made_by_its_first_use_has_four(broker: EmbeddedBroker) -> None:
    produce(broker, "made-by-use", [b"x"] * DEFAULT_PARTITIONS, DEFAULT_PARTITIONS)

    found = Producer({"bootstrap.servers": broker.servers, "log_level": 0}).list_topics(timeout=WAIT_S).topics
    assert len(found["made-by-use"].partitions) == DEFAULT_PARTITIONS


@pytest.mark.parametrize(
    ("topic", "partitions"), [("two words", 1), ("", 1), ("none", 0), ("many", 1_001), ("a/b", 4), ("x" * 250, 4)]
)
def test_what_is_no_topic_is_refused_and_the_broker_goes_on(broker: EmbeddedBroker, topic: str, partitions: int) -> None:
    with pytest.raises(EmbeddedBrokerFailed):
        broker.create(topic, partitions)

    broker.create("still-there", 1)


@pytest.mark.parametrize("instance", [None, "worker-0"])
def test_one_aiokafka_member_reads_commits_seeks_and_goes_on_where_it_committed(
    broker: EmbeddedBroker, instance: str | None
) -> None:
    topic, group = f"read-{instance}", f"group-{instance}"
    broker.create(topic, 4)
    produce(broker, topic, [b"%d" % number for number in range(100)], 4)

    async def living() -> None:
        first = await joined(broker, topic, group, instance)
        assert len(await took(first, 100)) == 100
        partition = AioPartition(topic, 0)
        assert await first.beginning_offsets([partition]) == {partition: 0}
        assert await first.end_offsets([partition]) == {partition: 25}
        first.seek(partition, 20)
        assert await took(first, 5) == [(0, offset) for offset in range(20, 25)]
        await first.commit()
        await first.stop()

        second = await joined(broker, topic, group, instance)
        assert {await second.committed(partition) for partition in second.assignment()} == {25}
        produce(broker, topic, [b"later"] * 4, 4)
        assert sorted(await took(second, 4)) == [(number, 25) for number in range(4)]
        await second.stop()

    asyncio.run(living())


@pytest.mark.parametrize("static", [False, True])
def test_two_members_of_librdkafka_share_a_group(broker: EmbeddedBroker, static: bool) -> None:
    topic = f"shared-{static}"
    broker.create(topic, 4)

    def member(name: str) -> Consumer:
        options: dict[str, str | int | float | bool] = {"group.instance.id": name} if static else {}
        made = Consumer({
            **options, "bootstrap.servers": broker.servers, "group.id": topic, "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "session.timeout.ms": 3_000, "heartbeat.interval.ms": 500, "log_level": 0,
        })  # fmt: skip
        made.subscribe([topic])
        return made

    one, other = member("one"), member("other")

    def shared() -> bool:
        one.poll(0.05)
        other.poll(0.05)
        return len(one.assignment()) == len(other.assignment()) == 2

    assert until(shared)
    one.close()
    other.close()


def test_an_offset_out_of_range_is_an_error_where_asked_for(broker: EmbeddedBroker) -> None:
    produce(broker, "short", [b"x"], 1)
    consumer = Consumer({"bootstrap.servers": broker.servers, "group.id": "beyond", "auto.offset.reset": "error", "log_level": 0})
    consumer.assign([TopicPartition("short", 0, 9_999)])

    (message,) = consumer.consume(1, WAIT_S)

    error = message.error()
    assert error is not None
    assert error.code() == KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001 - its public name
    consumer.close()


def test_memory_is_bounded_because_the_oldest_records_go(broker: EmbeddedBroker) -> None:
    broker.create("flood", 2)
    record, count = b"x" * 10_000, 12_000

    produce(broker, "flood", [record] * count, 2)

    consumer = Consumer({"bootstrap.servers": broker.servers, "group.id": "flood", "log_level": 0})
    low, high = consumer.get_watermark_offsets(TopicPartition("flood", 0), timeout=WAIT_S)
    consumer.close()
    assert high == count // 2
    assert (high - low) * len(record) <= PARTITION_BYTES_MAX
    assert resident_mb(broker) < 200  # 120 MB went through; two partitions keep 10


def resident_mb(broker: EmbeddedBroker) -> int:
    status = Path(f"/proc/{broker.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_whoever_started_it_however_that_ends(how: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ANOTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child)
        os.kill(parent.pid, how)
        parent.communicate(timeout=WAIT_S)

        assert until(lambda: gone(child))
    finally:
        parent.kill()
        parent.wait(WAIT_S)


def test_one_that_was_killed_is_noticed(broker: EmbeddedBroker) -> None:
    with EmbeddedBroker() as other:
        assert other.running
        assert other.servers != broker.servers
        assert other.pid is not None
        os.kill(other.pid, signal.SIGKILL)

        assert until(lambda: not other.running)
        with pytest.raises(EmbeddedBrokerFailed, match="it has ended"):
            other.create("too-late", 1)


def test_stopping_twice_is_stopping() -> None:
    broker = EmbeddedBroker()
    broker.start()
    pid = broker.pid
    broker.stop()
    broker.stop()

    assert pid is not None
    assert gone(pid)
    with pytest.raises(EmbeddedBrokerFailed, match="not been started"):
        broker.create("never", 1)
