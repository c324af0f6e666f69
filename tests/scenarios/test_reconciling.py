"""Whatever happens at the exchange is said, once, and what no trade explains is said as well."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from connectors.exchange.simulator.records import NewOrder
from streams.desk.messages import AccountEvent, OrderSide
from streams.desk.turn import order_id
from streams.desk.values import ZERO
from streams.exchange.port import Payment
from streams.pipeline.execution.means import Limits
from tests.execution_kit import CODEC, World
from tests.fake_exchange_faults import ROUGH, Fault, Faults
from tests.virtual_loop import Kill, Killed

BTC, ETH = "BTCUSDT", "ETHUSDT"
SOON_S = 600.0
"""What has not happened by then does not happen."""

Story = Callable[[World], Awaitable[None]]


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SOON_S):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)


def by_hand(world: World, side: OrderSide, quantity: str, symbol: str = BTC, **others: Any) -> None:
    world.exchange.by_hand("main", NewOrder(symbol, side, "MARKET", Decimal(quantity), **others))


def unheard(world: World) -> None:
    """Let no event be heard any more."""
    world.exchange.faults.script_events(*([()] * 200))


def said(world: World, topic: str) -> list[Any]:
    """Give what is on a topic, each thing once; the same id has to say the same."""
    found: dict[str, Any] = {}
    for record in world.cluster.read(topic, 0):
        assert record.value is not None
        message = CODEC.decode(record.value)
        assert found.setdefault(message.event_id, message) == message, "one id says two things"
    return list(found.values())


def adjustments(world: World) -> list[AccountEvent]:
    return [event for event in said(world, "account-events") if event.kind == "ADJUSTMENT"]


def booked(world: World, symbol: str = BTC) -> Decimal:
    """Give the position the desk has been told."""
    reversed_ids = {event.reverses for event in adjustments(world)}
    whole = sum(
        (event.quantity for event in adjustments(world) if event.symbol == symbol and event.event_id not in reversed_ids), ZERO
    )
    return whole + sum(
        (fill.quantity if fill.side == "BUY" else -fill.quantity for fill in world.fills if fill.symbol == symbol), ZERO
    )


def held(world: World, symbol: str = BTC) -> Decimal:
    return sum((one.quantity for one in world.exchange.books("main").positions if one.symbol == symbol), ZERO)


def swept(world: World) -> bool:
    assert world.executor is not None
    return "main" in world.executor.standing.reconciled


def test_what_was_traded_by_hand_while_nobody_ran_becomes_fills_of_nobodys_order() -> None:
    world = World()
    world.order("main", BTC, "BUY", "0.010")
    world.live()
    by_hand(world, "BUY", "0.005")
    by_hand(world, "SELL", "0.3", ETH)

    async def story(world: World) -> None:
        await until(lambda: len(world.fills) == 3)

    world.live(story=story)

    world.check()
    assert {fill.order_id[0] for fill in world.fills} == {"q", "x"}
    assert adjustments(world) == []
    assert booked(world) == held(world) == Decimal("0.015")


def test_an_order_by_hand_is_told_of_once_and_its_trades_are_booked() -> None:
    world = World()

    async def story(world: World) -> None:
        await until(lambda: swept(world))
        world.exchange.by_hand("main", NewOrder(BTC, "BUY", "LIMIT", Decimal("0.01"), Decimal(59_000)))
        await asyncio.sleep(70)
        await world.exchange.move(BTC, Decimal(58_000))
        await until(lambda: len(world.fills) == 1)
        await asyncio.sleep(70)

    world.live(story=story)

    world.check()
    assert [alert for alert in world.alerts if "not ours" in alert] == [
        "account main: order 1 of BTCUSDT is not ours; its trades are booked as they come"
    ]
    assert adjustments(world) == []


def test_the_order_of_a_trade_is_found_however_long_it_waited() -> None:
    world = World()
    world.live(story=lambda world: until(lambda: swept(world)))
    world.exchange.by_hand("main", NewOrder(BTC, "BUY", "LIMIT", Decimal("0.01"), Decimal(59_000)))
    world.clock.now_s += 7_200
    world.exchange.put(BTC, Decimal(58_000))
    world.clock.now_s += 10

    async def story(world: World) -> None:
        await until(lambda: len(world.fills) == 1)

    world.live(story=story)

    world.check()


def test_a_position_from_before_is_adopted() -> None:
    world = World()
    by_hand(world, "BUY", "0.020")

    async def story(world: World) -> None:
        await until(lambda: len(adjustments(world)) == 1)
        await asyncio.sleep(100)

    world.clock.now_s += 60
    world.live(story=story)

    (event,) = adjustments(world)
    assert (event.symbol, event.quantity, event.amount, event.reverses) == (BTC, Decimal("0.020"), ZERO, None)
    assert abs(event.price / 60_000 - 1) < Decimal("0.01")
    assert world.fills == [], "its trades are not ours to say"
    assert booked(world) == held(world)
    assert len([alert for alert in world.alerts if "no trade explains" in alert]) == 1


def test_until_a_position_is_explained_nothing_that_adds_risk_is_sent() -> None:
    world = World()
    by_hand(world, "BUY", "0.020")
    world.clock.now_s += 60

    async def story(world: World) -> None:
        order = world.order("main", BTC, "BUY", "0.010")
        await until(lambda: bool(world.ends(order)) and swept(world))

    world.live(story=story)

    (event,) = world.events
    assert "NOT_RECONCILED" in event.reason


def test_a_trade_that_is_listed_late_is_booked_meanwhile_and_that_is_reversed() -> None:
    world = World()
    world.order("main", BTC, "BUY", "0.010")

    async def story(world: World) -> None:
        await until(lambda: swept(world) and len(world.fills) == 1)
        await asyncio.sleep(120)
        unheard(world)
        world.exchange.blind(100_000)
        by_hand(world, "BUY", "0.020")
        await until(lambda: len(adjustments(world)) == 1)
        assert booked(world) == held(world) == Decimal("0.030")
        await until(lambda: len(adjustments(world)) == 2)
        await asyncio.sleep(100)

    world.live(story=story)

    made, undone = adjustments(world)
    assert undone.reverses == made.event_id
    assert made.quantity == Decimal("0.020")
    assert booked(world) == held(world) == Decimal("0.030")
    world.check()


def test_of_several_trades_that_are_listed_late_each_takes_its_part_of_the_adjustment() -> None:
    world = World()

    async def story(world: World) -> None:
        await until(lambda: swept(world))
        unheard(world)
        world.exchange.blind(100_000)
        by_hand(world, "BUY", "0.020")
        await asyncio.sleep(40)
        by_hand(world, "SELL", "0.005")
        await until(lambda: len(adjustments(world)) == 4)
        await asyncio.sleep(100)

    world.live(story=story)

    first, second, third, fourth = adjustments(world)
    assert (first.quantity, second.quantity) == (Decimal("0.020"), Decimal("-0.005"))
    assert (third.reverses, fourth.reverses) == (first.event_id, second.event_id)
    assert booked(world) == held(world) == Decimal("0.015")
    world.check()


def test_looks_that_do_not_agree_say_nothing() -> None:
    world = World()
    positions, looks = world.exchange.positions, [0]

    async def behind(account: str) -> Any:
        looks[0] += 1
        held = await positions(account)
        return [one._replace(quantity=one.quantity + (looks[0] + 1) // 2) for one in held]  # one look is two questions

    async def story(world: World) -> None:
        await until(lambda: swept(world) and len(world.fills) == 1)
        world.exchange.positions = behind  # type: ignore[method-assign]  # it answers from one copy that is behind after the other
        await asyncio.sleep(60)

    world.order("main", BTC, "BUY", "0.010")
    world.live(story=story)

    assert looks[0] > 10
    assert adjustments(world) == []


def test_an_order_in_doubt_explains_what_it_may_explain() -> None:
    world = World()

    async def story(world: World) -> None:
        await until(lambda: swept(world))
        unheard(world)
        world.exchange.blind(12_000)
        world.exchange.faults.script("place", Fault("after", wait_ms=10_000))
        order = world.order("main", BTC, "BUY", "0.010")
        await until(lambda: world.filled(order) == Decimal("0.010"))

    world.live(story=story)

    assert adjustments(world) == []
    world.check()


def test_a_question_without_an_answer_means_nothing() -> None:
    world = World()
    world.order("main", BTC, "BUY", "0.010")
    world.live()

    async def story(world: World) -> None:
        assert world.executor is not None
        world.exchange.faults.always(Fault("before"), "positions", "trades", "open_orders", "open_stops", "payments")
        await asyncio.sleep(120)
        assert not swept(world)
        world.exchange.faults.calm()
        await until(lambda: swept(world))

    world.live(story=story)

    assert adjustments(world) == []


def test_an_order_of_ours_that_is_over_here_and_open_there_is_taken_back() -> None:
    world = World()
    name = f"{order_id(1, 'main', 7, 0)}-a0"

    async def story(world: World) -> None:
        await until(lambda: swept(world))
        world.exchange.by_hand("main", NewOrder(BTC, "BUY", "LIMIT", Decimal("0.01"), Decimal(59_000), client_id=name))
        await until(lambda: [one.status for one in world.exchange.books("main").orders] == ["CANCELLED"])

    world.live(story=story)

    assert len([alert for alert in world.alerts if "it is taken back" in alert]) == 1


def payments(world: World) -> list[tuple[str, Decimal]]:
    return [(event.kind, event.amount) for event in said(world, "account-events") if event.kind != "ADJUSTMENT"]


def test_money_that_moved_is_said_whoever_was_away_then() -> None:
    world = World()
    world.exchange.pay("main", Decimal(1))
    world.clock.now_s += 60
    world.live(story=lambda world: until(lambda: swept(world)))
    world.exchange.pay("main", Decimal(50))
    world.clock.now_s += 30
    world.exchange.pay("main", Decimal(-20))

    async def story(world: World) -> None:
        await until(lambda: len(payments(world)) == 2)
        world.exchange.pay("main", Decimal(7))
        await until(lambda: len(payments(world)) == 3)

    world.live(story=story)

    assert payments(world) == [("DEPOSIT", Decimal(50)), ("WITHDRAWAL", Decimal(20)), ("DEPOSIT", Decimal(7))]


def test_a_payment_is_said_once_however_often_and_late_it_is_listed() -> None:
    world = World()

    async def first(world: World) -> None:
        await until(lambda: swept(world))
        world.exchange.pay("main", Decimal(50))
        await until(lambda: len(payments(world)) == 1)
        await asyncio.sleep(1_300)

    async def second(world: World) -> None:
        await until(lambda: swept(world))
        await asyncio.sleep(60)

    world.live(story=first)
    assert world.executor is not None
    world.live(story=second)

    assert len(world.cluster.read("account-events", 0)) == 1
    kept = [key for key in world.cluster.table("qts-execution-ledger-changelog", 0) if b"/paid/" in key]
    assert kept == [b"0/main/paid/*"]


@pytest.mark.parametrize(
    ("payment", "expected"),
    [
        (Payment("FUNDING_FEE-1-BTCUSDT", "FUNDING", BTC, Decimal("-0.5"), "USDT", 0), [("FUNDING", Decimal("-0.5"))]),
        (Payment("INSURANCE_CLEAR-1", "LIQUIDATION", None, Decimal(3), "USDT", 0), [("LIQUIDATION", Decimal(3))]),
        (Payment("REFERRAL_KICKBACK-1", "OTHER", None, Decimal(2), "USDT", 0), [("DEPOSIT", Decimal(2))]),
        (Payment("API_REBATE-1", "OTHER", None, Decimal(-2), "USDT", 0), [("WITHDRAWAL", Decimal(2))]),
        (Payment("TRANSFER-1", "DEPOSIT", None, Decimal(2), "BNB", 0), []),
    ],
    ids=["funding", "insurance", "bonus", "clawback", "another coin"],
)
def test_a_payment_is_said_as_what_the_desk_books_it_as(payment: Payment, expected: list[tuple[str, Decimal]]) -> None:
    world = World()

    async def story(world: World) -> None:
        assert world.executor is not None
        await until(lambda: swept(world))
        for _ in range(2):
            await world.executor.reconciling.pay("main", payment._replace(ts=world.clock.wall_ms()))

    world.live(story=story)

    assert payments(world) == expected


def test_an_account_is_compared_the_more_seldom_the_more_there_are() -> None:
    names = tuple(f"a{number}" for number in range(4))
    world = World(accounts=names, limits=Limits(sweep_s=30, sweep_account_s=25))
    asked: list[float] = []

    async def story(world: World) -> None:
        await until(lambda: world.executor is not None and len(world.executor.standing.reconciled) == 4)
        positions = world.exchange.positions

        async def counted(account: str) -> Any:
            asked.append(world.clock.now_s)
            return await positions(account)

        world.exchange.positions = counted  # type: ignore[method-assign]  # to count
        await asyncio.sleep(500)

    world.live(story=story)

    assert 16 <= len(asked) <= 24, "four accounts, each every 90 to 100 seconds"


async def settled(world: World) -> None:
    await until(lambda: swept(world))
    await asyncio.sleep(30)


def away() -> World:
    """Give a world in which somebody traded by hand before us and while we were away, and is about to do so unseen."""
    world = World(limits=Limits(sweep_s=5, sweep_account_s=5))
    by_hand(world, "BUY", "0.020")
    world.clock.now_s += 60
    world.live(story=lambda world: until(lambda: swept(world)))
    by_hand(world, "SELL", "0.004")
    world.exchange.pay("main", Decimal(9))
    world.clock.now_s += 60
    return world


async def unseen_trade(world: World) -> None:
    await until(lambda: swept(world))
    unheard(world)
    world.exchange.blind(20_000)
    by_hand(world, "BUY", "0.007")
    await asyncio.sleep(35)


def test_killed_at_any_point_the_same_is_booked() -> None:
    whole = away()
    points = whole.live(story=unseen_trade).points
    assert booked(whole) == held(whole) == Decimal("0.023")
    assert payments(whole) == [("DEPOSIT", Decimal(9))]
    assert len(adjustments(whole)) == 3, "what was there, what was unseen, and that it has been seen"
    assert {"log: account-events reached", "log: fills reached"} <= set(points)

    for number, point in enumerate(points):
        world = away()
        try:
            world.live(Kill(number), unseen_trade)
        except Killed:
            world.exchange.blind(0)
            by_hand(world, "BUY", "0.001")
            world.clock.now_s += 10
        world.live(story=settled)
        assert booked(world) == held(world), f"killed at {number}, {point}"
        assert payments(world) == [("DEPOSIT", Decimal(9))], f"killed at {number}, {point}"


@pytest.mark.parametrize("seed", range(20))
def test_on_a_bad_day_with_kills_and_somebody_trading_by_hand_all_is_booked(seed: int) -> None:
    chance = Random(seed)
    world = World(Random(seed + 1), limits=Limits(sweep_s=5, sweep_account_s=5))
    world.exchange.faults = Faults(Random(seed + 2), ROUGH)
    for _ in range(6):
        world.exchange.blind(chance.choice((0, 0, 3_000, 30_000)))
        for _ in range(chance.randint(1, 3)):
            side: OrderSide = chance.choice(("BUY", "SELL"))
            if chance.random() < 0.5:
                by_hand(world, side, chance.choice(("0.004", "0.030")), chance.choice((BTC, ETH)))
            else:
                world.order("main", chance.choice((BTC, ETH)), side, "0.050")
        try:
            world.live(Kill(chance.randrange(60, 900)), settled)
        except Killed:
            world.clock.now_s += chance.choice((0.1, 2.0, 20.0))
    world.exchange.faults.calm()
    world.exchange.blind(0)

    world.live(story=settled)

    for symbol in (BTC, ETH):
        assert booked(world, symbol) == held(world, symbol)
