"""Orders waiting at their prices, so that a price that reaches none of them costs one look.

Decides: who is reached first: the nearest price, then the oldest. Leaves to others: what happens then.
"""

from bisect import bisect_left, insort
from decimal import Decimal
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")


class Ladder(Generic[Waiting]):
    """What waits for a price to rise to it, or to fall to it."""

    __slots__ = ("_rises", "_rows")

    def __init__(self, *, rises: bool) -> None:
        """Say which way the price has to move to reach anybody."""
        self._rises = rises
        self._rows: list[tuple[Decimal, int, Waiting]] = []
        """The first to be reached is last: taking it off moves nothing. Serials tell rows apart, so what waits is never compared."""

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, price: Decimal, serial: int, waiting: Waiting) -> None:
        """Let something wait."""
        insort(self._rows, (-price if self._rises else price, -serial, waiting))

    def drop(self, price: Decimal, serial: int) -> None:
        """Let it wait no longer; not waiting is fine."""
        key = (-price if self._rises else price, -serial)
        at = bisect_left(self._rows, key)  # shorter, so before all that begin with it
        if at < len(self._rows) and self._rows[at][:2] == key:
            del self._rows[at]

    def reached(self, price: Decimal) -> Waiting | None:
        """Give who is reached first, and leave it where it is."""
        if not self._rows:
            return None
        key, _, waiting = self._rows[-1]
        return waiting if (price >= -key if self._rises else price <= key) else None
