"""Two executors of one partition: one is paused, anywhere and for as long as it takes, and wakes up when the other has taken over."""

from collections.abc import Callable
from decimal import Decimal
from random import Random

import pytest

from streams.pipeline.execution.means import Limits
from tests.execution_acts import SEEDS, arrived, of_each_kind, thin_book
from tests.execution_kit import World
from tests.execution_pair import FIRST, SECOND, Pair
from tests.fake_exchange_faults import ROUGH, Fault, Faults
from tests.virtual_loop import START_MS, Kill

BTC, ETH = "BTCUSDT", "ETHUSDT"
PATIENT = Limits(age_ms_max=120_000)
"""So that whoever takes over sends what whoever was paused has not."""


def an_order(world: World) -> None:
    world.order("main", BTC, "BUY", "0.010")


def taken_without_an_answer(world: World) -> None:
    world.exchange.faults.script("place", Fault("after", wait_ms=1_000))
    world.order("main", BTC, "BUY", "0.010")


def rejected(world: World) -> None:
    world.exchange.faults.script("place", Fault("rejected"))
    world.order("main", BTC, "BUY", "0.010")


def not_now(world: World) -> None:
    world.exchange.faults.script("place", Fault("retryable"), Fault("paused", after_s=2))
    world.order("main", BTC, "BUY", "0.010")


def resting_and_cancelled(world: World) -> None:
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59000")
    world.after(1.0, lambda: world.cancel(order))


def filled_in_parts(world: World) -> None:
    thin_book(world)
    world.order("main", BTC, "BUY", "0.400")


STORIES = (an_order, taken_without_an_answer, rejected, not_now, resting_and_cancelled, filled_in_parts)


def check(world: World) -> None:
    """Compare, and look that whatever was said of an order was said by one voice."""
    world.check()
    for order in world.orders:
        assert len(world.ends(order)) <= 1, f"two ends: {world.ends(order)}"
        sent = [one.client_id for one in arrived(world, order) if not one.refused]
        assert len(sent) == len(set(sent)), "sent twice"


@pytest.mark.parametrize(("story", "limits"), [(an_order, Limits()), *((story, PATIENT) for story in STORIES)])
def test_whoever_is_paused_anywhere_sends_nothing_twice_and_says_nothing_else_when_it_wakes_up(
    story: Callable[[World], None], limits: Limits
) -> None:
    world = World(limits=limits)
    story(world)
    points = Pair(world).live({})[FIRST]
    check(world)
    first = next(number for number, point in enumerate(points) if point.startswith("log: "))

    for number in of_each_kind(points):
        if number < first:
            continue
        world = World(limits=limits)
        story(world)
        Pair(world).live({FIRST: [number]})
        world.live()
        try:
            check(world)
        except AssertionError as error:
            raise AssertionError(f"paused at {number}, {points[number]}: {error}") from error


class Suspended(Kill):
    """The machine is suspended at a point: nothing runs, and time goes on."""

    def __init__(self, world: World, chosen: int, seconds: float) -> None:
        super().__init__()
        self._world, self._number, self._seconds = world, chosen, seconds

    async def at(self, name: str) -> None:
        await super().at(name)
        if len(self.points) - 1 == self._number:
            self._world.clock.now_s += self._seconds


@pytest.mark.parametrize("seconds", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("story", STORIES[:-1], ids=lambda story: story.__name__)
def test_who_is_suspended_for_less_than_a_session_goes_on_and_sends_nothing_twice(
    story: Callable[[World], None], seconds: float
) -> None:
    world = World(limits=PATIENT)
    story(world)
    points = world.live().points

    for number in of_each_kind(points):
        world = World(limits=PATIENT)
        story(world)
        world.live(Suspended(world, number, seconds))
        try:
            check(world)
        except AssertionError as error:
            raise AssertionError(f"suspended at {number}, {points[number]}: {error}") from error


def test_a_request_that_was_held_back_by_a_pause_is_refused_and_its_order_goes_out_once() -> None:
    world = World(limits=PATIENT)
    order = world.order("main", BTC, "BUY", "0.010")
    points = Pair(world).live({})[FIRST]
    world = World(limits=PATIENT)
    order = world.order("main", BTC, "BUY", "0.010")

    Pair(world).live({FIRST: [points.index("place: asked")]})

    [request] = arrived(world, order)
    assert "recvWindow" in request.refused
    assert world.ends(order) == ["EXPIRED"]


def test_an_intent_that_becomes_durable_after_somebody_else_has_sent_the_order_changes_nothing() -> None:
    world = World(limits=PATIENT)
    order = world.order("main", BTC, "BUY", "0.010")
    points = Pair(world).live({})[FIRST]
    intent = points.index("log: acknowledged", points.index("room")) - 1
    assert points[intent] == "log: qts-execution-ledger-changelog reached"
    world = World(limits=PATIENT)
    order = world.order("main", BTC, "BUY", "0.010")

    Pair(world).live({FIRST: [intent]})
    world.live()

    check(world)
    [request] = arrived(world, order)
    assert request.at_ms - START_MS > 20_000, "by the second"
    assert world.filled(order) == order.quantity
    assert [event.kind for event in world.events] == ["ACKNOWLEDGED"]


@pytest.mark.parametrize("seed", range(SEEDS // 5))
def test_on_a_bad_day_two_that_are_paused_in_turns_send_nothing_twice(seed: int) -> None:
    chance = Random(seed)
    world = World(Random(seed + 1), accounts=("main", "other"), limits=chance.choice([Limits(), PATIENT]))
    world.exchange.faults = Faults(Random(seed + 2), ROUGH)
    if chance.random() < 0.5:
        thin_book(world)
    for _ in range(chance.randint(1, 6)):
        symbol, account = chance.choice((BTC, ETH)), chance.choice(world.accounts)
        if chance.random() < 0.3:
            limit = str(world.prices[symbol] * Decimal("0.99"))
            order = world.order(account, symbol, "BUY", "0.010", type_="LIMIT", limit=limit)
            world.after(chance.random() * 10, lambda order=order: world.cancel(order))  # type: ignore[misc]  # each its own
        else:
            world.order(account, symbol, "BUY", chance.choice(("0.010", "0.400")))
    pauses = {name: sorted(chance.sample(range(300), chance.randint(1, 4))) for name in (FIRST, SECOND)}

    Pair(world).live(pauses)
    world.exchange.faults.calm()
    world.live()

    check(world)
