"""The batched transport: a partition that was held up goes on as soon as it no longer is, also while a fetch waits for others."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # it has no types
from faust.types import TP

from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.log import KafkaLog
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.transport import BatchedConsumer, FetchingThread, wake

WAIT_S_MAX = 30.0
FOR_EVER_S = 600.0
HELD_UP, QUIET = TopicPartition("held-up", 0), TopicPartition("held-up", 1)


async def fetched_once_let_go(servers: str) -> list[int]:
    """Fetch from the quiet partition alone while the other has records; let that one go, and give what the same fetch brings."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", fetch_max_wait_ms=20)
    await consumer.start()
    try:
        consumer.assign([HELD_UP, QUIET])
        fetcher, active = consumer._fetcher, {QUIET}  # noqa: SLF001 - what Faust fetches through
        while HELD_UP not in fetcher._records:  # noqa: ASYNC110, SLF001 - the broker's answer sets no event
            await asyncio.sleep(0.01)
        fetch = asyncio.ensure_future(fetcher.fetched_records(active, timeout=FOR_EVER_S))
        done, _ = await asyncio.wait([fetch], timeout=0.1)
        assert not done, "what is held up is not given"
        active.add(HELD_UP)
        wake(fetcher)
        found = await fetch
        return [record.offset for record in found[HELD_UP]]
    finally:
        await consumer.stop()


def test_a_fetch_that_waits_looks_again_when_a_partition_is_held_up_no_longer() -> None:
    with EmbeddedBroker() as broker:
        broker.create("held-up", 2)
        log = KafkaLog(KafkaSettings(broker.servers), "test-transport")
        for number in range(3):
            log.append("held-up", 0, None, b"%d" % number, None, lambda _failure, _receipt: None)
        assert log.flush(WAIT_S_MAX) == 0

        assert asyncio.run(asyncio.wait_for(fetched_once_let_go(broker.servers), WAIT_S_MAX))[0] == 0


def test_only_a_partition_that_was_held_up_has_the_fetch_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []

    def look_again(thread: FetchingThread) -> None:
        looks.append(thread)

    monkeypatch.setattr(FetchingThread, "look_again", look_again)
    consumer, held_up, other = BatchedConsumer.__new__(BatchedConsumer), TP("held-up", 0), TP("held-up", 1)
    thread, active = FetchingThread.__new__(FetchingThread), {other}
    vars(consumer).update(_thread=thread, _buffered_partitions={held_up}, _active_partitions=active)

    consumer.on_buffer_drop(other)
    assert looks == []
    consumer.on_buffer_drop(held_up)
    assert len(looks) == 1
    assert looks[0] is thread
    assert active == {held_up, other}
