"""The gate right before an order is sent.

Decides: what keeps an order waiting (it may pass: the lease, what was not read or reconciled yet, a clock in doubt) and what refuses it for good (a
stop, its age, the price, a wish to cancel it). Less risk has to wait for fewer things. Leaves to others: what the desk has looked at already.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from streams.desk.outputs import Order
from streams.pipeline.execution.ledger import Attempt, Entry
from streams.pipeline.execution.mark_board import Price
from streams.pipeline.execution.means import CLOCK_ERROR_MS_MAX, Means


class Refusal(NamedTuple):
    """Why an order is not sent, and as what the desk hears of it."""

    kind: str
    reason: str


@dataclass
class Standing:
    """How the accounts of a partition stand, and the partition itself."""

    taken_over: bool = False
    """Nobody else can be sending any more."""
    ready: set[tuple[str, str]] = field(default_factory=set)
    """Accounts that were checked, with the symbols that were set up for them."""
    reconciled: set[str] = field(default_factory=set)
    """Accounts whose orders, trades and positions at the exchange are known."""
    openings: Counter[str] = field(default_factory=Counter)
    """How often serving an account has begun: an answer to what was asked by other keys does not halt it."""
    halted: dict[str, str] = field(default_factory=dict)
    """Accounts for which a person has to look, and why."""


class Gate:
    """Looks at orders."""

    def __init__(self, means: Means, standing: Standing) -> None:
        """Look with these."""
        self._means, self._standing = means, standing

    def holds(self) -> str:
        """Tell what keeps this worker from sending anything; empty when nothing does."""
        means = self._means
        if not self._standing.taken_over:
            return "TAKEOVER"
        if means.lease.left_s() <= means.limits.window_ms / 1000 + means.limits.margin_s:
            return "LEASE"
        error_ms = means.exchange.clock_error_ms()
        return "CLOCK" if error_ms is None or error_ms > CLOCK_ERROR_MS_MAX else ""

    def waits_for(self, order: Order) -> str:
        """Tell what keeps it waiting; empty when nothing does."""
        means, standing = self._means, self._standing
        held = self.holds()
        if held:
            return held
        if (order.account, order.symbol) not in standing.ready:
            return "ACCOUNT_NOT_CHECKED"
        if order.reduce_only:
            return ""
        if not means.brakes.caught_up:
            return "CONTROL_UNREAD"
        if order.account not in standing.reconciled:
            return "NOT_RECONCILED"
        if not means.exchange.allows_risk():
            return "EXCHANGE_FAILS"
        return "" if self._price(order) is not None else "PRICE"

    def refuses(self, entry: Entry, attempt: Attempt) -> Refusal | None:
        """Tell why it may never be sent."""
        order, means = entry.order, self._means
        if entry.cancel is not None:
            return Refusal("CANCELLED", f"CANCELLED_UNSENT {entry.cancel.reason}")
        if order.account in self._standing.halted:
            return Refusal("REJECTED", f"ACCOUNT_HALTED {self._standing.halted[order.account]}")
        stop = self.stopped(order)
        if stop is not None:
            return Refusal("REJECTED", stop)
        now_ms = means.exchange.now_ms()
        before = entry.attempts[attempt.number - 1].done if attempt.number else None
        age_ms = now_ms - (order.ts if before is None else before.ts)
        if age_ms > means.limits.age_ms_max or (order.expires_ms and now_ms >= order.expires_ms):
            waited = self.waits_for(order)
            return Refusal(
                "REJECTED", f"TOO_OLD age_ms={age_ms} max={means.limits.age_ms_max}{waited and f' waited_for={waited}'}"
            )
        price = None if order.reduce_only else self._price(order)
        if price is None:  # less risk has no collar: getting out matters more than the price
            return None
        paid = price.ask if order.side == "BUY" else price.bid
        if order.collar_low <= paid <= order.collar_high:
            return None
        return Refusal("REJECTED", f"COLLAR price={paid} low={order.collar_low} high={order.collar_high}")

    def still(self, entry: Entry, attempt: Attempt) -> bool:
        """Tell, without waiting for anything, whether a request may go out this very moment."""
        return not self.waits_for(entry.order) and self.refuses(entry, attempt) is None

    def stopped(self, order: Order) -> str | None:
        """Say which stop an order that adds risk was made before, or nothing."""
        if order.reduce_only:
            return None
        return self._means.brakes.refuses(order.account, order.control_position, order.every_control_position)

    def _price(self, order: Order) -> Price | None:
        """Give what the symbol costs; nothing where that is not known, or was long ago."""
        price = self._means.board.price(order.symbol, self._means.exchange.now_ms())
        return price if price is not None and price.age_ms <= self._means.limits.price_age_ms_max else None


def price_of(means: Means, order: Order) -> Decimal | None:
    """Give the price to value an order at, where one is known."""
    if order.limit_price is not None:
        return order.limit_price
    price = means.board.price(order.symbol, means.exchange.now_ms())
    return None if price is None else price.mark
