"""What keeps an order from being sent: for a while, or for good. Less risk has to wait for less."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from streams.desk.messages import EVERY_ACCOUNT, CloseAccount, Command, Disable, Enable, Reset, Trip
from streams.pipeline.execution.mark_board import MarkBoard
from streams.pipeline.execution.means import CLOCK_ERROR_MS_MAX, Limits
from tests.execution_acts import AT_ONCE_S, arrived, price, reason, steps, stop, take_back, thin_book, until, words
from tests.execution_kit import World
from tests.fake_exchange_faults import Fault

BTC, ETH = "BTCUSDT", "ETHUSDT"
Set = Callable[[World, bool], None]


def lease(world: World, well: bool) -> None:
    world.lease.held = well


def short_lease(world: World, well: bool) -> None:
    world.lease.session_s = 10.0 if well else world.limits.window_ms / 1000 + world.limits.margin_s


def clock(world: World, well: bool) -> None:
    world.exchange.error_ms = CLOCK_ERROR_MS_MAX + (0 if well else 1)


def unknown_clock(world: World, well: bool) -> None:
    world.exchange.error_ms = 1 if well else None


def control(world: World, well: bool) -> None:
    world.control_is_read = well
    world.brakes.read_up_to(world.clock.now_s if well else float("-inf"))


def prices(world: World, well: bool) -> None:
    world.prices = {BTC: Decimal(60_000), ETH: Decimal(3_000)} if well else {}
    if not well:
        world.board = MarkBoard()


def account(world: World, well: bool) -> None:
    if well:
        world.exchange.faults.calm()
    else:
        world.exchange.faults.always(Fault("retryable"), "check")


def reconciled(world: World, well: bool) -> None:
    if well:
        world.exchange.faults.calm()
    else:
        world.exchange.faults.always(Fault("retryable"), "open_orders")


def answers(world: World, well: bool) -> None:
    world.exchange.well = well


ALL = (lease, short_lease, clock, unknown_clock, control, prices, account, reconciled, answers)
NOT_FOR_LESS_RISK = (control, prices, reconciled, answers)


def holding(world: World) -> None:
    """Have a position to reduce."""
    world.order("main", BTC, "BUY", "0.010")
    world.live()


@pytest.mark.parametrize("what", ALL, ids=lambda what: what.__name__)
def test_an_order_waits_while_something_is_missing_and_goes_when_it_is_there(what: Set) -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")
    what(world, False)
    before: list[int] = []
    world.after(1.9, lambda: before.append(len(arrived(world, order))))
    world.after(2.0, lambda: what(world, True))

    world.live()

    world.check()
    assert before == [0]
    assert len(arrived(world, order)) == 1
    assert world.filled(order) == order.quantity


@pytest.mark.parametrize("what", ALL, ids=lambda what: what.__name__)
def test_an_order_that_waited_too_long_is_refused_and_never_sent(what: Set) -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")
    what(world, False)
    world.after(8.0, lambda: what(world, True))

    world.live()

    world.check()
    assert arrived(world, order) == []
    assert words(world, order) == ["REJECTED"]
    assert reason(world, order).startswith("TOO_OLD ")


@pytest.mark.parametrize("what", NOT_FOR_LESS_RISK, ids=lambda what: what.__name__)
def test_less_risk_does_not_wait_for_what_is_missing_only_for_more(what: Set) -> None:
    world = World()
    holding(world)
    less = world.order("main", BTC, "SELL", "0.010", reduce_only=True)
    what(world, False)

    async def story(_: World) -> None:
        await until(lambda: arrived(world, less))

    began_s = world.clock.now_s
    world.live(story=story)

    assert world.clock.now_s - began_s < 1.0


@pytest.mark.parametrize("what", NOT_FOR_LESS_RISK, ids=lambda what: what.__name__)
def test_more_risk_that_has_to_wait_does_not_keep_less_risk_behind_it_waiting(what: Set) -> None:
    world = World()
    holding(world)
    more, less = world.order("main", BTC, "BUY", "0.010"), world.order("main", BTC, "SELL", "0.010", reduce_only=True)
    what(world, False)
    world.after(8.0, lambda: what(world, True))

    world.live()

    world.check()
    assert arrived(world, more) == []
    assert reason(world, more).startswith("OVERTAKEN ")
    assert world.filled(less) == less.quantity
    assert arrived(world, less)[0].at_ms < world.orders[1].ts + 1_500


@pytest.mark.parametrize("what", [what for what in ALL if what not in NOT_FOR_LESS_RISK], ids=lambda what: what.__name__)
def test_less_risk_waits_for_what_is_missing_for_everybody(what: Set) -> None:
    world = World()
    holding(world)
    less = world.order("main", BTC, "SELL", "0.010", reduce_only=True)
    what(world, False)
    before: list[int] = []
    world.after(1.9, lambda: before.append(len(arrived(world, less))))
    world.after(2.0, lambda: what(world, True))

    world.live()

    assert before == [0]
    assert world.filled(less) == less.quantity


@pytest.mark.parametrize("price", ["66000.1", "53999.9"])
def test_a_price_that_has_left_the_collar_refuses_an_order_and_not_less_risk(price: str) -> None:
    world = World()
    holding(world)
    more, less = world.order("main", BTC, "BUY", "0.010"), world.order("main", BTC, "SELL", "0.010", reduce_only=True)
    world.prices[BTC] = Decimal(price)

    world.live()

    world.check()
    assert arrived(world, more) == []
    assert reason(world, more).startswith("COLLAR ")
    assert world.filled(less) == less.quantity


def test_an_order_is_sent_at_the_very_end_of_its_collar() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")
    world.prices[BTC] = Decimal(66_000)

    world.live()

    assert world.filled(order) == order.quantity


def test_a_limit_order_whose_lifetime_is_over_is_refused() -> None:
    world = World(limits=Limits(age_ms_max=120_000))
    order = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59000")
    world.clock.now_s += 60.0

    world.live()

    assert arrived(world, order) == []
    assert words(world, order) == ["REJECTED"]


@pytest.mark.parametrize("command", [Trip(), Disable(), CloseAccount()])
@pytest.mark.parametrize("whose", ["main", EVERY_ACCOUNT])
def test_no_order_goes_out_that_was_made_before_a_stop_whatever_resets_came_after(whose: str, command: Command) -> None:
    world = World(accounts=("main", "other"))
    holding(world)
    more, less = world.order("main", BTC, "BUY", "0.010"), world.order("main", BTC, "SELL", "0.010", reduce_only=True)
    other = world.order("other", BTC, "BUY", "0.010")
    stop(world, 5, whose, command)
    stop(world, 6, whose, Reset(override=True))
    stop(world, 7, whose, Enable())

    world.live()

    world.check()
    assert arrived(world, more) == []
    assert words(world, more) == ["REJECTED"]
    assert world.filled(less) == less.quantity
    assert len(arrived(world, other)) == (1 if whose == "main" else 0)


def test_a_stop_that_is_read_while_the_intent_is_being_written_keeps_the_request_back() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")

    async def story(_: World) -> None:
        await until(lambda: any("SENDING" in step for step in steps(world, order)), AT_ONCE_S)
        stop(world, 5)
        await until(lambda: words(world, order))

    world.live(story=story)

    assert any("SENDING" in step for step in steps(world, order))
    assert arrived(world, order) == []
    assert words(world, order) == ["REJECTED"]


def test_a_wish_to_cancel_that_is_read_while_the_intent_is_being_written_keeps_the_request_back() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")

    async def story(_: World) -> None:
        await until(lambda: world.exchange.rooms, AT_ONCE_S)
        take_back(world, order)
        await until(lambda: words(world, order))

    world.live(story=story)

    assert arrived(world, order) == []
    assert words(world, order) == ["CANCELLED"]


def test_a_lease_that_ends_while_the_intent_is_being_written_keeps_the_request_back() -> None:
    world = World(limits=Limits(age_ms_max=60_000))
    order = world.order("main", BTC, "BUY", "0.010")

    async def story(_: World) -> None:
        await until(lambda: world.exchange.rooms, AT_ONCE_S)
        world.lease.held = False
        await asyncio.sleep(20)
        assert any("SENDING" in step for step in steps(world, order))
        assert arrived(world, order) == []
        assert words(world, order) == []

    world.live(story=story)
    world.lease.held = True
    world.live()

    world.check()
    assert arrived(world, order) == []
    assert words(world, order) == ["UNKNOWN", "EXPIRED"]


def test_who_has_lost_the_lease_decides_nothing_about_an_order() -> None:
    world = World()
    order = world.order("main", BTC, "BUY", "0.010")
    world.lease.held = False

    async def story(_: World) -> None:
        await asyncio.sleep(30)

    world.live(story=story)

    assert words(world, order) == []
    assert steps(world, order) == ["new"]


def test_a_halted_account_stays_halted_whatever_else_is_checked_for_it() -> None:
    world = World(accounts=("main", "other"))
    world.exchange.faults.script("place", Fault("fatal"))
    world.order("main", BTC, "BUY", "0.010")
    later = {}

    async def story(_: World) -> None:
        await until(lambda: world.alerts)
        later["same symbol"] = world.order("main", BTC, "BUY", "0.010")
        later["new symbol"] = world.order("main", ETH, "BUY", "0.010")
        later["less risk"] = world.order("main", ETH, "SELL", "0.010", reduce_only=True)
        later["other account"] = world.order("other", BTC, "BUY", "0.010")
        await until(lambda: all(words(world, order) for order in later.values()))

    world.live(story=story)

    assert {name for name, order in later.items() if arrived(world, order)} == {"other account"}
    assert "ACCOUNT_HALTED" in reason(world, later["new symbol"])


def test_an_account_whose_check_fails_for_good_goes_on_when_it_succeeds() -> None:
    world = World()
    world.exchange.faults.script("check", Fault("fatal"))
    first = world.order("main", BTC, "BUY", "0.010")

    async def story(_: World) -> None:
        await until(lambda: words(world, first))
        assert "ACCOUNT_HALTED" in reason(world, first)
        await asyncio.sleep(10)
        world.order("main", BTC, "BUY", "0.010")
        await until(lambda: world.fills)

    world.live(story=story)


def stopped(world: World) -> None:
    stop(world, 5)


def dear(world: World) -> None:
    price(world, BTC, "67000")


def late(world: World) -> None:
    world.exchange.error_ms = None


@pytest.mark.parametrize(("holds_back", "code"), [(stopped, "TRIPPED"), (dear, "COLLAR"), (late, "TOO_OLD")])
def test_what_is_left_after_a_part_was_filled_is_looked_at_like_a_new_order(
    holds_back: Callable[[World], None], code: str
) -> None:
    world = World(step_ms=1_000)
    thin_book(world)
    order = world.order("main", BTC, "BUY", "0.400")

    async def story(_: World) -> None:
        await until(lambda: world.fills, AT_ONCE_S)
        holds_back(world)
        await until(lambda: world.ends(order))

    world.live(story=story)
    world.live()

    world.check()
    assert 0 < world.filled(order) < order.quantity
    assert [one.client_id[-3:] for one in arrived(world, order)] == ["-a0"]
    assert words(world, order)[-1] == "EXPIRED"
    assert reason(world, order).startswith(code)
