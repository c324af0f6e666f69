"""How many accounts one IP can carry, when all of them are compared with the exchange in turn.

Decides: what one comparison of an account costs, and which part of the weight comparisons may use. Leaves to others: comparing (pipeline), what a
question weighs (endpoints), limits (rate_limits).
"""

from fractions import Fraction
from typing import Final, NamedTuple

from connectors.exchange import endpoints
from connectors.exchange.rate_limits import Rule

PART: Final = Fraction(30, 100)
"""Of the weight. Orders, what is asked about them, and what has to be made good after a break have the rest."""
SWEEP_S: Final = 300
"""How often accounts are compared where nobody says: a fill that no event told of is found within five minutes."""
ONCE: Final = {
    "open orders of all symbols": endpoints.OPEN_ORDERS.weight,
    "open stops": endpoints.OPEN_STOPS.weight,
    "positions": endpoints.POSITIONS.weight,
    "balances": endpoints.BALANCES.weight,
    "income": endpoints.INCOME.weight,
}
"""What is asked of an account in each comparison,"""
TRADES: Final = endpoints.TRADES.weight
"""and of each symbol it is active in."""


class Capacity(NamedTuple):
    """How many, and why."""

    accounts: int
    weight_of_sweep: int
    """One account compared once."""
    weight_for_sweeps: int
    """A minute."""


def capacity(limit: Rule, period_s: int, symbols: int) -> Capacity:
    """Tell how many accounts can each be compared once in a period."""
    weight = sum(ONCE.values()) + TRADES * symbols
    a_minute = PART * limit.limit * 60_000 / limit.length_ms
    return Capacity(int(a_minute * period_s / 60 / weight), weight, int(a_minute))
