"""The proof that nothing was lost, doubled or contradicted: what is on the topics, held against an uninterrupted run of the same tape.

Decides: what counts as missing, as contradicting, as a repeat. Leaves to others: reading the topics (an iterable of records), making trouble
(`./qts crash`).
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from schemas.codec import Codec, Undecodable
from streams.desk.desk import step
from streams.desk.messages import EquityReport, Fill, Mark, TapeEvent
from streams.desk.outputs import Fate
from streams.desk.state import State, new_state
from streams.flow import INPUTS
from streams.pipeline.incoming import read_event
from streams.pipeline.resuming import PLACE_HEADER, place_in
from streams.pipeline.sequencer import EVERYWHERE, MARKS, PORTFOLIO
from streams.pipeline.snapshots import SnapshotWriter
from streams.pipeline.write_pipeline import LANES, TOPIC_OF
from streams.replay.hashes import decisions_hash
from streams.replay.shown_marks import ShownMarks

COMPACTED = frozenset({PORTFOLIO})
"""Topics on which older records may have given way: nothing is missing there."""


class Record(Protocol):
    """A record as it was read."""

    @property
    def offset(self) -> int:
        """Its place in its partition."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its bytes."""

    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]:
        """Its headers."""


Topic = Callable[[str, int], Iterable[Record]]
"""Reads a partition of a topic, from its first record to its last."""


@dataclass
class Findings:
    """What was found. All of it is zero where nothing went wrong, but the counts of what there is."""

    source_records: int = 0
    sources_missing: int = 0
    tape_events: int = 0
    duplicates_dropped: int = 0
    orders: int = 0
    outputs: int = 0
    orders_missing: int = 0
    outputs_missing: int = 0
    orders_contradicting: int = 0
    outputs_contradicting: int = 0
    outputs_unexpected: int = 0
    repeats: int = 0
    fills: int = 0
    applied_twice: int = 0
    examples: list[str] = field(default_factory=list)
    decisions_hashes: dict[int, str] = field(default_factory=dict)
    state_hashes: dict[int, str] = field(default_factory=dict)
    """By partition: where the uninterrupted run has come to."""

    def note(self, what: str) -> None:
        """Keep an example of what is wrong; a few are enough to begin looking."""
        if len(self.examples) < _EXAMPLES_MAX:
            self.examples.append(what)


_EXAMPLES_MAX = 20


class Tape(NamedTuple):
    """Which tape is looked at."""

    epoch: int
    partitions: int
    topic: str
    partition_of: Callable[[bytes], int]


def prove(
    tape: Tape,
    read: Topic,
    codec: Codec,
    until: Mapping[int, int] | None = None,
    sequenced: Mapping[tuple[str, int], int] | None = None,
) -> Findings:
    """Look at everything, one tape partition after the other: the tape up to some offsets, sources up to where they were sequenced."""
    findings = Findings()
    sources = _Sources(tape, read, codec, findings, sequenced)
    for partition in range(tape.partitions):
        state, seen = _one_partition(tape, partition, read, codec, findings, None if until is None else until.get(partition))
        sources.check(partition, seen)
        findings.decisions_hashes[partition] = decisions_hash(state)
        findings.state_hashes[partition] = SnapshotWriter(codec).state_hash(state)
    return findings


def _one_partition(
    tape: Tape, partition: int, read: Topic, codec: Codec, findings: Findings, until: int | None
) -> tuple[State, "_Seen"]:
    said = {topic: _Said(topic, tape.epoch, read(topic, partition), findings) for topic in LANES}
    state, seen = new_state(tape.epoch, partition, tape.partitions), _Seen()
    expected = 0
    for record in read(tape.topic, partition):
        if until is not None and record.offset > until:
            break
        if record.offset != expected:
            findings.note(f"tape partition {partition} has offset {record.offset} where {expected} is next")
            findings.sources_missing += 1
        expected = record.offset + 1
        event = read_event(codec, record.value or b"", record.offset, partition)
        seen.note(event)
        outcome = step(state, event)
        state = outcome.state
        findings.tape_events += 1
        findings.duplicates_dropped += outcome.fate is Fate.DUPLICATE
        if isinstance(event.body, Fill) and outcome.fate is Fate.APPLIED:
            findings.fills += 1
            trade = (event.body.venue, event.body.symbol, event.body.trade_id)
            if trade in seen.trades:
                findings.applied_twice += 1
                findings.note(f"trade {trade} was applied twice")
            seen.trades.add(trade)
        for n, output in enumerate(outcome.outputs):
            topic = TOPIC_OF[type(output)]
            said[topic].expect((record.offset, n), codec.encode(output))
    for one in said.values():
        one.finish()
    return state, seen


def _digest(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=8).digest()


class _Said:
    """What is on one partition of an output topic, by the place it was made at."""

    def __init__(self, topic: str, epoch: int, records: Iterable[Record], findings: Findings) -> None:
        self._topic, self._findings = topic, findings
        self._found: dict[tuple[int, int], bytes] = {}
        for record in records:
            place = place_in(record.headers, epoch)
            if place is None:
                if topic == "orders" and not any(name == PLACE_HEADER for name, _ in record.headers):
                    findings.outputs_unexpected += 1
                    findings.note(f"orders has a record at offset {record.offset} that no desk made")
                continue
            digest = _digest(record.value or b"")
            before = self._found.setdefault(place, digest)
            if before != digest:
                self._contradiction(place, "two records of that place differ")
            elif before is not digest:
                findings.repeats += 1

    def expect(self, place: tuple[int, int], raw: bytes) -> None:
        """Hold what an uninterrupted run says against what is there."""
        findings = self._findings
        findings.outputs += 1
        is_order = self._topic == "orders"
        findings.orders += is_order
        found = self._found.pop(place, None)
        if found is None:
            if self._topic not in COMPACTED:
                findings.outputs_missing += 1
                findings.orders_missing += is_order
                findings.note(f"{self._topic} lacks what was made at {place}")
        elif found != _digest(raw):
            self._contradiction(place, "what is there is not what the tape gives")

    def finish(self) -> None:
        """Count what is there and should not be."""
        self._findings.outputs_unexpected += len(self._found)
        for place in list(self._found)[:3]:
            self._findings.note(f"{self._topic} has something made at {place}, where the tape gives nothing")

    def _contradiction(self, place: tuple[int, int], what: str) -> None:
        self._findings.outputs_contradicting += 1
        self._findings.orders_contradicting += self._topic == "orders"
        self._findings.note(f"{self._topic} at {place}: {what}")


class _Seen:
    """Which source records a tape partition has."""

    def __init__(self) -> None:
        self.offsets: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        self.marks: defaultdict[int, ShownMarks] = defaultdict(ShownMarks)
        self.trades: set[tuple[str, str, str]] = set()
        self._highest: dict[tuple[str, int], int] = {}

    def note(self, event: TapeEvent) -> None:
        """Take in a tape event. What comes after a later one of its source is dropped by the desk, so it does not count as being there."""
        source = (event.topic, event.partition)
        if event.source_offset <= self._highest.get(source, -1):
            return
        self._highest[source] = event.source_offset
        self.offsets[source].add(event.source_offset)
        if isinstance(event.body, Mark):
            self.marks[event.partition].show(event.source_offset, event.body)


def _key_of(record: Record, body: object) -> bytes | None:
    """Tell whose a record is, as the sequencer does."""
    account = getattr(body, "account", None)
    return record.key if record.key is not None else None if account is None else str(account).encode()


class _Sources:
    """What is on the source topics, and where on the tape it belongs."""

    def __init__(
        self, tape: Tape, read: Topic, codec: Codec, findings: Findings, sequenced: Mapping[tuple[str, int], int] | None
    ) -> None:
        self._tape, self._findings = tape, findings
        self._everywhere: list[tuple[str, int, int]] = []
        self._marks: list[tuple[int, int, Mark]] = []
        self._by_partition: defaultdict[int, list[tuple[str, int, int]]] = defaultdict(list)
        for topic in (*(topic.name for topic in INPUTS), PORTFOLIO):
            for partition in range(tape.partitions):
                end = None if sequenced is None else sequenced.get((topic, partition))
                for record in read(topic, partition):
                    if end is not None and record.offset >= end:
                        break
                    self._note(topic, partition, record, codec)

    def _note(self, topic: str, partition: int, record: Record, codec: Codec) -> None:
        tape, raw = self._tape, record.value or b""
        try:
            body = codec.decode(raw)
        except Undecodable:
            body = None
        if topic == PORTFOLIO:
            if not isinstance(body, EquityReport):
                return
            self._by_partition[tape.partition_of(b"*")].append((topic, partition, record.offset))
        elif topic == MARKS and isinstance(body, Mark):
            self._marks.append((partition, record.offset, body))
        elif topic in EVERYWHERE or (topic == "control" and _key_of(record, body) == b"*"):
            self._everywhere.append((topic, partition, record.offset))
        else:
            key = _key_of(record, body)
            where = partition % tape.partitions if key is None else tape.partition_of(key)
            self._by_partition[where].append((topic, partition, record.offset))
        self._findings.source_records += 1

    def check(self, partition: int, seen: _Seen) -> None:
        """Make sure that everything that belongs to a tape partition is on it."""
        for topic, source, offset in (*self._everywhere, *self._by_partition[partition]):
            if offset not in seen.offsets[topic, source]:
                self._missing(partition, f"{topic}/{source} offset {offset}")
        for source, offset, mark in self._marks:
            if not seen.marks[source].holds(offset, mark):
                self._missing(partition, f"marks/{source} offset {offset}, or its wick")

    def _missing(self, partition: int, what: str) -> None:
        self._findings.sources_missing += 1
        self._findings.note(f"tape partition {partition} lacks {what}")
