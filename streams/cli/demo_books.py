"""The exchange's own books held against the desk's: what each account holds and has paid, to the last digit.

Decides: what counts as a difference. Cash is compared without the cost of what is held, so that neither side's rounding of a part of a cost is in it;
and without funding, which is paid every eight hours and asked for every five minutes: a demo may end in between. Leaves to others: having both stand
still (demo_closing); the whole proof, order by order (replay.exchange_proof).
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.exchange.simulator.records import QUOTE
from connectors.exchange.simulator.truth import sent_twice
from streams.desk.outputs import Portfolio
from streams.desk.values import ZERO, exact

EXAMPLES_MAX = 5
_OF_TRADES = ("REALIZED_PNL", "COMMISSION")
"""Incomes that are in the trades already."""


class Compared(NamedTuple):
    """What both say."""

    accounts: int
    orders: int
    """The exchange has accepted."""
    trades: int
    sent_twice: int
    position_differences: int
    cash_differences: int
    examples: Sequence[str]

    @property
    def ok(self) -> bool:
        """Tell whether the books agree."""
        return not (self.sent_twice or self.position_differences or self.cash_differences)


def compared(pictured: Mapping[str, Portfolio], told: Mapping[str, Any], opening: Mapping[str, Decimal]) -> Compared:
    """Hold pictures of accounts against what the exchange tells. `opening` names the accounts, and what was in their wallets."""
    rows = [told["accounts"][account] for account in opening]
    pairs = [(pictured.get(account), account, kept) for account, kept in zip(opening, rows, strict=True)]
    with exact():
        positions = [words for portfolio, account, kept in pairs for words in _positions(portfolio, account, kept)]
        cash = [words for portfolio, account, kept in pairs for words in _cash(portfolio, account, kept, opening[account])]
    twice = [
        f"{one.account}: {one.client_id} was accepted {one.times} times" for one in sent_twice(told) if one.account in opening
    ]
    orders, trades = (sum(len(kept[what]) for kept in rows) for what in ("orders", "trades"))
    examples = (*twice, *positions, *cash)[:EXAMPLES_MAX]
    return Compared(len(rows), orders, trades, len(twice), len(positions), len(cash), examples)


def _positions(portfolio: Portfolio | None, account: str, kept: Mapping[str, Any]) -> Iterator[str]:
    ours, theirs = _held(portfolio), {row["symbol"]: Decimal(row["quantity"]) for row in kept["positions"]}
    for symbol in sorted(ours.keys() | theirs.keys()):
        if ours.get(symbol, ZERO) != theirs.get(symbol, ZERO):
            yield f"{account} {symbol}: desk {ours.get(symbol, ZERO)}, exchange {theirs.get(symbol, ZERO)}"


def _cash(portfolio: Portfolio | None, account: str, kept: Mapping[str, Any], opening: Decimal) -> Iterator[str]:
    spent, paid = _spent(portfolio), opening + _paid(kept)
    if spent != paid:
        yield f"{account}: desk {spent}, exchange {paid}, without funding and the cost of positions"


def _held(portfolio: Portfolio | None) -> dict[str, Decimal]:
    return {} if portfolio is None else {held.symbol: held.quantity for held in portfolio.positions}


def _spent(portfolio: Portfolio | None) -> Decimal:
    """Give what the desk has left of the cash, had nothing been funded."""
    if portfolio is None:
        return ZERO
    return portfolio.cash - portfolio.funding - sum((held.cost for held in portfolio.positions), ZERO)


def _paid(kept: Mapping[str, Any]) -> Decimal:
    """Sum what trades, fees, transfers and the insurance have moved."""
    moved = ZERO
    for trade in kept["trades"]:
        quantity = Decimal(trade["quantity"])
        moved -= (quantity if trade["side"] == "BUY" else -quantity) * Decimal(trade["price"])
        moved -= Decimal(trade["commission"]) if trade["commission_asset"] == QUOTE else ZERO
    for income in kept["incomes"]:
        if income["type"] not in (*_OF_TRADES, "FUNDING_FEE"):
            moved += Decimal(income["amount"])
    return moved
