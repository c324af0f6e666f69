"""The part of the ledger that holds adjustments, and payments that were said.

An adjustment is a record of the whole event, durable before it is said: what it is about may have changed by the time anybody looks again, and what
was said would be unknown then. It is open until its reversal is durable; when that was said, too, all of it is deleted.

Decides: how these records merge, what open adjustments come to, and what a reversal says. Leaves to others: making them (differences, distress),
saying payments (payments).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from streams.desk.messages import AccountEvent
from streams.desk.values import ZERO

MADE: Final = "made"
SAID: Final = "said"
UNDONE: Final = "undone"


@dataclass(slots=True)
class Adjustment:
    """A difference between the exchange's books and ours that no trade explains; one of nothing, without a symbol, while the exchange fails."""

    event: AccountEvent | None = None
    said: bool = False
    undone: AccountEvent | None = None
    """What reverses it."""


class Adjustments:
    """The adjustments of one partition, by account, symbol and event id."""

    def __init__(self) -> None:
        """Know none."""
        self._kept: dict[str, dict[tuple[str, str], Adjustment]] = {}

    def take(self, account: str, symbol: str, event_id: str, part: str, event: AccountEvent | None, *, deleted: bool) -> None:
        """Take a record in that is durable. What was made is deleted first, and with it all of it is gone."""
        kept = self._kept.setdefault(account, {})
        if deleted:
            if part == MADE:
                kept.pop((symbol, event_id), None)
            return
        adjustment = kept.setdefault((symbol, event_id), Adjustment())
        if part == MADE:
            adjustment.event = event
        elif part == SAID:
            adjustment.said = True
        else:
            adjustment.undone = event

    def of(self, account: str) -> list[Adjustment]:
        """Give an account's adjustments that are not deleted, the oldest first."""
        found = [one for one in self._kept.get(account, {}).values() if one.event is not None]
        return sorted(found, key=lambda one: (one.event.ts, one.event.event_id) if one.event else (0, ""))

    def open(self, account: str, symbol: str | None) -> list[AccountEvent]:
        """Give those of a symbol that count, or those of none."""
        return [one.event for one in self.of(account) if one.event and one.undone is None and one.event.symbol == symbol]

    def sum(self, account: str, symbol: str) -> Decimal:
        """Give what they come to."""
        return sum((event.quantity for event in self.open(account, symbol)), ZERO)

    def symbols(self, account: str) -> set[str]:
        """Give the symbols an account has any in."""
        return {one.event.symbol for one in self.of(account) if one.event and one.event.symbol}


def reversal(event: AccountEvent, note: str, ts: int) -> AccountEvent:
    """Make what takes an adjustment back."""
    return event._replace(
        event_id=f"{event.event_id}-undone", amount=ZERO, quantity=ZERO, reverses=event.event_id, note=note, ts=ts
    )
