"""Orders trade at the book's prices or their own, in parts where they are large, never through their limit, and end as the exchange ends them."""

from decimal import Decimal

import pytest

from tests.exchange_kit import BNB, BTC, ETH, Scene, dec, refused


def test_a_market_order_trades_level_by_level_at_worse_and_worse_prices() -> None:
    scene = Scene()
    _, asks, _ = scene.engine.depth(BTC, 3)

    row = scene.buy(asks[0][1] + asks[1][1] + dec("0.1"))

    trades = scene.engine.trades("alice", BTC)
    assert [(one.price, one.quantity) for one in trades] == [asks[0], asks[1], (asks[2][0], dec("0.1"))]
    assert (row.status, row.filled) == ("FILLED", row.quantity)
    assert row.quote_filled == sum(one.price * one.quantity for one in trades)
    assert not any(one.maker for one in trades)
    assert scene.told() == [
        "order NEW NEW 0",
        f"order TRADE PARTIALLY_FILLED {asks[0][1].normalize():f}",
        f"order TRADE PARTIALLY_FILLED {(asks[0][1] + asks[1][1]).normalize():f}",
        f"order TRADE FILLED {row.quantity.normalize():f}",
        f"account ORDER BTCUSDT {row.quantity.normalize():f}",
    ]


def test_a_market_order_larger_than_the_book_takes_what_is_there_and_the_rest_expires() -> None:
    scene = Scene()
    scene.account("whale", 100_000_000)
    scene.to(60_000, depth_share=dec("0.1"))
    _, asks, _ = scene.engine.depth(BTC, 1_000)

    row = scene.buy(200, account="whale")

    there = sum((quantity for _, quantity in asks), dec(0))
    assert (row.status, row.filled, row.expire_reason) == ("EXPIRED", there, "2")
    assert scene.told()[-2:] == [f"order EXPIRED EXPIRED {there.normalize():f}", f"account ORDER BTCUSDT {there.normalize():f}"]
    assert scene.engine.open_orders("whale", None) == []
    with refused(-2011):
        scene.engine.cancel("whale", BTC, row.order_id, None, scene.now_ms)


def test_a_limit_order_takes_up_to_its_price_and_rests_with_what_is_left() -> None:
    scene = Scene()
    _, asks, _ = scene.engine.depth(BTC, 2)

    row = scene.buy(asks[0][1] + 1, asks[0][0])

    assert (row.status, row.filled) == ("PARTIALLY_FILLED", asks[0][1])
    assert [one.order_id for one in scene.engine.open_orders("alice", BTC)] == [row.order_id]
    assert all(one.price <= row.price for one in scene.engine.trades("alice", BTC))


def test_immediate_or_cancel_takes_up_to_its_price_and_what_is_left_expires() -> None:
    scene = Scene()
    _, asks, _ = scene.engine.depth(BTC, 1)

    row = scene.buy(asks[0][1] + 1, asks[0][0], time_in_force="IOC")
    nothing = scene.buy(1, 50_000, time_in_force="IOC")

    assert (row.status, row.filled, row.expire_reason) == ("EXPIRED", asks[0][1], "2")
    assert (nothing.status, nothing.filled) == ("EXPIRED", dec(0))


def test_fill_or_kill_trades_whole() -> None:
    scene = Scene()
    _, asks, _ = scene.engine.depth(BTC, 3)
    both = asks[0][1] + asks[1][1]

    with refused(-5021):
        scene.buy(both + dec("0.001"), asks[1][0], time_in_force="FOK")

    assert scene.buy(both, asks[1][0], time_in_force="FOK").status == "FILLED"


def test_an_order_that_rests_trades_at_its_price_as_a_maker_when_the_path_crosses_it() -> None:
    scene = Scene()
    low = scene.buy(1, "59500", time_in_force="GTX")
    high = scene.sell(1, "60500")
    scene.to("59600")
    assert {scene.now(low).status, scene.now(high).status} == {"NEW"}

    scene.to("59400")
    scene.to("60700")

    assert {scene.now(low).status, scene.now(high).status} == {"FILLED"}
    bought, sold = scene.engine.trades("alice", BTC)
    assert (bought.price, bought.maker, sold.price, sold.maker) == (dec("59500"), True, dec("60500"), True)
    assert bought.commission == 59_500 * scene.symbol().maker_fee
    assert sold.realized == 1_000


def test_a_large_resting_order_trades_in_parts_as_depth_passes_by() -> None:
    scene = Scene()
    scene.account("whale", 100_000_000)
    row = scene.buy(100, "59990", account="whale")

    parts = []
    for mark in ("59985", "59985", "59999", "59980"):
        scene.to(mark)
        parts.append(scene.now(row).filled)

    assert 0 < parts[0] < parts[1] == parts[2] < parts[3] < 100
    assert {one.price for one in scene.engine.trades("whale", BTC)} == {dec("59990")}
    assert [one.order_id for one in scene.engine.open_orders("whale", None)] == [row.order_id]


def test_the_nearest_price_and_then_the_oldest_order_is_reached_first() -> None:
    scene = Scene()
    for name in ("bob", "carol", "dave"):
        scene.account(name, 100_000_000)
    for name, limit in (("bob", "59950"), ("carol", "59960"), ("dave", "59960")):
        scene.buy(40, limit, account=name)

    scene.to("59959.9")

    filled = {name: scene.engine.open_orders(name, BTC)[0].filled for name in ("bob", "carol", "dave")}
    assert filled["carol"] > 0
    assert (filled["bob"], filled["dave"]) == (dec(0), dec(0))


def test_what_is_cancelled_is_over_and_never_trades_again() -> None:
    scene = Scene()
    row = scene.buy(1, "59500", client_id="mine")
    scene.told()

    cancelled = scene.engine.cancel("alice", BTC, None, "mine", scene.now_ms)
    scene.to("59000")

    assert cancelled.status == "CANCELED"
    assert scene.told() == ["order CANCELED CANCELED 0"]
    assert scene.now(row).filled == 0
    for order_id, client_id in ((row.order_id, None), (None, "mine"), (999, None)):
        with refused(-2011):
            scene.engine.cancel("alice", BTC, order_id, client_id, scene.now_ms)


def test_all_orders_of_a_symbol_are_cancelled_together() -> None:
    scene = Scene()
    for limit in (50_000, 51_000):
        scene.buy("0.1", limit)
    scene.buy(1, 2_000, symbol=ETH)

    assert [one.status for one in scene.engine.cancel_all("alice", BTC, scene.now_ms)] == ["CANCELED", "CANCELED"]
    assert [one.symbol for one in scene.engine.open_orders("alice", None)] == [ETH]
    assert scene.engine.cancel_all("alice", BTC, scene.now_ms) == []


def test_a_client_id_is_taken_while_its_order_is_open_and_free_again_after() -> None:
    scene = Scene()
    first = scene.buy(1, 50_000, client_id="same")
    with refused(-4116):
        scene.buy(1, client_id="same")
    scene.engine.cancel("alice", BTC, first.order_id, None, scene.now_ms)

    second = scene.buy(1, client_id="same")
    third = scene.buy(1, client_id="same")

    assert scene.position().quantity == 2
    assert scene.engine.order("alice", BTC, None, "same").order_id == third.order_id
    assert [one.order_id for one in scene.engine.all_orders("alice", BTC)] == [first.order_id, second.order_id, third.order_id]
    with refused(-2013):
        scene.engine.order("alice", ETH, None, "same")
    with refused(-2013):
        scene.engine.order("alice", ETH, first.order_id, None)


def test_what_only_reduces_closes_what_there_is_and_expires_with_the_rest() -> None:
    scene = Scene()
    scene.buy(1)

    row = scene.sell(3, reduce_only=True)

    assert (row.status, row.filled, row.expire_reason) == ("EXPIRED", dec(1), "4")
    assert scene.position().quantity == 0


def test_resting_orders_that_only_reduce_expire_with_the_position() -> None:
    scene = Scene()
    scene.buy(1)
    resting = scene.sell(1, 61_000, reduce_only=True)

    scene.sell(1)

    assert (scene.now(resting).status, scene.now(resting).expire_reason) == ("EXPIRED", "4")
    assert scene.told()[-1] == "order EXPIRED EXPIRED 0"
    scene.to("61500")
    assert scene.position().quantity == 0


def test_an_order_larger_than_the_position_turns_it_round_and_realises_only_what_it_closed() -> None:
    scene = Scene()
    scene.buy(1)
    scene.to("61000")

    scene.sell(3)

    assert (scene.position().quantity, scene.position().entry_price) == (dec(-2), dec("60999.9"))
    assert scene.engine.trades("alice", BTC)[-1].realized == dec("60999.9") - 60_000


def test_trade_ids_count_up_within_a_symbol_and_begin_again_in_another() -> None:
    scene = Scene()
    scene.account("bob")
    for account, symbol in (("alice", BTC), ("bob", BTC), ("bob", ETH)):
        scene.buy(1, account=account, symbol=symbol)

    assert [one.trade_id for one in (*scene.engine.trades("alice", None), *scene.engine.trades("bob", None))] == [1, 2, 1]


@pytest.mark.parametrize(("share", "asset"), [("1", "BNB"), ("0.99999999", "USDT")])
def test_fees_are_taken_in_bnb_at_its_mark_and_in_usdt_when_that_does_not_suffice(share: str, asset: str) -> None:
    scene = Scene()
    needed = dec(60_000) * dec("0.0005") / dec("512.5")
    had = (needed * dec(share)).quantize(dec("0.00000001"))
    scene.account("bob", BNB=str(had))
    scene.engine.pay_fees_in_bnb("bob", True)
    scene.to("512.5", BNB)

    scene.buy(1, account="bob")

    (trade,) = scene.engine.trades("bob", BTC)
    assert trade.commission_asset == asset
    assert trade.commission == (needed.quantize(dec("0.00000001")) if asset == "BNB" else dec("30"))
    assert scene.wallet("BNB", "bob") == had - (trade.commission if asset == "BNB" else 0)
    assert scene.wallet("USDT", "bob") == 100_000 - (trade.commission if asset == "USDT" else 0)


def test_without_wishing_for_it_nobody_pays_in_bnb() -> None:
    scene = Scene()
    scene.account("bob", BNB="10")

    scene.buy(1, account="bob")

    assert scene.wallet("BNB", "bob") == 10


def test_money_is_rounded_to_eight_decimals_half_to_even_and_a_wallet_is_its_opening_and_its_incomes() -> None:
    scene = Scene()
    scene.to("0.5213", "XRPUSDT")
    scene.buy("777.7", symbol="XRPUSDT")
    scene.sell("111.3", symbol="XRPUSDT")

    trades = scene.engine.trades("alice", None)
    assert [one.commission for one in trades] == [
        (one.price * one.quantity * Decimal("0.0005")).quantize(Decimal("0.00000001")) for one in trades
    ]
    assert scene.wallet() == 100_000 + sum(one.amount for one in scene.engine.incomes("alice"))
