"""Exact numbers: the arithmetic every figure of the desk is made with.

Decides: how Decimals are added, multiplied, divided and shown. Inside `exact()` any operation that would have to round raises, so
what is not divided is exact by construction; division and rounding have to be asked for by name. Leaves to others: what the
numbers mean.
"""

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)

INPUT_SCALE = 10
"""Decimal places of every price, quantity, rate and fee on the wire: the exchange's finest step has 8."""
MONEY_SCALE = 20
"""Decimal places of money: a price times a quantity, without a rest."""
PRECISION = 120
"""Digits an exact result may have. 1e15 × 1e15 at 10 + 10 places is 50 digits; a sum of 1e18 of them still fits."""
FINEST_PRICE = Decimal(1).scaleb(-INPUT_SCALE)
"""The price step of a symbol whose own is not known."""
AMOUNT_MAX = Decimal(10) ** 15
"""No price, quantity or amount reaches this: a larger one is a broken feed, not a market."""

SUM_MAX = Decimal(10) ** 24
"""No sum over accounts reaches this."""

_MONEY_QUANTUM = Decimal(1).scaleb(-MONEY_SCALE)
_CENT = Decimal("0.01")
_EXACT = Context(prec=PRECISION, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
_ROUNDED = Context(prec=PRECISION, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])


class exact:  # noqa: N801  # read as a statement: `with exact():`
    """Make every Decimal operation of this thread exact, or an error, until the block ends."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = getcontext()
        setcontext(_EXACT)

    def __exit__(self, *_: object) -> None:
        setcontext(self._before)


def money_quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Divide, to the last decimal money has."""
    return _ROUNDED.quantize(_ROUNDED.divide(dividend, divisor), _MONEY_QUANTUM)


def money_share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Give the part/whole share of an amount, multiplied before it is divided, to the last decimal money has."""
    return money_quotient(amount * part, whole)


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """Give the largest multiple of step that is not above a value ≥ 0."""
    return (value // step) * step


def steps_floor(value: Decimal, step: Decimal) -> Decimal:
    """Give the multiple of step at or below value, also for negative values."""
    return _ROUNDED.divide(value, step).to_integral_value(ROUND_FLOOR) * step


def steps_ceiling(value: Decimal, step: Decimal) -> Decimal:
    """Give the multiple of step at or above value."""
    return _ROUNDED.divide(value, step).to_integral_value(ROUND_CEILING) * step


def text(value: Decimal) -> str:
    """Write a number the one canonical way: no exponent, no trailing zeros, the same for equal values."""
    written = str(value)
    if "E" in written:
        written = format(value, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def shown(value: Decimal) -> str:
    """Write money for people: half up to 0.01. Only ever for display."""
    return format(value.quantize(_CENT, ROUND_HALF_UP, _ROUNDED), "f")


def is_amount(value: Decimal) -> bool:
    """Tell whether this is a finite number of a size and fineness a market can have."""
    return value.is_finite() and -AMOUNT_MAX < value < AMOUNT_MAX and -int(value.as_tuple().exponent) <= INPUT_SCALE
