"""The order book of a symbol as we know it: a picture the exchange gave, and the changes its stream has told of since.

Decides: which change follows which (the exchange numbers them), that a book whose sides cross is wrong, when a picture is needed again, and what the
book holds near its middle. Pure. Leaves to others: asking for pictures, reading (market_answers), how old a book may be (market_watch).
"""

from collections import deque
from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from typing import Final, NamedTuple

Level = tuple[Decimal, Decimal]
"""Price and quantity. In a change, quantity 0 takes the price away."""

NEAR_BPS: Final = 10
"""What can be taken at once by an order that accepts a tenth of a percent: beyond it a collar would refuse most of the price."""
EARLY_MAX: Final = 1_000
"""Changes kept while a picture is on its way: a hundred seconds of a stream that tells ten times a second. When full, the oldest go and the picture
has to be newer than they were."""
LEVELS_MAX: Final = 4_000
"""Prices kept on a side. A book that moves leaves far ones behind for ever; when there are more, the worse half goes, which is never near."""

_QUANTUM: Final = Decimal("1E-10")
"""The last place a figure on the wire has."""


class Picture(NamedTuple):
    """A whole book, as far down as it was asked for."""

    symbol: str
    update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Change(NamedTuple):
    """What changed since the change before."""

    symbol: str
    first_id: int
    last_id: int
    before_id: int
    """The last id of the change before."""
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    ts: int


class LocalBook:
    """One symbol's book."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._update_id: int | None = None
        self._joined = False
        self._early: deque[Change] = deque(maxlen=EARLY_MAX)
        self._near: Decimal | None = None
        """The depth, until something changes: it takes thousands of comparisons, and is asked for five times between two changes."""

    @property
    def whole(self) -> bool:
        """Tell whether the book is what the exchange has, as of the last change."""
        return self._update_id is not None

    def forget(self) -> None:
        """Forget the book: changes were missed."""
        self._update_id, self._joined = None, False
        self._early.clear()

    def reset(self, picture: Picture) -> None:
        """Take a picture, and the changes that came while it was on its way."""
        self._bids, self._asks = dict(picture.bids), dict(picture.asks)
        self._update_id, self._joined, self._near = picture.update_id, False, None
        early, self._early = self._early, deque(maxlen=EARLY_MAX)
        for change in early:
            self.apply(change)

    def apply(self, change: Change) -> None:
        """Take a change. One that does not follow leaves a book that needs a picture."""
        if self._update_id is None:
            self._early.append(change)
            return
        if change.last_id < self._update_id or (self._joined and change.last_id == self._update_id):
            return
        spans = not self._joined and change.first_id <= self._update_id
        if not spans and change.before_id != self._update_id:
            self.forget()
            self._early.append(change)
            return
        _change(self._bids, change.bids, best_last=True)
        _change(self._asks, change.asks, best_last=False)
        self._update_id, self._joined, self._near = change.last_id, True, None
        if self._bids and self._asks and max(self._bids) >= min(self._asks):
            self.forget()

    def depth(self) -> Decimal:
        """Give the value of the smaller side within ten basis points of the middle; nothing where a side is empty or the sides cross."""
        if self._near is None:
            self._near = near(self._bids.items(), self._asks.items())
        return self._near


def near(bids: Iterable[Level], asks: Iterable[Level]) -> Decimal:
    """Give the value of a book's smaller side within ten basis points of the middle; nothing where a side is empty or the sides cross."""
    bids, asks = list(bids), list(asks)
    if not bids or not asks:
        return Decimal(0)
    bid, ask = max(price for price, _ in bids), min(price for price, _ in asks)
    if bid >= ask:
        return Decimal(0)
    twice = (bid + ask) * (10_000 - NEAR_BPS), (bid + ask) * (10_000 + NEAR_BPS)
    below = sum((price * quantity for price, quantity in bids if price * 20_000 >= twice[0]), Decimal(0))
    above = sum((price * quantity for price, quantity in asks if price * 20_000 <= twice[1]), Decimal(0))
    return min(below, above).quantize(_QUANTUM, ROUND_DOWN)


def _change(side: dict[Decimal, Decimal], levels: Iterable[Level], *, best_last: bool) -> None:
    for price, quantity in levels:
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)
    if len(side) > LEVELS_MAX:
        for price in sorted(side, reverse=not best_last)[: len(side) - LEVELS_MAX // 2]:
            del side[price]
