"""A simulated exchange whose prices a test sets by hand, and the orders one places there."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.exchange.simulator.engine import STEP_MS, SimulatedExchange
from connectors.exchange.simulator.markets import symbols
from connectors.exchange.simulator.ports import PricePoint
from connectors.exchange.simulator.records import (
    AccountUpdate,
    AlgoRow,
    AlgoUpdate,
    NewAlgo,
    NewOrder,
    OrderRow,
    OrderUpdate,
    PositionRow,
    Refused,
    Side,
    Symbol,
)  # fmt: skip

BTC, ETH, BNB = "BTCUSDT", "ETHUSDT", "BNBUSDT"
START_MS = 1_700_000_000_000
FIRST_FUNDING_MS = 1_700_006_400_000

Number = str | int | Decimal


def dec(number: Number) -> Decimal:
    """Make a Decimal."""
    return Decimal(number)


class GivenPrices:
    """Prices that stand where they were put."""

    def __init__(self, listed: tuple[Symbol, ...]) -> None:
        """Begin at round figures: BTC at 60000, ETH at 3000, BNB at 600, all others at 100."""
        self.symbols = listed
        first = {BTC: 60_000, ETH: 3_000, BNB: 600}
        self._points = {
            one.symbol: PricePoint(dec(first.get(one.symbol, 100)), dec(first.get(one.symbol, 100)), 1, dec(1), dec("0.0001"))
            for one in listed
        }

    def at(self, symbol: str, now_ms: int) -> PricePoint:  # noqa: ARG002 - the port's name for it
        """Give what was put last."""
        return self._points[symbol]

    def put(self, symbol: str, mark: Decimal, **changes: Any) -> None:
        """Put a price somewhere else."""
        self._points[symbol] = self._points[symbol]._replace(mark=mark, index_price=mark, **changes)


class Scene:
    """An exchange with six markets, a clock, and alice, who has 100000 USDT."""

    def __init__(self, seed: int = 7) -> None:
        """Open it."""
        self.prices = GivenPrices(symbols(6))
        self.now_ms = START_MS
        self.engine = SimulatedExchange(self.prices, seed, START_MS)
        self.account("alice")
        self.engine.take_updates()

    def account(self, name: str, usdt: int | str = 100_000, **others: str) -> str:
        """Open an account."""
        self.engine.open_account(
            name, {"USDT": dec(usdt)} | {asset: dec(amount) for asset, amount in others.items()}, self.now_ms
        )
        return name

    def symbol(self, name: str = BTC) -> Symbol:
        """Give a market's filters."""
        return next(one for one in self.engine.symbols() if one.symbol == name)

    def later(self, ms: int = STEP_MS) -> None:
        """Let time pass."""
        self.now_ms += ms
        self.engine.advance(self.now_ms)

    def to(self, mark: Number, symbol: str = BTC, **changes: Any) -> None:
        """Let a price be there in the next step."""
        self.prices.put(symbol, dec(mark), **changes)
        self.later()

    def order(
        self,
        side: Side,
        quantity: Number,
        limit: Number | None = None,
        *,
        account: str = "alice",
        symbol: str = BTC,
        **changes: Any,
    ) -> OrderRow:
        """Place an order: at the market, or at a limit."""
        asked = NewOrder(symbol, side, "MARKET", dec(quantity))
        if limit is not None:
            asked = asked._replace(type="LIMIT", price=dec(limit))
        return self.engine.place(account, asked._replace(**changes), self.now_ms)

    def buy(self, quantity: Number, limit: Number | None = None, **changes: Any) -> OrderRow:
        """Buy."""
        return self.order("BUY", quantity, limit, **changes)

    def sell(self, quantity: Number, limit: Number | None = None, **changes: Any) -> OrderRow:
        """Sell."""
        return self.order("SELL", quantity, limit, **changes)

    def stop(
        self, side: Side, trigger: Number | None, quantity: Number | None = None, *, account: str = "alice", **changes: Any
    ) -> AlgoRow:
        """Place a conditional order: a stop at the mark that closes the position, or one with a quantity."""
        asked = NewAlgo(
            BTC,
            side,
            "STOP_MARKET",
            None if quantity is None else dec(quantity),
            None if trigger is None else dec(trigger),
            working_type="MARK_PRICE",
            close_position=quantity is None,
        )
        return self.engine.place_algo(account, asked._replace(**changes), self.now_ms)

    def now(self, row: OrderRow) -> OrderRow:
        """Look an order up again."""
        return self.engine.order(row.account, row.symbol, row.order_id, None)

    def algo_now(self, row: AlgoRow) -> AlgoRow:
        """Look a conditional order up again."""
        return self.engine.algo(row.account, row.algo_id, None)

    def position(self, symbol: str = BTC, account: str = "alice") -> PositionRow:
        """Give what an account holds."""
        return next(one for one in self.engine.positions(account) if one.symbol == symbol)

    def wallet(self, asset: str = "USDT", account: str = "alice") -> Decimal:
        """Give what is in a wallet."""
        return self.engine.balances(account)[asset]

    def told(self) -> list[str]:
        """Take what was told since the last look, in short: who it is about, what happened, how it stands."""
        return [in_short(update) for update in self.engine.take_updates()]


def in_short(update: OrderUpdate | AlgoUpdate | AccountUpdate) -> str:
    """Tell an update in a few words."""
    if isinstance(update, OrderUpdate):
        return f"order {update.execution} {update.order.status} {update.order.filled.normalize():f}"
    if isinstance(update, AlgoUpdate):
        return f"algo {update.algo.status}"
    held = " ".join(f"{one.symbol} {one.quantity.normalize():f}" for one in update.positions)
    return f"account {update.reason} {held}".rstrip()


def refused(code: int) -> Any:
    """Expect a refusal."""
    return pytest.raises(Refused, match=f"^{code} ")
