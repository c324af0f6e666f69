"""Each filter of the exchange refuses with its code, and what is refused leaves no trace."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from connectors.exchange.simulator.filters import check_quantity
from tests.exchange_kit import BTC, ETH, Scene, dec, refused

Act = Callable[[Scene], Any]

ORDERS: dict[str, tuple[int, Act]] = {
    "no such symbol": (-1121, lambda scene: scene.buy(1, symbol="NOPEUSDT")),
    "no such account": (-2015, lambda scene: scene.buy(1, account="nobody")),
    "nothing": (-4003, lambda scene: scene.buy(0)),
    "less than nothing": (-4003, lambda scene: scene.buy(-1)),
    "too many decimals of quantity": (-1111, lambda scene: scene.buy("0.0015")),
    "more than a limit order may have": (-4005, lambda scene: scene.buy("1000000.001", 60_000)),
    "more than a market order may have": (-4005, lambda scene: scene.buy("500000.001")),
    "a limit without a price": (-1102, lambda scene: scene.buy(1, type="LIMIT")),
    "a price of nothing": (-4001, lambda scene: scene.buy(1, 0)),
    "too many decimals of price": (-1111, lambda scene: scene.buy(1, "60000.001")),
    "off the tick": (-4014, lambda scene: scene.buy(1, "60000.05")),
    "a buy too high": (-4016, lambda scene: scene.buy("0.001", "63000.1")),
    "a sell too low": (-4024, lambda scene: scene.sell("0.001", "56999.9")),
    "a limit order worth too little": (-4164, lambda scene: scene.buy("0.001", "4999.9", symbol=ETH)),
    "a market order worth too little": (-4164, lambda scene: scene.buy("0.001", symbol=ETH)),
    "a name that is too long": (-4015, lambda scene: scene.buy(1, client_id="x" * 37)),
    "a name with a space": (-4015, lambda scene: scene.buy(1, client_id="a b")),
    "reducing nothing": (-2022, lambda scene: scene.sell(1, reduce_only=True)),
    "more than the margin allows": (-2019, lambda scene: scene.buy(34)),
    "a resting order beyond the margin": (-2019, lambda scene: scene.buy(36, 59_000)),
    "a position too large for its leverage": (-2027, lambda scene: scene.buy(840, account="whale")),
    "post only that would take": (-5022, lambda scene: scene.buy(1, 60_000, time_in_force="GTX")),
    "all or nothing that is not there": (-5021, lambda scene: scene.buy(20, 60_000, time_in_force="FOK")),
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_is_refused_with_the_code_of_its_filter_and_leaves_no_trace(name: str) -> None:
    scene = Scene()
    scene.account("whale", 100_000_000)
    code, act = ORDERS[name]

    scene.to(4_800, ETH)
    with refused(code):
        act(scene)

    for account in ("alice", "whale"):
        assert scene.engine.all_orders(account, BTC) == []
        assert scene.engine.open_orders(account, None) == []
    assert scene.told() == []


ALGOS: dict[str, tuple[int, Act]] = {
    "no such symbol": (-1121, lambda scene: scene.stop("SELL", 50_000, symbol="NOPEUSDT")),
    "no trigger": (-1102, lambda scene: scene.stop("SELL", None)),
    "a trigger of nothing": (-4006, lambda scene: scene.stop("SELL", 0)),
    "a trigger off the tick": (-4014, lambda scene: scene.stop("SELL", "50000.05")),
    "neither quantity nor close": (-1102, lambda scene: scene.stop("SELL", 50_000, close_position=False)),
    "both quantity and close": (-4137, lambda scene: scene.stop("SELL", 50_000, 1, close_position=True)),
    "a quantity off the step": (-1111, lambda scene: scene.stop("SELL", 50_000, "0.0001")),
    "worth too little": (-4164, lambda scene: scene.stop("BUY", "4999", "0.001", symbol=ETH)),
    "a sell stop above the price": (-2021, lambda scene: scene.stop("SELL", 60_000)),
    "a buy stop below the price": (-2021, lambda scene: scene.stop("BUY", 60_000)),
    "a profit to take that is there": (-2021, lambda scene: scene.stop("SELL", 60_000, type="TAKE_PROFIT_MARKET")),
    "trailing by nothing": (
        -1102,
        lambda scene: scene.stop("SELL", None, 1, type="TRAILING_STOP_MARKET"),
    ),
    "trailing too near": (
        -2007,
        lambda scene: scene.stop("SELL", None, 1, type="TRAILING_STOP_MARKET", callback_rate=dec("0.09")),
    ),
    "trailing from where the price is already": (
        -2021,
        lambda scene: scene.stop("SELL", None, 1, type="TRAILING_STOP_MARKET", callback_rate=dec(1), activate_price=dec(60_000)),
    ),
    "trailing that closes": (
        -4136,
        lambda scene: scene.stop("SELL", None, type="TRAILING_STOP_MARKET", callback_rate=dec(1)),
    ),
    "a bad name": (-4015, lambda scene: scene.stop("SELL", 50_000, client_id="ä")),
}


@pytest.mark.parametrize("name", ALGOS)
def test_a_conditional_order_is_refused_with_the_code_of_its_filter_and_leaves_no_trace(name: str) -> None:
    scene = Scene()
    code, act = ALGOS[name]

    with refused(code):
        act(scene)

    assert scene.engine.open_algos("alice", None) == []
    assert scene.told() == []


def test_a_market_order_is_refused_where_the_other_side_is_out_of_the_band() -> None:
    scene = Scene()
    scene.to(60_000, spread_ticks=70_000)

    with refused(-4131):
        scene.buy(1)


def test_a_quantity_below_the_least_or_off_an_odd_step_is_refused() -> None:
    scene = Scene()
    odd = scene.symbol()._replace(step_size=dec("0.002"), min_quantity=dec("0.006"))

    with refused(-4004):
        check_quantity(odd, dec("0.004"), Decimal(10))
    with refused(-4023):
        check_quantity(odd, dec("0.007"), Decimal(10))


def test_an_order_too_many_is_refused_and_so_is_a_conditional_one() -> None:
    scene = Scene()
    for number in range(scene.symbol().max_orders):
        scene.buy("0.001", 30_000 + number)
    with refused(-2025):
        scene.buy("0.001", 29_000)
    scene.buy("0.01", 2_000, symbol=ETH)

    for number in range(scene.symbol().max_algo_orders):
        scene.stop("SELL", 30_000 + number, "0.001")
    with refused(-4045):
        scene.stop("SELL", 29_000, "0.001")


def test_reducing_needs_no_least_value_and_no_margin() -> None:
    scene = Scene()
    scene.buy("0.002", symbol=ETH)
    scene.to("2400", ETH)
    scene.engine.transfer("alice", "USDT", dec("-99998"), scene.now_ms)

    closed = scene.sell("0.001", symbol=ETH, reduce_only=True)

    assert closed.status == "FILLED"


def test_what_closes_a_position_is_welcome_without_any_margin_left() -> None:
    scene = Scene()
    scene.buy(33)
    assert scene.engine.available("alice") < 1_000
    with refused(-2019):
        scene.buy("0.5")

    assert scene.sell(33).status == "FILLED"


def test_a_second_order_that_only_reduces_is_refused_while_the_first_has_claimed_everything() -> None:
    scene = Scene()
    scene.buy(1)
    scene.sell(1, 61_000, reduce_only=True)

    with refused(-4118):
        scene.sell("0.5", reduce_only=True)


def test_a_second_stop_that_closes_in_a_direction_is_refused_while_the_first_is_open() -> None:
    scene = Scene()
    first = scene.stop("SELL", 50_000)
    with refused(-4130):
        scene.stop("SELL", 51_000)

    scene.stop("SELL", 70_000, type="TAKE_PROFIT_MARKET")
    scene.stop("BUY", 70_000)
    scene.engine.cancel_algo("alice", first.algo_id, None, scene.now_ms)
    scene.stop("SELL", 51_000)


def test_leverage_is_bounded_by_the_market_the_margin_and_the_position() -> None:
    scene = Scene()
    engine = scene.engine
    for leverage in (0, scene.symbol().max_leverage + 1):
        with refused(-4028):
            engine.set_leverage("alice", BTC, leverage)
    scene.buy(30)
    with refused(-2028):
        engine.set_leverage("alice", BTC, 10)
    engine.set_leverage("alice", BTC, 125)
    assert scene.position().leverage == 125

    scene.account("whale", 100_000_000)
    engine.set_leverage("whale", BTC, 5)
    for _ in range(4):
        scene.buy(150, account="whale")
        scene.later()
    with refused(-2027):
        engine.set_leverage("whale", BTC, 50)


def test_the_margin_type_is_changed_only_while_nothing_is_open() -> None:
    scene = Scene()
    engine = scene.engine
    with refused(-4046):
        engine.set_isolated("alice", BTC, False)
    resting = scene.buy(1, 50_000)
    with refused(-4047):
        engine.set_isolated("alice", BTC, True)
    engine.cancel("alice", BTC, resting.order_id, None, scene.now_ms)
    scene.buy(1)
    with refused(-4048):
        engine.set_isolated("alice", BTC, True)
    scene.sell(1)
    engine.set_isolated("alice", BTC, True)

    assert scene.position().isolated
    assert scene.told()[-1] == "account MARGIN_TYPE_CHANGE BTCUSDT 0"


def test_nobody_takes_out_what_is_bound() -> None:
    scene = Scene()
    scene.buy(30)

    with refused(-2018):
        scene.engine.transfer("alice", "USDT", dec(-20_000), scene.now_ms)
    with refused(-2018):
        scene.engine.transfer("alice", "BNB", dec(-1), scene.now_ms)
    scene.engine.transfer("alice", "USDT", dec(-1_000), scene.now_ms)

    assert scene.told()[-1] == "account WITHDRAW"
    assert scene.engine.incomes("alice")[-1].amount == -1_000
