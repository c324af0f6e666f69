"""The write pipeline of one tape partition: batch → step → outputs → snapshot → acknowledge.

Decides: the order of writes. Outputs go out as they are made; at fixed points of the tape the state is written down; a snapshot goes out when
all outputs up to it are acknowledged; the batches it covers are acknowledged when it is. Nothing here waits: `progress` moves on what can
move. What was sent before a crash is a function of the tape, so what is sent again is the same. Leaves to others: what is decided (the desk),
where to go on after a crash (resuming), when to be called and what to do when there is no room (the agent).
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from streams.desk.desk import Outcome, step
from streams.desk.messages import TapeEvent
from streams.desk.outputs import DeadLetter, Fate, Output
from streams.desk.state import State
from streams.flow import OUTPUTS
from streams.pipeline.flood import FloodGate
from streams.pipeline.incoming import read_event
from streams.pipeline.outgoing import dead_letter_headers, key_of
from streams.pipeline.points import SNAPSHOT_EVERY_OFFSETS, Points
from streams.pipeline.ports import DeskCodec, Lane, Log, RecordIn, SnapshotTable, Targets, reached, targets
from streams.pipeline.resuming import Resumed, TapeBroken, place_header, tape_hash
from streams.pipeline.snapshots import SnapshotWriter
from streams.pipeline.steps import NOBODY_WATCHES, Step, Watcher
from streams.pipeline.stored_snapshots import Chunk, Place, cut, outdated

UNDER_WAY_MAX = 20_000
"""Outputs not acknowledged yet, at which stepping waits: some megabytes, and less than a second of what a broker takes."""
PREPARED_AT_ONCE = 4
"""Accounts written down ahead in one go: about a millisecond, which is as long as a signal that comes meanwhile may wait for it. At 100 goes a
second a worker writes 1,600 down in the seconds before a point."""
BATCHES_MAX = 50_000
"""Batches waiting for a snapshot, of one record at least: no more come together while snapshots get through."""
CHANGELOG = "qts-desk-desk-changelog"
"""The changelog of the table `desk`."""

TOPIC_OF: Mapping[type, str] = {record: topic.name for topic in OUTPUTS for record in topic.records}
LANES = tuple(dict.fromkeys(TOPIC_OF.values()))


class Writes(Protocol):
    """Writes a state down."""

    def write(self, state: State, tape_hash: str = "") -> list[bytes]:
        """Give the records of a snapshot, the marker last."""

    def ahead(self, state: State, names: Iterable[str]) -> None:
        """Do now what a snapshot will need of these accounts."""


class Work(NamedTuple):
    """What is done with each record: the desk's work, unless the pipeline itself is what is measured."""

    step: Callable[[State, TapeEvent], Outcome] = step
    writer: Callable[[DeskCodec], Writes] = SnapshotWriter
    topic_of: Mapping[type, str] = TOPIC_OF
    snapshot_every_offsets: int = SNAPSHOT_EVERY_OFFSETS


DESK_WORK = Work()


class ReignOver(Exception):
    """This desk version has stepped its last offset here; the snapshot for the next one is written."""


class _Batch(NamedTuple):
    last_offset: int
    acknowledge: Callable[[], None]


class _Pending:
    """A snapshot on its way: waiting for outputs, then for itself."""

    def __init__(self, place: Place, chunks: list[Chunk], outputs: Targets) -> None:
        self.place, self.chunks, self.outputs = place, chunks, outputs
        self.written: Targets | None = None


class WritePipeline:
    """Steps the batches of one partition. It lives from one assignment to its end: after `close` late acknowledgements change nothing."""

    def __init__(
        self, resumed: Resumed, codec: DeskCodec, log: Log, table: SnapshotTable, flood: FloodGate, watcher: Watcher = NOBODY_WATCHES,
        work: Work = DESK_WORK, clock: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        """Go on from where the partition stands. The clock only tells which points are passed over, never what is written at one."""
        self.state = resumed.state
        self.partition = resumed.state.partition
        self.next_offset = resumed.next_offset
        self.fates: dict[Fate, int] = dict.fromkeys(Fate, 0)
        self.suppressed = 0
        self.snapshots = 0
        self.closed = False
        self._sent = dict(resumed.sent)
        self._codec, self._log, self._table, self._flood, self._watch = codec, log, table, flood, watcher
        self._stepper, self._topic_of = work.step, work.topic_of
        self._points = Points(self.partition, work.snapshot_every_offsets, clock)
        self._writer = work.writer(codec)
        self._by_topic = {topic: Lane() for topic in dict.fromkeys(work.topic_of.values())}
        self._lanes = tuple(self._by_topic.values())
        self._changelog = Lane()
        self._batches: deque[_Batch] = deque()
        self._changed: dict[str, None] = {}
        """Accounts of which anything was said since they were last written down, the longest ago first."""
        self._pending: _Pending | None = None
        self._last_raw = b""
        self._joined = False
        self._durable = resumed.next_offset - 1
        """The tape offset of the newest snapshot that is known to be durable."""

    @property
    def reign_over(self) -> bool:
        """Tell whether the tape has named another desk version."""
        return bool(self.state.next_version)

    @property
    def has_room(self) -> bool:
        """Tell whether another batch may be stepped."""
        return (
            sum([lane.under_way for lane in self._lanes]) < UNDER_WAY_MAX
            and len(self._batches) < BATCHES_MAX
            and not self.reign_over
        )

    @property
    def settled(self) -> bool:
        """Tell whether everything stepped is in a durable snapshot."""
        return self._pending is None and self._durable == self.state.offset

    def rejoin(self) -> None:
        """Expect records again that were stepped already: the consumer was sent back to `next_offset` or before it."""
        self._joined = False

    def feed(self, records: Sequence[RecordIn], acknowledge: Callable[[], None]) -> None:
        """Step the records of one fetch, and have it acknowledged when a snapshot covers it."""
        self.step(records)
        if records:
            self.covered_by(records[-1].offset, acknowledge)

    def covered_by(self, last_offset: int, acknowledge: Callable[[], None]) -> None:
        """Have a batch acknowledged once a snapshot covers its last offset."""
        self._batches.append(_Batch(last_offset, acknowledge))

    def step(self, records: Sequence[RecordIn]) -> None:
        """Step some records. Those of another reign are left alone."""
        for record in records:
            if self.closed or self.reign_over:
                return
            if self._in_turn(record.offset):
                self._step_one(record)

    def progress(self) -> None:
        """Move on what acknowledgements have made possible."""
        if self.closed:
            return
        for lane in self._lanes:
            lane.check()
        self._changelog.check()
        pending = self._pending
        if pending is not None and pending.written is None and reached(self._lanes, pending.outputs):
            self._write(pending)
        if pending is not None and pending.written is not None and reached((self._changelog,), pending.written):
            self._durably(pending)
        if self.reign_over and self.settled:
            raise ReignOver(
                f"tape partition {self.partition} goes on with desk version {self.state.next_version} at offset {self.next_offset}"
            )

    def rest(self, caught_up: bool) -> bool:
        """Do what there is time for while nothing is stepped; tell whether there was anything to do.

        A worker that has caught up makes up for a point it passed over, and in the seconds before the next one some of what changed is written
        down ahead of it.
        """
        if self.closed:
            return False
        if caught_up and self._pending is None and self._points.made_up():
            self.take_snapshot()
            return True
        if not self._points.near(self.state.second):
            return False
        names = list(islice(self._changed, PREPARED_AT_ONCE))
        for name in names:
            del self._changed[name]
        self._writer.ahead(self.state, names)
        return bool(names)

    def take_snapshot(self) -> None:
        """Write the state down here and now, for a worker that is about to leave. A snapshot is a function of its offset, wherever it is taken."""
        if self._pending is None and self._durable != self.state.offset and not self.closed:
            self._point(self._last_raw)

    def close(self) -> None:
        """Stop for good: the partition is somebody else's."""
        self.closed = True
        self._batches.clear()
        self._pending = None

    def _in_turn(self, offset: int) -> bool:
        """Tell whether a record is the next one; it may have been stepped already only while the consumer has been sent back."""
        if offset == self.next_offset:
            self._joined = True
            return True
        if offset < self.next_offset and not self._joined:
            return False
        raise TapeBroken(f"tape partition {self.partition} goes on with offset {offset} where {self.next_offset} is next")

    def _step_one(self, record: RecordIn) -> None:
        raw, offset = record.value or b"", record.offset
        event = read_event(self._codec, raw, offset, self.partition)
        outcome = self._stepper(self.state, event)
        self.next_offset, self._last_raw = offset + 1, raw
        fate = outcome.fate
        self.fates[fate] += 1
        if fate is Fate.DEAD_LETTER:
            self._flood.bad()
        else:
            self._flood.good()
        if outcome.outputs:
            self._send(outcome.outputs, offset, record.key)
        if self.reign_over or self._points.due(event.body, fate, offset, self._pending is not None):
            self._point(raw)

    def _send(self, said: Sequence[Output], offset: int, source_key: bytes | None) -> None:
        epoch = self.state.epoch
        for n, output in enumerate(said):
            topic = self._topic_of[type(output)]
            last = self._sent.get(topic)
            if last is not None:
                if (offset, n) <= last:
                    self.suppressed += 1
                    continue
                del self._sent[topic]
            headers = place_header(epoch, offset, n)
            self._changed[getattr(output, "account", "")] = None
            if isinstance(output, DeadLetter):
                headers = (*headers, *dead_letter_headers(output, self.state.version))
            lane = self._by_topic[topic]
            lane.sent += 1
            self._log.append(topic, self.partition, key_of(output, source_key), self._codec.encode(output), headers, lane.done)
            self._watch.at(Step.OUTPUT_SENT)

    def _point(self, raw: bytes) -> None:
        """Write the state down as it is at this record."""
        if self._pending is not None:
            if not self.reign_over:
                return
            # The one under way is overtaken: nothing comes after this one.
            self._pending = None
        state = self.state
        records = self._writer.write(state, tape_hash(raw))
        self._changed.clear()
        place = Place(state.epoch, state.offset)
        self._pending = _Pending(place, cut(self.partition, place, records), targets(self._lanes))
        self._watch.at(Step.SNAPSHOT_TAKEN)

    def _write(self, pending: _Pending) -> None:
        for chunk in pending.chunks:
            self._append(chunk.key, chunk.value)
            self._watch.at(Step.SNAPSHOT_CHUNK_SENT)
        pending.written = targets((self._changelog,))

    def _durably(self, pending: _Pending) -> None:
        """Remember a snapshot that is durable now, acknowledge the batches it covers, in order, and let older ones go."""
        self._watch.at(Step.SNAPSHOT_ACKNOWLEDGED)
        self._pending = None
        self._durable = pending.place.offset
        self.snapshots += 1
        for chunk in pending.chunks:
            self._table.put(chunk.key, chunk.value)
        while self._batches and self._batches[0].last_offset <= pending.place.offset:
            self._batches.popleft().acknowledge()
        self._watch.at(Step.BATCHES_ACKNOWLEDGED)
        for key in outdated(self._table.items(), self.partition, pending.place):
            self._append(key, None)
            self._table.drop(key)

    def _append(self, key: bytes, value: bytes | None) -> None:
        self._changelog.sent += 1
        self._log.append(CHANGELOG, self.partition, key, value, None, self._changelog.done)
