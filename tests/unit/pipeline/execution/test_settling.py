"""Following an order that the exchange has, until its last word."""

import asyncio
from decimal import Decimal

import pytest

from streams.exchange.port import OrderReport, OrderStatus
from streams.pipeline.execution.watch import Watch
from tests.execution_acts import Story, arrived, events, steps, until, words
from tests.execution_kit import World
from tests.fake_exchange_faults import Fault
from tests.virtual_loop import Clock, run

BTC = "BTCUSDT"


def report(status: OrderStatus, filled: str) -> OrderReport:
    return OrderReport("a", "1", BTC, "BUY", status, Decimal(1), Decimal(filled), 0)


def heard(*reports: OrderReport) -> list[OrderReport]:
    """Give what is heard of a watch, word by word."""
    watch = Watch()

    async def main() -> list[OrderReport]:
        found = []
        for one in reports:
            watch.put(one)
            new = await watch.next(0.1)
            if new is not None:
                found.append(new)
        return found

    return run(main, clock=Clock())


def test_what_is_filled_only_grows_and_an_end_is_never_taken_back() -> None:
    first, part, more, end = report("OPEN", "0"), report("OPEN", "0.4"), report("OPEN", "0.6"), report("CANCELLED", "0.6")
    assert heard(first, part, more, end) == [first, part, more, end]
    assert heard(part, first, more, part, end, more, first, end) == [part, more, end]
    assert heard(end, report("EXPIRED", "0.4")) == [end]


def test_an_acknowledgement_is_said_before_the_ledger_knows_and_both_name_the_exchanges_id() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")

    world.live()

    [event] = events(world, order)
    [booked] = world.exchange.books("main").orders
    assert event.exchange_order_id == booked.exchange_id
    assert [step.partition("/")[2].partition("/")[0] for step in steps(world, order)[1:]] == ["SENDING", "WORKING", "DONE"]


def test_a_resting_order_is_followed_through_its_parts_to_its_end() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.400", type_="LIMIT", limit="59995")

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        await world.exchange.move(BTC, Decimal("59994.9"), depth_share=Decimal("0.001"))
        await until(lambda: 0 < world.filled(order) < order.quantity)
        await until(lambda: "0/PARTIAL" in steps(world, order))
        await world.exchange.move(BTC, Decimal(59_900), depth_share=Decimal(1))
        await until(lambda: world.filled(order) == order.quantity)

    world.live(story=story)
    world.live()

    world.check()
    assert words(world, order) == ["ACKNOWLEDGED"]


def test_what_was_filled_and_counted_before_a_restart_is_not_said_again_with_the_rest() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.400", type_="LIMIT", limit="59995")

    async def filled_in_part(_: World) -> None:
        await until(lambda: words(world, order))
        await world.exchange.move(BTC, Decimal("59994.9"), depth_share=Decimal("0.001"))
        await until(lambda: "0/PARTIAL" in steps(world, order))
        await world.exchange.move(BTC, Decimal(60_000), depth_share=Decimal(1))
        await asyncio.sleep(2_400)

    async def filled(_: World) -> None:
        await world.exchange.move(BTC, Decimal(59_900), depth_share=Decimal(1))
        await until(lambda: words(world, order) and "0/DONE" in "".join(steps(world, order)))

    world.live(story=filled_in_part)
    world.live(story=filled)
    world.live()

    world.check()
    assert len(world.cluster.read("fills", 0)) == len(world.fills)


def dies_silently(world: World) -> None:
    world.exchange.faults.script_events(*[()] * 50)


def breaks(world: World) -> None:
    world.exchange.break_stream("main", 5.0)


@pytest.mark.parametrize("stream", [dies_silently, breaks])
def test_a_resting_order_is_told_of_without_its_stream_within_a_minute(stream: object) -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59990")
    assert callable(stream)

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        stream(world)
        await world.exchange.move(BTC, Decimal(59_900))
        began_s = world.clock.now_s
        await until(lambda: world.filled(order) == order.quantity)
        assert world.clock.now_s - began_s < 60

    world.live(story=story)
    world.live()
    world.check()


def then_killed(world: World, until_said: str) -> Story:
    async def story(_: World) -> None:
        await until(lambda: until_said in words(world, world.orders[0]))

    return story


def test_whoever_comes_next_follows_what_was_acknowledged_without_sending_or_saying_it_again() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59000")
    world.live(story=then_killed(world, "ACKNOWLEDGED"))
    world.after(1.0, lambda: world.cancel(order))

    world.live()

    world.check()
    assert len(arrived(world, order)) == 1
    assert words(world, order) == ["ACKNOWLEDGED", "CANCELLED"]


def test_an_accepted_order_that_is_not_shown_for_a_while_is_not_taken_for_dead() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59000")
    world.live(story=then_killed(world, "ACKNOWLEDGED"))
    world.exchange.blind(120_000)

    async def story(_: World) -> None:
        await asyncio.sleep(60)
        assert words(world, order) == ["ACKNOWLEDGED"]
        world.cancel(order)
        await until(lambda: world.ends(order))

    world.live(story=story)
    world.live()

    world.check()
    assert words(world, order) == ["ACKNOWLEDGED", "CANCELLED"]


def test_a_name_that_is_in_use_already_is_looked_up_and_taken_for_ours() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59000")
    world.live(story=then_killed(world, "ACKNOWLEDGED"))
    world.cluster.logs["qts-execution-ledger-changelog", 0].clear()  # somebody has deleted the ledger: the worst there is
    world.committed = 0
    world.after(5.0, lambda: world.cancel(order))

    world.live()

    assert [one.status for one in world.exchange.books("main").orders] == ["CANCELLED"]
    assert len([one for one in arrived(world, order) if not one.refused]) == 1


def test_questions_that_fail_while_it_is_followed_end_nothing() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59990")
    world.exchange.faults.script_events(*[()] * 50)

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        world.exchange.faults.script("find", *[Fault(how) for how in ("before", "fatal", "rejected", "ambiguous", "clock_off")])
        await world.exchange.move(BTC, Decimal(59_900))
        await until(lambda: world.filled(order) == order.quantity)

    world.live(story=story)
    world.live()
    world.check()
