"""Sending: the intent first, once only, in their order, and each account for itself."""

import asyncio
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from streams.desk.outputs import Order
from streams.desk.turn import order_id
from streams.pipeline.execution.means import Limits
from tests.execution_acts import AT_ONCE_S, arrived, reason, steps, thin_book, until, words
from tests.execution_kit import CODEC, ORDERS, World
from tests.fake_exchange import Latency
from tests.fake_exchange_faults import Fault

BTC, ETH = "BTCUSDT", "ETHUSDT"
PATIENT = Limits(age_ms_max=60_000)


def test_the_intent_is_durable_before_the_request_goes_out() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")
    before: list[list[str]] = []

    async def story(_: World) -> None:
        await until(lambda: arrived(world, order), AT_ONCE_S)
        before.append(steps(world, order))

    world.live(story=story)

    [request] = arrived(world, order)
    assert request.placing is not None
    assert before == [["new", f"0/SENDING/{request.placing.sent_ms}"]]
    assert request.placing.window_ms == world.limits.window_ms


def test_what_was_certainly_not_done_is_tried_again_after_one_two_and_four_seconds_and_a_bit() -> None:
    world = World(Random(4), limits=PATIENT)
    world.exchange.faults.always(Fault("retryable"), "place")
    order = world.order("main", BTC, "BUY", "0.010")

    world.live()

    times = [int(step.rpartition("/")[2]) for step in steps(world, order) if "SENDING" in step]
    waits_s = [(later - sooner) / 1_000 for sooner, later in pairwise(times)]
    assert [int(wait_s // least_s) for wait_s, least_s in zip(waits_s, (1, 2, 4), strict=True)] == [1, 1, 1]
    assert all(wait_s <= least_s * 1.5 + 0.1 for wait_s, least_s in zip(waits_s, (1, 2, 4), strict=True))
    assert len({round(wait_s / least_s, 3) for wait_s, least_s in zip(waits_s, (1, 2, 4), strict=True)}) == 3, "by chance"
    assert words(world, order) == ["REJECTED"]
    assert reason(world, order).startswith("NOT_DONE ")


def test_an_order_that_may_be_tried_again_is_not_when_it_has_become_too_old_meanwhile() -> None:
    world = World()
    world.exchange.faults.always(Fault("retryable"), "place")
    order = world.order("main", BTC, "BUY", "0.010")

    world.live()

    assert words(world, order) == ["REJECTED"]
    assert reason(world, order).startswith("TOO_OLD ")


@pytest.mark.parametrize("how", ["retryable", "paused"])
def test_nothing_is_sent_before_the_exchange_wants_to_be_asked_again(how: Any) -> None:
    world = World(limits=PATIENT)
    world.exchange.faults.script("place", Fault(how, after_s=20.0))
    order = world.order("main", BTC, "BUY", "0.010")

    world.live()

    world.check()
    first, second = (int(step.rpartition("/")[2]) for step in steps(world, order) if "SENDING" in step)
    assert second - first >= 20_000
    assert len(arrived(world, order)) == 1


def test_an_order_the_exchange_asks_to_hold_back_for_longer_than_it_lives_is_refused() -> None:
    world = World()
    world.exchange.faults.script("place", Fault("retryable", after_s=600.0))
    order = world.order("main", BTC, "BUY", "0.010")
    began_s = world.clock.now_s

    world.live()

    assert arrived(world, order) == []
    assert reason(world, order).startswith("TOO_OLD ")
    assert world.clock.now_s - began_s < 10


def test_an_order_the_exchange_refuses_is_refused_with_its_words() -> None:
    world = World()
    world.exchange.faults.script("place", Fault("rejected", code="-4131"))
    order = world.order("main", BTC, "BUY", "0.010")

    world.live()

    assert words(world, order) == ["REJECTED"]
    assert reason(world, order) == "-4131 refused"


def test_a_request_that_was_suspended_on_its_way_to_the_intent_is_written_anew() -> None:
    world = World(limits=PATIENT)
    order = world.order("main", BTC, "BUY", "0.010")

    async def story(_: World) -> None:
        await until(lambda: any("SENDING" in step for step in steps(world, order)), AT_ONCE_S)
        world.clock.now_s += 4.0
        await until(lambda: world.fills)

    world.live(story=story)
    world.live()

    world.check()
    sendings = [int(step.rpartition("/")[2]) for step in steps(world, order) if "SENDING" in step]
    [request] = arrived(world, order)
    assert request.placing is not None
    assert len(sendings) == 2
    assert request.placing.sent_ms == sendings[1]


def test_orders_of_an_account_in_a_symbol_are_sent_in_their_order_and_of_others_beside_them() -> None:
    world = World(accounts=("main", "other"), limits=PATIENT)
    world.exchange.latency["place"] = Latency(500, 500)
    first = [world.order("main", BTC, "BUY", "0.001") for _ in range(5)]
    beside = [world.order("main", ETH, "BUY", "0.010"), world.order("other", BTC, "BUY", "0.001")]

    world.live()

    world.check()
    sent = [one.client_id for one in world.exchange.requests if one.call == "place"]
    assert [name for name in sent if name[:-3] in {order.order_id for order in first}] == [
        f"{order.order_id}-a0" for order in first
    ]
    for order in beside:
        [request] = arrived(world, order)
        assert request.at_ms < arrived(world, first[1])[0].at_ms


def test_an_account_whose_exchange_answers_slowly_keeps_no_other_waiting() -> None:
    accounts = tuple(f"a{number}" for number in range(50))
    world = World(accounts=accounts)
    world.exchange.latency["place"] = Latency(200, 200)
    orders = [world.order(account, BTC, "BUY", "0.001") for account in accounts for _ in range(2)]

    world.live()

    world.check()
    first = [arrived(world, order)[0].at_ms for order in orders[::2]]
    second = [arrived(world, order)[0].at_ms for order in orders[1::2]]
    assert max(first) - min(first) < 300
    assert max(second) - min(second) < 300
    assert max(second) - min(first) < 1_000


def test_an_order_that_is_in_doubt_keeps_the_next_one_not_waiting() -> None:
    world = World()
    world.exchange.faults.script("place", Fault("before", wait_ms=1_000))
    lost, next_one = (world.order("main", BTC, "BUY", "0.001") for _ in range(2))

    world.live()

    world.check()
    assert words(world, lost) == ["UNKNOWN", "EXPIRED"]
    assert arrived(world, next_one)[0].at_ms - 1_700_000_000_000 < 2_000


def put(world: World, order: Order) -> Order:
    world.cluster.put(ORDERS, 0, order.account.encode(), CODEC.encode(order))
    return order


def test_the_same_order_twice_on_the_topic_is_sent_once() -> None:
    world = World()
    order = put(world, world.order("main", BTC, "BUY", "0.010"))
    world.live()
    put(world, order._replace(quantity=Decimal("0.020")))

    world.live()

    assert len(arrived(world, order)) == 1
    assert world.filled(order) == Decimal("0.010")


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": "anything"},
        {"order_id": "q1"},
        {"order_id": ""},
        {"order_id": "q-8d17ae7160-2t-0"},
        {"order_id": "q1-0000000000-2t-0"},
        {"order_id": "Q1-8d17ae7160-2t-0"},
        {"order_id": "qß-8d17ae7160-2t-0"},
        {"order_id": order_id(1, "main", 102, 0)},
        {"offset": -1, "order_id": order_id(1, "main", -1, 0)},
        {"offset": -1_000},
        {"n": -1, "order_id": order_id(1, "main", 101, -1)},
        {"n": -100},
        {"offset": 36**12, "order_id": order_id(36**6, "main", 36**12, 0)},
        {"account": "other"},
        {"account": "a/b", "order_id": order_id(1, "a/b", 101, 0)},
        {"account": "", "order_id": order_id(1, "", 101, 0)},
        {"account": "*", "order_id": order_id(1, "*", 101, 0)},
        {"symbol": "BTC/USDT"},
        {"symbol": ""},
        {"quantity": Decimal(0)},
        {"quantity": Decimal(-1)},
    ],
    ids=str,
)
def test_what_is_not_an_order_of_the_desks_is_not_sent_and_stops_nothing(changes: dict[str, Any]) -> None:
    world = World(accounts=("main", "other"))
    good = world.order("main", BTC, "BUY", "0.010")
    put(world, good._replace(offset=101)._replace(**changes))
    after = world.order("main", ETH, "BUY", "0.010")

    async def story(_: World) -> None:
        await until(lambda: len(world.fills) == 2)
        await asyncio.sleep(1)

    world.live(story=story)

    assert [len(arrived(world, order)) for order in (good, after)] == [1, 1]
    assert len(world.exchange.requests) == 2
    assert any("none of the desk's" in alert for alert in world.alerts)


def test_an_order_that_waits_for_the_allowance_does_not_hold_back_less_risk() -> None:
    world = World()
    world.order("main", BTC, "BUY", "0.010")
    world.live()
    exchange = world.exchange
    room = exchange.room

    async def scarce(account: str, *, urgent: bool) -> None:
        if not urgent:
            await asyncio.sleep(60)
        await room(account, urgent=urgent)

    exchange.room = scarce  # type: ignore[method-assign]  # the allowance is used up, but for what is urgent
    more = world.order("main", BTC, "BUY", "0.010")
    less = world.order("main", BTC, "SELL", "0.010", reduce_only=True)

    world.live()

    world.check()
    assert reason(world, more).startswith("OVERTAKEN")
    assert world.filled(less) == Decimal("0.010")


def test_an_idea_of_the_exchanges_time_that_is_put_back_ends_nothing_before_its_own_sending() -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    exchange = world.exchange
    exchange.off_ms = 150
    order = world.order("main", BTC, "BUY", "0.4")

    async def story(_: World) -> None:
        await until(lambda: arrived(world, order), AT_ONCE_S)
        exchange.off_ms = -100
        await until(lambda: bool(words(world, order)) and words(world, order)[-1] == "EXPIRED")

    world.live(story=story)

    names = [request.client_id for request in arrived(world, order)]
    assert len(names) == len(set(names)) == 3
