"""Invariant 2: position is the sum of fills, cash moves only by fills, fees, funding, transfers and adjustments, to the last decimal.

Decides: how each input is booked in the reference (exact fractions), and holds the desk's books against it after everything that moves money.
"""

from decimal import Decimal
from fractions import Fraction

from streams.desk import portfolio
from streams.desk.desk import Outcome
from streams.desk.messages import AccountEvent, Fill, Mark, TapeEvent
from streams.desk.outputs import Fate
from streams.desk.state import Account, State
from streams.desk.values import exact
from tests.reference_books import NEAR, ReferenceBooks
from tests.rough_market import Observer


class BooksBalance(Observer):
    """Keeps reference books of every account."""

    def __init__(self) -> None:
        self.books: dict[str, ReferenceBooks] = {}
        self.adjustments: dict[tuple[str, str], tuple[str | None, Decimal, Decimal, Decimal]] = {}

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Book what was applied, and compare whose books it moved."""
        state, body = outcome.state, event.body
        for name, account in state.accounts.items():
            self.books.setdefault(name, ReferenceBooks(account.opening))
        if outcome.fate is Fate.APPLIED:
            if isinstance(body, Fill):
                self._fill(state, body)
            elif isinstance(body, AccountEvent):
                self._money(body)
            elif isinstance(body, Mark):
                for books in self.books.values():
                    books.coin_has_price(body.symbol, body.mark)
        for name, account in state.accounts.items():
            assert_books(state, account, self.books[name], event.offset)

    def _fill(self, state: State, fill: Fill) -> None:
        books, instrument = self.books[fill.account], state.instruments[fill.symbol]
        books.trade(fill.symbol, fill.quantity if fill.side == "BUY" else -fill.quantity, fill.price)
        if fill.fee_currency == instrument.quote:
            books.fee_in_quote(fill.fee)
        elif fill.fee_currency == instrument.base:
            books.fee_in_base(fill.symbol, fill.fee, fill.price)
        elif fill.fee:
            priced_in = fill.fee_currency + instrument.quote
            mark = state.marks.get(priced_in)
            books.fee_in_coin(priced_in, fill.fee, mark.mark if mark else None)

    def _money(self, event: AccountEvent) -> None:
        books = self.books[event.account]
        match event.kind:
            case "FUNDING":
                books.fund(event.amount)
            case "DEPOSIT":
                books.transfer(event.amount)
            case "WITHDRAWAL":
                books.transfer(-event.amount)
            case "LIQUIDATION":
                books.adjust(event.symbol, event.quantity, event.price, event.amount)
            case "ADJUSTMENT" if event.reverses is None:
                self.adjustments[event.account, event.event_id] = (event.symbol, event.quantity, event.price, event.amount)
                books.adjust(event.symbol, event.quantity, event.price, event.amount)
            case "ADJUSTMENT":
                symbol, quantity, price, amount = self.adjustments.pop((event.account, str(event.reverses)))
                books.adjust(symbol, -quantity, price, -amount)


def assert_books(state: State, account: Account, books: ReferenceBooks, offset: int) -> None:
    """Compare: quantities, fees, flows and equity exactly; what was divided within 1e-12, and exactly again once flat."""
    where = f"{account.account} at offset {offset}"
    held = {symbol: Fraction(position.quantity) for symbol, position in account.positions.items()}
    assert held == {symbol: quantity for symbol, quantity in books.quantity.items() if quantity}, where
    for name in ("fees", "funding", "transfers", "adjusted"):
        assert getattr(account, name) == getattr(books, name), f"{where}: {name}"
    assert account.fees_owed == {coin: quantity for coin, quantity in books.owed.items() if quantity}, where
    with exact():
        assert (
            account.cash
            == account.opening + account.realised - account.fees + account.funding + account.transfers + account.adjusted
        ), where
        equity = portfolio.equity(state, account)
    if books.flat:
        assert account.cash == books.cash, where
        assert account.realised == books.realised, where
    assert abs(Fraction(account.realised) - books.realised) <= NEAR, where
    for symbol, position in account.positions.items():
        assert abs(Fraction(position.cost) / Fraction(position.quantity) - books.entry[symbol]) <= NEAR, f"{where} {symbol}"
    if equity is not None:
        assert equity == books.equity({symbol: mark.mark for symbol, mark in state.marks.items()}), where
