"""Orders reach the exchange once, whatever happens to who sends them."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from random import Random

import pytest

from tests.execution_acts import SEEDS, of_each_kind, thin_book
from tests.execution_kit import World
from tests.fake_exchange_faults import ROUGH, Fault, Faults
from tests.virtual_loop import Kill, Killed

AWAY_S = 2.0
"""From one life to the next."""


def test_a_market_order_is_sent_once_and_its_fills_are_said() -> None:
    world = World()
    order = world.order("main", "BTCUSDT", "BUY", "0.010")

    world.live()

    world.check()
    assert world.filled(order) == Decimal("0.010")
    assert [event.kind for event in world.events] == ["ACKNOWLEDGED"]


def a_few_orders(world: World) -> None:
    world.order("main", "BTCUSDT", "BUY", "0.010")
    world.order("main", "ETHUSDT", "SELL", "0.200")
    world.order("main", "BTCUSDT", "SELL", "0.004", reduce_only=True)


def taken_without_an_answer(world: World) -> None:
    world.exchange.faults.script("place", Fault("after", wait_ms=1_000))
    world.order("main", "BTCUSDT", "BUY", "0.010")


def lost_on_the_way(world: World) -> None:
    world.exchange.faults.script("place", Fault("before", wait_ms=1_000))
    world.order("main", "BTCUSDT", "BUY", "0.010")


def late_on_the_way(world: World) -> None:
    world.exchange.faults.script("place", Fault("late", late_ms=2_000))
    world.order("main", "BTCUSDT", "BUY", "0.010")


def rejected(world: World) -> None:
    world.exchange.faults.script("place", Fault("rejected"))
    world.order("main", "BTCUSDT", "BUY", "0.010")


def not_now(world: World) -> None:
    world.exchange.faults.script("place", Fault("retryable"), Fault("paused", after_s=2))
    world.order("main", "BTCUSDT", "BUY", "0.010")


def resting_and_cancelled(world: World) -> None:
    order = world.order("main", "BTCUSDT", "BUY", "0.010", type_="LIMIT", limit="59000")
    world.after(1.0, lambda: world.cancel(order))


def filled_in_parts(world: World) -> None:
    thin_book(world)
    world.order("main", "BTCUSDT", "BUY", "0.400")


STORIES = (
    a_few_orders, taken_without_an_answer, lost_on_the_way, late_on_the_way, rejected, not_now, resting_and_cancelled, filled_in_parts,
)  # fmt: skip


def live_on(world: World, kill: Kill | None = None) -> list[str]:
    """Live, be killed, and live again until all is settled. Gives the points of the first life."""
    first = kill or Kill()
    try:
        world.live(first)
    except Killed:
        world.clock.now_s += AWAY_S
        world.live()
    return first.points


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_killed_at_any_point_no_order_is_sent_twice_and_none_is_lost(story: Callable[[World], None]) -> None:
    whole = World()
    story(whole)
    points = live_on(whole)
    whole.check()
    assert len(points) > 20

    for number in of_each_kind(points):
        world = World()
        story(world)
        live_on(world, Kill(number))
        try:
            world.check()
        except AssertionError as error:
            raise AssertionError(f"killed at {number}, {points[number]}: {error}") from error


@pytest.mark.parametrize("seed", range(SEEDS))
def test_on_a_bad_day_with_kills_at_random_nothing_is_sent_twice_or_lost(seed: int) -> None:
    chance = Random(seed)
    world = World(Random(seed + 1), accounts=("main", "other"))
    world.exchange.faults = Faults(Random(seed + 2), ROUGH)
    if chance.random() < 0.5:
        thin_book(world)
    for _ in range(8):
        for _ in range(chance.randint(1, 4)):
            symbol = chance.choice(("BTCUSDT", "ETHUSDT"))
            quantity = chance.choice(("0.010", "0.300", "0.500"))
            side, account = chance.choice(("BUY", "SELL")), chance.choice(world.accounts)
            assert side in ("BUY", "SELL")
            if chance.random() < 0.3:
                limit = str(world.prices[symbol] * (Decimal("0.99") if side == "BUY" else Decimal("1.01")))
                order = world.order(account, symbol, "BUY" if side == "BUY" else "SELL", quantity, type_="LIMIT", limit=limit)
                world.after(chance.random() * 10, partial(world.cancel, order))
            else:
                world.order(account, symbol, "BUY" if side == "BUY" else "SELL", quantity)
        try:
            world.live(Kill(chance.randrange(400)))
        except Killed:
            world.clock.now_s += chance.choice((0.1, 2.0, 20.0))
    world.exchange.faults.calm()

    world.live()

    world.check()
