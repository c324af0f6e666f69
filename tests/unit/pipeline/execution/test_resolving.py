"""Finding out what became of a request that nobody answered: asked for until there is proof, and never guessed."""

import asyncio
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from streams.desk.outputs import Order
from streams.pipeline.execution.asking import is_dead
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.means import NOT_FOUND_MS
from tests.execution_acts import AT_ONCE_S, Story, arrived, events, steps, until, words
from tests.execution_kit import SlowLog, World
from tests.fake_exchange import Latency
from tests.fake_exchange_faults import Call, Fault
from tests.virtual_loop import START_MS, Kill, run

BTC = "BTCUSDT"
LOST = Fault("before", wait_ms=1_000)
TAKEN = Fault("after", wait_ms=1_000)


def in_doubt(fault: Fault = LOST, **others: Any) -> tuple[World, Order]:
    world = World()
    world.exchange.faults.script("place", fault)
    return world, world.order("main", BTC, "BUY", "0.010", **others)


def dead_ms(world: World, order: Order) -> int:
    """When the request is certainly over."""
    unknown = next(event for event in events(world, order) if event.kind == "UNKNOWN")
    return unknown.ts + world.limits.window_ms + NOT_FOUND_MS


def sent_for(seconds: float) -> Story:
    async def story(_: World) -> None:
        await asyncio.sleep(seconds)

    return story


def asked_at_s(world: World, order: Order, seconds: float) -> list[float]:
    """Live for a while; give when it was asked for after the request was answered."""
    found: list[float] = []
    find = world.exchange.find

    async def noting(account: str, symbol: str, client_id: str) -> Any:
        if client_id.startswith(order.order_id):
            found.append(world.clock.now_s)
        return await find(account, symbol, client_id)

    world.exchange.find = noting  # type: ignore[method-assign]  # the exchange notes no questions
    world.live(story=sent_for(seconds))
    return found


def test_it_is_asked_for_after_half_a_second_and_then_less_often_down_to_every_eight_seconds() -> None:
    world, order = in_doubt()
    world.exchange.faults.always(Fault("retryable"), "find")

    times = asked_at_s(world, order, 60)

    waits = [round(later - sooner, 1) for sooner, later in pairwise(times)]
    assert waits[:6] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_unknown_is_said_once_as_soon_as_nobody_knows() -> None:
    world, order = in_doubt()

    world.live(story=sent_for(3))

    [event] = events(world, order)
    assert event.kind == "UNKNOWN"
    assert len(world.cluster.read("order-events", 0)) == 1


def test_it_is_never_given_up_and_a_person_hears_of_it_after_half_a_minute() -> None:
    world, order = in_doubt()
    world.exchange.faults.always(Fault("retryable"), "find")

    world.live(story=sent_for(29))
    before = list(world.alerts)
    world.live(story=sent_for(120))

    assert [alert for alert in before if "UNKNOWN" in alert] == []
    assert len([alert for alert in world.alerts if f"{order.order_id}-a0 is UNKNOWN" in alert]) == 1
    assert words(world, order) == ["UNKNOWN"]


def test_a_request_that_never_arrived_expires_when_that_is_proven_and_no_sooner() -> None:
    world, order = in_doubt()

    world.live()

    world.check()
    assert words(world, order) == ["UNKNOWN", "EXPIRED"]
    said = events(world, order)[-1]
    assert said.reason == "NEVER_ACCEPTED"
    assert said.ts == dead_ms(world, order)


@pytest.mark.parametrize("error_ms", [1, 200])
def test_no_proof_is_there_before_the_exchanges_own_clock_less_its_error_is_past_the_window_and_ten_seconds(
    error_ms: int,
) -> None:
    world, order = in_doubt()
    world.exchange.error_ms = error_ms
    listed: list[int] = []
    open_orders = world.exchange.open_orders

    async def noting(account: str, symbol: str | None = None) -> Any:
        if symbol is not None:
            listed.append(world.clock.wall_ms())
        return await open_orders(account, symbol)

    world.exchange.open_orders = noting  # type: ignore[method-assign]  # the exchange notes no questions
    world.live()

    assert len(listed) == 2
    assert min(listed) > dead_ms(world, order) + error_ms


@pytest.mark.parametrize(
    ("past_ms", "error_ms", "dead"), [(0, 0, False), (1, 0, True), (200, 200, False), (201, 200, True), (9_999, None, False)]
)
def test_a_request_is_dead_when_the_clock_is_past_it_also_if_it_is_wrong_by_its_error(
    past_ms: int, error_ms: int | None, dead: bool
) -> None:
    world = World()
    sent = StepRecord(START_MS, Decimal(1), world.limits.window_ms)
    world.clock.now_s = (world.limits.window_ms + NOT_FOUND_MS + past_ms) / 1_000
    world.exchange.error_ms = error_ms
    found: list[bool] = []

    async def main() -> None:
        found.append(is_dead(world.means(SlowLog(world.cluster, Kill())), sent))

    run(main, clock=world.clock)
    assert found == [dead]


@pytest.mark.parametrize("off", ["unknown", "slow"])
def test_while_the_exchanges_time_is_not_known_nothing_is_proven(off: str) -> None:
    world, order = in_doubt()

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        if off == "unknown":
            world.exchange.error_ms = None
        else:
            world.exchange.off_ms = -600_000
        await asyncio.sleep(90)

    world.live(story=story)

    assert words(world, order) == ["UNKNOWN"]


@pytest.mark.parametrize("call", ["find", "open_orders", "orders", "trades"])
def test_one_question_that_is_never_answered_is_no_answer(call: Call) -> None:
    world, order = in_doubt()

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        world.exchange.faults.always(Fault("retryable"), call)
        await asyncio.sleep(90)
        assert words(world, order) == ["UNKNOWN"]
        world.exchange.faults.calm()
        await until(lambda: world.ends(order))

    world.live(story=story)
    assert words(world, order) == ["UNKNOWN", "EXPIRED"]


@pytest.mark.parametrize("how", ["before", "ambiguous", "retryable", "paused", "clock_off", "fatal", "rejected"])
@pytest.mark.parametrize("call", ["find", "open_orders", "orders", "trades"])
def test_questions_that_fail_count_for_nothing(call: Call, how: Any) -> None:
    world, order = in_doubt()
    answered: list[float] = []
    trades = world.exchange.trades

    async def noting(account: str, symbol: str, **about: Any) -> Any:
        found = await trades(account, symbol, **about)
        answered.append(world.clock.wall_ms())
        return found

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        world.exchange.trades = noting  # type: ignore[method-assign]  # the exchange notes no questions
        world.exchange.faults.script(call, *[Fault(how, after_s=1.0)] * 6)
        await until(lambda: world.ends(order))

    world.live(story=story)

    assert words(world, order) == ["UNKNOWN", "EXPIRED"]
    assert len([at_ms for at_ms in answered if at_ms > dead_ms(world, order)]) >= 2, "two looks that were answered to the end"


def test_an_order_that_was_taken_is_found_and_followed() -> None:
    world, order = in_doubt(TAKEN)

    world.live()

    world.check()
    assert words(world, order) == ["UNKNOWN", "ACKNOWLEDGED"]
    assert world.filled(order) == order.quantity


@pytest.mark.parametrize("blind_s", [5, 12, 14, 20])
def test_an_order_that_nobody_is_shown_for_a_while_is_adopted_when_it_turns_up(blind_s: int) -> None:
    world, order = in_doubt(TAKEN, type_="LIMIT", limit="59000")
    world.exchange.faults.script_events(*[()] * 20)
    world.exchange.blind(blind_s * 1_000)

    async def story(_: World) -> None:
        await until(lambda: "ACKNOWLEDGED" in words(world, order) or world.ends(order))
        world.cancel(order)
        await until(lambda: world.ends(order))

    world.live(story=story)

    if blind_s * 1_000 < world.limits.window_ms + NOT_FOUND_MS:
        assert words(world, order) == ["UNKNOWN", "ACKNOWLEDGED", "CANCELLED"]


def test_an_order_that_turns_up_between_the_two_looks_is_adopted() -> None:
    world, order = in_doubt(TAKEN, type_="LIMIT", limit="59000")
    world.exchange.blind(10_000_000)
    world.exchange.faults.script_events(*[()] * 20)
    looks: list[float] = []
    orders = world.exchange.orders

    async def noting(account: str, symbol: str, since_ms: int) -> Any:
        found = await orders(account, symbol, since_ms)
        looks.append(world.clock.now_s)
        return found

    world.exchange.orders = noting  # type: ignore[method-assign]  # the exchange notes no questions

    async def story(_: World) -> None:
        await until(lambda: looks, AT_ONCE_S)
        await asyncio.sleep(0.1)
        world.exchange.blind(0)
        await until(lambda: "ACKNOWLEDGED" in words(world, order))
        world.cancel(order)
        await until(lambda: world.ends(order))

    world.live(story=story)

    world.check()
    assert words(world, order) == ["UNKNOWN", "ACKNOWLEDGED", "CANCELLED"]


def test_a_trade_whose_order_is_in_no_list_may_be_its_own() -> None:
    world, order = in_doubt(TAKEN)
    world.exchange.faults.script_events(*[()] * 20)
    hidden = True
    find, orders = world.exchange.find, world.exchange.orders

    async def not_found(account: str, symbol: str, client_id: str) -> Any:
        return await find(account, symbol, f"{client_id}x" if hidden else client_id)

    async def none(account: str, symbol: str, since_ms: int) -> Any:
        return [] if hidden else await orders(account, symbol, since_ms)

    world.exchange.find, world.exchange.orders = not_found, none  # type: ignore[method-assign]  # it has lists that lag one by one

    async def story(_: World) -> None:
        nonlocal hidden
        await asyncio.sleep(120)
        assert words(world, order) == ["UNKNOWN"]
        hidden = False
        await until(lambda: world.filled(order) == order.quantity)

    world.live(story=story)


def test_the_stream_settles_what_nobody_answered() -> None:
    world, order = in_doubt(TAKEN)
    world.exchange.faults.always(Fault("retryable"), "find")
    began_s = world.clock.now_s

    async def story(_: World) -> None:
        await until(lambda: "ACKNOWLEDGED" in words(world, order))

    world.live(story=story)

    assert world.clock.now_s - began_s < 3


def test_a_late_request_that_is_refused_for_its_age_was_never_accepted() -> None:
    world, order = in_doubt(Fault("late", late_ms=8_000))

    world.live()

    world.check()
    [request] = arrived(world, order)
    assert "recvWindow" in request.refused
    assert words(world, order) == ["UNKNOWN", "EXPIRED"]


def test_a_late_request_inside_its_window_is_found_although_it_was_looked_for_before() -> None:
    world, order = in_doubt(Fault("late", late_ms=2_500))

    world.live()

    world.check()
    assert words(world, order) == ["UNKNOWN", "ACKNOWLEDGED"]


def test_whoever_comes_next_asks_for_what_was_being_sent_and_waits_for_the_proof() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")
    world.exchange.latency["place"] = Latency(20, 5_000)
    world.exchange.faults.script("place", Fault("before", wait_ms=10_000))

    async def ends_early(_: World) -> None:
        await until(lambda: any("SENDING" in step for step in steps(world, order)), AT_ONCE_S)

    world.live(story=ends_early)
    world.live()

    world.check()
    assert arrived(world, order) == []
    assert words(world, order) == ["UNKNOWN", "EXPIRED"]
    assert world.clock.wall_ms() > dead_ms(world, order)
