"""Random trades, by the thousand or by the million, through the desk's books and the reference at once.

Decides: which trades: adds, partial closes, exact closes and flips on the grids an exchange has, with fees in the quote coin, in the base coin, in
BNB with a price and without; funding, transfers and corrections in between. One seed gives one sequence. Leaves to others: how exact is exact enough
(invariants.books).
"""

from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import NamedTuple

from streams.desk import portfolio
from streams.desk.messages import Fill
from streams.desk.state import Account, State
from streams.desk.values import exact
from tests.desk_kit import Rig, dec
from tests.invariants.books import assert_books
from tests.reference_books import NEAR, ReferenceBooks

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_STEPS = {"BTCUSDT": -3, "ETHUSDT": -5, "SOLUSDT": 0}
_TICKS = {"BTCUSDT": -1, "ETHUSDT": -2, "SOLUSDT": -4}
_PRICES = {"BTCUSDT": 643_210, "ETHUSDT": 341_550, "SOLUSDT": 1_483_700}
_SIZES = {"BTCUSDT": 1_000, "ETHUSDT": 1_000_000, "SOLUSDT": 500}
BNB = "BNBUSDT"


class Trade(NamedTuple):
    """One trade, signed."""

    symbol: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str


class Trader:
    """Draws trades; knows what it holds, in steps, so that it can close exactly and flip."""

    def __init__(self, seed: int) -> None:
        """Hold nothing."""
        self.seed = seed
        self.chance = Random(seed)
        self.held = dict.fromkeys(SYMBOLS, 0)
        self.price = dict(_PRICES)

    def trade(self) -> Trade:
        """Draw the next."""
        below = self.chance.randrange
        symbol = SYMBOLS[below(3)]
        held, size = self.held[symbol], _SIZES[symbol]
        kind = below(20)
        if held and kind < 7:  # closes a part, or all of it where little is left
            steps = -held * (1 + below(9)) // 10 or -held
        elif held and kind < 10:
            steps = -held
        elif held and kind < 12:
            steps = -held - (1 + below(size)) * (1 if held > 0 else -1)
        elif held and abs(held) < 20 * size:
            steps = (1 + below(size)) * (1 if held > 0 else -1)
        else:
            steps = (1 + below(size)) * (1 if below(2) else -1)
        self.price[symbol] = ticks = max(100, self.price[symbol] + below(2_001) - 1_000)
        quantity, price = Decimal(steps).scaleb(_STEPS[symbol]), Decimal(ticks).scaleb(_TICKS[symbol])
        fee, currency = self._fee(symbol, steps)
        self.held[symbol] += steps
        return Trade(symbol, quantity, price, fee, currency)

    def _fee(self, symbol: str, steps: int) -> tuple[Decimal, str]:
        below = self.chance.randrange
        kind = below(8)
        if kind == 0 and steps > 0:
            shrunk = 1 + below(3)
            self.held[symbol] -= shrunk
            return Decimal(shrunk).scaleb(_STEPS[symbol]), symbol.removesuffix("USDT")
        if kind == 1:
            return Decimal(1 + below(10**6)).scaleb(-8), "BNB"
        return Decimal(below(10**7) - 10**5).scaleb(-8), "USDT"


def _ready(trader: Trader) -> tuple[Rig, Account, ReferenceBooks]:
    rig = Rig().ready("alice", balance="100000000", symbols=SYMBOLS)
    rig.instrument(BNB)
    for symbol in SYMBOLS:
        rig.mark(symbol, Decimal(trader.price[symbol]).scaleb(_TICKS[symbol]))
    return rig, rig.account(), ReferenceBooks(dec(100_000_000))


def _fill(trade: Trade, number: int, ts: int) -> Fill:
    side = "BUY" if trade.quantity > 0 else "SELL"
    return Fill(
        "sim", f"t{number}", "alice", trade.symbol, f"x{number}", side, trade.price, abs(trade.quantity), trade.fee, trade.fee_currency, ts  # type: ignore[arg-type]  # one of two
    )  # fmt: skip


def _book(books: ReferenceBooks, state: State, trade: Trade) -> None:
    books.trade(trade.symbol, trade.quantity, trade.price)
    if trade.fee_currency == "USDT":
        books.fee_in_quote(trade.fee)
    elif trade.fee_currency == "BNB":
        mark = state.marks.get(BNB)
        books.fee_in_coin(BNB, trade.fee, mark.mark if mark else None)
    else:
        books.fee_in_base(trade.symbol, trade.fee, trade.price)


def play_direct(trader: Trader, trades: int, compare_every: int) -> None:
    """Book trades straight into the books, and compare the symbol traded after each, everything at intervals."""
    rig, account, books = _ready(trader)
    rig.mark(BNB, "612.35")
    for number in range(trades):
        trade = trader.trade()
        with exact():
            portfolio.trade(rig.state, account, trade.symbol, trade.quantity, trade.price)
            portfolio.charge_fee(rig.state, account, _fill(trade, number, rig.now_ms))
        _book(books, rig.state, trade)
        _assert_symbol(account, books, trade.symbol, f"seed {trader.seed}, trade {number}")
        if number % compare_every == 0 or number == trades - 1:
            assert_books(rig.state, account, books, number)


def _assert_symbol(account: Account, books: ReferenceBooks, symbol: str, where: str) -> None:
    position = account.positions.get(symbol)
    if position is None:
        assert books.quantity[symbol] == 0, where
        return
    quantity, cost = Fraction(position.quantity), Fraction(position.cost)
    assert quantity == books.quantity[symbol], where
    assert abs(cost - quantity * books.entry[symbol]) <= NEAR * abs(quantity), where


def play_stepped(trader: Trader, trades: int) -> None:
    """Send trades through the desk as fills nobody ordered, with payments and prices between them."""
    rig, account, books = _ready(trader)
    for number in range(trades):
        trade = trader.trade()
        rig.feed(_fill(trade, number, rig.now_ms))
        _book(books, rig.state, trade)
        if number % 7 == 0:
            amount = Decimal(trader.chance.randrange(-(10**12), 10**12)).scaleb(-8)
            rig.money("FUNDING", str(amount))
            books.fund(amount)
        if number % 11 == 0:
            rig.money("DEPOSIT" if number % 2 else "WITHDRAWAL", "12.5")
            books.transfer(dec("12.5") if number % 2 else dec("-12.5"))
        if number % 5 == 0:
            rig.mark(trade.symbol, trade.price * 101 / 100)
        if number == trades // 2:
            rig.mark(BNB, "612.35")
            books.coin_has_price(BNB, dec("612.35"))
        assert_books(rig.state, account, books, number)
