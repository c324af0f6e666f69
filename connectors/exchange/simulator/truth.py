"""The exchange's own books, to compare with: everything of every account, money as text.

Decides: what is told, under the names of the records; which names were accepted more than once. Leaves to others: comparing the rest.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.exchange.simulator.house import House


class SentTwice(NamedTuple):
    """A name under which an account had more than one order, or conditional order, accepted."""

    account: str
    client_id: str
    times: int


def sent_twice(told: Mapping[str, Any]) -> list[SentTwice]:
    """Find in what `books` told who sent an order again that had been accepted already. The exchange lets it happen once the first one is over.

    What became of a conditional order is its second half, and a liquidation is the exchange's own: neither was sent.
    """
    found = []
    for account, kept in told["accounts"].items():
        orders = (row for row in kept["orders"] if not row["algo_id"] and row["original_type"] != "LIQUIDATION")
        for rows in (orders, kept["algos"]):
            times = Counter(row["client_id"] for row in rows)
            found += [SentTwice(account, name, count) for name, count in times.items() if count > 1]
    return found


def books(house: House) -> dict[str, object]:
    """Tell everything of all accounts, and what was asked by whom; "" is who gave no key."""
    house.pass_time(house.clock.now_ms())
    tallies = house.meter.tallies
    return {
        "now_ms": house.clock.now_ms(),
        "accounts": {
            account: {**_account(house, account), "requests": dict(tallies.get(account, {}))}
            for account in house.engine.accounts()
        },
        "requests_without_key": dict(tallies.get("", {})),
        "bans": house.meter.bans(),
    }


def state(house: House) -> dict[str, object]:
    """Tell how the exchange is."""
    return {
        "now_ms": house.clock.now_ms(), "shown_ms": house.shown_ms(), "seed": house.seed, "symbols": list(house.symbols),
        "accounts": list(house.engine.accounts()), "faults": dict(house.faults.tallies), "bans": house.meter.bans(),
        "limits": house.meter.limits._asdict(),
    }  # fmt: skip


def _account(house: House, account: str) -> dict[str, object]:
    engine = house.engine
    return {
        "orders": _rows(row for symbol in house.symbols for row in engine.all_orders(account, symbol)),
        "algos": _rows(row for symbol in house.symbols for row in engine.all_algos(account, symbol)),
        "trades": _rows(engine.trades(account, None)),
        "incomes": _rows(engine.incomes(account)),
        "positions": _rows(engine.positions(account)),
        "balances": {asset: format(amount, "f") for asset, amount in engine.balances(account).items()},
        "available": format(engine.available(account), "f"),
    }


def _rows(rows: Iterable[Any]) -> list[dict[str, object]]:
    return [_row(row) for row in rows]


def _row(row: Any) -> dict[str, object]:
    """Write a record, a dataclass or a named tuple, field by field."""
    fields: dict[str, object] = asdict(row) if is_dataclass(row) and not isinstance(row, type) else row._asdict()
    return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in fields.items()}
