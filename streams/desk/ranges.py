"""Ranges: the questions asked of single values of an input.

Decides: how long an id may be, what a symbol, an account, an amount, a share and a time can look like. Each question returns the first
field that cannot be true as `field=… value=…`, or nothing.
"""

import re
from decimal import Decimal

from streams.desk.messages import Control
from streams.desk.values import AMOUNT_MAX, MONEY_SCALE, ONE, SUM_MAX, ZERO, is_amount, text

ID_CHARACTERS_MAX = 128
"""No id is longer: ids are kept in memory by the thousand."""
TEXT_CHARACTERS_MAX = 512
"""Free text (user, reason, note) is cut nowhere, so it is refused beyond this."""
EARLIEST_TS = 1_420_070_400_000
"""2015-01-01: nothing this pipeline trades existed before. A clock at 1970 is a clock that was never set."""
AHEAD_MS_MAX = 5_000
"""A producer's clock may run ahead of the sequencer's by this much; the exchange itself refuses requests that are off by less."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")


def signature(control: Control) -> str:
    """Write who gave a command and why, at a length that can be kept."""
    return f"user={control.user[:TEXT_CHARACTERS_MAX] or '?'} reason={control.reason[:TEXT_CHARACTERS_MAX] or '?'}"


def is_symbol(symbol: str) -> bool:
    """Tell whether this can be a symbol."""
    return bool(_SYMBOL.fullmatch(symbol))


def is_account(name: str) -> bool:
    """Tell whether this can be an account's name."""
    return bool(_NAME.fullmatch(name))


def found(field: str, value: object) -> str:
    """Name a field that cannot be true, with the beginning of its value."""
    written = text(value) if isinstance(value, Decimal) else str(value)
    return f"field={field} value={written[:64]}"


def positive(**values: Decimal) -> str:
    """Ask for amounts above zero."""
    for field, value in values.items():
        if not is_amount(value) or value <= ZERO:
            return found(field, value)
    return ""


def amount(**values: Decimal) -> str:
    """Ask for amounts a market can have."""
    for field, value in values.items():
        if not is_amount(value):
            return found(field, value)
    return ""


def notional(price: Decimal, quantity: Decimal) -> str:
    """Ask for a trade of a size a market can have."""
    return "" if price * abs(quantity) < AMOUNT_MAX else found("notional", price * abs(quantity))


def ids(**values: str) -> str:
    """Ask for ids: not empty, not long, printable."""
    for field, value in values.items():
        if not value or len(value) > ID_CHARACTERS_MAX or not value.isprintable():
            return found(field, value)
    return ""


def symbol(symbol: str) -> str:
    """Ask for a symbol."""
    return "" if _SYMBOL.fullmatch(symbol) else found("symbol", symbol)


def share(**values: Decimal) -> str:
    """Ask for shares of one."""
    for field, value in values.items():
        if not value.is_finite() or not ZERO <= value <= ONE:
            return found(field, value)
    return ""


def time(ts: int, stamp_ms: int) -> str:
    """Ask for a time after the beginning and not ahead of the sequencer."""
    return "" if EARLIEST_TS <= ts <= stamp_ms + AHEAD_MS_MAX else found("ts", ts)


def among(field: str, value: str, *allowed: str) -> str:
    """Ask for one of a few words."""
    return "" if value in allowed else found(field, value)


def ordered(least: Decimal | int, **values: Decimal) -> str:
    """Ask for values that are not below another."""
    for field, value in values.items():
        if value < least:
            return found(field, value)
    return ""


def sums(**values: Decimal) -> str:
    """Ask for sums over accounts."""
    for field, value in values.items():
        if not value.is_finite() or abs(value) >= SUM_MAX or -int(value.as_tuple().exponent) > MONEY_SCALE:
            return found(field, value)
    return ""
