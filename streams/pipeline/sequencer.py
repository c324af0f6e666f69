"""The sequencer: puts all inputs into one order a tape partition.

Decides: to which tape partitions a record goes, what is wrapped around it, when a second has come, and when a batch is acknowledged: when all of it
is on the tape. A failed forward ends the sequencer; it never skips, because what comes after a gap would be taken and what was in it dropped
as a repeat. Leaves to others: which records there are (the agent), what they say (the desk), Kafka (the log).
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from streams.desk.messages import EVERY_ACCOUNT, Tick
from streams.pipeline.conflation import Conflation, Kept, Merge
from streams.pipeline.ports import Done, Lane, Log, RecordIn, Targets, reached, targets
from streams.pipeline.steps import NOBODY_WATCHES, Step, Watcher

TICKS = "ticks"
"""The source of ticks, as the tape names it: there is no such topic."""
EVERYWHERE = frozenset({"marks", "instruments"})
"""What concerns every account goes to every partition."""
MARKS, CONTROL, PORTFOLIO = "marks", "control", "portfolio"
UNDER_WAY_MAX = 20_000
"""Records not acknowledged yet, at which taking more waits: less than a second of what a broker takes."""
_EVERY = EVERY_ACCOUNT.encode()

Source = tuple[str, int]


class Wrapping(Protocol):
    """What the sequencer needs of bytes."""

    def wrap(self, stamp_ms: int, topic: str, partition: int, source_offset: int, payload: bytes) -> bytes:
        """Write a tape event around an input's own bytes."""

    def encode(self, message: Tick) -> bytes:
        """Write a tick."""


class Tape(NamedTuple):
    """Where the tape is, and which of its partitions a key belongs to."""

    topic: str
    partitions: int
    partition_of: Callable[[bytes], int]


class Inputs(NamedTuple):
    """What the sequencer has to know of inputs without reading them all."""

    merge: Merge
    is_report: Callable[[bytes], bool]
    """Tells an equity report from the portfolios it shares its topic with."""
    account_of: Callable[[bytes], str | None]
    """Reads the account of a record without a key; nothing where it cannot be read."""


class _Batch:
    """A batch on its way: what has to be acknowledged for it to be."""

    __slots__ = ("acknowledge", "last_offset", "wanted")

    def __init__(self, last_offset: int, acknowledge: Callable[[], None]) -> None:
        self.last_offset, self.acknowledge = last_offset, acknowledge
        self.wanted: Targets | None = None


class Sequencer:
    """Forwards what it is given. `progress` moves on what acknowledgements and time have made possible."""

    def __init__(
        self, log: Log, wrapping: Wrapping, inputs: Inputs, tape: Tape, clock_ms: Callable[[], int],
        watcher: Watcher = NOBODY_WATCHES, record: Callable[[int, bytes], Done] | None = None,
    ) -> None:  # fmt: skip
        """Begin with nothing under way. `record` is told of what goes to the tape, where the tape is kept in a file too."""
        self._log, self._wrapping, self._inputs = log, wrapping, inputs
        self._tape, self._partition_of, self._clock_ms = tape.topic, tape.partition_of, clock_ms
        self._watch, self._record = watcher, record
        self._lanes = tuple(Lane() for _ in range(tape.partitions))
        self._all = range(tape.partitions)
        self._owned: frozenset[Source] = frozenset()
        self._batches: dict[Source, deque[_Batch]] = {}
        """What is not acknowledged yet, by source, the oldest first."""
        self._marks: dict[int, Conflation] = {}
        self._ticking: dict[int, int] = {}
        self._late_ms = tuple(partition * 1_000 // tape.partitions for partition in self._all)
        """How long after its beginning a second is said to a partition: ticks are much work at once, and partitions share desks."""
        self._routes: dict[bytes, int] = {}
        self.forwarded = 0

    @property
    def has_room(self) -> bool:
        """Tell whether another batch may be taken."""
        return sum([lane.under_way for lane in self._lanes]) < UNDER_WAY_MAX

    @property
    def settled(self) -> bool:
        """Tell whether everything taken is on the tape."""
        return not self._batches and not any(lane.under_way for lane in self._lanes)

    def own(self, sources: Iterable[tuple[Source, int]]) -> None:
        """Take over source partitions, each with the offset its next new record will get. What was under way for others is forgotten."""
        owned = dict(sources)
        self._owned, self._batches = frozenset(owned), {}
        self._marks = {
            partition: Conflation(self._inputs.merge, end) for (topic, partition), end in owned.items() if topic == MARKS
        }
        self._ticking = {partition: self._ticking.get(partition, 0) for topic, partition in owned if topic == CONTROL}

    def forward(self, topic: str, partition: int, records: Sequence[RecordIn], acknowledge: Callable[[], None]) -> None:
        """Put the records of one fetch on the tape, in their order."""
        source = topic, partition
        if source not in self._owned or not records:
            return  # the partition has gone to somebody else, who reads it from where this one was acknowledged
        waiting = self._batches.setdefault(source, deque())
        waiting.append(_Batch(records[-1].offset, acknowledge))
        if topic == MARKS:
            self._forward_marks(partition, self._marks[partition].add(records, self._clock_ms()))
            return
        now_ms = self._clock_ms()
        everywhere = topic in EVERYWHERE
        for record in records:
            payload = record.value or b""
            if topic == PORTFOLIO and not self._inputs.is_report(payload):
                continue
            wrapped = self._wrapping.wrap(now_ms, topic, partition, record.offset, payload)
            key = self._key_of(topic, record.key, payload)
            if everywhere or (topic == CONTROL and key == _EVERY):
                self._append_all(record.key, wrapped)
            elif key is None:
                # What nobody can read becomes a dead letter beside its source.
                self._append(partition % len(self._lanes), None, wrapped)
            else:
                self._append(self._route(key), record.key, wrapped)
        waiting[-1].wanted = targets(self._lanes)

    def tick(self) -> None:
        """Say that a second has come, once each, on the tapes of the control partitions owned here."""
        now_ms = self._clock_ms()
        for partition, last in self._ticking.items():
            second = (now_ms - self._late_ms[partition]) // 1_000
            if second > last:
                self._ticking[partition] = second
                wrapped = self._wrapping.wrap(now_ms, TICKS, partition, second, self._wrapping.encode(Tick(second)))
                self._append(partition, None, wrapped)

    def progress(self) -> None:
        """Let marks go whose window has ended, and acknowledge batches that are on the tape, in order."""
        self.check()
        now_ms = self._clock_ms()
        for partition, conflation in self._marks.items():
            if conflation.holds:
                self._forward_marks(partition, conflation.due(now_ms))
        for source, waiting in tuple(self._batches.items()):
            while waiting and waiting[0].wanted is not None and reached(self._lanes, waiting[0].wanted):
                self._watch.at(Step.FORWARD_ACKNOWLEDGED)
                waiting.popleft().acknowledge()
            if not waiting:
                del self._batches[source]

    def check(self) -> None:
        """Say so if anything could not be forwarded."""
        for lane in self._lanes:
            lane.check()

    def _forward_marks(self, partition: int, kept: Sequence[Kept]) -> None:
        """Forward marks, and note which batches have gone with them."""
        now_ms = self._clock_ms()
        for offset, key, value in kept:
            self._append_all(key, self._wrapping.wrap(now_ms, MARKS, partition, offset, value))
        if not self._marks[partition].holds:
            now_wanted = targets(self._lanes)
            for batch in self._batches.get((MARKS, partition), ()):
                if batch.wanted is None:
                    batch.wanted = now_wanted

    def _key_of(self, topic: str, key: bytes | None, payload: bytes) -> bytes | None:
        """Tell whose a record is; nothing where nobody can tell."""
        if topic == PORTFOLIO:
            return _EVERY
        if key is not None or topic in EVERYWHERE:
            return key
        account = self._inputs.account_of(payload)
        return None if account is None else account.encode()

    def _route(self, key: bytes) -> int:
        """Find the tape partition of an account."""
        found = self._routes.get(key)
        if found is None:
            found = self._partition_of(key)
            if len(self._routes) >= _ROUTES_MAX:
                self._routes.clear()
            if len(key) <= _KEY_BYTES_MAX:
                self._routes[key] = found
        return found

    def _append_all(self, key: bytes | None, wrapped: bytes) -> None:
        for partition in self._all:
            self._append(partition, key, wrapped)

    def _append(self, partition: int, key: bytes | None, wrapped: bytes) -> None:
        lane = self._lanes[partition]
        lane.sent += 1
        self.forwarded += 1
        done = lane.done if self._record is None else _both(self._record(partition, wrapped), lane.done)
        self._log.append(self._tape, partition, key, wrapped, None, done)
        self._watch.at(Step.FORWARDED)


def _both(first: Done, then: Done) -> Done:
    def done(failure: object, receipt: object) -> None:
        first(failure, receipt)
        then(failure, receipt)

    return done


_ROUTES_MAX = 100_000
"""Accounts whose partition is remembered; past it they are computed anew."""
_KEY_BYTES_MAX = 200
"""Longer than the name of any account: strangers' keys of a megabyte each must not be remembered."""
