"""Taking orders back: as the desk wishes, and at once when a stop is read, past everything that waits."""

import asyncio
from typing import Any

import pytest

from streams.desk.messages import EVERY_ACCOUNT, Enable, OrderSide, Reset
from streams.desk.outputs import Cancel, Order
from tests.execution_acts import arrived, events, stop, take_back, until, words
from tests.execution_kit import CODEC, ORDERS, World
from tests.fake_exchange import Latency
from tests.fake_exchange_faults import Fault

BTC, ETH = "BTCUSDT", "ETHUSDT"


def resting(world: World, side: OrderSide = "BUY", account: str = "main", *, reduce_only: bool = False) -> Order:
    limit = "59000" if side == "BUY" else "61000"
    return world.order(account, BTC, side, "0.010", type_="LIMIT", limit=limit, reduce_only=reduce_only)


def open_names(world: World, account: str = "main") -> set[str]:
    return {one.client_id for one in world.exchange.books(account).orders if one.status == "OPEN"}


def test_an_order_the_desk_wants_back_is_cancelled() -> None:
    world = World()
    order = resting(world)
    world.after(1.0, lambda: world.cancel(order))

    world.live()

    world.check()
    assert words(world, order) == ["ACKNOWLEDGED", "CANCELLED"]


def test_an_order_the_desk_wants_back_before_it_was_sent_is_not_sent() -> None:
    world = World()
    order = resting(world)
    world.cancel(order)

    world.live()

    assert arrived(world, order) == []
    assert words(world, order) == ["CANCELLED"]


@pytest.mark.parametrize("how", ["before", "after", "late", "retryable", "paused", "clock_off", "rejected", "fatal"])
def test_a_cancel_that_goes_wrong_is_asked_for_until_the_order_is_over(how: Any) -> None:
    world = World()
    order = resting(world)
    world.exchange.faults.script("cancel", *[Fault(how, wait_ms=1_000, late_ms=1_000 if how == "late" else 0, after_s=2.0)] * 3)
    world.after(1.0, lambda: world.cancel(order))

    world.live()

    world.check()
    assert words(world, order)[-1] == "CANCELLED"
    assert open_names(world) == set()


def test_the_desk_hears_once_that_an_order_is_still_open_and_it_is_tried_on() -> None:
    world = World()
    order = resting(world)
    world.exchange.faults.script("cancel", *[Fault("before")] * 8)
    world.after(1.0, lambda: world.cancel(order))

    world.live()

    assert words(world, order) == ["ACKNOWLEDGED", "CANCEL_REJECTED", "CANCELLED"]


def test_a_cancel_that_comes_while_the_request_is_in_doubt_is_done_when_the_order_turns_up() -> None:
    world = World()
    world.exchange.faults.script("place", Fault("late", late_ms=2_000))
    order = resting(world)
    world.after(0.5, lambda: world.cancel(order))

    world.live()

    world.check()
    assert words(world, order) == ["UNKNOWN", "CANCEL_REJECTED", "ACKNOWLEDGED", "CANCELLED"]


def test_a_cancel_of_an_order_that_has_filled_changes_nothing() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")
    world.after(1.0, lambda: world.cancel(order))

    world.live()

    world.check()
    assert words(world, order) == ["ACKNOWLEDGED"]


def test_a_wish_of_another_account_takes_nothing_back() -> None:
    world = World(accounts=("main", "other"))
    order = resting(world)

    async def story(_: World) -> None:
        await until(lambda: open_names(world))
        wish = Cancel(order.order_id, "other", 7, 0, BTC, "TEST", world.clock.wall_ms())
        world.cluster.put(ORDERS, 0, b"other", CODEC.encode(wish))
        await asyncio.sleep(5)

    world.live(story=story)

    assert arrived(world, order, "cancel") == []
    assert any("whose it is not" in alert for alert in world.alerts)


def test_a_wish_for_what_was_never_here_or_is_long_over_stops_nothing() -> None:
    world = World()
    done = world.order("main", BTC, "BUY", "0.010")
    world.live()
    world.cancel(done)
    world.cancel(done._replace(order_id="q1-8d17ae7160-zz-0"))
    world.cancel(done._replace(order_id="anything"))
    after = world.order("main", BTC, "BUY", "0.010")

    world.live()

    assert world.filled(after) == after.quantity


def test_a_wish_that_is_repeated_is_one() -> None:
    world = World()
    order = resting(world)

    async def story(_: World) -> None:
        await until(lambda: open_names(world))
        for _again in range(5):
            take_back(world, order)
        await until(lambda: world.ends(order))

    world.live(story=story)

    assert len(arrived(world, order, "cancel")) == 1


@pytest.mark.parametrize("whose", ["main", EVERY_ACCOUNT])
def test_a_stop_cancels_what_adds_risk_at_once_and_leaves_what_reduces_it(whose: str) -> None:
    world = World(accounts=("main", "other"))
    world.order("main", BTC, "BUY", "0.010")
    world.live()
    more, less, others = resting(world), resting(world, "SELL", reduce_only=True), resting(world, account="other")
    stopped_ms: list[int] = []

    async def story(_: World) -> None:
        await until(lambda: len(open_names(world)) == 2 and open_names(world, "other"))
        stopped_ms.append(world.clock.wall_ms())
        stop(world, 5, whose)
        stop(world, 6, whose, Reset(override=True))
        stop(world, 7, whose, Enable())
        await until(lambda: world.ends(more))
        await asyncio.sleep(1)

    world.live(story=story)

    [cancel] = arrived(world, more, "cancel")
    assert cancel.at_ms - stopped_ms[0] < 20
    assert open_names(world) == {f"{less.order_id}-a0"}
    assert open_names(world, "other") == ({f"{others.order_id}-a0"} if whose == "main" else set())


def test_a_stop_is_quick_with_ten_thousand_orders_waiting_and_none_of_them_goes_out() -> None:
    world = World()
    order = resting(world)
    stopped_ms: list[int] = []
    waiting: list[Order] = []

    async def story(_: World) -> None:
        await until(lambda: open_names(world))
        world.exchange.latency["room"] = Latency(1_000, 0)
        assert world.executor is not None
        waiting.extend(world.order("main", BTC, "BUY", "0.010") for _ in range(10_000))
        world.executor.accept(waiting, [CODEC.encode(one) for one in waiting])
        await asyncio.sleep(0.1)
        stopped_ms.append(world.clock.wall_ms())
        stop(world, 5, EVERY_ACCOUNT)
        await until(lambda: arrived(world, order, "cancel"))
        await asyncio.sleep(2)

    world.live(story=story)

    [cancel] = arrived(world, order, "cancel")
    assert cancel.at_ms - stopped_ms[0] < 100
    late = [one for one in world.exchange.requests if one.call == "place" and one.at_ms > stopped_ms[0]]
    assert late == []


@pytest.mark.parametrize("when", ["while it is away", "while it takes over", "before control is read"])
def test_a_stop_that_is_read_while_nobody_is_at_it_cancels_when_somebody_is(when: str) -> None:
    world = World()
    order = resting(world)

    async def until_open(_: World) -> None:
        await until(lambda: "ACKNOWLEDGED" in words(world, order))

    async def until_over(_: World) -> None:
        await until(lambda: world.ends(order))

    world.live(story=until_open)
    if when == "while it is away":
        stop(world, 5)
    elif when == "while it takes over":
        world.after(0.0, lambda: stop(world, 5))
    else:
        world.after(3.0, lambda: stop(world, 5))

    world.live(story=until_over)

    assert words(world, order) == ["ACKNOWLEDGED", "CANCELLED"]


def test_a_stop_of_long_ago_that_is_read_again_cancels_no_order_that_was_made_after_it() -> None:
    world = World()
    stop(world, 5)
    order = resting(world)
    world.cluster.logs[ORDERS, 0].clear()
    world.cluster.ends[ORDERS, 0] = 0
    world.cluster.put(ORDERS, 0, b"main", CODEC.encode(order._replace(control_position=9)))

    async def story(_: World) -> None:
        await until(lambda: open_names(world))
        stop(world, 6)
        await asyncio.sleep(3)

    world.live(story=story)

    assert arrived(world, order, "cancel") == []
    assert events(world, order)[-1].kind == "ACKNOWLEDGED"


def test_a_stop_while_the_request_is_on_its_way_cancels_it_when_it_has_arrived() -> None:
    world = World()
    world.exchange.latency["place"] = Latency(500, 500)
    order = resting(world)

    async def story(_: World) -> None:
        await until(lambda: world.exchange.rooms)
        await asyncio.sleep(0.1)
        stop(world, 5)
        await until(lambda: world.ends(order))

    world.live(story=story)
    world.live()

    world.check()
    assert open_names(world) == set()
    assert words(world, order)[-1] == "CANCELLED"
