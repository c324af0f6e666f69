"""The agent of the sequencer: takes batches of every input topic and feeds the one that puts them in order.

Decides: when source partitions are taken over, how often seconds and windows are looked at, and what ends the worker. Leaves to others: the
order (pipeline.sequencer), reading and writing Kafka (ports).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from streams.agents.ending import Ending
from streams.pipeline.identity import NEW_EPOCH, OtherTape
from streams.pipeline.ports import Polled
from streams.pipeline.sequencer import Sequencer, Source
from streams.pipeline.steps import Step, Watcher

LOGGER = logging.getLogger(__name__)

TEND_S = 0.01
"""How often acknowledgements, seconds and windows are looked at: a tenth of a window of marks."""
LEAVE_S_MAX = 7.0


class Skipped(OSError):
    """Records were passed over that are there. Starting again reads them."""


class Ends(Protocol):
    """Looks at source topics. It waits for the broker, so it is called beside the loop."""

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Give the first offset there is, and the one the next record will get."""

    def holds_records(self, topic: str, partition: int, start: int, end: int) -> bool:
        """Tell whether there is any record from one offset to before another."""

    def check_identity(self) -> None:
        """Make sure that the topics are those the tape was begun with."""


class SequencerPorts(NamedTuple):
    """What the sequencer's agent needs of the world."""

    sequencer: Sequencer
    log: Polled
    ends: Ends
    ending: Ending
    watcher: Watcher
    committed: Callable[[Source], int | None]
    generation: Callable[[], int]
    clock: Callable[[], float]


class Sequencing:
    """The source partitions a worker sequences."""

    def __init__(self, ports: SequencerPorts) -> None:
        """Begin with none."""
        self._ports = ports
        self.ready = False
        self.leaving = False
        self.owned = 0
        self._next: dict[Source, int] = {}
        """By source, the offset its next record has where none is missing."""

    async def positions(self, assigned: frozenset[Source]) -> Mapping[Source, int]:
        """Take over what was assigned. Where to read is what the group has committed; whether that is still there is looked at here."""
        ports = self._ports
        try:
            await asyncio.to_thread(ports.ends.check_identity)
            bounds = await asyncio.to_thread(lambda: {source: ports.ends.bounds(*source) for source in sorted(assigned)})
            for source, (low, high) in bounds.items():
                self._next[source] = _in_range(source, ports.committed(source), low, high)
            ports.sequencer.own((source, high) for source, (_, high) in bounds.items())
        except Exception as error:
            ports.ending.because(error)
            raise
        self.owned, self.ready = len(assigned), True
        LOGGER.info("sequencer owns %d source partitions", len(assigned))
        # Said also where nothing is committed yet: what was fetched for an assignment that has ended, and dropped, has to be fetched again.
        return {source: self._next[source] for source in assigned}

    async def take(self, source: Source, generation: int, records: Any, acknowledge: Callable[[], None]) -> None:
        """Forward a batch, unless it was fetched for an assignment that has ended."""
        ports = self._ports
        try:
            while not ports.sequencer.has_room:
                self.tend()
                await asyncio.sleep(TEND_S)
            if self.leaving or not self.ready or generation != ports.generation() or not records:
                return
            await self._joins(source, records[0].offset)
            if generation != ports.generation():
                return
            self._next[source] = records[-1].offset + 1
            ports.log.expect(len(records))
            ports.sequencer.check()  # what failed meanwhile ends the worker before anything is put behind it
            ports.sequencer.forward(*source, records, acknowledge)
            self.tend()
        except Exception as error:
            ports.ending.because(error)
            raise

    async def _joins(self, source: Source, first_offset: int) -> None:
        """Refuse what begins behind records that were deleted unread: the consumer then goes on with what is left, and says nothing.

        Compaction and a broker's own markers leave gaps too, but behind the first offset that is still there.
        """
        expected = self._next[source]
        if first_offset > expected:
            low, high = await asyncio.to_thread(self._ports.ends.bounds, *source)
            _in_range(source, expected, low, high)
            if await asyncio.to_thread(self._ports.ends.holds_records, *source, expected, first_offset):
                raise Skipped(f"{source[0]}/{source[1]} was to go on at offset {expected} and went on at {first_offset}")

    def tend(self) -> None:
        """Take acknowledgements, and move on what they and the time have made possible."""
        try:
            if self.ready and not self.leaving:
                self._ports.sequencer.tick()
            self._ports.log.poll()
            self._ports.sequencer.progress()
            self._ports.watcher.at(Step.IDLE)
        except Exception as error:
            self._ports.ending.because(error)
            raise

    async def tending(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Tend for ever."""
        while True:
            self.tend()
            await sleep(TEND_S)

    async def leave(self) -> None:
        """Have everything taken acknowledged before the worker ends."""
        self.leaving = True
        until = self._ports.clock() + LEAVE_S_MAX
        while self._ports.clock() < until and not self._ports.sequencer.settled:
            self.tend()
            await asyncio.sleep(TEND_S)

    def idle(self) -> None:
        """Be ready with nothing to do: there are more workers than partitions."""
        self._ports.sequencer.own(())
        self.owned, self.ready = 0, True

    def revoked(self) -> None:
        """Forward nothing more of what may be somebody else's now."""
        self.ready = False
        self._ports.sequencer.own(())


def _in_range(source: Source, committed: int | None, low: int, high: int) -> int:
    """Refuse to go on where records were deleted unread, or where the source ends before what was read of it. Gives what comes next."""
    topic, partition = source
    if committed is None:
        if low > 0:
            LOGGER.warning(
                "%s/%d begins at offset %d, and no position is known: what came before is not on this tape", topic, partition, low
            )
    elif committed < low:
        raise OtherTape(
            f"{topic}/{partition} begins at offset {low}, read was up to {committed}: what lies between was deleted unread; {NEW_EPOCH}"
        )
    elif committed > high:
        raise OtherTape(
            f"{topic}/{partition} ends at offset {high}, read was up to {committed}: this is another topic; {NEW_EPOCH}"
        )
    return low if committed is None else committed
