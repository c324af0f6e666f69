"""What passes through the gates: one order somebody wants, with all that is known when it is judged.

Decides: nothing. A gate may narrow a request (less quantity), never widen it. Leaves to others: the judging (desk.gates) and the
making of orders (desk.approval).
"""

from dataclasses import dataclass
from decimal import Decimal

from streams.desk.messages import Instrument, Mark, OrderSide, OrderType, Signal
from streams.desk.policy import ExitRules, Phase
from streams.desk.state import Account, Plan, State
from streams.desk.values import ZERO, text


@dataclass(slots=True)
class Request:
    """A wanted order. price is what it is expected to trade at, room how much value the limits still allow."""

    state: State
    account: Account
    now_ms: int
    asked_ms: int
    symbol: str
    side: OrderSide
    type: OrderType
    adds_risk: bool
    quantity: Decimal = ZERO
    limit_price: Decimal | None = None
    stop: Decimal | None = None
    signal: Signal | None = None
    phase: Phase | None = None
    mark: Mark | None = None
    instrument: Instrument | None = None
    price: Decimal = ZERO
    room: Decimal = ZERO
    equity: Decimal | None = None
    plan: Plan | None = None

    @property
    def long(self) -> bool:
        """Tell whether the order buys."""
        return self.side == "BUY"

    @property
    def value_price(self) -> Decimal:
        """Give the price the limits count the order at: the mark, or the order's own where that is higher."""
        assert self.mark is not None
        return max(self.mark.mark, self.price)


def rules_of(phase: Phase, regime: str) -> ExitRules:
    """Give the exit rules of a regime."""
    exits = phase.exits
    return {"TREND": exits.trend, "RANGE": exits.range, "VOLATILE": exits.volatile}[regime]


def listed(**figures: object) -> str:
    """Write figures as `key=value …`, numbers canonically."""
    return " ".join(
        [f"{key}={text(value)}" if isinstance(value, Decimal) else f"{key}={value}" for key, value in figures.items()]
    )
