"""What is left after a part was filled: how often, and how much of it, is asked for again."""

from decimal import Decimal
from random import Random

import pytest

from streams.desk.outputs import Order
from streams.desk.values import ZERO
from streams.exchange.port import Placing
from streams.pipeline.execution.means import Limits
from streams.pipeline.execution.remainder import remainder
from tests.execution_acts import AT_ONCE_S, arrived, price, steps, take_back, thin_book, until, words
from tests.execution_kit import World, instrument
from tests.fake_exchange_faults import Fault

BTC = "BTCUSDT"
PRICE = Decimal(60_000)
LIMITS = Limits()


def asked(quantity: str) -> Order:
    return World().order("main", BTC, "BUY", quantity)


@pytest.mark.parametrize(
    ("quantity", "filled", "made", "rest"),
    [
        ("1", "0.5", 1, "0.5"),
        ("1", "0.899", 1, "0.101"),
        ("1", "0.9", 1, "0"),
        ("1", "0.899", 2, "0.101"),
        ("1", "0.5", 3, "0"),
        ("1", "0", 1, "0"),
        ("1", "0", 2, "0"),
        ("1", "1", 1, "0"),
        ("0.0105", "0.004", 1, "0.006"),
        ("0.0015", "0.001", 1, "0"),
    ],
)
def test_less_than_nine_tenths_of_what_was_approved_are_asked_for_again_three_times_at_most(
    quantity: str, filled: str, made: int, rest: str
) -> None:
    assert remainder(asked(quantity), Decimal(filled), made, instrument(BTC), PRICE, LIMITS) == Decimal(rest)


def test_a_rest_below_the_least_value_is_dust_and_one_just_above_it_is_not() -> None:
    least = instrument(BTC).min_notional
    order = asked("0.2")
    assert remainder(order, Decimal("0.1"), 1, instrument(BTC), least * 10, LIMITS) == Decimal("0.1")
    assert remainder(order, Decimal("0.1"), 1, instrument(BTC), least * 10 - 1, LIMITS) == ZERO


def test_what_is_not_known_asks_for_nothing() -> None:
    assert remainder(asked("1"), Decimal("0.5"), 1, None, PRICE, LIMITS) == ZERO
    assert remainder(asked("1"), Decimal("0.5"), 1, instrument(BTC), None, LIMITS) == ZERO


def test_never_is_more_asked_for_than_was_approved() -> None:
    chance = Random(1)
    for _ in range(2_000):
        quantity = Decimal(chance.randint(1, 10_000_000)) / 10_000
        filled = quantity * chance.randint(0, 1_200) / 1_000
        rest = remainder(asked("1")._replace(quantity=quantity), filled, chance.randint(1, 4), instrument(BTC), PRICE, LIMITS)
        assert rest >= 0
        assert rest == 0 or filled + rest <= quantity
        assert rest % instrument(BTC).step_size == 0


def test_an_order_that_was_filled_in_part_is_sent_again_for_the_rest_three_times_in_all() -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    order = world.order("main", BTC, "BUY", "0.400")

    world.live()

    world.check()
    sent = [(one.client_id[-3:], one.placing.quantity) for one in arrived(world, order) if isinstance(one.placing, Placing)]
    rest = order.quantity - world.filled(order)
    assert sent == [("-a0", order.quantity), ("-a1", rest), ("-a2", rest)]
    assert words(world, order) == ["ACKNOWLEDGED", "ACKNOWLEDGED", "ACKNOWLEDGED", "EXPIRED"]


def test_nine_tenths_in_two_attempts_are_enough() -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    order = world.order("main", BTC, "BUY", "0.400")
    world.exchange.faults.script("place", Fault(), Fault("retryable"))  # the second one goes out after a second, into a new book

    world.live()

    world.check()
    assert [one.client_id[-3:] for one in arrived(world, order)] == ["-a0", "-a1"]
    assert Decimal("0.360") <= world.filled(order) < Decimal("0.400")
    assert words(world, order)[-1] == "EXPIRED"


def test_with_nine_tenths_at_once_nothing_more_is_sent() -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    order = world.order("main", BTC, "BUY", "0.214")

    world.live()

    world.check()
    assert len(arrived(world, order)) == 1
    assert words(world, order) == ["ACKNOWLEDGED", "EXPIRED"]


def test_an_order_that_brought_nothing_expires_and_is_not_sent_again() -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    world.order("main", BTC, "BUY", "0.300")
    order = world.order("main", BTC, "BUY", "0.100")

    world.live()

    world.check()
    assert len(arrived(world, order)) == 1
    assert words(world, order) == ["ACKNOWLEDGED", "EXPIRED"]


def test_dust_is_recorded_and_done() -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    order = world.order("main", BTC, "BUY", "0.230")

    async def story(_: World) -> None:
        await until(lambda: world.fills, AT_ONCE_S)
        price(world, BTC, "100")  # what is left is worth less than anything may be
        await until(lambda: world.ends(order))

    world.live(story=story)
    world.live()

    world.check()
    assert len(arrived(world, order)) == 1
    assert words(world, order) == ["ACKNOWLEDGED", "EXPIRED"]


def test_an_order_the_desk_wants_back_is_not_sent_again_for_the_rest() -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    order = world.order("main", BTC, "BUY", "0.400")

    async def story(_: World) -> None:
        await until(lambda: world.fills, AT_ONCE_S)
        take_back(world, order)
        await until(lambda: world.ends(order))

    world.live(story=story)
    world.live()

    world.check()
    assert len(arrived(world, order)) == 1
    assert words(world, order) == ["ACKNOWLEDGED", "EXPIRED"]


def test_an_order_the_desk_wants_back_when_its_rest_is_decided_already_is_not_sent_again() -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    order = world.order("main", BTC, "BUY", "0.400")

    async def story(_: World) -> None:
        await until(lambda: any(step.startswith("0/DONE") for step in steps(world, order)), AT_ONCE_S)
        take_back(world, order)
        await until(lambda: world.ends(order))

    world.live(story=story)
    world.live()

    world.check()
    assert len(arrived(world, order)) == 1
    assert words(world, order) == ["ACKNOWLEDGED", "CANCELLED"]


def test_an_order_that_somebody_has_cancelled_at_the_exchange_is_not_sent_again() -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    order = world.order("main", BTC, "BUY", "0.400", type_="LIMIT", limit="60000.1")

    async def story(_: World) -> None:
        await until(lambda: world.fills)
        await world.exchange.cancel("main", BTC, f"{order.order_id}-a0")
        await until(lambda: world.ends(order))

    world.live(story=story)
    world.live()

    world.check()
    assert 0 < world.filled(order) < order.quantity
    assert len(arrived(world, order)) == 1
    assert words(world, order) == ["ACKNOWLEDGED", "CANCELLED"]
