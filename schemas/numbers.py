"""Exact decimals as Avro bytes.

Decides: how a Decimal becomes the two's complement bytes of an Avro decimal and back, without rounding and whatever decimal context is in
force. Leaves to others: which precision and scale a field has.
"""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import cache

from schemas.errors import Unencodable
from schemas.model import PRECISION_MAX, DecimalType

_EXACT = Context(prec=2 * PRECISION_MAX, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
"""Our own, so that nothing depends on the caller's. Moving the point of a number of PRECISION_MAX digits never rounds in it."""

_REMEMBERED_MAX = 16_384
"""Decimals kept by their bytes, a few MB a scale. Prices move in ticks, so that many come again; when it is full it starts anew."""


class BadDecimal(ArithmeticError):
    """Bytes that are no decimal of their type."""


class DecimalReader(dict[bytes, Decimal]):
    """Reads the decimals of one type: `reader[raw]`. What was read before is not computed again."""

    def __init__(self, type_: DecimalType) -> None:
        super().__init__()
        self._limit = 10**type_.precision
        self._quantum = Decimal(1).scaleb(-type_.scale, _EXACT)
        self._bytes_max = (self._limit.bit_length() >> 3) + 1

    def __missing__(self, raw: bytes) -> Decimal:
        if not 0 < len(raw) <= self._bytes_max:
            raise BadDecimal(f"a decimal in {len(raw)} bytes")
        unscaled = int.from_bytes(raw, "big", signed=True)
        if len(raw) == self._bytes_max and abs(unscaled) >= self._limit:
            raise BadDecimal("a decimal of more digits than its field has")
        value = _EXACT.multiply(unscaled, self._quantum)
        if len(self) >= _REMEMBERED_MAX:
            self.clear()
        self[raw] = value
        return value


@cache
def decimals_of(type_: DecimalType) -> DecimalReader:
    """Give the reader of a type, one for all fields that have it."""
    return DecimalReader(type_)


class DecimalWriter:
    """Writes the decimals of one type; what does not fit exactly is an error."""

    def __init__(self, type_: DecimalType) -> None:
        self._scale = type_.scale
        self._digits_before_point = type_.precision - type_.scale
        self._shift = Decimal(type_.scale)

    def __call__(self, value: object) -> bytes:
        """Give the shortest two's complement of the value's unscaled integer."""
        if not isinstance(value, Decimal) or not value.is_finite():
            raise Unencodable(f"{value!r} is no finite Decimal")
        if value.adjusted() >= self._digits_before_point:
            if not value:
                return b"\0"  # a zero of whatever exponent
            raise Unencodable(f"{value} has more than {self._digits_before_point} digits before the point")
        try:
            unscaled = int(_EXACT.to_integral_exact(_EXACT.scaleb(value, self._shift)))
        except (Inexact, InvalidOperation):
            raise Unencodable(f"{value} has more than {self._scale} digits behind the point") from None
        return unscaled.to_bytes((unscaled.bit_length() >> 3) + 1, "big", signed=True)
