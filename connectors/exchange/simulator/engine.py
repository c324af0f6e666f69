"""The simulated exchange: `Engine` over books, markets and prices.

Decides: how time passes. It goes in steps; in each, prices move, funding is paid, resting orders trade, conditional orders are triggered, and who has
no margin left is liquidated, in that order. Between steps prices stand still. Same prices, seed, calls and times make the same rows.
Leaves to others: each of these things. Rows in lists are the books' own and not to be changed; single ones, and those of updates, are copies.
"""

from collections.abc import Sequence
from copy import copy
from decimal import Decimal

from connectors.exchange.simulator import conditional, funding, liquidation, matching
from connectors.exchange.simulator.accounting import Books
from connectors.exchange.simulator.accounts import Account
from connectors.exchange.simulator.margin import available, exposure, position_limit
from connectors.exchange.simulator.money import ZERO, money
from connectors.exchange.simulator.pit import open_pit
from connectors.exchange.simulator.ports import Prices
from connectors.exchange.simulator.records import (
    QUOTE,
    AlgoRow,
    Candle,
    IncomeRow,
    NewAlgo,
    NewOrder,
    OrderRow,
    PositionRow,
    Quote,
    Refused,
    Symbol,
    TradeRow,
    UserUpdate,
)  # fmt: skip

STEP_MS = 100
"""How often prices move: as often as the exchange's fastest streams tell it."""
STEPS_MAX = 3_000
"""In one call: five minutes. Over a longer pause each step is as much longer, so a computer that slept is not busy for as long."""
Levels = Sequence[tuple[Decimal, Decimal]]


class SimulatedExchange:
    """An exchange, as `Engine` says."""

    def __init__(self, prices: Prices, seed: int, now_ms: int, step_ms: int = STEP_MS) -> None:
        """Open at a time."""
        self._prices, self._step_ms, self._stepped_ms = prices, step_ms, now_ms
        pits = {one.symbol: open_pit(one, seed, prices.at(one.symbol, now_ms), now_ms) for one in prices.symbols}
        self._books = Books(pits, now_ms)

    def symbols(self) -> Sequence[Symbol]:
        """Give the markets."""
        return self._prices.symbols

    def open_account(self, account: str, balances: dict[str, Decimal], now_ms: int) -> None:
        """Open an account, once; known ones stay as they are."""
        self.advance(now_ms)
        if account not in self._books.accounts:
            self._books.accounts[account] = Account(account, dict(balances))

    def transfer(self, account: str, asset: str, amount: Decimal, now_ms: int) -> None:
        """Pay in, or out where negative."""
        self.advance(now_ms)
        amount = money(amount)
        books, found = self._books, self._books.account(account)
        left = available(found, books.pits) if asset == QUOTE else found.wallet.get(asset, ZERO)
        if -amount > max(ZERO, left):
            raise Refused(-2018, "Balance is insufficient.")
        books.pay(found, "TRANSFER", amount, asset=asset, info="DEPOSIT" if amount > 0 else "WITHDRAW")
        books.tell_account(found, "DEPOSIT" if amount > 0 else "WITHDRAW", [asset], moved=amount)

    def pay_fees_in_bnb(self, account: str, on: bool) -> None:
        """Take fees in BNB as long as there is any."""
        self._books.account(account).fees_in_bnb = on

    def pays_fees_in_bnb(self, account: str) -> bool:
        """Tell whether that is so."""
        return self._books.account(account).fees_in_bnb

    def advance(self, now_ms: int) -> None:
        """Let time pass: prices move, orders trade, conditional orders trigger, funding is paid, who has no margin is liquidated."""
        if now_ms < self._books.now_ms:
            raise ValueError(f"time went back from {self._books.now_ms} to {now_ms}")
        steps = (now_ms - self._stepped_ms) // self._step_ms
        until_ms = self._stepped_ms + steps * self._step_ms
        stride_ms = self._step_ms * max(1, -(-steps // STEPS_MAX))
        while self._stepped_ms < until_ms:
            self._step(min(self._stepped_ms + stride_ms, until_ms))
        self._books.now_ms = now_ms

    def take_updates(self) -> Sequence[UserUpdate]:
        """Take what has happened to accounts since the last call, in order."""
        taken, self._books.updates = self._books.updates, []
        return taken

    def quote(self, symbol: str) -> Quote:
        """Give the price of a symbol."""
        return self._books.pit(symbol).quote(self._books.now_ms)

    def depth(self, symbol: str, levels: int) -> tuple[Levels, Levels, int]:
        """Give bids and asks as (price, quantity), best first, and the book's update id."""
        book = self._books.pit(symbol).book
        return book.levels("SELL", levels), book.levels("BUY", levels), book.update_id

    def candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """Give the newest candles, oldest first."""
        return self._books.pit(symbol).tape.candles(interval_ms, limit)

    def day_volume(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Give volume and quote volume of the last 24 hours."""
        pit = self._books.pit(symbol)
        return pit.tape.day_volume(self._books.now_ms, pit.point.mark)

    def place(self, account: str, order: NewOrder, now_ms: int) -> OrderRow:
        """Take an order. A client id is unique among open orders only."""
        self.advance(now_ms)
        return copy(matching.place(self._books, self._books.account(account), order))

    def cancel(self, account: str, symbol: str, order_id: int | None, client_id: str | None, now_ms: int) -> OrderRow:
        """Cancel an open order."""
        self.advance(now_ms)
        pit, found = self._books.pit(symbol), self._books.account(account)
        row = found.order(symbol, order_id, client_id)
        if row is None or row.order_id not in found.open_orders[symbol]:
            raise Refused(-2011, "Unknown order sent.")
        matching.end(self._books, found, pit, row, "CANCELED")
        return copy(row)

    def cancel_all(self, account: str, symbol: str, now_ms: int) -> Sequence[OrderRow]:
        """Cancel all open orders of a symbol."""
        self.advance(now_ms)
        pit, found = self._books.pit(symbol), self._books.account(account)
        rows = list(found.open_orders[symbol].values())
        for row in rows:
            matching.end(self._books, found, pit, row, "CANCELED")
        return rows

    def order(self, account: str, symbol: str, order_id: int | None, client_id: str | None) -> OrderRow:
        """Look an order up; of several with one client id, the newest."""
        self._books.pit(symbol)
        row = self._books.account(account).order(symbol, order_id, client_id)
        if row is None:
            raise Refused(-2013, "Order does not exist.")
        return copy(row)

    def open_orders(self, account: str, symbol: str | None) -> Sequence[OrderRow]:
        """Give open orders, oldest first."""
        found = self._books.account(account)
        if symbol is not None:
            self._books.pit(symbol)
            return list(found.open_orders[symbol].values())
        return sorted((row for rows in found.open_orders.values() for row in rows.values()), key=lambda row: row.order_id)

    def all_orders(self, account: str, symbol: str) -> Sequence[OrderRow]:
        """Give every order of a symbol, oldest first."""
        self._books.pit(symbol)
        return self._books.account(account).orders[symbol]

    def place_algo(self, account: str, algo: NewAlgo, now_ms: int) -> AlgoRow:
        """Take a conditional order."""
        self.advance(now_ms)
        return copy(conditional.place(self._books, self._books.account(account), algo))

    def cancel_algo(self, account: str, algo_id: int | None, client_id: str | None, now_ms: int) -> AlgoRow:
        """Cancel a conditional order."""
        self.advance(now_ms)
        found = self._books.account(account)
        row = found.algo(algo_id, client_id)
        if row is None or row.algo_id not in found.open_algos:
            raise Refused(-2011, "Unknown order sent.")
        conditional.end(self._books, found, row, "CANCELED")
        return copy(row)

    def algo(self, account: str, algo_id: int | None, client_id: str | None) -> AlgoRow:
        """Look a conditional order up."""
        row = self._books.account(account).algo(algo_id, client_id)
        if row is None:
            raise Refused(-2013, "Order does not exist.")
        return copy(row)

    def open_algos(self, account: str, symbol: str | None) -> Sequence[AlgoRow]:
        """Give open conditional orders."""
        rows = self._books.account(account).open_algos.values()
        return [row for row in rows if symbol in {None, row.symbol}]

    def all_algos(self, account: str, symbol: str) -> Sequence[AlgoRow]:
        """Give every conditional order of a symbol."""
        self._books.pit(symbol)
        return self._books.account(account).algos[symbol]

    def trades(self, account: str, symbol: str | None) -> Sequence[TradeRow]:
        """Give trades, oldest first; of all symbols where none is named."""
        found = self._books.account(account)
        if symbol is None:
            return found.trades
        self._books.pit(symbol)
        return found.trades_of[symbol]

    def incomes(self, account: str) -> Sequence[IncomeRow]:
        """Give money that moved, oldest first."""
        return self._books.account(account).incomes

    def positions(self, account: str) -> Sequence[PositionRow]:
        """Give every symbol's position, also flat ones whose leverage was set."""
        found = self._books.account(account)
        return [self._books.position(found, symbol) for symbol in found.holdings]

    def balances(self, account: str) -> dict[str, Decimal]:
        """Give the wallet, by asset, without unrealised profit."""
        return dict(self._books.account(account).wallet)

    def available(self, account: str) -> Decimal:
        """Give what is not bound as margin."""
        return max(ZERO, money(available(self._books.account(account), self._books.pits)))

    def set_leverage(self, account: str, symbol: str, leverage: int) -> None:
        """Set the leverage of a symbol."""
        pit, found = self._books.pit(symbol), self._books.account(account)
        if not 1 <= leverage <= pit.symbol.max_leverage:
            raise Refused(-4028, f"Leverage {leverage} is not valid.")
        holding = found.holdings[symbol]
        if holding.isolated and holding.quantity and leverage < holding.leverage:
            raise Refused(-4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions.")
        if exposure(found, pit) > position_limit(pit, leverage):
            raise Refused(-2027, "Exceeded the maximum allowable position at current leverage.")
        before, holding.leverage = holding.leverage, leverage
        if leverage < before and available(found, self._books.pits) < 0:
            holding.leverage = before
            raise Refused(-2028, "Leverage is smaller than permitted: insufficient margin balance.")
        self._books.unsafe[account] = None

    def set_isolated(self, account: str, symbol: str, on: bool) -> None:
        """Set the margin type of a symbol."""
        self._books.pit(symbol)
        found = self._books.account(account)
        holding = found.holdings[symbol]
        if holding.isolated == on:
            raise Refused(-4046, "No need to change margin type.")
        if found.open_orders[symbol]:
            raise Refused(-4047, "Margin type cannot be changed if there exists open orders.")
        if holding.quantity:
            raise Refused(-4048, "Margin type cannot be changed if there exists position.")
        holding.isolated = on
        self._books.tell_account(found, "MARGIN_TYPE_CHANGE", [], [symbol])

    def accounts(self) -> Sequence[str]:
        """Give all accounts."""
        return list(self._books.accounts)

    def _step(self, now_ms: int) -> None:
        books, passed_ms = self._books, now_ms - self._stepped_ms
        books.now_ms = self._stepped_ms = now_ms
        pits = books.pits.values()
        for pit in pits:
            pit.move(self._prices.at(pit.symbol.symbol, now_ms), passed_ms, now_ms)
        for pit in pits:
            funding.pay_funding(books, pit)
        for pit in pits:
            matching.pass_by(books, pit)
        for pit in pits:
            conditional.trigger_all(books, pit)
        liquidation.liquidate(books)
