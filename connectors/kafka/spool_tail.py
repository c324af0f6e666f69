"""The writing end of the spool.

Decides: when a record is safe: written and synced, in groups; what is written without becoming safe is cut off again, so that nobody's
"failed" is sent later. When there is no more room: the bound, or the disk. Leaves to others: reading and removing (spool.py).

SpoolError
 ├─ SpoolOwned    another process writes here: give every process a folder of its own
 ├─ SpoolFull     the bound is reached: nothing more is taken until records have been sent
 └─ DiskFailed    the disk is full or broken: this was not taken; what was taken before is not touched
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from connectors.kafka.spool_disk import SpoolDisk
from connectors.kafka.spool_format import Item, packed, packed_bytes

SEGMENT_BYTES = 8 * 1024 * 1024
"""What is read at once, and the most that is kept on the disk after it was sent."""
SUFFIX = ".spool"


class SpoolError(Exception):
    """The spool cannot do what it was asked."""


class SpoolOwned(SpoolError):
    """Another process, or another publisher of this one, owns the folder."""


class SpoolFull(SpoolError):
    """The bound is reached."""


class DiskFailed(SpoolError):
    """The disk is full, or does not work."""


class Appended(NamedTuple):
    """How many records of a group are safe, and why the others are not."""

    durable: int
    problem: SpoolError | None = None


class SpoolTail:
    """The segment that grows. A new one begins when it is long enough, and at every start: what is there may be damaged."""

    def __init__(self, folder: Path, disk: SpoolDisk) -> None:
        """Begin with none; the first record makes one."""
        self._folder, self._disk = folder, disk
        self._handle = -1
        self._broken = ""
        self.base = 0
        self.length = 0

    def append(self, items: Sequence[Item], next_seq: int, room: int) -> Appended:
        """Write what goes into one segment and into the room there is, and sync it. Nothing, or all it says, is safe then."""
        if self._broken:
            return Appended(0, DiskFailed(self._broken))
        if self.length >= SEGMENT_BYTES:
            self.close()
        base = next_seq if self._handle < 0 else self.base
        packs: list[bytes] = []
        at, problem = self.length, None
        for seq, item in enumerate(items, start=next_seq):
            if packed_bytes(item) > room - (at - self.length):
                problem = SpoolFull(f"the spool {self._folder} is full (its bound is QTS_SPOOL_BYTES): nothing more is taken")
                break
            packs.append(packed(item, seq, base, at))
            at += len(packs[-1])
            if at >= SEGMENT_BYTES:
                break
        if packs:
            try:
                self._write(base, b"".join(packs))
            except OSError as error:
                return Appended(0, self._undone(error))
        return Appended(len(packs), problem)

    def close(self) -> None:
        """End this segment."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self.length = -1, 0

    def _write(self, base: int, content: bytes) -> None:
        if self._handle < 0:
            self._handle = self._disk.create(self._folder / segment_name(base))
            self.base = base
        written = 0
        while written < len(content):
            more = self._disk.write(self._handle, content[written:])
            if more <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written += more
        self._disk.sync(self._handle)
        self.length += len(content)

    def _undone(self, error: OSError) -> DiskFailed:
        """Take back what was written without becoming safe. Where even that fails, nothing more is written until a restart."""
        text = f"the spool {self._folder} cannot be written: {error.strerror or error}"
        if self._handle >= 0:
            try:
                self._disk.truncate(self._handle, self.length)
            except OSError as again:
                self._broken = f"{text}; nor cut back: {again.strerror or again}"
                return DiskFailed(self._broken)
        return DiskFailed(text)


def segment_name(base: int) -> str:
    """Name a segment by the number of its first record."""
    return f"{base:020d}{SUFFIX}"


def segments(folder: Path) -> list[int]:
    """Name the segments of a folder, oldest first."""
    return sorted(int(path.stem) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit())
