"""Which marks of a source a tape shows, and so which others stand in them: those that were merged.

Decides: that a mark stands in another one of its symbol if that one shows its high and its low and is no older, and stands where merging would have
put it: right before its place (merged marks stand where the first of them stood) or right at or after it (the last of a window where its last one
did). Leaves to others: what a mark that stands in none means.
"""

from bisect import bisect_left
from collections import deque
from decimal import Decimal
from typing import NamedTuple

from streams.desk.messages import Mark


class _Shown(NamedTuple):
    offset: int
    ts: int
    high: Decimal
    low: Decimal


class ShownMarks:
    """The marks of one source partition that the desk takes from a tape."""

    def __init__(self, most: int | None = None) -> None:
        """Begin with none. Where there is a most, the oldest are forgotten."""
        self._most = most
        self._by_symbol: dict[str, deque[_Shown]] = {}
        self._order: deque[str] = deque()

    def show(self, offset: int, mark: Mark) -> None:
        """Take in a mark; its place is after those of all before it."""
        self._by_symbol.setdefault(mark.symbol, deque()).append(_Shown(offset, mark.ts, mark.high, mark.low))
        if self._most is None:
            return
        self._order.append(mark.symbol)
        if len(self._order) > self._most:
            oldest = self._order.popleft()
            self._by_symbol[oldest].popleft()
            if not self._by_symbol[oldest]:
                del self._by_symbol[oldest]

    def holds(self, offset: int, mark: Mark) -> bool:
        """Tell whether a mark of the source stands in one that is shown."""
        shown = self._by_symbol.get(mark.symbol)
        if shown is None:
            return False
        after = bisect_left(shown, offset, key=lambda one: one.offset)
        around = [shown[index] for index in (after - 1, after) if 0 <= index < len(shown)]
        return any(one.high >= mark.high and one.low <= mark.low and one.ts >= mark.ts for one in around)
