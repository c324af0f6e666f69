"""What an exchange lets one ask: weight a minute by IP, orders in 10 s and a minute by account.

Decides: what holds while the exchange has not been asked, how its own list (`rateLimits` of exchangeInfo) is read, and which header of an answer
tells how much of which limit is used. Leaves to others: keeping to them (allowance), what a question weighs (endpoints).

Limits on the number of questions (RAW_REQUESTS) are left alone: futures have none, and every question weighs at least 1.
"""

from typing import Any, Final, Literal, NamedTuple

from connectors.exchange.ccxt_answers import Row, Unreadable, one, text, whole

Unit = Literal["SECOND", "MINUTE", "HOUR", "DAY"]

LENGTHS_MS: Final[dict[Unit, int]] = {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}


class Rule(NamedTuple):
    """So much in each window. Windows begin with the full minute (10 s, …) of the exchange's clock."""

    limit: int
    number: int
    unit: Unit

    @property
    def length_ms(self) -> int:
        """Give how long a window is."""
        return self.number * LENGTHS_MS[self.unit]

    @property
    def suffix(self) -> str:
        """Give how headers name the window: 1m, 10s."""
        return f"{self.number}{self.unit[0].lower()}"


class Rules(NamedTuple):
    """All limits."""

    weight: Rule
    """By IP."""
    orders: tuple[Rule, ...]
    """By account, each."""


DEFAULT: Final = Rules(Rule(1_200, 1, "MINUTE"), (Rule(300, 10, "SECOND"), Rule(1_200, 1, "MINUTE")))
"""Half of the weight the exchange gives today: what was not looked up is kept away from."""


def rules_of(answer: Any) -> Rules:
    """Read what the exchange says of its limits. Without exactly one limit on weight it is not what we know how to keep to."""
    listed = one(answer).get("rateLimits")
    if not isinstance(listed, list):
        raise Unreadable("rateLimits is no list")
    rows = [one(row) for row in listed]
    weights, orders = (
        [_rule_of(row) for row in rows if text(row, "rateLimitType") == kind] for kind in ("REQUEST_WEIGHT", "ORDERS")
    )
    if len(weights) != 1:
        raise Unreadable(f"{len(weights)} limits on weight, and one was to come")
    return Rules(weights[0], tuple(orders))


def weight_header(rule: Rule) -> str:
    """Name the header that tells what the IP has used, in lower case."""
    return f"x-mbx-used-weight-{rule.suffix}"


def orders_header(rule: Rule) -> str:
    """Name the header that tells how many orders the account has sent, in lower case."""
    return f"x-mbx-order-count-{rule.suffix}"


def _rule_of(row: Row) -> Rule:
    units = {name: name for name in LENGTHS_MS}
    unit = units.get(text(row, "interval"))  # type: ignore[call-overload]  # any text may be looked for
    limit, number = whole(row, "limit"), whole(row, "intervalNum")
    if unit is None or limit < 1 or number < 1:
        raise Unreadable("a limit of nothing, or for a time we do not know")
    return Rule(limit, number, unit)
