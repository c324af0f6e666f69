"""What the fake exchange can do besides what the contract of the port asks: go wrong, and outlive those who use it."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from random import Random

import pytest

from connectors.exchange.simulator.records import NewOrder
from streams.exchange.errors import Ambiguous, ClockOff, ExchangeError, Fatal, NotThere, Paused, Rejected, Retryable
from streams.exchange.port import AccountRef, Connected, Lost, OrderReport, Placing, Trade, UserEvent
from tests.fake_exchange import FakeExchange, Latency
from tests.fake_exchange_faults import PASS, ROUGH, Fault, Faults
from tests.virtual_loop import Clock, Kill, Killed, run

BTC, QUANTITY = "BTCUSDT", Decimal("0.010")
REF = AccountRef("main", "main", Decimal(5))


class World:
    """An exchange with one account, and its clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.exchange = FakeExchange(self.clock)
        self.exchange.open("main")

    def play(self, story: Callable[[FakeExchange], Awaitable[None]], kill: Kill | None = None) -> None:
        """Let somebody check the account and do something."""
        self.exchange.kill = kill or Kill()

        async def played() -> None:
            await self.exchange.check(REF, [BTC])
            await story(self.exchange)

        run(played, clock=self.clock)

    def later(self, seconds: float) -> None:
        """Let time pass while nobody is there."""
        self.clock.now_s += seconds


def an_order(exchange: FakeExchange, name: str = "one") -> Placing:
    return Placing("main", name, BTC, "BUY", "MARKET", QUANTITY, None, False, exchange.now_ms(), 5_000)


@pytest.mark.parametrize(
    ("fault", "error", "orders"),
    [
        (Fault("before"), Ambiguous, 0),
        (Fault("after", wait_ms=10_000), Ambiguous, 1),
        (Fault("late", late_ms=4_000), Ambiguous, 1),
        (Fault("late", late_ms=6_000), Ambiguous, 0),
        (Fault("ambiguous"), Ambiguous, 0),
        (Fault("retryable", after_s=2.0), Retryable, 0),
        (Fault("paused", after_s=2.0), Paused, 0),
        (Fault("rejected", code="-2019"), Rejected, 0),
        (Fault("clock_off"), ClockOff, 0),
        (Fault("fatal"), Fatal, 0),
        (Fault("pass", late_ms=6_000), ClockOff, 0),
    ],
    ids=lambda value: f"{value.how} {value.late_ms}" if isinstance(value, Fault) else "",
)
def test_a_placing_that_goes_wrong_was_done_or_not_as_it_is_written(
    fault: Fault, error: type[ExchangeError], orders: int
) -> None:
    async def story(exchange: FakeExchange) -> None:
        exchange.faults.script("place", fault)
        with pytest.raises(error):
            await exchange.place(an_order(exchange))
        await asyncio.sleep(10)

    world = World()
    world.play(story)
    assert len(world.exchange.books("main").orders) == orders


def test_what_arrives_late_is_not_there_before_and_is_on_record_when_it_is() -> None:
    async def story(exchange: FakeExchange) -> None:
        exchange.faults.script("place", Fault("late", late_ms=3_000))
        order = an_order(exchange)
        with pytest.raises(Ambiguous):
            await exchange.place(order)
        with pytest.raises(NotThere):
            await exchange.find("main", BTC, "one")
        await asyncio.sleep(3)

        assert (await exchange.find("main", BTC, "one")).status == "FILLED"
        (arrived,) = exchange.requests
        assert (arrived.at_ms, arrived.client_id, arrived.placing, arrived.refused) == (order.sent_ms + 3_005, "one", order, "")

    World().play(story)


def test_a_question_that_goes_wrong_may_be_asked_again() -> None:
    async def story(exchange: FakeExchange) -> None:
        exchange.faults.script("positions", Fault("before"), PASS, Fault("ambiguous"))
        with pytest.raises(Retryable):
            await exchange.positions("main")
        assert await exchange.positions("main") == []
        with pytest.raises(Ambiguous):
            await exchange.positions("main")

    World().play(story)


def test_while_paused_orders_are_refused_and_everything_else_waits() -> None:
    async def story(exchange: FakeExchange) -> None:
        exchange.faults.script("find", Fault("paused", after_s=30.0))
        with pytest.raises(Paused):
            await exchange.find("main", BTC, "one")
        with pytest.raises(Paused) as caught:
            await exchange.place(an_order(exchange))
        assert caught.value.after_s == 30.0
        began_ms = exchange.now_ms()
        await exchange.room("main", urgent=True)
        assert exchange.now_ms() >= began_ms + 30_000
        assert (await exchange.place(an_order(exchange))).status == "FILLED"

    World().play(story)


def test_calls_take_as_long_as_is_set() -> None:
    async def story(exchange: FakeExchange) -> None:
        exchange.latency["place"] = Latency(100, 900)
        order = an_order(exchange)
        await exchange.place(order)

        assert exchange.now_ms() == order.sent_ms + 1_000
        assert [one.at_ms for one in exchange.requests] == [order.sent_ms + 100]

    World().play(story)


def test_who_is_shown_nothing_yet_hears_of_it_on_the_stream() -> None:
    async def story(exchange: FakeExchange) -> None:
        exchange.blind(2_000)
        await exchange.place(an_order(exchange))
        with pytest.raises(NotThere):
            await exchange.find("main", BTC, "one")
        assert await exchange.trades("main", BTC) == []
        await asyncio.sleep(2)
        assert (await exchange.find("main", BTC, "one")).filled == QUANTITY
        assert await exchange.trades("main", BTC)

    World().play(story)


async def heard_during(exchange: FakeExchange, act: Callable[[], Awaitable[object]], seconds: float = 30.0) -> list[UserEvent]:
    """Listen while something is done, and for a while after."""
    heard: list[UserEvent] = []

    async def listen() -> None:
        async for event in exchange.events("main"):
            heard.append(event)  # noqa: PERF401 - as they come

    listening = asyncio.create_task(listen())
    await asyncio.sleep(1)
    await act()
    await asyncio.sleep(seconds)
    listening.cancel()
    return heard


def test_a_stream_breaks_at_once_or_dies_in_silence() -> None:
    async def story(exchange: FakeExchange) -> None:
        async def broken() -> None:
            exchange.break_stream("main")
            await exchange.place(an_order(exchange))

        async def silent() -> None:
            exchange.break_stream("main", silent_s=10.0)
            await exchange.place(an_order(exchange))
            await asyncio.sleep(9)
            await exchange.place(an_order(exchange))

        assert await heard_during(exchange, broken) == [Connected(), Lost("broken"), Connected()]
        assert await heard_during(exchange, silent) == [Connected(), Lost("silent"), Connected()]

    World().play(story)


def test_events_are_lost_come_twice_late_and_so_out_of_order() -> None:
    async def story(exchange: FakeExchange) -> None:
        exchange.faults.script_events((), (900,), (0, 50))
        exchange.blind(60_000)

        async def twice() -> None:
            await exchange.place(an_order(exchange))
            exchange.by_hand("main", NewOrder(BTC, "SELL", "LIMIT", QUANTITY, Decimal(70_000), client_id="hand"))

        heard = await heard_during(exchange, twice)
        names = [event.client_id for event in heard if isinstance(event, OrderReport | Trade)]
        assert names == ["hand", "hand", "one", "one"], "the second is a trade and its order, and it is late"

    World().play(story)


def test_what_a_killed_one_has_sent_arrives_and_the_next_has_to_check_anew() -> None:
    async def story(exchange: FakeExchange) -> None:
        exchange.latency["place"] = Latency(3_000, 5)
        await exchange.place(an_order(exchange))

    async def next_story() -> None:
        with pytest.raises(Fatal):
            await world.exchange.positions("main")
        await world.exchange.check(REF, [BTC])
        heard = await heard_during(world.exchange, lambda: asyncio.sleep(0), 10)
        assert [type(event) for event in heard] == [Connected, OrderReport, Trade, OrderReport]

    world = World()
    with pytest.raises(Killed):
        world.play(story, Kill(2))
    assert world.exchange.books("main").orders == [], "still under way"
    world.exchange.kill = Kill()
    run(next_story, clock=world.clock)
    (order,) = world.exchange.books("main").orders
    assert order.status == "FILLED"


def test_killed_at_any_point_an_order_is_there_once_if_it_was_sent_and_never_otherwise() -> None:
    async def story(exchange: FakeExchange) -> None:
        listening = asyncio.create_task(heard_during(exchange, lambda: asyncio.sleep(0), 5))
        await asyncio.sleep(0.5)
        await exchange.room("main", urgent=False)
        await exchange.place(an_order(exchange))
        await listening

    counting = Kill()
    World().play(story, counting)
    assert counting.points == [
        "check: asked", "events: connecting", "room", "place: asked", "place: sent", "place: done", *["events: told"] * 3
    ]  # fmt: skip
    for chosen in range(len(counting.points)):
        world, kill = World(), Kill(chosen)
        with pytest.raises(Killed):
            world.play(story, kill)
        world.later(10)
        assert len(world.exchange.books("main").orders) == ("place: sent" in kill.points)


def a_bad_day() -> tuple[list[str], list[UserEvent], World]:
    """Place an order a second while all kinds of things go wrong; gives what was raised, and heard."""
    world, errors, heard = World(), list[str](), list[UserEvent]()

    async def story(exchange: FakeExchange) -> None:
        exchange.faults = Faults(Random(11), ROUGH)

        async def works() -> None:
            for number in range(150):
                await exchange.room("main", urgent=False)
                try:
                    await exchange.place(an_order(exchange, f"order-{number}"))
                except ExchangeError as error:
                    errors.append(type(error).__name__)
                await asyncio.sleep(1)

        heard.extend(await heard_during(exchange, works))

    world.play(story)
    return errors, heard, world


def test_the_same_seed_has_the_same_bad_day_and_the_books_add_up_after_it() -> None:
    errors, heard, world = a_bad_day()
    exchange = world.exchange
    books = exchange.books("main")

    assert set(errors) >= {"Ambiguous", "Retryable", "Paused", "Rejected", "ClockOff"}
    assert any(isinstance(event, Lost) for event in heard)
    assert [order.client_id for order in books.orders] == [one.client_id for one in exchange.requests if not one.refused]
    assert sum(trade.quantity for trade in books.trades) == sum(held.quantity for held in books.positions)
    errors_again, heard_again, world_again = a_bad_day()
    assert (errors_again, heard_again) == (errors, heard)
    assert world_again.exchange.requests == exchange.requests
    assert world_again.exchange.books("main") == books
