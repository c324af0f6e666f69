"""What is left to be sent after an attempt has ended.

Decides: whether there is one more attempt, and for how much; the rule counts all attempts against what the desk approved, and never asks for more.
Leaves to others: whether it may still be sent then (gate).
"""

from decimal import Decimal

from streams.desk.messages import Instrument
from streams.desk.outputs import Order
from streams.desk.values import ZERO
from streams.pipeline.execution.means import Limits


def remainder(
    order: Order, filled: Decimal, made: int, instrument: Instrument | None, price: Decimal | None, limits: Limits
) -> Decimal:
    """Give what to ask for after so many attempts have brought so much; 0 for nothing. What is not known is a no."""
    if filled <= ZERO or filled >= order.quantity * limits.enough or made >= limits.attempts_max:
        return ZERO
    if instrument is None or price is None:
        return ZERO
    step = instrument.step_size
    rest = (order.quantity - filled) // step * step
    dust = rest < instrument.min_quantity or rest * price < instrument.min_notional
    return ZERO if dust else rest
