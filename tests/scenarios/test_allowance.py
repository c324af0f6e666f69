"""Nobody asks for more than the exchange gives, what it gives is used, and who waits is woken in turn."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from fractions import Fraction
from functools import partial
from random import Random

import pytest

from connectors.exchange.allowance import WAITING_MAX, Allowance
from connectors.exchange.clock import ExchangeClock
from connectors.exchange.rate_limits import DEFAULT, Rules
from streams.exchange.errors import Retryable
from tests.allowance_kit import AHEAD_MS, MINUTE_MS, Machine, Minutes, compare, known
from tests.virtual_loop import Clock, run

NOTHING_LATE = Random(0)


def limited(weight: int) -> Rules:
    return DEFAULT._replace(weight=DEFAULT.weight._replace(limit=weight))


class Desk:
    """An allowance, and a note of who was let go when. The story begins with a minute, or when the allowance does if that is later."""

    def __init__(self, start_s: float = -10.0) -> None:
        self.clock = Clock(AHEAD_MS / 1_000 + start_s)
        self.sleeps = 0
        self.gone: list[tuple[str, float]] = []
        self.exchange = known(self.clock)
        self.allowance = Allowance(self.exchange, self._sleep)
        self._tasks: set[asyncio.Task[None]] = set()

    async def _sleep(self, after_s: float) -> None:
        self.sleeps += 1
        await asyncio.sleep(after_s)

    def ask(self, name: str, weight: int, *, orders: int = 0, account: str = "", urgent: bool = False) -> asyncio.Task[None]:
        async def asking() -> None:
            await self.allowance.take(weight, orders=orders, account=account, urgent=urgent)
            self.gone.append((name, self.into_s))

        task = asyncio.create_task(asking())
        self._tasks.add(task)
        return task

    @property
    def into_s(self) -> float:
        """Give the seconds since the minute began that the desk began with."""
        return round(self.clock.now_s - AHEAD_MS / 1_000, 3)

    @property
    def count(self) -> int:
        return len(self.gone)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.gone]

    def tell(self, used: int, account: str = "", *, asked_s: float = 10.0, **orders: int) -> None:
        """Tell what was used, in answer to what was asked so long ago."""
        headers = {f"X-MBX-ORDER-COUNT-{window[1:]}": str(count) for window, count in orders.items()}
        asked_ms = self.exchange.clocks.ticking_ms() - int(asked_s * 1_000)
        self.allowance.correct({"X-MBX-USED-WEIGHT-1M": str(used), "Date": "now", **headers}, account, asked_ms)

    async def at(self, into_s: float) -> None:
        await asyncio.sleep(max(0.0, into_s - self.into_s))


def answered(allowance: Allowance, asked_ms: int, headers: Mapping[str, str]) -> None:
    allowance.correct(headers, "", asked_ms)


def on(desk: Desk, do: Callable[[Desk], Awaitable[None]]) -> None:
    async def story() -> None:
        await desk.at(0.05)
        await do(desk)

    run(story, clock=desk.clock)


async def flood(desk: Desk, weight: int = 1, count: int = 3_000) -> None:
    for _ in range(count // weight):
        desk.ask("ordinary", weight)
    await asyncio.sleep(0)


def test_a_burst_of_50_goes_at_once_and_then_an_even_pace() -> None:
    async def do(desk: Desk) -> None:
        await flood(desk)
        await desk.at(0.06)
        assert desk.count == 50
        await desk.at(10.0)
        assert 50 + 200 <= desk.count <= 50 + 203

    on(Desk(), do)


def test_who_was_idle_for_long_has_a_burst_of_50_and_no_more() -> None:
    async def do(desk: Desk) -> None:
        await desk.at(30.0)
        await flood(desk)
        assert desk.count == 50

    on(Desk(), do)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("limit", "weights"), [(1_200, (1, 1, 5, 40)), (2_400, (1, 40, 30)), (300, (1, 5))])
def test_with_more_work_than_allowance_95_percent_are_used_and_never_too_much(
    limit: int, weights: tuple[int, ...], seed: int
) -> None:
    chance = Random(seed)
    clock = Clock(chance.uniform(0, 60))
    machine = Machine(clock, chance.randint(-(10**6), 10**6), chance.randint(0, 10**6))
    exchange = known(clock, machine, chance.randint(-249, 249), 250)
    minutes = Minutes(clock, chance)

    async def asking(allowance: Allowance) -> None:
        while True:
            weight = chance.choice(weights)
            await allowance.take(weight)
            minutes.send(weight, partial(answered, allowance, machine.ticking_ms()))

    async def story() -> None:
        allowance = Allowance(exchange, asyncio.sleep)
        allowance.limits(limited(limit))
        tasks = [asyncio.create_task(asking(allowance)) for _ in range(30)]
        for _ in range(6):
            await asyncio.sleep(60)
            compare(exchange, clock, machine, chance.randint(-249, 249), 250)
        for task in tasks:
            task.cancel()

    run(story, clock=clock)
    assert max(minutes.arrived.values()) <= limit
    assert min(minutes.whole()) >= 0.95 * limit


@pytest.mark.parametrize("seed", range(10))
def test_bursts_at_any_time_urgent_ones_too_never_make_a_minute_too_full(seed: int) -> None:
    chance = Random(seed)
    clock = Clock(chance.uniform(0, 60))
    exchange, minutes = known(clock, wrong_ms=chance.randint(-240, 240), error_ms=250), Minutes(clock, chance)

    async def asking(allowance: Allowance) -> None:
        urgent, weight = chance.random() < 0.5, chance.choice((1, 5, 30, 40))
        await allowance.take(weight, urgent=urgent)
        minutes.send(weight)

    async def story() -> None:
        allowance = Allowance(exchange, asyncio.sleep)
        tasks: list[asyncio.Task[None]] = []
        for _ in range(40):
            await asyncio.sleep(chance.choice((0.1, chance.uniform(0, 30))))
            compare(exchange, clock, Machine(clock), chance.randint(-240, 240), 250)
            tasks += [asyncio.create_task(asking(allowance)) for _ in range(chance.choice((1, 5, 50, 200)))]
        await asyncio.gather(*tasks)

    run(story, clock=clock)
    assert max(minutes.arrived.values()) <= 1_200


def test_while_nobody_knows_the_exchanges_time_no_minute_of_any_phase_gets_too_much() -> None:
    for phase in (0, 17, 39):
        clock = Clock(phase)
        minutes = Minutes(clock, Random(phase))

        async def story(clock: Clock = clock, minutes: Minutes = minutes) -> None:
            allowance = Allowance(ExchangeClock(Machine(clock)), asyncio.sleep)
            for _ in range(1_500):
                await allowance.take(4)
                minutes.send(4)

        run(story, clock=clock)
        assert max(minutes.arrived.values()) <= 1_200
        assert min(minutes.whole()) >= 0.9 * 1_200


def test_urgent_work_goes_first_and_does_not_keep_to_the_pace() -> None:
    async def do(desk: Desk) -> None:
        await flood(desk)
        await desk.at(1.0)
        before = desk.count
        for _ in range(200):
            desk.ask("urgent", 1, urgent=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert desk.names[before:] == ["urgent"] * 200

    on(Desk(), do)


@pytest.mark.parametrize(("into_s", "left"), [(0.5, 1_100), (30.0, 500), (50.0, 120), (59.9, 36)])
def test_a_reserve_is_left_for_what_is_urgent_however_much_ordinary_work_there_is(into_s: float, left: int) -> None:
    async def do(desk: Desk) -> None:
        await flood(desk)
        await desk.at(into_s)
        before = desk.count
        for _ in range(left):
            desk.ask("urgent", 1, urgent=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert desk.names[before:] == ["urgent"] * left
        assert desk.count <= 1_200

    on(Desk(), do)


def test_among_equals_the_first_come_goes_first_and_nothing_light_overtakes_something_heavy() -> None:
    async def do(desk: Desk) -> None:
        desk.ask("first", 50)
        for name, weight in (("heavy", 40), ("light", 1), ("heavier", 49), ("last", 1)):
            desk.ask(name, weight)
        await desk.at(20.0)
        assert desk.names == ["first", "heavy", "light", "heavier", "last"]

    on(Desk(), do)


def test_an_order_goes_before_questions_that_wait() -> None:
    async def do(desk: Desk) -> None:
        for name in ("first", "second", "third"):
            desk.ask(name, 50)
        desk.ask("order", 1, orders=1, account="main")
        await desk.at(20.0)
        assert desk.names == ["first", "order", "second", "third"]

    on(Desk(), do)


def test_an_account_that_has_begun_is_through_before_the_next_one_begins() -> None:
    async def comparing(desk: Desk, account: str) -> None:
        for _ in range(4):
            await desk.ask(account, 40, account=account)

    async def do(desk: Desk) -> None:
        await asyncio.gather(*(comparing(desk, account) for account in ("one", "two", "three")))
        assert desk.names == ["one"] * 4 + ["two"] * 4 + ["three"] * 4

    on(Desk(), do)


def test_an_account_that_asks_and_asks_keeps_nobody_waiting_for_longer_than_its_turn() -> None:
    async def do(desk: Desk) -> None:
        async def asking() -> None:
            while True:
                await desk.ask("greedy", 20, account="greedy")

        greedy = asyncio.create_task(asking())
        await desk.at(1.0)
        for name in ("a", "b", "c"):
            desk.ask(name, 20, account=name)
        await desk.at(9.9)
        assert set(desk.names) == {"greedy"}
        await desk.at(15.0)
        greedy.cancel()
        first = next(number for number, name in enumerate(desk.names) if name != "greedy")
        assert desk.names[first : first + 3] == ["a", "b", "c"]

    on(Desk(), do)


def test_at_the_end_of_a_minute_something_light_uses_what_is_too_little_for_who_is_first() -> None:
    async def do(desk: Desk) -> None:
        await desk.at(1.0)
        for _ in range(3):
            desk.ask("urgent", 374, urgent=True)
        await asyncio.sleep(0)
        desk.ask("heavy", 40)
        desk.ask("light", 20)
        desk.ask("light too", 20)
        await desk.at(54.0)
        assert desk.names == ["urgent"] * 3
        await desk.at(58.0)
        assert desk.names[3:] == ["light"]
        await desk.at(70.0)
        assert desk.names[4:] == ["heavy", "light too"]

    on(Desk(), do)


def test_an_account_that_has_used_its_orders_up_holds_up_no_other() -> None:
    async def do(desk: Desk) -> None:
        for _ in range(301):
            desk.ask("one", 1, orders=1, account="one", urgent=True)
        desk.ask("other", 1, orders=1, account="other", urgent=True)
        desk.ask("question", 1, account="one", urgent=True)
        await desk.at(9.0)
        assert desk.names.count("one") == 300
        assert desk.names[-2:] == ["other", "question"]
        await desk.at(11.0)
        assert desk.names[-1] == "one"

    on(Desk(), do)


def test_of_an_accounts_orders_ordinary_work_leaves_10_percent() -> None:
    async def do(desk: Desk) -> None:
        desk.allowance.limits(limited(100_000))
        await desk.at(0.5)
        for _ in range(300):
            desk.ask("ordinary", 0, orders=1, account="one")
        for _ in range(31):
            desk.ask("urgent", 0, orders=1, account="one", urgent=True)
        await desk.at(9.0)
        assert (desk.names.count("ordinary"), desk.names.count("urgent")) == (270, 30)
        await desk.at(12.0)
        assert desk.names.count("ordinary") == 300

    on(Desk(), do)


def test_no_minute_has_more_orders_of_an_account_than_its_limit() -> None:
    async def do(desk: Desk) -> None:
        desk.allowance.limits(limited(100_000))
        for _ in range(2_000):
            desk.ask("order", 0, orders=1, account="one", urgent=True)
        await desk.at(59.9)
        assert desk.count == 1_200
        await desk.at(61.0)
        assert desk.count == 1_500

    on(Desk(), do)


def test_while_the_exchange_wants_silence_nobody_goes_and_afterwards_all_go_on() -> None:
    async def do(desk: Desk) -> None:
        desk.allowance.pause(7.0)
        desk.allowance.pause(3.0)
        desk.ask("urgent", 1, urgent=True)
        desk.ask("ordinary", 1)
        await desk.at(6.9)
        assert desk.gone == []
        await desk.at(7.1)
        assert desk.names == ["urgent", "ordinary"]
        assert desk.sleeps == 1, "nobody looked again and again whether it is over"

    on(Desk(), do)


def test_who_gives_up_waiting_takes_nothing_and_makes_way() -> None:
    async def do(desk: Desk) -> None:
        desk.ask("first", 50)
        heavy = desk.ask("heavy", 1_100)
        desk.ask("light", 5)
        await asyncio.sleep(0.2)
        assert desk.names == ["first"]
        heavy.cancel()
        await asyncio.sleep(0.1)
        assert desk.names == ["first", "light"]

    on(Desk(), do)


def test_who_gives_up_while_others_are_let_go_is_not_counted() -> None:
    async def do(desk: Desk) -> None:
        desk.allowance.pause(1.0)
        waiting = desk.ask("gone", 1_000, urgent=True)
        await asyncio.sleep(0.5)
        waiting.cancel()
        desk.allowance.limits(DEFAULT)
        await desk.at(2.0)
        desk.ask("other", 1_100, urgent=True)
        await desk.at(3.0)
        assert desk.names == ["other"]

    on(Desk(), do)


def test_with_nobody_waiting_nothing_is_left_running() -> None:
    async def do(desk: Desk) -> None:
        waiting = [desk.ask("first", 50), desk.ask("second", 40)]
        await asyncio.sleep(0.1)
        waiting[1].cancel()
        await asyncio.wait(waiting)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    on(Desk(), do)


def test_who_comes_when_too_many_wait_is_told_to_come_again() -> None:
    async def do(desk: Desk) -> None:
        desk.allowance.pause(60.0)
        for _ in range(WAITING_MAX):
            desk.ask("waiting", 1)
        await asyncio.sleep(0)
        with pytest.raises(Retryable):
            await desk.allowance.take(1, urgent=True)

    on(Desk(), do)


def test_what_is_never_to_be_had_is_not_waited_for() -> None:
    async def do(desk: Desk) -> None:
        with pytest.raises(ValueError, match="1165"):
            await desk.allowance.take(1_165)

    on(Desk(), do)


def test_what_others_use_of_the_ip_is_learnt_from_answers() -> None:
    async def do(desk: Desk) -> None:
        await desk.at(15.0)
        desk.tell(1_154)
        await flood(desk)
        assert desk.count == 4
        await desk.at(59.9)
        assert desk.count == 4
        await desk.at(61.0)
        assert desk.count > 4

    on(Desk(), do)


def test_an_answer_that_may_be_of_the_minute_before_is_not_believed() -> None:
    async def do(desk: Desk) -> None:
        await desk.at(0.5)
        desk.tell(1_199)
        await flood(desk)
        assert desk.count == 50

    on(Desk(), do)


def test_an_answer_to_what_was_asked_in_this_minute_is_believed_however_young_it_is() -> None:
    async def do(desk: Desk) -> None:
        await desk.at(4.0)
        desk.tell(1_154, asked_s=1.0)
        await flood(desk)
        assert desk.count == 4

    on(Desk(), do)


def test_answers_that_cross_do_not_make_less_used() -> None:
    async def do(desk: Desk) -> None:
        await desk.at(15.0)
        desk.tell(1_154)
        desk.tell(900)
        desk.allowance.correct({"X-MBX-USED-WEIGHT-1M": "many"}, "", 0)
        await flood(desk)
        assert desk.count == 4

    on(Desk(), do)


def test_orders_that_somebody_else_sent_for_an_account_are_learnt_from_answers() -> None:
    async def do(desk: Desk) -> None:
        await desk.at(13.0)
        desk.tell(5, "one", _10S=299, _1M=299)
        for _ in range(3):
            desk.ask("one", 1, orders=1, account="one", urgent=True)
        desk.ask("other", 1, orders=1, account="other")
        await desk.at(19.9)
        assert desk.names == ["one", "other"]
        await desk.at(21.0)
        assert desk.names == ["one", "other", "one", "one"]

    on(Desk(), do)


@pytest.mark.parametrize(("told", "gone"), [(None, 6), (900, 288), (1_199, 6)])
def test_who_starts_within_a_minute_asks_a_little_and_learns_what_a_predecessor_has_used_of_it(
    told: int | None, gone: int
) -> None:
    async def do(desk: Desk) -> None:
        for _ in range(1_194):
            desk.ask("urgent", 1, urgent=True)
        await desk.at(30.1)
        assert desk.count == 6
        desk.tell(0, asked_s=10.0)  # asked before it began: that tells nothing of it
        await asyncio.sleep(0)
        assert desk.count == 6
        if told is not None:
            desk.tell(told + 6, asked_s=0.05)
        await desk.at(59.9)
        assert desk.count == gone
        await desk.at(61.0)
        assert desk.count == 1_194

    on(Desk(start_s=30.0), do)


def test_a_part_that_is_said_again_costs_nothing() -> None:
    async def do(desk: Desk) -> None:
        for _ in range(5):
            desk.allowance.hold(Fraction(1))
        for _ in range(10):
            desk.ask("urgent", 1, urgent=True)
        await desk.at(30.1)
        assert desk.count == 6

    on(Desk(start_s=30.0), do)


def test_before_anything_is_known_ordinary_questions_may_be_asked_too() -> None:
    async def do(desk: Desk) -> None:
        desk.allowance.follow(ExchangeClock(Machine(desk.clock)))
        desk.ask("limits", 1)
        await asyncio.sleep(1.0)
        assert desk.names == ["limits"]

    on(Desk(start_s=30.0), do)


def test_limits_that_the_exchange_tells_hold_from_then_on() -> None:
    async def do(desk: Desk) -> None:
        desk.allowance.limits(limited(2_400))
        await flood(desk, count=6_000)
        await desk.at(59.9)
        assert 0.95 * 2_400 <= desk.count <= 0.97 * 2_400
        with pytest.raises(ValueError, match="1000 ms"):
            desk.allowance.limits(DEFAULT._replace(weight=DEFAULT.weight._replace(unit="SECOND")))

    on(Desk(), do)


def test_a_clock_that_is_set_back_over_the_edge_of_a_minute_gives_no_minute_twice() -> None:
    async def do(desk: Desk) -> None:
        await flood(desk, count=6_000)
        await desk.at(60.1)
        gone = desk.count
        desk.exchange.learn(desk.clock.ticking_ms(), desk.clock.wall_ms() - 300, desk.clock.ticking_ms())
        await asyncio.sleep(0.15)
        assert desk.count == gone
        await desk.at(60.9)
        assert desk.count > gone

    on(Desk(), do)


def test_an_alarm_that_breaks_is_told_to_who_waits() -> None:
    clock = Clock(AHEAD_MS / 1_000 - 40)

    async def broken(_after_s: float) -> None:
        raise OSError("no alarm")

    async def story() -> None:
        allowance = Allowance(known(clock), broken)
        with pytest.raises(OSError, match="no alarm"):
            await allowance.take(50)

    run(story, clock=clock)


def test_the_kits_minute_begins_when_it_says() -> None:
    assert (Clock().wall_ms() + AHEAD_MS) % MINUTE_MS == 0
