"""Fields of a policy: how a figure of a document is read.

Decides: what a number, a count, a word, a switch and a list of names may look like. Each helper declares a dataclass field and carries its reader
in the field's metadata.
"""

from dataclasses import field
from decimal import Decimal, InvalidOperation
from typing import Any

DECIMALS_MAX = 6
"""Places of a limit after the point, so that its products with prices stay within the places money has."""
OPTIONAL = "optional"
"""Marks a key that came after the first policies were published. Left out, the desk does as it did before there was the key."""


def number(low: str, high: str, above: bool = False, optional: bool = False) -> Any:
    """Declare a Decimal field from low (or above it) to high. One that is optional is None where it is left out."""

    def parse(raw: Any) -> Decimal:
        try:
            value = Decimal(str(raw)) if not isinstance(raw, bool) else None
        except InvalidOperation:
            value = None
        if value is None:
            raise ValueError(f"{raw!r} is not a number")
        if not value.is_finite() or not Decimal(low) <= value <= Decimal(high) or (above and value == Decimal(low)):
            raise ValueError(f"{raw} is not {'above' if above else 'from'} {low} {'and up to' if above else 'to'} {high}")
        if -int(value.as_tuple().exponent) > DECIMALS_MAX:
            raise ValueError(f"{raw} has more than 6 decimal places")
        return value

    return field(default=None, metadata={"parse": parse, OPTIONAL: True}) if optional else field(metadata={"parse": parse})


def whole(low: int, high: int) -> Any:
    """Declare an int field from low to high."""

    def parse(raw: Any) -> int:
        try:
            value = int(str(raw))
        except ValueError:
            raise ValueError(f"{raw!r} is not a whole number") from None
        if not low <= value <= high:
            raise ValueError(f"{raw} is not from {low} to {high}")
        return value

    return field(metadata={"parse": parse})


def choice(*allowed: str) -> Any:
    """Declare a field with one of a few words."""

    def parse(raw: Any) -> str:
        if raw not in allowed:
            raise ValueError(f"{raw!r} is not one of {', '.join(allowed)}")
        return str(raw)

    return field(metadata={"parse": parse})


def flag(optional: bool = False) -> Any:
    """Declare a true/false field. One that is optional is false where it is left out."""

    def parse(raw: Any) -> bool:
        words = {"true": True, "false": False}
        if str(raw).lower() not in words:
            raise ValueError(f"{raw!r} is not true or false")
        return words[str(raw).lower()]

    return field(default=False, metadata={"parse": parse, OPTIONAL: True}) if optional else field(metadata={"parse": parse})


def names() -> Any:
    """Declare a field with a list of distinct names."""

    def parse(raw: Any) -> tuple[str, ...]:
        if not isinstance(raw, list) or not raw or not all(isinstance(name, str) and name for name in raw):
            raise ValueError("is not a list of names")
        if len(set(raw)) != len(raw):
            raise ValueError("names something twice")
        return tuple(raw)

    return field(metadata={"parse": parse})


def days() -> Any:
    """Declare a number of days, or none."""

    def parse(raw: Any) -> int | None:
        if raw in (None, "none"):
            return None
        value = int(str(raw)) if str(raw).isdigit() else -1
        if not 0 <= value <= 3_650:
            raise ValueError(f"{raw!r} is neither none nor a number of days")
        return value

    return field(metadata={"parse": parse})
