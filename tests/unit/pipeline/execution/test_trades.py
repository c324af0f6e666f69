"""Trades are said once each, under their order's name, by whichever way they are heard of first; and they are added up."""

import asyncio
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from streams.desk.values import ZERO
from streams.exchange.port import Trade
from streams.pipeline.execution import trades as module
from streams.pipeline.execution.tasks import Tasks
from streams.pipeline.execution.trades import Trades
from tests.execution_acts import events, until, words
from tests.execution_kit import SlowLog, World
from tests.fake_exchange_faults import Fault
from tests.virtual_loop import Kill, run

BTC = "BTCUSDT"


def trade(number: int, exchange_id: str = "7", quantity: str = "1") -> Trade:
    return Trade(f"t{number}", BTC, exchange_id, "", "BUY", Decimal(60_000), Decimal(quantity), ZERO, "USDT", 1_700_000_000_000)


def saying(world: World, what: Any) -> None:
    """Let something be done with trades of a world, on a log that works."""

    async def main() -> None:
        broken: list[BaseException] = []
        log = SlowLog(world.cluster, Kill())
        tasks = Tasks(broken.append)
        pumping = asyncio.ensure_future(log.pump())
        await what(Trades(world.means(log), tasks))
        pumping.cancel()
        assert broken == []

    run(main, clock=world.clock)


def test_a_trade_that_is_heard_of_twice_is_said_once_and_both_wait_until_that_is_durable() -> None:
    world = World()

    async def what(trades: Trades) -> None:
        assert trades.sum_of("main", "7") == ZERO
        await asyncio.gather(*(trades.say("main", trade(1), "q1-8d17ae7160-2t-0-a0") for _ in range(3)))
        assert len(world.fills) == 1
        assert trades.sum_of("main", "7") == 1

    saying(world, what)
    assert len(world.cluster.read("fills", 0)) == 1
    assert world.fills[0].order_id == "q1-8d17ae7160-2t-0"


@pytest.mark.parametrize(
    "name", ["", "by-hand", "q1-8d17ae7160-2t-0", "q1-8d17ae7160-2t-0-a", "xq1-8d17ae7160-2t-0-a0", "q1-8d17ae7160-2t-0-a0x"]
)
def test_a_trade_of_somebody_elses_order_is_said_under_the_exchanges_name(name: str) -> None:
    world = World()

    async def what(trades: Trades) -> None:
        await trades.say("main", trade(1), name)

    saying(world, what)
    assert world.fills[0].order_id == "x7"


def test_whoever_waits_for_a_trade_and_is_cancelled_takes_it_from_nobody() -> None:
    world = World()

    async def what(trades: Trades) -> None:
        waiting = asyncio.ensure_future(trades.say("main", trade(1), ""))
        await asyncio.sleep(0)
        waiting.cancel()
        await trades.say("main", trade(1), "")
        assert len(world.fills) == 1

    saying(world, what)


def test_an_order_is_remembered_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAID_MAX", 10)
    world = World()

    async def what(trades: Trades) -> None:
        chance = Random(1)
        for number in range(300):
            await trades.say("main", trade(number, str(chance.randint(1, 6))), "")
            sums = [trades.sum_of("main", str(order)) for order in range(1, 7)]
            assert sum(sums) <= 10
        for number in range(100):
            await trades.say("main", trade(1_000 + number, "one large order"), "")
        assert trades.sum_of("main", "one large order") == 100
        await trades.say("main", trade(2_000, "8"), "")
        assert trades.sum_of("main", "one large order") == ZERO

    saying(world, what)


def test_a_resting_order_some_of_whose_trades_were_forgotten_still_comes_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAID_MAX", 3)
    world = World()
    order = world.order("main", BTC, "BUY", "0.400", type_="LIMIT", limit="59995")

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        for price in ("59994.9", "59994.8", "59994.7"):
            await world.exchange.move(BTC, Decimal(price), depth_share=Decimal("0.001"))
            world.order("main", "ETHUSDT", "BUY", "0.010")
            await asyncio.sleep(1)
        await world.exchange.move(BTC, Decimal(59_990), depth_share=Decimal(1))
        await until(lambda: world.filled(order) == order.quantity)

    world.live(story=story)
    world.live()

    world.check()
    assert len([fill for fill in world.fills if fill.order_id == order.order_id]) > 3


def test_an_order_whose_stream_is_deaf_is_filled_all_the_same() -> None:
    world = World()
    world.exchange.faults.script_events(*[()] * 50)
    order = world.order("main", BTC, "BUY", "0.010")

    world.live()

    world.check()
    assert world.filled(order) == order.quantity


def test_events_late_twice_and_out_of_order_are_all_the_same() -> None:
    for seed in range(10):
        chance = Random(seed)
        world = World()
        world.exchange.faults.script_events(
            *[tuple(chance.randint(0, 3_000) for _ in range(chance.randint(0, 3))) for _ in range(30)]
        )
        order = world.order("main", BTC, "BUY", "1.000")

        world.live()

        world.check()
        assert world.filled(order) == order.quantity


def test_an_end_counts_only_when_the_trades_come_to_it() -> None:
    world = World()
    world.exchange.faults.script_events(*[()] * 50)
    order = world.order("main", BTC, "BUY", "0.010")

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        world.exchange.faults.always(Fault("retryable"), "trades")
        await asyncio.sleep(60)

    world.exchange.faults.script("trades", *[Fault("retryable")] * 2)
    world.live(story=story)
    over = world.executor is not None and world.executor.settled
    world.exchange.faults.calm()
    world.live()

    world.check()
    assert not over
    assert [event.kind for event in events(world, order)] == ["ACKNOWLEDGED"]


def test_trades_that_are_shown_late_are_waited_for() -> None:
    world = World()
    world.exchange.faults.script_events(*[()] * 50)
    world.exchange.blind(9_000)
    order = world.order("main", BTC, "BUY", "0.010")

    world.live()

    world.check()
    assert world.filled(order) == order.quantity


def test_a_resting_order_that_fills_while_its_stream_is_broken_is_said_under_its_own_name() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59990")

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        await asyncio.sleep(20)
        world.exchange.faults.script_events(*[()] * 50)
        await world.exchange.move(BTC, Decimal(59_900))
        world.exchange.break_stream("main")
        await until(lambda: world.fills)

    world.live(story=story)
    world.live()

    world.check()
    assert [fill.order_id for fill in world.fills] == [order.order_id]


def test_a_resting_order_nobody_acknowledged_that_fills_while_its_stream_is_broken_is_said_under_its_own_name() -> None:
    world = World()
    world.exchange.faults.script("place", Fault("after", wait_ms=1_000))
    world.exchange.faults.script_events(*[()] * 50)
    world.exchange.faults.always(Fault("retryable"), "find")
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59990")

    async def story(_: World) -> None:
        await until(lambda: words(world, order))
        await asyncio.sleep(20)
        await world.exchange.move(BTC, Decimal(59_900))
        world.exchange.break_stream("main")
        await asyncio.sleep(60)
        world.exchange.faults.calm()
        await until(lambda: world.fills)

    world.live(story=story)
    world.live()

    world.check()
    assert [fill.order_id for fill in world.fills] == [order.order_id]
