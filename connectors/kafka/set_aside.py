"""What left the spool without being sent: damaged bytes, and records the broker will never take.

Decides: that each is kept with its bytes, once, in a file of its own beside the spool, one JSON object a line. Leaves to others: what is
damaged (spool_format.py), and what becomes of it (a person; the file is moved away when it has been dealt with).
"""

import base64
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from connectors.kafka.spool_disk import SpoolDisk

SET_ASIDE_FILE = "set-aside.jsonl"

log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """One thing set aside."""

    first: int
    """The number of the first record it was."""
    records: int
    reason: str
    content: bytes
    topic: str = ""
    key: str = ""


class SetAside:
    """The side file of one spool. What is set aside again after a crash is not counted twice."""

    def __init__(self, folder: Path, disk: SpoolDisk) -> None:
        """Count what is there."""
        self._path, self._disk = folder / SET_ASIDE_FILE, disk
        self._known = {(first, reason): records for first, reason, records in _lines(self._path)}

    @property
    def records(self) -> int:
        """Tell how many records were set aside."""
        return sum(self._known.values())

    def add(self, *entries: Entry) -> None:
        """Have them on the disk before returning. Raises OSError: then they must stay in the spool."""
        news = [entry for entry in entries if (entry.first, entry.reason) not in self._known]
        if not news:
            return
        new = not self._path.exists()
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            # The line break comes first: it ends what a kill may have left unfinished.
            lines = "".join(f"\n{json.dumps(_told(entry))}" for entry in news).encode()
            if self._disk.write(handle, lines) < len(lines):
                raise OSError(f"{self._path} takes no more")
            self._disk.sync(handle)
        finally:
            os.close(handle)
        if new:
            self._disk.sync_folder(self._path.parent)
        self._known |= {(entry.first, entry.reason): entry.records for entry in news}
        records, first = sum(entry.records for entry in news), news[0]
        log.error("%s: %d records from number %d set aside: %s", self._path, records, first.first, first.reason)

    @property
    def reasons(self) -> dict[str, int]:
        """Tell how many records were set aside for each reason."""
        return _by_reason(self._known)


def set_aside_reasons(folder: Path) -> dict[str, int]:
    """Tell how many records were set aside for each reason, without owning the folder."""
    return _by_reason({(first, reason): records for first, reason, records in _lines(folder / SET_ASIDE_FILE)})


def _by_reason(known: Mapping[tuple[int, str], int]) -> dict[str, int]:
    """Damage is named by its place, each another one: counted together."""
    found: dict[str, int] = {}
    for (_, reason), records in known.items():
        said = "damaged" if reason.startswith("damaged in ") else reason
        found[said] = found.get(said, 0) + records
    return found


def _told(entry: Entry) -> dict[str, object]:
    return {**entry._asdict(), "content": base64.b64encode(entry.content).decode()}


def _lines(path: Path) -> list[tuple[int, str, int]]:
    found = []
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    told = json.loads(line)
                    found.append((int(told["first"]), str(told["reason"]), int(told["records"])))
                except (ValueError, KeyError, TypeError):
                    continue  # empty, or what a kill left unfinished: it is set aside again when it is met again
    except FileNotFoundError:
        return []
    return found
