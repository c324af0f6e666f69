"""The newest prices, read past the tape: for the look at the collar right before an order is sent.

Decides: which mark of a symbol is the newest, by the exchange's clock; what cannot be true is passed over. Leaves to others: how old a price may be.
"""

from decimal import Decimal
from typing import NamedTuple

from streams.desk.messages import Mark
from streams.desk.ranges import is_symbol
from streams.desk.validation import wrong

SYMBOLS_MAX = 10_000
"""Several times what an exchange lists; whoever makes up more symbols gets no place."""


class Price(NamedTuple):
    """What a symbol costs, and how long ago that was so."""

    bid: Decimal
    ask: Decimal
    mark: Decimal
    age_ms: int


class MarkBoard:
    """The newest mark of each symbol."""

    def __init__(self) -> None:
        """Know none."""
        self._newest: dict[str, Mark] = {}

    def take(self, mark: Mark, recorded_ms: int) -> None:
        """Take a mark in. `recorded_ms`: when it was written, by its record."""
        known = self._newest.get(mark.symbol)
        if known is None and (len(self._newest) >= SYMBOLS_MAX or not is_symbol(mark.symbol)):
            return
        if not wrong(mark, recorded_ms) and (known is None or mark.ts >= known.ts):
            self._newest[mark.symbol] = mark

    def price(self, symbol: str, now_ms: int) -> Price | None:
        """Give what a symbol costs; nothing where nobody has said so yet."""
        mark = self._newest.get(symbol)
        return None if mark is None else Price(mark.bid, mark.ask, mark.mark, max(0, now_ms - mark.ts))
