"""The end of orders: what is written when, who comes next, and what is forgotten."""

import asyncio
import gc
from typing import Any

import pytest

from streams.desk.outputs import Order
from streams.pipeline.execution import trades as trades_module
from streams.pipeline.execution.executor import Executor
from streams.pipeline.execution.ledger import CHANGELOG, Ledger
from streams.pipeline.execution.means import Limits
from tests.execution_acts import AT_ONCE_S, arrived, steps, until, words
from tests.execution_kit import CODEC, ORDERS, World
from tests.fake_exchange_faults import Fault
from tests.virtual_loop import Kill, Killed

BTC = "BTCUSDT"


def refused(world: World) -> Order:
    world.exchange.faults.script("place", Fault("rejected"))
    return world.order("main", BTC, "BUY", "0.010")


def too_old(world: World) -> Order:
    order = world.order("main", BTC, "BUY", "0.010")
    world.clock.now_s += 10
    return order


def done(world: World, order: Order) -> bool:
    return any("DONE" in step for step in steps(world, order))


@pytest.mark.parametrize("story", [refused, too_old], ids=lambda story: story.__name__)
def test_that_it_is_over_is_durable_before_it_is_said_and_that_it_was_said_after(story: Any) -> None:
    world = World()
    order = story(world)
    seen: list[tuple[bool, bool]] = []

    async def looking(_: World) -> None:
        while not any("OVER" in step for step in steps(world, order)):
            seen.append((done(world, order), words(world, order) != []))
            await asyncio.sleep(AT_ONCE_S / 2)

    world.live(story=looking)

    assert sorted(set(seen)) == [(False, False), (True, False), (True, True)]


@pytest.mark.parametrize("story", [refused, too_old], ids=lambda story: story.__name__)
def test_an_end_that_was_not_said_is_said_by_whoever_comes_next_and_is_the_same(story: Any) -> None:
    world = World()
    order = story(world)

    async def until_done(_: World) -> None:
        await until(lambda: done(world, order), AT_ONCE_S / 2)

    world.live(story=until_done)
    assert words(world, order) == []
    world.live()

    world.check()
    assert words(world, order) == ["REJECTED"]
    assert len(arrived(world, order)) <= 1


def test_an_end_that_was_said_is_not_said_again() -> None:
    world = World()
    refused(world)
    world.live()
    world.live()

    assert len(world.cluster.read("order-events", 0)) == 1


def deletions(world: World) -> list[tuple[int, bytes]]:
    return [(record.offset, record.key) for record in world.cluster.read(CHANGELOG, 0) if record.value is None and record.key]


def highs(world: World) -> list[tuple[int, bytes]]:
    records = world.cluster.read(CHANGELOG, 0)
    return [
        (record.offset, record.key) for record in records if record.value is not None and record.key and b"/high/" in record.key
    ]


def test_a_high_water_is_written_before_what_is_below_it_is_deleted_and_a_newer_one_before_the_older() -> None:
    world = World(limits=Limits(forget_at=3))
    for _ in range(12):
        world.order("main", BTC, "BUY", "0.001")

    world.live()

    ledger = Ledger(0, CODEC)
    for record in world.cluster.read(CHANGELOG, 0):
        assert record.key is not None
        if record.value is None and b"/order/" in record.key:
            assert ledger.is_over("main", _place(record.key))
        if record.value is None and b"/high/" in record.key:
            assert _place(record.key) < ledger.high["main"]
        ledger.take(record.key, record.value)
    assert len(deletions(world)) > 12 * 3
    assert len(highs(world)) >= 3


def _place(key: bytes) -> Any:
    epoch, offset, n = key.decode().split("/")[3].split("-")
    return int(epoch), int(offset), int(n)


def test_an_open_order_is_never_forgotten_however_many_come_after_it() -> None:
    world = World(accounts=("main", "other"))
    resting = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59000")
    orders = [world.order(account, BTC, "BUY", "0.001") for _ in range(100) for account in ("main", "other")]

    async def story(_: World) -> None:
        await until(lambda: len(world.fills) == len(orders))
        await asyncio.sleep(1)

    world.live(story=story)
    world.cluster.compact(CHANGELOG, 0)
    ledger = Ledger(0, CODEC, world.cluster.table(CHANGELOG, 0).items())
    assert ledger.of_id(resting.order_id) is not None
    assert "main" not in ledger.high
    assert len(ledger.accounts["other"]) < world.limits.forget_at
    world.cancel(resting)

    world.live()

    world.check()
    assert words(world, resting) == ["ACKNOWLEDGED", "CANCELLED"]
    assert sum(1 for _ in Ledger(0, CODEC, world.cluster.table(CHANGELOG, 0).items()).accounts.get("main", {})) < 64


def test_killed_at_any_point_while_it_forgets_nothing_comes_back() -> None:
    def story() -> World:
        world = World(limits=Limits(forget_at=4))
        for _ in range(4):
            world.order("main", BTC, "BUY", "0.001")
        world.clock.now_s += 10
        return world

    points = story().live().points
    for number in range(points.index("batch is durable"), len(points)):
        world = story()
        try:
            world.live(Kill(number))
        except Killed:
            world.clock.now_s += 2
        world.committed = 0
        world.cluster.compact(CHANGELOG, 0)
        world.live()
        world.check()
        assert world.exchange.requests == [], f"killed at {number}, {points[number]}"


def test_who_has_lost_the_lease_forgets_nothing() -> None:
    world = World(limits=Limits(forget_at=1))
    order = world.order("main", BTC, "BUY", "0.010")

    async def story(_: World) -> None:
        await until(lambda: "0/WORKING" in steps(world, order), AT_ONCE_S)
        world.lease.held = False
        await asyncio.sleep(30)

    world.live(story=story)

    assert highs(world) == []
    assert not done(world, order)


def test_who_loses_the_lease_while_an_end_is_being_said_forgets_nothing() -> None:
    world = World(limits=Limits(forget_at=1))
    order = refused(world)

    async def story(_: World) -> None:
        await until(lambda: words(world, order), AT_ONCE_S)
        world.lease.held = False
        await asyncio.sleep(5)
        assert "0/OVER" in steps(world, order)

    world.live(story=story)

    assert highs(world) == []


def reachable(executor: Executor) -> int:
    """Count what hangs on an executor: of its own parts and of plain containers."""
    seen: set[int] = set()
    todo: list[Any] = [executor]
    while todo:
        one = todo.pop()
        own = type(one).__module__.startswith("streams.pipeline.execution")
        if id(one) in seen or not (own or isinstance(one, dict | list | set | tuple) or type(one).__name__ == "deque"):
            continue
        seen.add(id(one))
        todo.extend(gc.get_referents(one))
    return len(seen)


def test_an_executor_that_has_done_many_orders_is_no_larger_than_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trades_module, "SAID_MAX", 64)
    world = World(limits=Limits(forget_at=16))
    sizes: list[int] = []

    async def story(_: World) -> None:
        for _round in range(4):
            for number in range(60):
                world.order("main", BTC, "BUY" if number % 2 else "SELL", "0.001")
                if number % 10 == 0:
                    world.cancel(world.order("main", BTC, "BUY", "0.001", type_="LIMIT", limit="59000"))
            await until(lambda: world.committed == world.cluster.ends[ORDERS, 0])
            await until(lambda: world.executor is not None and world.executor.settled)
            assert world.executor is not None
            sizes.append(reachable(world.executor))

    world.live(story=story)

    assert max(sizes[1:]) < sizes[0] + 100, sizes
