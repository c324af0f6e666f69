"""Marks of one partition, made fewer: the newest of each symbol per 100 ms, keeping the extremes in between, so that no wick is lost.

Decides: which marks wait for the window to end, which are merged, and under which places of the source they leave. The desk drops what is not
after the last place it has seen, and a crash may cut a window anywhere: so a merged mark leaves under the place of its first one, ordered
by it, and whatever has not left yet is still new to the desk. Only the last of a window leaves under the window's last place: with it all of
the window has left, and nothing of it is taken again. What was read by whoever owned the partition before is passed on one by one: merged
otherwise than the first time it would show old extremes again. So is what waited through a pause of this process, in which somebody else
may have passed it on. Leaves to others: time (an argument), bytes (the merge port).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from streams.desk.messages import Mark
from streams.pipeline.ports import RecordIn

WINDOW_MS = 100
"""Ten prices a second and symbol: more would not change what the desk does, and each goes to every partition."""
STALLED_MS = 1_000
"""Ten windows late: this process stood still. A tenth of what a partition takes to move, so nobody else merges meanwhile unnoticed."""


class Kept(NamedTuple):
    """What is to be forwarded: the source offset it stands for, the key, the bytes."""

    offset: int
    key: bytes | None
    value: bytes


Merge = Callable[[Sequence[bytes]], bytes | None]
"""Makes one mark of several of a symbol, oldest first; nothing where one of them cannot be read or cannot be true."""


def merged(marks: Sequence[Mark]) -> Mark:
    """Give the newest mark, with the extremes of all of them. The newest by its own time: the desk refuses what is late, wicks and all."""
    return max(reversed(marks), key=lambda mark: mark.ts)._replace(
        high=max(mark.high for mark in marks), low=min(mark.low for mark in marks)
    )


class Conflation:
    """Holds the marks of one source partition that wait for the end of their window."""

    def __init__(self, merge: Merge, one_by_one_before: int, window_ms: int = WINDOW_MS) -> None:
        """Pass on one by one what has an offset before a certain one."""
        self._merge, self._one_by_one_before, self._window_ms = merge, one_by_one_before, window_ms
        self._waiting: dict[bytes, list[RecordIn]] = {}
        self._closes_ms = 0
        self._since_ms = 0
        self._last_offset = -1

    @property
    def holds(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._waiting)

    def add(self, records: Iterable[RecordIn], now_ms: int) -> list[Kept]:
        """Take marks; give what may be forwarded at once."""
        out: list[Kept] = []
        for record in records:
            if record.key is None or record.value is None or record.offset < self._one_by_one_before:
                out += self._all()
                out.append(Kept(record.offset, record.key, record.value or b""))
            else:
                if not self._waiting:
                    self._since_ms = now_ms
                self._waiting.setdefault(record.key, []).append(record)
                self._last_offset = record.offset
        return out + self.due(now_ms)

    def due(self, now_ms: int) -> list[Kept]:
        """Give what has waited for its window's end."""
        # A clock that was set back opens the window instead of holding marks until it has caught up.
        if not self._waiting or self._closes_ms - self._window_ms <= now_ms < self._closes_ms:
            return []
        self._closes_ms = now_ms + self._window_ms
        return self._all(one_by_one=now_ms - self._since_ms > STALLED_MS)

    def _all(self, one_by_one: bool = False) -> list[Kept]:
        """Empty the window, in the order of the source."""
        kept: list[Kept] = []
        for key, records in self._waiting.items():
            kept += _plainly(key, records) if one_by_one else self._one(key, records)
        self._waiting.clear()
        kept.sort()
        # A bad one keeps its own place: its dead letter names it.
        if kept and kept[-1].offset != self._last_offset and self._merge([kept[-1].value]) is not None:
            kept[-1] = kept[-1]._replace(offset=self._last_offset)
        return kept

    def _one(self, key: bytes, records: Sequence[RecordIn]) -> list[Kept]:
        if len(records) > 1:
            together = self._merge([record.value or b"" for record in records])
            if together is not None:
                return [Kept(records[0].offset, key, together)]
        return _plainly(key, records)


def _plainly(key: bytes, records: Sequence[RecordIn]) -> list[Kept]:
    return [Kept(record.offset, key, record.value or b"") for record in records]
