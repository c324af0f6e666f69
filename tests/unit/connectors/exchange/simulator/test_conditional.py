"""Conditional orders wait apart from orders, are triggered by their price alone, and then trade as the market orders they have become."""

from decimal import Decimal

import pytest

from connectors.exchange.simulator.records import AlgoRow
from tests.exchange_kit import BTC, ETH, Scene, dec, refused


def trailing(scene: Scene, side: str, activate: int | None = None, quantity: str = "1") -> AlgoRow:
    return scene.stop(
        "SELL" if side == "SELL" else "BUY",
        None,
        quantity,
        type="TRAILING_STOP_MARKET",
        callback_rate=dec(1),
        activate_price=None if activate is None else dec(activate),
    )


def test_a_stop_lives_among_the_conditional_orders_only() -> None:
    scene = Scene()
    row = scene.stop("SELL", 59_000, client_id="guard")

    assert scene.engine.open_orders("alice", None) == []
    assert [one.algo_id for one in scene.engine.open_algos("alice", BTC)] == [row.algo_id]
    assert scene.engine.open_algos("alice", ETH) == []
    assert scene.engine.algo("alice", None, "guard").algo_id == row.algo_id
    with refused(-2013):
        scene.engine.order("alice", BTC, None, "guard")
    with refused(-2013):
        scene.engine.algo("alice", None, "other")


def test_a_triggered_stop_becomes_a_market_order_that_closes_the_position_and_carries_its_name() -> None:
    scene = Scene()
    scene.buy("1.5")
    row = scene.stop("SELL", 59_000, client_id="guard")
    scene.told()

    scene.to("59000.1")
    assert scene.told() == []
    scene.to("59000")

    assert scene.position().quantity == 0
    assert scene.told() == [
        "algo TRIGGERED",
        "order NEW NEW 0",
        "order TRADE FILLED 1.5",
        "account ORDER BTCUSDT 0",
        "algo FINISHED",
    ]
    made = scene.engine.order("alice", BTC, None, "guard")
    ended = scene.algo_now(row)
    assert (made.type, made.original_type, made.close_position, made.reduce_only) == ("MARKET", "STOP_MARKET", True, True)
    assert (made.algo_id, ended.order_id, ended.status) == (row.algo_id, made.order_id, "FINISHED")
    assert scene.engine.open_algos("alice", None) == []
    assert [one.algo_id for one in scene.engine.all_algos("alice", BTC)] == [row.algo_id]
    with refused(-2011):
        scene.engine.cancel_algo("alice", row.algo_id, None, scene.now_ms)


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "not_yet", "then"),
    [
        ("SELL", "STOP_MARKET", 59_000, "59000.1", "59000"),
        ("BUY", "STOP_MARKET", 61_000, "60999.9", "61000"),
        ("SELL", "TAKE_PROFIT_MARKET", 61_000, "60999.9", "61000"),
        ("BUY", "TAKE_PROFIT_MARKET", 59_000, "59000.1", "59000"),
    ],
)
def test_each_kind_waits_for_its_side_of_the_price(side: str, kind: str, trigger: int, not_yet: str, then: str) -> None:
    scene = Scene()
    row = scene.stop("SELL" if side == "SELL" else "BUY", trigger, 1, type=kind)

    scene.to(not_yet)
    assert scene.algo_now(row).status == "NEW"
    scene.to(then)

    assert scene.algo_now(row).status == "FINISHED"
    assert scene.position().quantity == (1 if side == "BUY" else -1)


def test_a_stop_at_the_contract_price_looks_at_the_last_trade_and_not_at_the_mark() -> None:
    scene = Scene()
    at_last = scene.stop("BUY", "60100", 1, working_type="CONTRACT_PRICE")
    at_mark = scene.stop("BUY", "60100", 1, working_type="MARK_PRICE")

    scene.to("60090", spread_ticks=300)

    assert scene.engine.quote(BTC).last >= 60_100
    assert (scene.algo_now(at_last).status, scene.algo_now(at_mark).status) == ("FINISHED", "NEW")


def test_a_stop_that_closes_expires_where_there_is_nothing_to_close_by_then() -> None:
    scene = Scene()
    scene.buy(1)
    row = scene.stop("SELL", 59_000)
    scene.sell(2)

    scene.to("59000")

    assert scene.algo_now(row).status == "EXPIRED"
    assert scene.position().quantity == -1
    assert scene.told()[-1] == "algo EXPIRED"


def test_a_stop_that_only_reduces_is_rejected_where_there_is_nothing_to_reduce() -> None:
    scene = Scene()
    row = scene.stop("SELL", 59_000, 1, reduce_only=True)

    scene.to("59000")

    assert (scene.algo_now(row).status, scene.algo_now(row).order_id) == ("REJECTED", 0)
    assert scene.engine.all_orders("alice", BTC) == []


def test_margin_is_not_asked_for_before_the_trigger_and_then_it_is() -> None:
    scene = Scene()
    row = scene.stop("BUY", 61_000, 100)

    scene.to("61000")

    assert scene.algo_now(row).status == "REJECTED"


def test_a_cancelled_stop_never_triggers() -> None:
    scene = Scene()
    scene.buy(1)
    row = scene.stop("SELL", 59_000, client_id="guard")
    follower = trailing(scene, "SELL")
    for name in ("guard", follower.client_id):
        assert scene.engine.cancel_algo("alice", None, name, scene.now_ms).status == "CANCELED"

    scene.to("50000")

    assert scene.algo_now(row).status == "CANCELED"
    assert scene.position().quantity == 1


def test_a_name_is_taken_while_its_stop_is_open_and_free_again_after() -> None:
    scene = Scene()
    first = scene.stop("SELL", 59_000, client_id="guard")
    with refused(-4116):
        scene.stop("BUY", 61_000, client_id="guard")
    scene.engine.cancel_algo("alice", first.algo_id, None, scene.now_ms)

    second = scene.stop("BUY", 61_000, client_id="guard")

    assert scene.engine.algo("alice", None, "guard").algo_id == second.algo_id


def test_a_trailing_stop_follows_the_price_up_and_sells_when_it_comes_back() -> None:
    scene = Scene()
    scene.buy(1)
    row = trailing(scene, "SELL")

    for mark in ("60500", "61000", "60390.1"):
        scene.to(mark)
        assert scene.algo_now(row).status == "NEW"
    scene.to("60390")

    assert scene.algo_now(row).status == "FINISHED"
    assert scene.position().quantity == 0


def test_a_trailing_stop_with_an_activation_price_waits_for_it_first() -> None:
    scene = Scene()
    row = trailing(scene, "BUY", activate=59_000)
    for mark in ("59500", "60500"):
        scene.to(mark)
    assert scene.algo_now(row).status == "NEW", "it came back by more than one per cent, but was not active"

    for mark in ("58900", "58000", "58579.9"):
        scene.to(mark)
        assert scene.algo_now(row).status == "NEW"
    scene.to("58580")

    assert scene.algo_now(row).status == "FINISHED"
    assert scene.position().quantity == 1


def test_a_stop_too_large_for_the_book_trades_what_is_there() -> None:
    scene = Scene()
    scene.account("whale", 100_000_000)
    for _ in range(5):
        scene.buy(100, account="whale")
        scene.later()
    row = scene.stop("SELL", 59_000, account="whale")

    scene.to("58000", depth_share=dec("0.05"))

    made = scene.engine.order("whale", BTC, scene.algo_now(row).order_id, None)
    assert (made.status, made.quantity) == ("EXPIRED", dec(500))
    assert 0 < made.filled < 500
    assert scene.position(account="whale").quantity == Decimal(500) - made.filled
    assert scene.algo_now(row).status == "FINISHED"
