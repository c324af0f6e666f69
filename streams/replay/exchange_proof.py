"""The proof that execution did what the desk had approved, once: what is on our topics, held against the exchange's own books.

Decides: what counts as sent twice, lost, unknown, as a wrong fill, position or cash; everything in exact decimals. A record that is there again is a
repeat where it says the same, and a contradiction where it does not. Leaves to others: reading the topics, asking the exchange (truth), making
trouble (`./qts crash --stage execution`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from connectors.exchange.simulator.money import share
from connectors.exchange.simulator.records import QUOTE
from connectors.exchange.simulator.truth import sent_twice
from streams.desk.messages import AccountEvent, Fill, OrderEvent
from streams.desk.outputs import Order
from streams.desk.values import ZERO
from streams.pipeline.execution.words import order_id_of

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
Rows = Mapping[str, Any]
"""Something of the exchange's books, field by field, money as text."""

ENDS = frozenset({"REJECTED", "CANCELLED", "EXPIRED"})
"""Events after which nothing more becomes of an order. One that is filled has no event: its fills say so."""
EXAMPLES_MAX = 20
"""As many as a person reads."""
_OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})


class Said(NamedTuple):
    """What is on our topics, with all repeats, and what was in the wallets before."""

    orders: Iterable[Order]
    events: Iterable[OrderEvent]
    fills: Iterable[Fill]
    account_events: Iterable[AccountEvent]
    opening: Mapping[str, Mapping[str, Decimal]]
    """By account and asset."""


@dataclass
class Findings:
    """What was found. The first group counts what there is; all of the second is zero where nothing went wrong."""

    orders: int = 0
    attempts: int = 0
    trades: int = 0
    filled_in_parts: int = 0
    """Orders that took more than one trade."""
    doubted: int = 0
    """Orders that were UNKNOWN for a while."""
    ends: Counter[str] = field(default_factory=Counter)
    """How orders ended, and the first word of why."""

    sent_twice: int = 0
    sent_too_much: int = 0
    """Orders of which more was traded than was approved."""
    never_approved: int = 0
    """Orders at the exchange nobody here approved."""
    lost: int = 0
    """Approved, not at the exchange, and nobody was told why."""
    unknown_left: int = 0
    unsettled: int = 0
    """Orders at the exchange without an end on our side, or open there though they are over here."""
    false_ends: int = 0
    """Ends that say an attempt never was at the exchange, where it was."""
    fill_differences: int = 0
    position_differences: int = 0
    cash_differences: int = 0
    contradicting: int = 0
    bans: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> dict[str, int]:
        """Give what has to be zero."""
        return {name: getattr(self, name) for name in WRONG}

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong."""
        return not any(self.wrong.values())

    def note(self, what: str, example: str) -> None:
        """Count something that is wrong."""
        setattr(self, what, getattr(self, what) + 1)
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(f"{what}: {example}")


_NAMES = [one.name for one in fields(Findings)]
WRONG = tuple(_NAMES[_NAMES.index("sent_twice") : _NAMES.index("examples")])
"""What has to be zero, by name."""


def compare(said: Said, told: Rows) -> Findings:
    """Hold what was said against what the exchange tells of itself."""
    found = Findings()
    orders = _once(found, "order", said.orders, lambda one: one.order_id)
    events = _once(found, "event", said.events, lambda one: one.event_id)
    fills = _once(found, "fill", said.fills, lambda one: (one.account, one.symbol, one.trade_id))
    moved = _once(found, "account event", said.account_events, lambda one: one.event_id)
    for twice in sent_twice(told):
        found.note("sent_twice", f"{twice.account} {twice.client_id} {twice.times} times")
    _orders(found, orders, list(events.values()), told)
    _fills(found, fills, told)
    _positions(found, list(fills.values()), list(moved.values()), told)
    _cash(found, said.opening, list(fills.values()), list(moved.values()), told)
    found.bans = sum(told["bans"].values())
    if found.bans:
        found.examples.append(f"bans: {dict(told['bans'])}")
    return found


def _once(found: Findings, what: str, records: Iterable[T], key: Callable[[T], K]) -> dict[K, T]:
    """Take each record once."""
    kept: dict[K, T] = {}
    for record in records:
        known = kept.setdefault(key(record), record)
        if known != record:
            found.note("contradicting", f"{what} {key(record)}: {known} and {record}")
    return kept


def _orders(found: Findings, orders: Mapping[str, Order], events: list[OrderEvent], told: Rows) -> None:
    """Look whether each order has reached the exchange once, or has an end that is true."""
    attempts: defaultdict[str, list[Rows]] = defaultdict(list)
    for account, row in _sent(told):
        order_id = order_id_of(row["client_id"])
        if order_id not in orders:
            found.note("never_approved", f"{account} {row['client_id']}")
        attempts[order_id].append(row)
    names: defaultdict[str, list[OrderEvent]] = defaultdict(list)
    for event in events:
        names[event.order_id].append(event)
    trades = Counter(trade["order_id"] for _, trade in _all(told, "trades"))
    for order_id, order in orders.items():
        rows, said = attempts[order_id], names[order_id]
        found.orders += 1
        found.attempts += len(rows)
        found.filled_in_parts += sum(trades[row["order_id"]] for row in rows) > 1
        _fate(found, order, rows, said)


def _fate(found: Findings, order: Order, rows: list[Rows], said: list[OrderEvent]) -> None:
    filled = sum((Decimal(row["filled"]) for row in rows), ZERO)
    over = filled >= order.quantity
    ends = [event for event in said if event.kind in ENDS]
    unknown = any(event.kind == "UNKNOWN" for event in said)
    found.doubted += unknown
    found.ends[_end(ends[-1]) if ends else "FILLED" if over else "OPEN"] += 1
    about = f"{order.account} {order.order_id} {order.symbol} {order.side} {order.quantity}"
    if filled > order.quantity:
        found.note("sent_too_much", f"{about}: {filled} was traded")
    for row in rows:
        if row["status"] in _OPEN:
            found.note("unsettled", f"{about}: {row['client_id']} is {row['status']} at the exchange, said was {_words(said)}")
    names = {row["client_id"] for row in rows}
    for end in ends:
        if not end.exchange_order_id and f"{order.order_id}-a{end.attempt}" in names:
            found.note("false_ends", f"{about}: {end.kind} {end.reason}, and attempt {end.attempt} is at the exchange")
    if ends or over:
        return
    what = "unknown_left" if unknown else "unsettled" if rows else "lost"
    found.note(what, f"{about}: {filled} filled, said was {_words(said)}")


def _fills(found: Findings, fills: Mapping[tuple[str, str, str], Fill], told: Rows) -> None:
    """Look whether each trade is a fill, and each fill a trade, to the last digit."""
    said = {
        key: (fill.order_id, fill.side, fill.price, fill.quantity, fill.fee, fill.fee_currency) for key, fill in fills.items()
    }
    true: dict[tuple[str, str, str], tuple[object, ...]] = {}
    for account, row in _all(told, "trades"):
        name = order_id_of(row["client_id"]) or f"x{row['order_id']}"
        figures = (Decimal(row[each]) for each in ("price", "quantity", "commission"))
        true[account, row["symbol"], str(row["trade_id"])] = (name, row["side"], *figures, row["commission_asset"])
    found.trades = len(true)
    for key in sorted(said.keys() | true.keys()):
        if said.get(key) != true.get(key):
            found.note("fill_differences", f"{key}: said {_figures(said.get(key))}, true {_figures(true.get(key))}")


def _positions(found: Findings, fills: list[Fill], moved: list[AccountEvent], told: Rows) -> None:
    """Look whether what is held is the sum of what was said."""
    said: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        said[fill.account, fill.symbol] += _signed(fill)
    for event in moved:
        if event.symbol is not None:
            said[event.account, event.symbol] += event.quantity
    true = {(account, row["symbol"]): Decimal(row["quantity"]) for account, row in _all(told, "positions")}
    for key in sorted(said.keys() | true.keys()):
        if said.get(key, ZERO) != true.get(key, ZERO):
            found.note("position_differences", f"{key}: said {said.get(key, ZERO)}, true {true.get(key, ZERO)}")


def _cash(
    found: Findings, opening: Mapping[str, Mapping[str, Decimal]], fills: list[Fill], moved: list[AccountEvent], told: Rows
) -> None:
    """Look whether a wallet holds what was in it, what trades have realised and what was paid, less fees."""
    said: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for account, wallet in opening.items():
        for asset, amount in wallet.items():
            said[account, asset] += amount
    books: dict[tuple[str, str], Holding] = defaultdict(Holding)
    for fill in sorted(fills, key=lambda one: int(one.trade_id)):
        said[fill.account, QUOTE] += books[fill.account, fill.symbol].trade(_signed(fill), fill.price)
        said[fill.account, fill.fee_currency] -= fill.fee
    for event in moved:
        # A quantity that was adjusted moves no money here: it is undone, at its price, when its trade turns up as a fill.
        said[event.account, QUOTE] += -event.amount if event.kind == "WITHDRAWAL" else event.amount
    true = {
        (account, asset): Decimal(amount)
        for account, kept in told["accounts"].items()
        for asset, amount in kept["balances"].items()
    }
    for key in sorted(said.keys() | true.keys()):
        if said.get(key, ZERO) != true.get(key, ZERO):
            found.note("cash_differences", f"{key}: said {said.get(key, ZERO)}, true {true.get(key, ZERO)}")


class Holding:
    """What is held of a symbol. What leaves of a cost when a part is closed is rounded as the exchange rounds it: once, to 8 decimals."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._quantity = self._cost = ZERO

    def trade(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Net a signed quantity at a price; gives what that realised."""
        held, closed, realised = self._quantity, ZERO, ZERO
        if held * quantity < ZERO:
            closed = quantity if abs(quantity) < abs(held) else -held
            left = self._cost if closed == -held else share(self._cost, -closed, held)
            realised = -closed * price - left
            self._cost -= left
        self._quantity += quantity
        self._cost += (quantity - closed) * price
        return realised


def _sent(told: Rows) -> Iterator[tuple[str, Rows]]:
    """Give the orders that were sent: not what became of conditional ones, and no liquidations."""
    for account, row in _all(told, "orders"):
        if not row["algo_id"] and row["original_type"] != "LIQUIDATION":
            yield account, row


def _all(told: Rows, what: str) -> Iterator[tuple[str, Rows]]:
    for account, kept in told["accounts"].items():
        for row in kept[what]:
            yield account, row


def _signed(fill: Fill) -> Decimal:
    return fill.quantity if fill.side == "BUY" else -fill.quantity


def _words(said: list[OrderEvent]) -> str:
    return ", ".join(event.kind for event in said) or "nothing"


def _end(event: OrderEvent) -> str:
    """Tell how an order ended in a few words: the figures in a reason are each order's own."""
    return " ".join((event.kind, *(word for word in event.reason.split() if "=" not in word or word.startswith("waited_for="))))[
        :80
    ]


def _figures(of: tuple[object, ...] | None) -> str:
    return "nothing" if of is None else " ".join(map(str, of))
