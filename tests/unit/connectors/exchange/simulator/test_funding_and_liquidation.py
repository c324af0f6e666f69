"""Funding at its times; liquidation when the margin is gone, of what shares the wallet and of what is isolated."""

import pytest

from connectors.exchange.simulator.records import AccountUpdate, OrderUpdate
from tests.exchange_kit import BTC, ETH, FIRST_FUNDING_MS, Scene, dec


def test_the_long_pay_the_short_at_the_time_of_funding_once() -> None:
    scene = Scene()
    scene.account("bob")
    scene.buy(2)
    scene.sell(1, account="bob")
    before = {name: scene.wallet(account=name) for name in ("alice", "bob")}
    scene.told()

    scene.later(FIRST_FUNDING_MS - scene.now_ms - 100)
    assert scene.told() == []
    scene.later()
    scene.later()

    assert scene.wallet() - before["alice"] == dec("-12")
    assert scene.wallet(account="bob") - before["bob"] == dec("6")
    assert scene.told() == ["account FUNDING_FEE BTCUSDT 2", "account FUNDING_FEE BTCUSDT -1"]
    income = scene.engine.incomes("alice")[-1]
    assert (income.type, income.symbol, income.asset, income.ts) == ("FUNDING_FEE", BTC, "USDT", FIRST_FUNDING_MS)
    assert scene.engine.quote(BTC).next_funding_ms == FIRST_FUNDING_MS + scene.symbol().funding_interval_ms


def test_the_short_pay_where_the_rate_is_negative_and_each_time_passed_counts() -> None:
    scene = Scene()
    scene.sell(1)
    before = scene.wallet()
    scene.to(60_000, funding_rate=dec("-0.0002"))

    scene.later(3 * scene.symbol().funding_interval_ms)

    assert scene.wallet() - before == 3 * dec("-12")


def test_a_funding_update_tells_what_moved() -> None:
    scene = Scene()
    scene.buy(1)
    scene.engine.take_updates()

    scene.later(FIRST_FUNDING_MS - scene.now_ms)

    (update,) = scene.engine.take_updates()
    assert isinstance(update, AccountUpdate)
    assert update.balances == (("USDT", scene.wallet(), dec("-6")),)


def test_an_account_is_liquidated_at_the_price_its_position_tells_and_not_before() -> None:
    scene = Scene()
    scene.buy(30)
    scene.buy("0.5", 50_000)
    scene.stop("SELL", 50_000)
    price = scene.position().liquidation_price
    tick = scene.symbol().tick_size
    assert 50_000 < price < 60_000
    scene.told()

    scene.to(str(price // tick * tick + tick))
    assert scene.told() == []
    scene.to(str(price // tick * tick))

    assert scene.position().quantity == 0
    assert scene.engine.open_orders("alice", None) == []
    told = scene.told()
    assert told[:2] == ["order EXPIRED EXPIRED 0", "order NEW NEW 0"]
    assert told[-1] == "account ORDER BTCUSDT 0"
    forced = scene.engine.all_orders("alice", BTC)[-1]
    assert forced.client_id.startswith("autoclose-")
    assert (forced.status, forced.original_type, forced.filled) == ("FILLED", "LIQUIDATION", dec(30))
    assert 0 <= scene.wallet() < 10_000


def test_what_the_book_does_not_hold_the_insurance_takes_over() -> None:
    scene = Scene()
    scene.buy(30)
    scene.engine.take_updates()

    scene.to("56800", depth_share=dec("0.01"))

    updates = [one for one in scene.engine.take_updates() if isinstance(one, OrderUpdate)]
    executions = [one.execution for one in updates]
    assert executions[0] == "NEW"
    assert executions[-1] == "CALCULATED"
    assert set(executions[1:-1]) == {"TRADE"}
    assert updates[-1].order.status == "FILLED"


def test_a_wallet_below_zero_is_filled_up_by_the_insurance() -> None:
    scene = Scene()
    scene.buy(30)

    scene.to("50000")

    assert scene.wallet() == 0
    income = scene.engine.incomes("alice")[-1]
    assert (income.type, income.amount > 190_000) == ("INSURANCE_CLEAR", True)
    assert scene.told()[-1] == "account INSURANCE_CLEAR"
    assert scene.wallet() == 100_000 + sum(one.amount for one in scene.engine.incomes("alice"))


def test_all_that_shares_the_wallet_is_closed_together() -> None:
    scene = Scene()
    scene.buy(15)
    scene.sell(300, symbol=ETH)

    scene.to(3_250, ETH)
    assert {scene.position().quantity, scene.position(ETH).quantity} == {15, -300}
    scene.to(3_350, ETH)

    assert {scene.position().quantity, scene.position(ETH).quantity} == {0}


def test_a_hedge_of_moves_that_cancel_out_is_left_alone() -> None:
    scene = Scene()
    scene.buy(15)
    scene.sell(300, symbol=ETH)

    for share in range(1, 30):
        scene.prices.put(BTC, dec(60_000 + 600 * share))
        scene.to(3_000 + 30 * share, ETH)

    assert {scene.position().quantity, scene.position(ETH).quantity} == {15, -300}


def test_an_isolated_position_risks_the_margin_of_its_start_and_no_more() -> None:
    scene = Scene()
    scene.engine.set_isolated("alice", BTC, True)
    scene.buy(2)
    scene.buy(1, symbol=ETH)
    paid = scene.wallet()
    price = scene.position().liquidation_price
    assert price == pytest.approx(dec(57_300), abs=300)
    assert scene.engine.available("alice") == pytest.approx(dec(93_850 - 60 - 1), abs=60)

    scene.to("40000")

    assert (scene.position().quantity, scene.position(ETH).quantity) == (dec(0), dec(1))
    fees = -sum(one.amount for one in scene.engine.incomes("alice") if one.type == "COMMISSION" and one.ts == scene.now_ms)
    assert scene.wallet() == paid - 6_000 - fees


def test_isolated_margin_is_not_there_for_others() -> None:
    scene = Scene()
    scene.engine.set_isolated("alice", ETH, True)
    scene.buy(300, symbol=ETH)
    scene.buy(17)
    shared = scene.position().liquidation_price

    scene.to(str(shared.quantize(scene.symbol().tick_size) - 1))

    assert (scene.position().quantity, scene.position(ETH).quantity) == (dec(0), dec(300))
    assert scene.wallet() >= 300 * 3_000 // 20 // 2


def test_who_closes_at_a_loss_beyond_the_wallet_ends_at_zero() -> None:
    scene = Scene()
    scene.account("bob", 4_000)
    scene.buy(1, account="bob")
    scene.to(56_500, spread_ticks=20_000)

    scene.sell(1, account="bob")
    assert scene.wallet(account="bob") < -500
    scene.later()

    assert scene.wallet(account="bob") == 0
