"""What has been seen: repeats are known by id, within a bound.

Decides: whether an input is new, a repeat, a contradiction of what was seen, or too old to tell. Ids are kept for a time given by the
caller, and never more than `ENTRIES_MAX` of them; what is forgotten leaves its timestamp behind as a floor, and an unknown id at
or below the floor is `TOO_OLD`: it may be a repeat of something forgotten, so nobody may act on it as if it were new.
"""

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from streams.desk.values import text

ENTRIES_MAX = 10_000
"""Most ids one memory keeps; an account has one for signals and one for the rest. When full the oldest leave early and the floor
rises; about 2 MB."""


def printed(words: Iterable[object]) -> str:
    """Give a print of an input's content: the same for the same content, whatever way its numbers were written."""
    written = [text(word) if isinstance(word, Decimal) else str(word) for word in words]
    return hashlib.blake2b("\x1f".join(written).encode(), digest_size=8).hexdigest()


class Seen(Enum):
    """What the memory knows of an id."""

    NEW = "new"
    REPEAT = "repeat"
    CONTRADICTION = "contradiction"
    TOO_OLD = "too old"


class Entry(NamedTuple):
    """When an id was heard of (desk time), what its producer's clock said, and a print of its content."""

    heard_ms: int
    ts: int
    content: str


class Memory:
    """Remembers ids in the order they came."""

    __slots__ = ("entries", "floor_ts")

    def __init__(self, entries: dict[str, Entry] | None = None, floor_ts: int = 0) -> None:
        """Start empty, or from a snapshot."""
        self.entries = {} if entries is None else entries
        self.floor_ts = floor_ts

    def look(self, key: str, ts: int, content: str = "") -> Seen:
        """Tell what is known of an id, changing nothing."""
        entry = self.entries.get(key)
        if entry is not None:
            return Seen.REPEAT if entry.content == content else Seen.CONTRADICTION
        return Seen.NEW if ts > self.floor_ts else Seen.TOO_OLD

    def remember(self, key: str, ts: int, now_ms: int, keep_ms: int, content: str = "") -> None:
        """Keep an id for keep_ms of desk time, and forget what is past that."""
        entries = self.entries
        entries[key] = Entry(now_ms, ts, content)
        forget_before_ms = now_ms - keep_ms
        while len(entries) > 1:
            oldest = next(iter(entries))
            entry = entries[oldest]
            if entry.heard_ms >= forget_before_ms and len(entries) <= ENTRIES_MAX:
                return
            del entries[oldest]
            self.floor_ts = max(self.floor_ts, entry.ts)
