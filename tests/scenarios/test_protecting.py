"""A position has its stop at the exchange, whoever is killed where; a position that is gone has none."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from random import Random

import pytest

from connectors.exchange.simulator.records import NewOrder
from streams.desk.messages import OrderSide
from streams.desk.outputs import Order
from streams.desk.turn import order_id
from streams.desk.values import ZERO
from streams.exchange.port import AccountRef, StopPlacing, StopReport
from streams.pipeline.execution.ledger import CHANGELOG
from streams.pipeline.execution.means import Limits
from tests.execution_kit import World
from tests.fake_exchange_faults import ROUGH, Fault, Faults
from tests.virtual_loop import Kill, Killed

BTC, ETH = "BTCUSDT", "ETHUSDT"
SOON_S = 300.0
"""What has not happened by then does not happen."""

OFTEN = Limits(sweep_s=5, sweep_account_s=5)
"""Compare often, where it is waited for."""


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SOON_S):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


def stops(world: World, symbol: str = BTC) -> list[StopReport]:
    """Give the stops that are open at the exchange."""
    return [stop for stop in world.exchange.books("main").stops if stop.symbol == symbol and stop.status == "OPEN"]


def prices(world: World) -> list[Decimal]:
    return [stop.trigger_price for stop in stops(world)]


def held(world: World, symbol: str = BTC) -> Decimal:
    return sum((one.quantity for one in world.exchange.books("main").positions if one.symbol == symbol), ZERO)


def quiet(world: World) -> bool:
    assert world.executor is not None
    return world.executor.settled and "main" in world.executor.standing.reconciled


def buy(world: World, stop: str, quantity: str = "0.010") -> Order:
    return world.order("main", BTC, "BUY", quantity, stop=stop)


def close(world: World, quantity: str = "0.010") -> Order:
    return world.order("main", BTC, "SELL", quantity, reduce_only=True)


async def move(world: World, mark: str, symbol: str = BTC) -> None:
    world.prices[symbol] = Decimal(mark)
    await world.exchange.move(symbol, Decimal(mark))


@pytest.mark.parametrize(("side", "other", "price"), [("BUY", "SELL", "58000"), ("SELL", "BUY", "62000")])
def test_the_first_fill_places_the_stop_the_desk_approved(side: OrderSide, other: OrderSide, price: str) -> None:
    world = World()
    order = world.order("main", BTC, side, "0.010", stop=price)

    world.live()

    (stop,) = stops(world)
    assert (stop.client_id, stop.side, stop.trigger_price) == (f"{order.order_id}-s1", other, Decimal(price))


def test_it_is_placed_with_the_first_part_of_an_order_that_rests() -> None:
    world = World()
    world.exchange.pay("main", Decimal(10_000_000))
    world.order("main", BTC, "BUY", "90", type_="LIMIT", limit="60005", stop="58000")

    async def story(world: World) -> None:
        await until(lambda: held(world) > 0 and bool(stops(world)))
        assert held(world) < 90

    world.live(story=story)


def test_an_order_without_a_fill_and_one_that_reduces_get_none() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59000", stop="58000")
    world.after(1, lambda: world.cancel(order))
    world.order("main", BTC, "SELL", "0.010", reduce_only=True, stop="58000")

    world.live()

    assert world.exchange.books("main").stops == []


def test_a_newer_order_with_another_price_replaces_it() -> None:
    world = World()
    buy(world, "58000")
    world.live()
    buy(world, "58500")

    world.live()

    assert prices(world) == [Decimal(58_500)]


def test_of_stops_that_were_replaced_while_a_position_grows_nothing_is_kept() -> None:
    world = World(limits=Limits(sweep_s=5, sweep_account_s=5, forget_at=1))
    for price in ("58000", "58100", "58200"):
        buy(world, price)
    newest = buy(world, "58300")

    async def story(world: World) -> None:
        assert world.executor is not None
        await until(lambda: prices(world) == [Decimal(58_300)] and quiet(world))
        await until(lambda: {key.split(b"/")[4] for key in world.cluster.table(CHANGELOG, 0) if b"/stop/" in key} == {name})

    name = f"{newest.order_id}-s1".encode()
    world.live(story=story)


def test_a_newer_order_with_the_same_price_leaves_it_alone() -> None:
    world = World()
    buy(world, "58000")
    buy(world, "58000")

    world.live()

    assert len(world.exchange.books("main").stops) == 1


def test_an_older_order_that_is_filled_later_changes_nothing() -> None:
    world = World()
    world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59000", stop="57000")
    buy(world, "58000")

    async def story(world: World) -> None:
        await until(lambda: bool(stops(world)))
        await move(world, "58900")
        await until(lambda: held(world) == Decimal("0.020"))
        await until(lambda: quiet(world))

    world.live(story=story)

    assert prices(world) == [Decimal(58_000)]


def test_closing_the_position_takes_it_back_and_it_is_forgotten_with_its_order() -> None:
    world = World(limits=Limits(sweep_s=5, sweep_account_s=5, forget_at=1))
    buy(world, "58000")
    world.live()
    world.clock.now_s += 10

    async def story(world: World) -> None:
        close(world)
        await until(lambda: held(world) == 0 and not stops(world))
        await until(lambda: not any(b"/stop/" in key for key in world.cluster.table(CHANGELOG, 0)))

    world.live(story=story)

    assert [alert for alert in world.alerts if "stop" in alert] == []


def test_closing_a_part_leaves_it() -> None:
    world = World()
    buy(world, "58000")
    world.live()
    world.clock.now_s += 10

    async def story(world: World) -> None:
        close(world, "0.004")
        await until(lambda: held(world) == Decimal("0.006"))
        await asyncio.sleep(100)

    world.live(story=story)

    assert prices(world) == [Decimal(58_000)]


def test_a_stop_that_is_reached_is_a_fill_of_its_order_and_is_not_placed_again() -> None:
    world = World()
    order = buy(world, "58000")
    world.live()

    async def story(world: World) -> None:
        await until(lambda: quiet(world))
        await move(world, "57900")
        await until(lambda: len(world.fills) == 2)
        await asyncio.sleep(100)

    world.live(story=story)

    assert {fill.order_id for fill in world.fills} == {order.order_id}
    assert len(world.exchange.books("main").stops) == 1
    assert held(world) == 0
    assert [alert for alert in world.alerts if "stop" in alert or "not ours" in alert] == []


def test_a_stop_that_somebody_cancelled_is_placed_again() -> None:
    world = World()
    buy(world, "58000")
    world.live()

    async def heard(world: World) -> None:
        await until(lambda: quiet(world))
        await world.exchange.cancel_stop("main", BTC, stops(world)[0].client_id)
        await until(lambda: bool(stops(world)))

    world.live(story=heard)
    world.exchange._inside.engine.cancel_algo("main", None, stops(world)[0].client_id, world.clock.wall_ms())  # noqa: SLF001 - by hand
    world.clock.now_s += 10

    async def unheard(world: World) -> None:
        await until(lambda: bool(stops(world)))

    world.live(story=unheard)

    assert prices(world) == [Decimal(58_000)]


def test_a_stop_that_would_trigger_at_once_is_alerted_and_closing_is_left_to_the_desk() -> None:
    world = World()
    buy(world, "61000")

    world.live()

    assert stops(world) == []
    assert len([alert for alert in world.alerts if "closing is left to the desk" in alert]) == 1


def test_a_new_stop_that_would_trigger_at_once_does_not_cost_the_old_one() -> None:
    world = World()
    buy(world, "58000")
    world.live()
    buy(world, "61000")

    world.live()

    assert prices(world) == [Decimal(58_000)]
    assert len([alert for alert in world.alerts if "the one before stays" in alert]) == 1


def test_when_the_price_is_back_the_new_stop_replaces_the_old_one() -> None:
    world = World()
    buy(world, "58000")
    world.live()

    async def story(world: World) -> None:
        buy(world, "59500")
        await until(lambda: held(world) == Decimal("0.020"))
        await asyncio.sleep(10)
        world.prices[BTC] = Decimal(60_000)
        await until(lambda: prices(world) == [Decimal(59_500)])

    world.prices[BTC] = Decimal(59_000)
    world.live(story=story)


def test_a_position_nobody_approved_a_stop_for_is_told_of_once() -> None:
    world = World()
    world.order("main", BTC, "BUY", "0.010")

    async def story(world: World) -> None:
        await until(lambda: held(world) > 0)
        await asyncio.sleep(200)

    world.live(story=story)

    assert len([alert for alert in world.alerts if "none was approved" in alert]) == 1


def test_a_stop_of_ours_that_is_over_here_gives_way() -> None:
    world = World()
    world.live(story=lambda world: until(lambda: quiet(world)))

    async def story(world: World) -> None:
        await until(lambda: quiet(world))
        name = f"{order_id(1, 'main', 7, 0)}-s1"
        stray = StopPlacing("main", name, BTC, "SELL", Decimal(50_000), world.clock.wall_ms(), 3_000)
        await world.exchange.place_stop(stray)
        buy(world, "58000")
        await until(lambda: prices(world) == [Decimal(58_000)])

    world.live(story=story)


def test_a_foreign_stop_is_told_of_once_and_left_alone() -> None:
    world = World()

    async def story(world: World) -> None:
        await until(lambda: quiet(world))
        world.exchange.by_hand("main", NewOrder(BTC, "BUY", "MARKET", Decimal("0.010")))
        await world.exchange.place_stop(StopPlacing("main", "mine", BTC, "SELL", Decimal(50_000), world.clock.wall_ms(), 3_000))
        await asyncio.sleep(100)

    world.live(story=story)

    assert prices(world) == [Decimal(50_000)]
    assert len([alert for alert in world.alerts if "is not ours" in alert and "stop" in alert]) == 1


FAULTS = (
    Fault("after", wait_ms=1_000),
    Fault("before", wait_ms=1_000),
    Fault("late", late_ms=2_000),
    Fault("late", late_ms=8_000),
    Fault("retryable"),
    Fault("clock_off"),
    Fault("paused", after_s=3),
    Fault("fatal"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.how} {fault.late_ms}")
def test_whatever_becomes_of_the_request_there_is_one_stop_in_the_end(fault: Fault) -> None:
    world = World()
    world.exchange.faults.script("place_stop", fault)
    buy(world, "58000")

    world.live()

    assert prices(world) == [Decimal(58_000)]
    made = [stop.client_id for stop in world.exchange.books("main").stops]
    assert len(made) == len(set(made)) == 1


@pytest.mark.parametrize("fault", FAULTS[:4], ids=lambda fault: f"{fault.how} {fault.late_ms}")
def test_whatever_becomes_of_the_cancel_the_new_stop_takes_its_place(fault: Fault) -> None:
    world = World()
    buy(world, "58000")
    world.live()
    world.exchange.faults.script("cancel_stop", fault)
    buy(world, "58500")

    world.live()

    assert prices(world) == [Decimal(58_500)]


def test_who_may_not_send_places_no_stop() -> None:
    world = World()
    buy(world, "58000")
    world.exchange.faults.script("place_stop", Fault("retryable"))

    async def story(world: World) -> None:
        await until(lambda: any("is not placed yet" in alert for alert in world.alerts))
        world.lease.held = False
        await asyncio.sleep(30)
        assert stops(world) == []
        world.lease.held = True
        await until(lambda: len(stops(world)) == 1)

    world.live(story=story)


def opened(world: World) -> None:
    buy(world, "58000")


def replaced(world: World) -> None:
    buy(world, "58000")
    world.after(2, lambda: buy(world, "58500"))


def placed_without_an_answer(world: World) -> None:
    world.exchange.faults.script("place_stop", Fault("after", wait_ms=1_000))
    buy(world, "58000")


def closed_again(world: World) -> None:
    buy(world, "58000")
    world.after(8, lambda: close(world))


def reached(world: World) -> None:
    def fall() -> None:
        world.prices[BTC] = Decimal(57_900)
        world.exchange.put(BTC, Decimal(57_900))

    buy(world, "58000")
    world.after(3, fall)


STORIES = (opened, replaced, placed_without_an_answer, closed_again, reached)


def protected(world: World) -> str:
    """Tell what is wrong with the stops; nothing where each position has the one that was approved with what was filled last."""
    filled = [order.protective_stop for order in world.orders if not order.reduce_only and world.filled(order)]
    expected = filled[-1:] if held(world) else []
    if expected and any("immediately trigger" in alert for alert in world.alerts):
        expected = []
    return "" if prices(world) == expected else f"position {held(world)}, stops {prices(world)} instead of {expected}"


async def looked_over(world: World) -> None:
    """Wait until everything has been compared."""
    await until(lambda: quiet(world) and not world._later)  # noqa: SLF001 - the kit's own
    await asyncio.sleep(20)
    await until(lambda: quiet(world))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_killed_at_any_point_each_position_has_its_stop(story: Callable[[World], None]) -> None:
    whole = World(limits=OFTEN)
    story(whole)
    points = whole.live().points
    assert "log: qts-execution-ledger-changelog reached" in points

    for number, point in enumerate(points):
        world = World(limits=OFTEN)
        story(world)
        try:
            world.live(Kill(number))
        except Killed:
            world.clock.now_s += 2
        world.live(story=looked_over)
        assert not protected(world), f"killed at {number}, {point}: {protected(world)}"
        names = [stop.client_id for stop in world.exchange.books("main").stops]
        assert len(names) == len(set(names)), "a stop was sent twice"


class OpensAgain(Kill):
    """At the chosen point the account is opened again with other keys."""

    def __init__(self, world: World, chosen: int) -> None:
        super().__init__()
        self._world, self._when = world, chosen

    async def at(self, name: str) -> None:
        await super().at(name)
        if len(self.points) - 1 == self._when:
            assert self._world.executor is not None
            self._world.executor.accounts.begin(AccountRef("main", "OTHER_KEYS", Decimal(5)))


def cancelled_by_hand(world: World) -> None:
    def cancel() -> None:
        for one in stops(world):
            world.exchange._inside.engine.cancel_algo("main", None, one.client_id, world.clock.wall_ms())  # noqa: SLF001 - by hand

    buy(world, "58000")
    world.after(8, cancel)
    world.after(30, lambda: None)


@pytest.mark.parametrize(
    "story", [opened, replaced, placed_without_an_answer, cancelled_by_hand], ids=lambda story: story.__name__
)
def test_opened_again_with_other_keys_at_any_point_each_position_has_its_stop(story: Callable[[World], None]) -> None:
    whole = World(limits=OFTEN)
    story(whole)
    for number, point in enumerate(whole.live().points):
        world = World(limits=OFTEN)
        story(world)
        world.live(OpensAgain(world, number), looked_over)
        assert not protected(world), f"opened again at {number}, {point}: {protected(world)}"
        world.check()


@pytest.mark.parametrize("seed", range(20))
def test_on_a_bad_day_with_kills_each_position_has_its_stop(seed: int) -> None:
    chance = Random(seed)
    world = World(Random(seed + 1), limits=OFTEN)
    world.exchange.faults = Faults(Random(seed + 2), ROUGH)
    for number in range(6):
        if chance.random() < 0.3:
            close(world, "0.020")
        else:
            buy(world, str(57_000 + number * 100), chance.choice(("0.010", "0.030")))
        try:
            world.live(Kill(chance.randrange(40, 600)), looked_over)
        except Killed:
            world.clock.now_s += chance.choice((0.1, 2.0, 20.0))
    world.exchange.faults.calm()

    world.live(story=looked_over)

    assert not protected(world), protected(world)
    names = [stop.client_id for stop in world.exchange.books("main").stops]
    assert len(names) == len(set(names)), "a stop was sent twice"
