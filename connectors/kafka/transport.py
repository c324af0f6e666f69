"""The batched Faust transport: one message for all records a fetch brought of a partition.

Decides: what a stream sees (a message whose value is the list of records, whose offset is the last one's), where partitions are read from after
an assignment, and which offset is committed: the last one acknowledged, since batches are acknowledged in order. Faust's recovery gets changelogs
of tables the same way. Leaves to others: where a partition goes on (the app's `positions`), what a table makes of a batch, and the rest to Faust.
"""

import asyncio
import types
from collections.abc import AsyncIterator, Generator, Mapping
from typing import Any, Protocol, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage, Message

from connectors.kafka.lease import Lease, watch

POLL_S = 1.0
"""How long to wait for records before the watchdog is shown that all is well."""


class Positions(Protocol):
    """Knows where partitions go on, whatever has been committed."""

    async def positions(self, assigned: frozenset[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Give the offset to read next of the partitions it knows better than the group."""


class FetchingThread(driver.AIOKafkaConsumerThread):
    """Faust's thread around aiokafka: with a say in how long a broker may wait before it answers that there is nothing, and with a lease."""

    async def on_start(self) -> None:
        """Have the lease kept from before the group is joined."""
        await super().on_start()
        lease: Lease | None = getattr(self.app, "lease")  # noqa: B009 - the app's class is ours, and imports this module
        if lease is not None and self._consumer is not None:
            watch(self._consumer._coordinator, lease)  # noqa: SLF001 - aiokafka tells nobody when it was heard of

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        wait_ms: int = getattr(self.app, "fetch_wait_ms")  # noqa: B009 - the app's class is ours, and imports this module
        consumer._fetch_max_wait_ms = wait_ms  # noqa: SLF001 - Faust has a fixed 1,500 ms and no setting for it
        return consumer

    def look_again(self) -> None:
        """Have a fetch that waits look again at what it may give: a partition that was held up no longer is."""
        if self._consumer is not None and not self.thread_loop.is_closed():
            self.thread_loop.call_soon_threadsafe(wake, self._consumer._fetcher)  # noqa: SLF001 - Faust fetches through it too


def wake(fetcher: Any) -> None:
    """Have the fetches of a consumer of aiokafka look again at what they may give."""
    for waiter in fetcher._fetch_waiters:  # noqa: SLF001 - as aiokafka does when records have come
        fetcher._notify(waiter)  # noqa: SLF001 - see above


@types.coroutine
def _turn_of_others() -> Generator[None, None, None]:
    """Let what is ready have its turn."""
    yield


class BatchedConsumer(driver.Consumer):
    """Faust's consumer, handing over whole fetches."""

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return FetchingThread(self, loop=self.loop, beacon=self.beacon)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with nothing sought."""
        self._known: Mapping[TP, int] = {}
        self._seeking = self._seeks = 0
        self._dropped = False
        super().__init__(*args, **kwargs)

    polls = 0
    """How often was asked for records: a watchdog sees that this goes on."""

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's signature
        """Give what one fetch brought, a message a partition."""
        if self._dropped and not self._seeking:
            # Some of what was dropped may have been fetched after the seek: without another one nobody would ever read it.
            self._dropped = False
            await self._seek_all()
        generation, seeks = self.app.consumer_generation_id, self._seeks
        records, active = await self._wait_next_records(timeout)
        self.polls += 1
        if self.should_stop or not self.flow_active or not records:
            return  # what came meanwhile is dropped: flow is resumed after every partition has been sent to where it goes on
        records = await self._sound(records, generation, seeks)
        for tp, fetched in records.items():
            if not self._flows():
                return
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            if self._is_changelog_tp(tp) or generation == self.app.consumer_generation_id:
                yield tp, self._batch(tp, fetched, generation)

    async def _sound(self, records: Mapping[TP, list[Any]], generation: int, seeks: int) -> Mapping[TP, list[Any]]:
        """Leave out what was fetched from where the partitions stood before they were sent to where they go on, or from both sides of that.

        Changelogs are sent there before flow is resumed; of those Faust's recovery drops what it has had already.
        """
        ended = generation != self.app.consumer_generation_id
        if not ended and not self._seeking and self._seeks == seeks:
            return records
        if self._seeking:
            self._dropped = True
        elif self._seeks != seeks:
            await self._seek_all()
        return {tp: fetched for tp, fetched in records.items() if self._is_changelog_tp(tp)}

    async def _drain_messages(self, fetcher: Any) -> None:
        """Hand over what is fetched, as Faust does it, with one task for a message and not five.

        Faust watches at each message whether flow is suspended or all ends meanwhile. That matters only where handing over has to wait, for a
        queue or for flow; measured live, the other tasks were a tenth of a sequencer's work.
        """
        ends: tuple[type[BaseException], ...] = (*self.consumer_stopped_errors, asyncio.CancelledError)
        try:
            while not (self.should_stop or fetcher.should_stop):
                async for tp, message in self.getmany(timeout=POLL_S):
                    read = self._read_offset[tp]
                    if read is None or message.offset >= read:
                        await self._hand_over(message)
                        self._read_offset[tp] = message.offset
        except ends:
            if not self.app.should_stop:
                raise

    async def _hand_over(self, message: Message) -> None:
        handing = asyncio.ensure_future(self.callback(message))
        try:
            await _turn_of_others()
            if handing.done():
                handing.result()
            else:
                await self.wait_first(handing, self.suspend_flow.wait())
        finally:
            handing.cancel()

    def on_buffer_drop(self, tp: TP) -> None:
        """Go on with a partition that was held up because its batches waited: at once, not when a fetch that waits for others runs out.

        Measured while catching up: those fetches waited for a second each, a fifth of the whole time.
        """
        held_up = tp in self._buffered_partitions
        super().on_buffer_drop(tp)
        if held_up and isinstance(self._thread, FetchingThread):
            self._thread.look_again()

    async def perform_seek(self) -> None:
        """Send every partition to where it goes on: to what was committed, or to what the app knows better."""
        self._seeking += 1
        try:
            self._known = {}
            await self._seek_all()
            known: Positions | None = getattr(self.app, "positions_from", None)
            if known is not None:
                assigned = {tp for tp in self.assignment() if not self._is_changelog_tp(tp)}
                wanted = await known.positions(frozenset((tp.topic, tp.partition) for tp in assigned))
                self._known = {tp: wanted[tp.topic, tp.partition] for tp in assigned if (tp.topic, tp.partition) in wanted}
            await self._seek_all()
        finally:
            self._seeking -= 1
            self._seeks += 1

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek where it is known where to. Faust's recovery asks for places it does not know yet when one assignment follows on another."""
        known: Mapping[TP, int | None] = partitions
        await super().seek_wait({tp: max(0, offset) for tp, offset in known.items() if offset is not None})

    async def _seek_all(self) -> None:
        await super().perform_seek()
        if self._known:
            await self.seek_wait(self._known)

    def _flows(self) -> bool:
        """Tell whether records may be handed over, in this moment: an assignment may have ended since the last one was."""
        return self.flow_active

    def _batch(self, tp: TP, fetched: list[Any], generation: int) -> ConsumerMessage:
        last = fetched[-1]
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1_000, last.timestamp_type, None, None,
            cast("bytes", fetched),  # Faust passes on whatever it is given; the app's schema does not decode it
            None, 0, 0, tp, generation_id=generation,
        )  # fmt: skip

    def _new_offset(self, tp: TP) -> int | None:
        """Commit the last offset acknowledged: batches are acknowledged in order, whatever lies between their last offsets."""
        acked = self._acked[tp]
        if not acked:
            return None
        last: int = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return last + 1

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Leave it to our own watchdog: Faust takes a changelog that is not read after recovery for a stream that hangs."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Note no gaps: between the last offsets of two batches lie the records of the second."""


class BatchedTransport(driver.Transport):
    """Faust's transport, with batches."""

    Consumer = BatchedConsumer
