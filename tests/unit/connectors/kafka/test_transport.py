"""The batched transport: how messages are handed over, and that a partition goes on as soon as it is held up no longer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

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


class Handing:
    """A consumer that hands messages over, and whoever takes them."""

    def __init__(self, offsets: list[int], taking: Callable[[int], Awaitable[None]]) -> None:
        """Fetch these once, and nothing more."""
        self.taken: list[int] = []
        self.abandoned: list[int] = []
        self._offsets, self._taking = offsets, taking
        self.consumer = BatchedConsumer.__new__(BatchedConsumer)
        self.fetcher = SimpleNamespace(should_stop=False)
        self.app = SimpleNamespace(should_stop=False)
        self.suspended = asyncio.Event()
        vars(self.consumer).update(
            app=self.app, callback=self._take, getmany=self._fetched, suspend_flow=self.suspended, _read_offset={HELD_UP: None},
            _stopped=asyncio.Event(), _crashed=asyncio.Event(), _shutdown=asyncio.Event(), _loop=asyncio.get_running_loop(),
            consumer_stopped_errors=(ConnectionError,),
        )  # fmt: skip

    async def drain(self) -> None:
        await self.consumer._drain_messages(self.fetcher)  # noqa: SLF001 - as Faust's fetcher calls it

    @property
    def read(self) -> int | None:
        found: int | None = self.consumer._read_offset[HELD_UP]  # noqa: SLF001 - see above
        return found

    async def _fetched(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109, ARG002 - Faust's signature
        self.fetcher.should_stop = True
        for offset in self._offsets:
            yield HELD_UP, SimpleNamespace(offset=offset)

    async def _take(self, message: Any) -> None:
        try:
            await self._taking(message.offset)
        except asyncio.CancelledError:
            self.abandoned.append(message.offset)
            raise
        self.taken.append(message.offset)


async def at_once(_: int) -> None:
    """Take a message without waiting."""


def test_messages_are_handed_over_in_order_and_those_read_before_are_not() -> None:
    async def run() -> None:
        handing = Handing([4, 5, 6, 7], at_once)
        handing.consumer._read_offset[HELD_UP] = 6  # noqa: SLF001 - as a seek leaves it
        await handing.drain()
        assert (handing.taken, handing.read) == ([6, 7], 7)

    asyncio.run(run())


class Waiting:
    """Takes the first so many messages at once, and waits for ever with the others."""

    def __init__(self, at_once: int) -> None:
        self.at_once, self.waits = at_once, asyncio.Event()

    async def take(self, offset: int) -> None:
        if offset >= self.at_once:
            self.waits.set()
            await asyncio.Event().wait()


def test_a_message_that_has_to_wait_is_let_go_of_when_flow_is_suspended() -> None:
    async def run() -> None:
        waiting = Waiting(1)
        handing = Handing([0, 1, 2], waiting.take)
        draining = asyncio.ensure_future(handing.drain())
        await asyncio.wait_for(waiting.waits.wait(), WAIT_S_MAX)
        assert (draining.done(), handing.taken, handing.read) == (False, [0], 0)
        handing.suspended.set()
        await asyncio.wait_for(draining, WAIT_S_MAX)
        assert (handing.taken, handing.abandoned) == ([0], [1, 2])

    asyncio.run(run())


def test_what_goes_wrong_while_a_message_is_taken_is_told() -> None:
    async def broken(_: int) -> None:
        raise LookupError("nobody takes it")

    async def run() -> None:
        handing = Handing([0], broken)
        with pytest.raises(LookupError):
            await handing.drain()
        assert handing.read is None

    asyncio.run(run())


@pytest.mark.parametrize("leaving", [True, False])
def test_a_drain_that_is_cancelled_ends_quietly_where_the_worker_leaves(leaving: bool) -> None:
    async def run() -> None:
        waiting = Waiting(0)
        handing = Handing([0], waiting.take)
        handing.app.should_stop = leaving
        draining = asyncio.ensure_future(handing.drain())
        await asyncio.wait_for(waiting.waits.wait(), WAIT_S_MAX)
        draining.cancel()
        await asyncio.wait([draining], timeout=WAIT_S_MAX)
        assert draining.cancelled() is not leaving
        assert handing.abandoned == [0]

    asyncio.run(run())


def test_nothing_that_was_fetched_is_given_once_flow_is_stopped() -> None:
    async def run() -> None:
        consumer = BatchedConsumer.__new__(BatchedConsumer)
        records = [SimpleNamespace(offset=offset, timestamp=0, timestamp_type=0) for offset in range(5)]

        async def fetched(_: float) -> tuple[Any, Any]:
            return {HELD_UP: records, TP("changelog", 1): records, TP("changelog", 2): records}, None

        monitor = SimpleNamespace(track_tp_end_offset=lambda *_: None)
        vars(consumer).update(
            app=SimpleNamespace(consumer_generation_id=1, monitor=monitor), _seeking=0, _seeks=0, _dropped=False, flow_active=True,
            _wait_next_records=fetched, _is_changelog_tp=lambda _: True, highwater=lambda _: 5,
            _stopped=asyncio.Event(), _crashed=asyncio.Event(),
        )  # fmt: skip
        given: list[tuple[int, Any]] = []
        async for _, message in consumer.getmany(1.0):
            given.append((message.offset, message.value))
            vars(consumer)["flow_active"] = len(given) < 2
        assert given == [(4, records), (4, records)], "a changelog comes by fetches too"

    asyncio.run(run())
