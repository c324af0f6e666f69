"""What the spool does to a disk, and who may do it.

Decides: that a spool folder has one owner at a time, kill -9 included, and that what is noted in two alternating slots survives a torn
write of one of them. Leaves to others: what the bytes mean (spool_format.py, spool.py).
"""

import fcntl
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

OWNER_FILE = "owner"
POSITION_FILE = "position"

_SLOT = struct.Struct("<4sIQQQQ")
"""Mark, checksum, how many times it was noted, segment, bytes into it, number of the next record."""
_SLOT_MARK = b"QSP1"
_SLOT_EVERY = 512
"""Two slots that share no sector: a power failure during a write to one leaves the other."""


class SpoolDisk:
    """The few writes of the spool, one method each: tests let any of them fail."""

    def create(self, path: Path) -> int:
        """Make a file for appending, and have its name on the disk before returning."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self.sync_folder(path.parent)
        return handle

    def write(self, handle: int, content: bytes) -> int:
        """Append; gives how much of it fitted."""
        return os.write(handle, content)

    def sync(self, handle: int) -> None:
        """Have what was written on the disk before returning."""
        os.fdatasync(handle)

    def truncate(self, handle: int, length: int) -> None:
        """Cut a file, and have it cut on the disk before returning."""
        os.ftruncate(handle, length)
        os.fsync(handle)

    def sync_folder(self, folder: Path) -> None:
        """Have the names in a folder on the disk before returning."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def make_folder(self, folder: Path) -> None:
        """Make a folder and what it lies in, and have their names on the disk before returning."""
        missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
        folder.mkdir(parents=True, exist_ok=True)
        for one in reversed(missing):
            self.sync_folder(one.parent)


class Position(NamedTuple):
    """Up to where everything was acknowledged by the broker, or set aside."""

    base: int
    """The number of the first record of the segment: its name."""
    at: int
    """Bytes into it."""
    seq: int
    """The number of the next record."""


class PositionFile:
    """The read position, in a file of two slots."""

    def __init__(self, path: Path, disk: SpoolDisk) -> None:
        """Open it, or make it."""
        self._disk = disk
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        disk.sync_folder(path.parent)
        self._noted, self.position = _newest(os.pread(self._handle, 2 * _SLOT_EVERY, 0))

    def note(self, position: Position) -> None:
        """Have a new position on the disk before returning."""
        self._noted += 1
        fields = struct.pack("<QQQQ", self._noted, *position)
        slot = _SLOT_MARK + zlib.crc32(fields).to_bytes(4, "little") + fields
        os.pwrite(self._handle, slot, self._noted % 2 * _SLOT_EVERY)
        self._disk.sync(self._handle)
        self.position = position

    def close(self) -> None:
        """Give the file back."""
        os.close(self._handle)


def read_position(path: Path) -> Position | None:
    """Read it without owning it; None where there is none, or none that is good."""
    try:
        return _newest(path.read_bytes())[1]
    except FileNotFoundError:
        return None


def _newest(content: bytes) -> tuple[int, Position | None]:
    best: tuple[int, Position | None] = (0, None)
    for start in (0, _SLOT_EVERY):
        if len(content) < start + _SLOT.size:
            continue
        mark, checksum, noted, base, at, seq = _SLOT.unpack_from(content, start)
        if mark == _SLOT_MARK and zlib.crc32(content[start + 8 : start + _SLOT.size]) == checksum and noted > best[0]:
            best = noted, Position(base, at, seq)
    return best


class Owner:
    """The lock of a spool folder. flock belongs to the open file and ends with its holder, however that ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock, or raise BlockingIOError where somebody else has it. The file stays: removing it would make two locks."""
        self._handle = os.open(folder / OWNER_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one have it."""
        os.close(self._handle)


def owner_of(folder: Path) -> int | None:
    """Give the process that owns a folder; None where none does.

    Read from /proc/locks, because trying the lock would, for a moment, refuse it to an owner that is just starting.
    """
    path = folder / OWNER_FILE
    try:
        said, inode = path.read_text(encoding="ascii").strip(), path.stat().st_ino
        locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    except FileNotFoundError:
        return None
    # The file system's number is not compared: a container's differs from what stat says.
    held = any(len(one) > 5 and one[1] == "FLOCK" and one[4] == said and one[5].endswith(f":{inode}") for one in locks)
    return int(said) if held else None
