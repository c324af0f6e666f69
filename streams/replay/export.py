"""Export: a partition of the tape as a tape file, with the snapshot it starts from and the decisions made of it.

Decides: which snapshot a tape starts from, which records belong to it, and that a decision said twice is written once. Leaves to others: where
the records are (iterables of them), the file (tape_file).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from schemas.codec import Codec
from schemas.registry import Registry
from streams.desk.state import DESK_VERSION, new_state
from streams.pipeline.resuming import place_in
from streams.pipeline.snapshots import BadSnapshot, SnapshotWriter, read_snapshot
from streams.pipeline.stored_snapshots import joined, places
from streams.replay.proof import Record
from streams.replay.tape_file import TapeHeader, TapeWriter

FIRST_EPOCH = 1
"""It began with nothing; each later one with the last snapshot of the one before, which stands at offset -1."""


class NothingToExport(Exception):
    """There is no stretch of this tape that a replay could begin with."""


class Stretch(NamedTuple):
    """What is to be exported of a partition."""

    epoch: int
    partition: int
    partitions: int
    first_offset: int
    """The first tape offset that is still there."""
    snapshots: Mapping[bytes, bytes]
    tape: Callable[[int], Iterable[Record]]
    """Reads the tape from an offset on."""
    decisions: Iterable[Record]


class Exported(NamedTuple):
    """What an export holds."""

    start_offset: int
    events: int
    decisions: int


def export(path: Path, stretch: Stretch, registry: Registry, description: str) -> Exported:
    """Write a tape file."""
    codec = Codec(registry)
    start_offset, snapshot = _start(stretch, codec)
    decisions = _Decisions(stretch.decisions, stretch.epoch)
    events = 0
    with TapeWriter(path, TapeHeader(stretch.epoch, stretch.partition, DESK_VERSION, description), registry) as file:
        for raw in snapshot:
            file.snapshot(start_offset, raw)
        for expected, record in enumerate(stretch.tape(start_offset + 1), start_offset + 1):
            if record.offset != expected:
                raise NothingToExport(
                    f"tape partition {stretch.partition} lacks offsets {expected} to {record.offset - 1}: what was kept has a hole there"
                )
            file.event(record.offset, record.value or b"")
            events += 1
            for value in decisions.of(record.offset):
                file.decision(record.offset, value)
    return Exported(start_offset, events, decisions.given)


def _start(stretch: Stretch, codec: Codec) -> tuple[int, list[bytes]]:
    """Begin with the beginning where it is still there, else with the oldest snapshot from which everything is."""
    if stretch.first_offset == 0 and stretch.epoch == FIRST_EPOCH:
        state = new_state(stretch.epoch, stretch.partition, stretch.partitions)
        return state.offset, SnapshotWriter(codec).write(state)
    found = places(stretch.snapshots.items(), stretch.partition)
    for place in sorted(place for place in found if place.epoch == stretch.epoch and place.offset + 1 >= stretch.first_offset):
        records = list(joined([found[place][index] for index in sorted(found[place])]))
        try:
            read_snapshot(codec, records)
        except BadSnapshot:
            continue
        return place.offset, records
    raise NothingToExport(
        f"tape partition {stretch.partition} begins at offset {stretch.first_offset}, and there is no whole snapshot from there on"
    )


class _Decisions:
    """Decisions in the order of the tape, each once.

    After a crash some are there again, and a worker that was paused may have put its own between those of the next: some thousands are looked
    at together.
    """

    def __init__(self, records: Iterable[Record], epoch: int) -> None:
        self._placed = self._with_places(records, epoch)
        self._ahead: list[tuple[tuple[int, int], bytes]] = []
        self._last = (-1, -1)
        self.given = 0

    def of(self, offset: int) -> Iterator[bytes]:
        """Give the decisions made from the event at an offset. Ask in the order of the tape."""
        self._look_ahead()
        while self._ahead and self._ahead[0][0][0] <= offset:
            place, value = heappop(self._ahead)
            if place[0] == offset and place > self._last:
                self._last = place
                self.given += 1
                yield value
            self._look_ahead()

    def _look_ahead(self) -> None:
        for one in islice(self._placed, _AHEAD_MAX - len(self._ahead)):
            heappush(self._ahead, one)

    def _with_places(self, records: Iterable[Record], epoch: int) -> Iterator[tuple[tuple[int, int], bytes]]:
        for record in records:
            place = place_in(record.headers, epoch)
            if place is not None and record.value is not None:
                yield place, record.value


_AHEAD_MAX = 5_000
"""Decisions looked at together: more than a worker has under way when it is paused."""
