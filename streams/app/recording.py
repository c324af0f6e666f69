"""Keeping the tape and the decisions in files too, where the broker forgets: the embedded one drops the oldest of every partition.

Decides: the layout of a file (frames of offset, length, CRC, bytes) and that only what was acknowledged is written. Leaves to others: making a tape
file of it (`./qts tape export`).
"""

import atexit
import logging
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple

from streams.pipeline.ports import Done, Headers, Polled
from streams.pipeline.resuming import PLACE_HEADER

LOGGER = logging.getLogger(__name__)

_HEAD = Struct(">qII")
FLUSH_BYTES = 64 * 1024


class Kept(NamedTuple):
    """A record kept in a file."""

    offset: int
    value: bytes


class Recorder:
    """Writes a file a partition. A restart goes on in it; what is in it twice is the same."""

    def __init__(self, folder: Path, name: str) -> None:
        """Write into a folder, under a worker's name."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name = folder, name
        self._files: dict[tuple[str, int], BinaryIO] = {}
        atexit.register(
            self.flush
        )  # what came after the last flush: files that hang in a cycle are not closed by the interpreter's end

    def tape(self, partition: int, value: bytes) -> Done:
        """Give what is called when a record is on the tape: then its offset is known."""
        file = self._file("tape", partition)

        def done(failure: object, receipt: object) -> None:
            if failure is None:
                _write(file, int(receipt.offset()), value)  # type: ignore[attr-defined]  # a receipt of Kafka's

        return done

    def decision(self, partition: int, offset: int, value: bytes) -> None:
        """Keep a decision made from the event at a tape offset."""
        _write(self._file("decisions", partition), offset, value)

    def flush(self) -> None:
        """Hand everything to the system."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Hand everything to the system, and write nothing more."""
        while self._files:
            self._files.popitem()[1].close()

    def _file(self, what: str, partition: int) -> BinaryIO:
        file = self._files.get((what, partition))
        if file is None:
            path = self._folder / f"{what}-{partition}.{self._name}"
            _cut_torn_end(path)
            file = self._files[what, partition] = path.open("ab", buffering=FLUSH_BYTES)
        return file


class RecordedLog:
    """A log that keeps the decisions that go through it in files too."""

    def __init__(self, log: Polled, recorder: Recorder) -> None:
        """Stand in front of a log."""
        self._append, self._recorder = log.append, recorder
        self.poll, self.expect = log.poll, log.expect

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None, done: Done, /
    ) -> None:
        """Append a record."""
        self._append(topic, partition, key, value, headers, done)
        if topic == "decisions" and value is not None and headers is not None:
            offset = next(int(place.split(b"/")[1]) for name, place in headers if name == PLACE_HEADER)
            self._recorder.decision(partition, offset, value)


def _write(file: BinaryIO, offset: int, value: bytes) -> None:
    file.write(_HEAD.pack(offset, len(value), zlib.crc32(value, offset & 0xFFFFFFFF)) + value)


def kept(folder: Path, what: str, partition: int) -> dict[int, list[bytes]]:
    """Read what was kept of a partition, by offset, each value once."""
    records: dict[int, list[bytes]] = {}
    for path in sorted(folder.glob(f"{what}-{partition}.*")):
        for offset, value in _read(path):
            values = records.setdefault(offset, [])
            if value not in values:
                values.append(value)
    return records


def _cut_torn_end(path: Path) -> None:
    """Cut a file at its last whole frame: what is written behind a torn one could not be read."""
    if path.exists():
        whole = sum(_HEAD.size + len(one.value) for one in _read(path))
        if whole < path.stat().st_size:
            LOGGER.warning("%s ends within a frame; it goes on from byte %d", path.name, whole)
            os.truncate(path, whole)


def _read(path: Path) -> Iterator[Kept]:
    """Read a file; a torn end is where it ends."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            offset, length, crc = _HEAD.unpack(head)
            value = file.read(length) if length <= size else b""
            if len(value) < length or zlib.crc32(value, offset & 0xFFFFFFFF) != crc:
                return
            yield Kept(offset, value)
