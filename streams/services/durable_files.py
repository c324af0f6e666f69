"""Files that survive a kill and a power failure.

Decides: how bytes get onto a disk so that a reader finds the old file or the new one, never a part of one: written beside it,
synced, renamed over it, the folder synced. Leaves to others: what the bytes mean, who may write (hold `locked` while writing).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READ_BYTES_MAX = 4 * 1024 * 1024
"""No file read here is near this size; a larger one is read up to here, so its checksum does not fit."""


class Disk:
    """The few things done to a disk, one method each: tests stop the world between any two of them."""

    def read(self, path: Path) -> bytes | None:
        """Read a file; None where there is none."""
        try:
            with path.open("rb") as file:
                return file.read(READ_BYTES_MAX)
        except FileNotFoundError:
            return None

    def names(self, folder: Path) -> list[str]:
        """List a folder; nothing where there is none."""
        try:
            return sorted(entry.name for entry in folder.iterdir())
        except FileNotFoundError:
            return []

    def write(self, path: Path, content: bytes) -> None:
        """Write a file and have it on the disk before returning."""
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Put one file in the place of another, at once."""
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Have the names in a folder on the disk before returning."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self, path: Path) -> None:
        """Remove a file that may be gone already."""
        path.unlink(missing_ok=True)

    def make_folder(self, folder: Path) -> None:
        """Make a folder, and have its name on the disk before returning."""
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            self.sync_folder(folder.parent)


def replace_file(disk: Disk, path: Path, content: bytes) -> None:
    """Write a file so that its name holds the old content or the new, whatever happens. One writer at a time: hold the lock."""
    beside = path.with_name(f".{path.name}.new")
    disk.write(beside, content)
    disk.rename(beside, path)
    disk.sync_folder(path.parent)


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold a lock file; yields False where somebody else holds it and we do not wait.

    flock, not lockf: it belongs to the open file, so it also keeps two threads of a process apart, and it ends with its holder,
    kill -9 included. The file itself stays: removing it would let two holders lock two files of the same name. Waiting has no
    end: only a save waits, for another save, and readers never do.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        held = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            held = False
        yield held
    finally:
        os.close(handle)
