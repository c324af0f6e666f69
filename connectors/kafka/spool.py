"""The spool: records that wait on the disk for a broker that is away.

Decides: what happens to damage (a torn end is cut, anything else is set aside and counted), in which order records are read, and when a
file may go (all of it acknowledged, and that noted). Leaves to others: how a record lies in a file (spool_format.py), writing
(spool_tail.py), locks (spool_disk.py), when to write and when to send (sender.py).

    folder/owner                     the lock, and the process that has it
    folder/position                  up to where everything is acknowledged
    folder/<first number>.spool      segments, each named by the number of its first record
    folder/set-aside.jsonl           what could not be read or will never be taken, one object a line
"""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from connectors.kafka.set_aside import Entry, SetAside
from connectors.kafka.spool_disk import POSITION_FILE, Owner, Position, PositionFile, SpoolDisk
from connectors.kafka.spool_format import Gap, Item, Names, gap_at, good, number_at, parsed, seq_at
from connectors.kafka.spool_tail import Appended, DiskFailed, SpoolOwned, SpoolTail, segment_name, segments

log = logging.getLogger(__name__)


class Chunk(NamedTuple):
    """Records that follow each other, and the position behind them."""

    items: list[Item]
    after: Position


class Passed(NamedTuple):
    """How far somebody came who was shown the next records."""

    records: int
    end: int
    """Bytes into what was shown."""
    enough: bool
    """What follows is not damaged: it was left for another time."""


class Shown(NamedTuple):
    """What was passed on: bytes of a segment, and the position behind them."""

    data: bytes
    at: int
    base: int
    offset: int
    records: int
    after: Position


class Spool:
    """The records of one process that wait. Not safe for threads: one thread owns it."""

    def __init__(self, folder: Path, bytes_max: int, disk: SpoolDisk | None = None) -> None:
        """Take a folder, and put in order what a kill may have left there. Raises SpoolOwned, DiskFailed."""
        self.folder, self.bytes_max = folder, bytes_max
        self._disk = disk or SpoolDisk()
        try:
            self._disk.make_folder(folder)
            self._owner = Owner(folder)
        except BlockingIOError:
            raise SpoolOwned(f"{folder} belongs to another publisher: give each its own folder") from None
        except OSError as error:
            raise DiskFailed(f"the spool {folder} cannot be opened: {error}") from error
        self._names, self._tail = Names(), SpoolTail(folder, self._disk)
        self._cursor = self.position = Position(0, 0, 0)
        self.next_seq = 0
        self._segments: dict[int, int] = {}
        self._read_base, self._read = -1, (b"", 0)
        try:
            self._position_file = PositionFile(folder / POSITION_FILE, self._disk)
            self.set_aside = SetAside(folder, self._disk)
            self._recover()
        except OSError as error:
            self._owner.release()
            raise DiskFailed(f"the spool {folder} cannot be read: {error}") from error

    @property
    def records(self) -> int:
        """Tell how many records wait."""
        return self.next_seq - self.position.seq

    @property
    def bytes_used(self) -> int:
        """Tell how much of the bound is in use."""
        return sum(self._segments.values())

    def append(self, items: Sequence[Item]) -> Appended:
        """Write records and have them on the disk before returning. Their numbers are given here."""
        done = 0
        while done < len(items):
            more, problem = self._tail.append(items[done:], self.next_seq, self.bytes_max - self.bytes_used)
            done += more
            self.next_seq += more
            if more:
                self._segments[self._tail.base] = self._tail.length
            if problem is not None:
                return Appended(done, problem)
        return Appended(done)

    def read(self, count: int) -> Chunk | None:
        """Give the next records in their order, and go on behind them; None when there is nothing more. Damage is set aside on the way."""
        found: list[Item] = []

        def taken(data: bytes, at: int, base: int, offset: int) -> Passed:
            items, end = parsed(data, at, base, offset, count, self._names)
            found.extend(items)
            return Passed(len(items), end, bool(items))

        shown = self.pass_on(taken)
        return Chunk(found, shown.after) if shown is not None else None

    def pass_on(self, take: Callable[[bytes, int, int, int], Passed]) -> Shown | None:
        """Show the next records to somebody, who checks and takes some of them; go on behind these. None when there is nothing more.

        Where nothing is taken because it is damaged, that is set aside, and what follows is shown.
        """
        while True:
            data, base, offset = self._window()
            start = self._cursor.at - offset
            records, end, enough = take(data, start, base, offset)
            if records:
                first = seq_at(data, start)
                if self._cursor.seq != first:
                    self._missing(first)
                self._cursor = Position(base, offset + end, first + records)
            if records or enough:
                return Shown(data, start, base, offset, records, self._cursor)
            if end < len(data):
                self._step_over(data, end, base, offset)
            elif not self._next_segment():
                return None

    @property
    def cursor(self) -> Position:
        """Tell up to where it was read."""
        return self._cursor

    def note(self, position: Position) -> None:
        """Remember that everything before this was acknowledged or set aside, and remove files that hold nothing else."""
        over = position.seq == self.next_seq
        noted = Position(self.next_seq, 0, self.next_seq) if over else position
        self._position_file.note(noted)
        self.position = noted
        if over:
            self._tail.close()
            self._cursor = self.position
        for base in [one for one in self._segments if one < self.position.base]:
            (self.folder / segment_name(base)).unlink(missing_ok=True)
            del self._segments[base]
            self._read_base = -1

    def close(self) -> None:
        """Give the folder back."""
        self._tail.close()
        self._position_file.close()
        self._owner.release()

    def __enter__(self) -> Self:
        """Use it in a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the folder back."""
        self.close()

    def _recover(self) -> None:
        """Find out where reading and numbering go on. New records always go to a new file: what is there may be damaged."""
        self._segments = {base: (self.folder / segment_name(base)).stat().st_size for base in segments(self.folder)}
        noted = self._position_file.position
        if noted is None and not self._segments:
            noted = Position(0, 0, 0)
            self._position_file.note(noted)
        for base in [one for one in self._segments if noted is not None and one < noted.base]:
            (self.folder / segment_name(base)).unlink()
            del self._segments[base]
        first = min(self._segments, default=0)
        if noted is None or (self._segments and noted.base not in self._segments):
            log.warning("%s: the read position is not to be trusted; sending from the first record on", self.folder)
            noted = Position(first, 0, first)
        self.position = self._cursor = noted
        self.next_seq = max(noted.seq, self._end_of(max(self._segments))) if self._segments else noted.seq
        if self._segments and self.records == 0:
            self.note(self.position)

    def _end_of(self, base: int) -> int:
        """Give the number after a segment's last record, and cut what a kill left behind it."""
        path = self.folder / segment_name(base)
        data, at, seq = path.read_bytes(), 0, base
        while at < len(data):
            records, end = good(data, at, base, 0)
            if records:
                seq, at = seq_at(data, at) + records, end
            else:
                gap = gap_at(data, at, base, 0)
                if gap.cut_short:
                    self._cut(path, base, gap)
                    return seq
                named = number_at(data, at, base, 0)
                at, seq = gap.end, (seq if named is None else named) + 1
        return seq

    def _cut(self, path: Path, base: int, gap: Gap) -> None:
        log.warning("%s: cut at byte %d: %d bytes of a record that was never finished", path, gap.start, gap.end - gap.start)
        handle = os.open(path, os.O_RDWR)
        try:
            self._disk.truncate(handle, gap.start)
        finally:
            os.close(handle)
        self._segments[base] = gap.start

    def _window(self) -> tuple[bytes, int, int]:
        """Give what is to be read next: bytes, their segment, and how far into it they begin."""
        base, at, _ = self._cursor
        data, offset = self._read
        if self._read_base != base or not offset <= at < offset + len(data):
            size = self._segments.get(base, 0)
            data, offset = b"", at
            if at < size:
                with (self.folder / segment_name(base)).open("rb") as file:
                    file.seek(at)
                    data = file.read(size - at)
            self._read_base, self._read = base, (data, offset)
        return data, base, offset

    def _next_segment(self) -> bool:
        later = min((one for one in self._segments if one > self._cursor.base), default=None)
        if later is None:
            return False
        if later != self._cursor.seq:
            self._missing(later)
        self._cursor = Position(later, 0, later)
        return True

    def _step_over(self, data: bytes, start: int, base: int, offset: int) -> None:
        """Set damage aside. How many records it was is told by the number of whatever is good behind it."""
        gap, expected = gap_at(data, start, base, offset), self._cursor.seq
        if gap.end == len(data):
            resumes = min((one for one in self._segments if one > base), default=self.next_seq)
        else:
            resumes = number_at(data, gap.end, base, offset) or expected + 1
        records = max(1, resumes - expected)
        self.set_aside.add(
            Entry(expected, records, f"damaged in {segment_name(base)}, byte {offset + start}", data[start : gap.end])
        )
        self._cursor = Position(base, offset + gap.end, expected + records)

    def _missing(self, found: int) -> None:
        """Take note of numbers that are nowhere: somebody removed a file."""
        expected = self._cursor.seq
        self.set_aside.add(Entry(expected, max(0, found - expected), "gone: no file of the spool has them", b""))
