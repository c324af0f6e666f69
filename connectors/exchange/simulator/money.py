"""Rounding: the one place that says how.

Decides: whatever moves a wallet is rounded to 8 decimals, half to even, when it comes into being, and never after. What is multiplied stays exact:
the decimals of a tick and a step together are at most 8. Leaves to others: what is added up.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

ZERO: Final = Decimal(0)
_GRID = Decimal("0.00000001")
"""What the exchange shows of money. Which way it rounds it does not say."""
_ROUND = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""60 digits hold a cost times a quantity without a rest."""


def money(amount: Decimal) -> Decimal:
    """Round an amount."""
    return _ROUND.quantize(amount, _GRID)


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Give the part/whole share of an amount, rounded once."""
    return _ROUND.quantize(_ROUND.divide(_ROUND.multiply(amount, part), whole), _GRID)


def ratio(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Divide, unrounded but for the 60th digit: for comparing, never for booking."""
    return _ROUND.divide(dividend, divisor)
