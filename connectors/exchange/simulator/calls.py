"""A request as the handlers see it, and how its parameters are read.

Decides: which error a parameter gives that is missing or cannot be read. Leaves to others: what is asked (rest_*).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeVar

from connectors.exchange.simulator.records import Refused

Row = TypeVar("Row")


class Call(NamedTuple):
    """A request that has been let in."""

    parameters: Mapping[str, str]
    account: str
    """Empty where no key is asked for."""
    now_ms: int

    def has(self, name: str) -> bool:
        """Tell whether a parameter was sent, with something in it."""
        return bool(self.parameters.get(name))

    def text(self, name: str) -> str:
        """Take a text that has to be there."""
        value = self.parameters.get(name, "")
        if not value:
            raise Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def optional(self, name: str) -> str | None:
        """Take a text; None where it was not sent."""
        return self.parameters.get(name) or None

    def number(self, name: str) -> Decimal | None:
        """Take a number; None where it was not sent."""
        text = self.optional(name)
        if text is None:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite():
            raise Refused(-1100, f"Illegal characters found in parameter '{name}'.")
        return value

    def whole(self, name: str) -> int | None:
        """Take a whole number; None where it was not sent."""
        text = self.optional(name)
        if text is None:
            return None
        if not text.isascii() or not text.removeprefix("-").isdecimal():
            raise Refused(-1100, f"Illegal characters found in parameter '{name}'.")
        return int(text)

    def yes(self, name: str) -> bool:
        """Take yes or no; no where it was not sent."""
        text = self.parameters.get(name, "").lower()
        if text not in {"", "true", "false"}:
            raise Refused(-1130, f"Data sent for parameter '{name}' is not valid.")
        return text == "true"

    def limit(self, usual: int, most: int) -> int:
        """Take how many rows are wanted."""
        limit = self.whole("limit")
        if limit is None:
            return usual
        if limit < 1:
            raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(limit, most)

    def window(self, longest_ms: int) -> tuple[int, int] | None:
        """Take a span of time, both ends included; None where neither end was sent. An end that was not sent is as far away as is allowed."""
        start, end = self.whole("startTime"), self.whole("endTime")
        if start is None and end is None:
            return None
        if start is None:
            assert end is not None, "one of them is there"
            start = end - longest_ms
        if end is None:
            end = start + longest_ms
        if end < start:
            raise Refused(-4165, "startTime is after endTime.")
        if end - start > longest_ms:
            raise Refused(-4165, f"Maximum time interval is {longest_ms // 86_400_000} days.")
        return start, end


def page(rows: Sequence[Row], times: Sequence[int], window: tuple[int, int] | None, limit: int) -> Sequence[Row]:
    """Give the first rows of a window of time; without one the newest, oldest first either way."""
    if window is None:
        return rows[-limit:]
    start, end = window
    return [row for row, ts in zip(rows, times, strict=True) if start <= ts <= end][:limit]
