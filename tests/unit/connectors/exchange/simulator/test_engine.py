"""The exchange as a whole: its figures add up to the last digit over random days, and the same day happens twice the same way."""

from collections import defaultdict
from decimal import Decimal
from random import Random

import pytest

from connectors.exchange.simulator.engine import SimulatedExchange
from connectors.exchange.simulator.markets import symbols
from connectors.exchange.simulator.ports import Engine
from connectors.exchange.simulator.price_script import Crash, ScriptedPrices
from connectors.exchange.simulator.prices import SeededPrices
from connectors.exchange.simulator.records import (
    AccountUpdate,
    AlgoUpdate,
    NewAlgo,
    NewOrder,
    OrderRow,
    OrderUpdate,
    Refused,
    Side,
    TimeInForce,
    TradeRow,
    UserUpdate,
)
from tests.exchange_kit import BTC, FIRST_FUNDING_MS, Scene, dec

ACCOUNTS = [f"account-{number}" for number in range(12)]
OPENING = {"USDT": Decimal("20000.00000001"), "BNB": Decimal("0.3")}
SEEDS = range(12)
ENDED = {"FILLED", "CANCELED", "EXPIRED"}
EXECUTIONS = {"NEW", "TRADE", "CANCELED", "EXPIRED"}
ALGO_STATES = {"NEW", "TRIGGERED", "FINISHED", "EXPIRED", "REJECTED"}


class Day:
    """A short day with a crash and a funding in it, on which everybody does something at random."""

    def __init__(self, seed: int, turns: int = 250) -> None:
        """Live through it."""
        self.chance = Random(f"day/{seed}")
        self.now_ms = start_ms = FIRST_FUNDING_MS - 200_000
        crash = Crash(None, Decimal(20), at_ms=300_000, over_ms=100, recovery_ms=60_000, recovery_percent=Decimal(80))
        prices = ScriptedPrices(SeededPrices(seed, symbols(6), start_ms), start_ms, [crash])
        self.engine: Engine = SimulatedExchange(prices, seed, start_ms)
        self.updates: list[UserUpdate] = []
        self.transfers: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.refusals: set[int] = set()
        for number, name in enumerate(ACCOUNTS):
            self.engine.open_account(name, OPENING, self.now_ms)
            self.engine.pay_fees_in_bnb(name, number % 2 == 0)
            self.engine.set_leverage(name, BTC, 1 + 10 * number)
            if number % 3 == 0:
                self.engine.set_isolated(name, BTC, True)
        for _ in range(turns):
            self.now_ms += self.chance.choice((1, 40, 100, 700, 3_000, 10_000))
            try:
                self.act(self.chance.choice(ACCOUNTS))
            except Refused as refusal:
                self.refusals.add(refusal.code)
            self.updates += self.engine.take_updates()

    def act(self, name: str) -> None:
        symbol = self.chance.choice(self.engine.symbols())
        quote = self.engine.quote(symbol.symbol)
        side: Side = self.chance.choice(("BUY", "SELL"))
        value = Decimal(self.chance.choice((4, 300, 20_000, 250_000, 3_000_000)))
        quantity = value / quote.mark // symbol.step_size * symbol.step_size
        limit = (quote.mark * self.chance.randrange(9_900, 10_100) / 10_000) // symbol.tick_size * symbol.tick_size
        reduce_only = self.chance.random() < 0.3
        kind = self.chance.randrange(10)
        if kind < 4:
            order = NewOrder(symbol.symbol, side, "MARKET", quantity, reduce_only=reduce_only, client_id=self.name())
            self.engine.place(name, order, self.now_ms)
        elif kind < 7:
            force: TimeInForce = self.chance.choice(("GTC", "GTC", "IOC", "FOK", "GTX"))
            order = NewOrder(symbol.symbol, side, "LIMIT", quantity, limit, force, reduce_only, self.name())
            self.engine.place(name, order, self.now_ms)
        elif kind == 7:
            close = self.chance.random() < 0.5
            algo = NewAlgo(
                symbol.symbol, side, self.chance.choice(("STOP_MARKET", "TAKE_PROFIT_MARKET")), None if close else quantity, limit,
                close_position=close,
            )  # fmt: skip
            self.engine.place_algo(name, algo, self.now_ms)
        elif kind == 8:
            self.engine.cancel_all(name, symbol.symbol, self.now_ms)
        else:
            amount = Decimal(self.chance.randrange(-10_000, 10_000)) / 8
            asset = self.chance.choice(("USDT", "BNB"))
            amount = amount if asset == "USDT" else amount / 10_000
            self.engine.transfer(name, asset, amount, self.now_ms)
            self.transfers[name, asset] += amount

    def name(self) -> str:
        return self.chance.choice(("", f"name-{self.chance.randrange(40)}"))


@pytest.fixture(scope="module", params=SEEDS)
def day(request: pytest.FixtureRequest) -> Day:
    return Day(request.param)


def test_a_wallet_is_opening_plus_transfers_plus_profit_minus_fees_plus_funding_plus_insurance(day: Day) -> None:
    for name in ACCOUNTS:
        expected = {asset: amount + day.transfers[name, asset] for asset, amount in OPENING.items()}
        for trade in day.engine.trades(name, None):
            expected["USDT"] += trade.realized
            expected[trade.commission_asset] -= trade.commission
        for income in day.engine.incomes(name):
            if income.type in {"FUNDING_FEE", "INSURANCE_CLEAR"}:
                expected[income.asset] += income.amount

        assert day.engine.balances(name) == expected
        assert all(amount == amount.quantize(Decimal("0.00000001")) for amount in expected.values())


def test_every_trade_and_movement_has_its_income(day: Day) -> None:
    for name in ACCOUNTS:
        for asset, amount in OPENING.items():
            total = amount + sum(one.amount for one in day.engine.incomes(name) if one.asset == asset)
            assert total == day.engine.balances(name)[asset]


def test_a_position_is_the_sum_of_its_trades_and_profit_is_what_they_brought_in(day: Day) -> None:
    for name in ACCOUNTS:
        for held in day.engine.positions(name):
            quantity = paid = realized = Decimal(0)
            for trade in day.engine.trades(name, held.symbol):
                signed = trade.quantity if trade.side == "BUY" else -trade.quantity
                quantity += signed
                paid += signed * trade.price
                realized += trade.realized
            assert held.quantity == quantity
            assert realized + held.unrealized == quantity * held.mark_price - paid


def test_an_order_is_the_sum_of_its_trades_and_none_goes_through_its_limit_or_beyond_its_quantity(day: Day) -> None:
    for name in ACCOUNTS:
        trades = defaultdict(list)
        for trade in day.engine.trades(name, None):
            trades[trade.order_id].append(trade)
        for symbol in day.engine.symbols():
            for row in day.engine.all_orders(name, symbol.symbol):
                of_order = trades.pop(row.order_id, [])
                assert row.filled == sum(one.quantity for one in of_order) <= row.quantity
                assert row.quote_filled == sum(one.quantity * one.price for one in of_order)
                if row.type == "LIMIT":
                    assert all(one.price <= row.price if row.side == "BUY" else one.price >= row.price for one in of_order)
                assert (row.status == "FILLED") == (row.filled == row.quantity)
                is_open = row.order_id in {one.order_id for one in day.engine.open_orders(name, symbol.symbol)}
                assert is_open != (row.status in ENDED)
        assert trades == {}, "a trade of an order nobody knows"


def test_what_was_told_is_what_is_there(day: Day) -> None:
    orders: dict[int, OrderRow] = {}
    wallets: dict[tuple[str, str], Decimal] = {}
    told_trades: list[TradeRow] = []
    for update in day.updates:
        if isinstance(update, OrderUpdate):
            orders[update.order.order_id] = update.order
            told_trades += [update.trade] if update.trade else []
        elif isinstance(update, AccountUpdate):
            wallets |= {(update.account, asset): amount for asset, amount, _ in update.balances}

    for name in ACCOUNTS:
        for symbol in day.engine.symbols():
            for row in day.engine.all_orders(name, symbol.symbol):
                assert orders.pop(row.order_id) == row
        for asset, amount in day.engine.balances(name).items():
            assert wallets.get((name, asset), amount) == amount
        assert [one for one in told_trades if one.account == name] == list(day.engine.trades(name, None))
    assert orders == {}


def test_what_only_reduces_never_grows_or_turns_a_position(day: Day) -> None:
    for name in ACCOUNTS:
        reducing = {
            row.order_id
            for symbol in day.engine.symbols()
            for row in day.engine.all_orders(name, symbol.symbol)
            if row.reduce_only
        }
        held: dict[str, Decimal] = defaultdict(Decimal)
        for trade in day.engine.trades(name, None):
            before = held[trade.symbol]
            held[trade.symbol] += trade.quantity if trade.side == "BUY" else -trade.quantity
            if trade.order_id in reducing:
                assert abs(held[trade.symbol]) < abs(before)
                assert held[trade.symbol] * before >= 0


def test_the_days_are_not_dull() -> None:
    days = [Day(seed) for seed in range(4)]

    kinds = {income.type for day in days for name in ACCOUNTS for income in day.engine.incomes(name)}
    assert {"REALIZED_PNL", "COMMISSION", "FUNDING_FEE", "TRANSFER", "INSURANCE_CLEAR"} == kinds
    assert {-2019, -2021, -2022, -4164, -5021, -5022} <= set().union(*(day.refusals for day in days))
    assert {update.execution for day in days for update in day.updates if isinstance(update, OrderUpdate)} == EXECUTIONS
    assert {update.algo.status for day in days for update in day.updates if isinstance(update, AlgoUpdate)} == ALGO_STATES
    trades = [trade for day in days for name in ACCOUNTS for trade in day.engine.trades(name, None)]
    assert {trade.maker for trade in trades} == {True, False}
    assert {trade.commission_asset for trade in trades} == {"USDT", "BNB"}


def test_the_same_seed_calls_and_times_make_the_same_rows() -> None:
    first, second = Day(3), Day(3)

    assert first.updates == second.updates
    for name in ACCOUNTS:
        assert list(first.engine.trades(name, None)) == list(second.engine.trades(name, None))
        assert list(first.engine.incomes(name)) == list(second.engine.incomes(name))
    assert Day(4).updates != first.updates


def test_time_does_not_go_back() -> None:
    scene = Scene()

    with pytest.raises(ValueError, match="time went back"):
        scene.engine.advance(scene.now_ms - 1)


def test_an_account_is_opened_once_and_funded_by_transfers() -> None:
    scene = Scene()
    scene.account("alice", 5)
    scene.engine.transfer("alice", "USDT", dec("0.5"), scene.now_ms)

    assert scene.wallet() == dec("100000.5")
    assert scene.engine.accounts() == ["alice"]
    assert scene.told() == ["account DEPOSIT"]


def test_a_row_that_was_handed_out_stays_as_it_was() -> None:
    scene = Scene()
    placed = scene.buy(1, 59_500)
    looked_up = scene.now(placed)

    scene.to(59_000)

    assert {placed.status, looked_up.status} == {"NEW"}
    assert scene.now(placed).status == "FILLED"
