"""However many workers share an IP, and whatever becomes of what they tell each other, they use what it has and never more."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from connectors.exchange.allowance_sharing import LOAN_MS, BadRecord, Heard, Shares
from tests.allowance_kit import AHEAD_MS, Bus, Fleet, Worker
from tests.virtual_loop import Clock, run

LIMIT = 1_200
QUARTER = Fraction(1, 4)


def with_fleet(seed: int, do: Callable[[Fleet, Random], Awaitable[None]], lost: float = 0.0, late_s: float = 0.05) -> Fleet:
    """Play a story that begins half a minute before a minute does."""
    chance, clock = Random(seed), Clock(AHEAD_MS / 1_000 - 30)
    fleets: list[Fleet] = []

    async def story() -> None:
        fleet = Fleet(clock, chance, Bus(chance, lost, lost / 2, late_s))
        fleets.append(fleet)
        await do(fleet, chance)

    run(story, clock=clock)
    return fleets[0]


@pytest.mark.parametrize(("workers", "lost", "late_s"), [(2, 0.0, 0.05), (4, 0.2, 0.1), (6, 0.1, 0.1)])
def test_one_worker_with_all_the_work_uses_95_percent_of_all_that_there_is(workers: int, lost: float, late_s: float) -> None:
    async def do(fleet: Fleet, _chance: Random) -> None:
        started = [fleet.start(Fraction(1, workers)) for _ in range(workers)]
        started[0].busy(weights=(5, 1, 40, 4))
        for _ in range(5):
            await asyncio.sleep(60)
            fleet.compare_clocks()

    minutes = with_fleet(3, do, lost, late_s).minutes
    assert max(minutes.arrived.values()) <= LIMIT
    assert min(minutes.whole()) >= 0.95 * LIMIT


def test_workers_who_all_have_work_each_get_their_share() -> None:
    used: list[int] = []

    async def do(fleet: Fleet, _chance: Random) -> None:
        workers = [fleet.start(part) for part in (Fraction(1, 2), QUARTER, QUARTER)]
        for worker in workers:
            worker.busy(weights=(5,))
        await asyncio.sleep(90)
        before = [worker.used for worker in workers]
        await asyncio.sleep(60)
        used.extend(worker.used - so_far for worker, so_far in zip(workers, before, strict=True))

    with_fleet(4, do)
    assert [abs(got - due) <= 10 for got, due in zip(used, (582, 291, 291), strict=True)] == [True] * 3


def test_an_idle_share_is_lent_within_a_second_and_taken_back_within_a_second() -> None:
    async def do(fleet: Fleet, _chance: Random) -> None:
        mine, other = fleet.start(QUARTER), fleet.start(Fraction(3, 4))
        await asyncio.sleep(35)
        mine.busy()
        await asyncio.sleep(1)
        before = mine.used
        await asyncio.sleep(10)
        assert mine.used - before >= 0.95 * 10 * 20.25, "it goes at the pace of both"

        other.busy()
        await asyncio.sleep(1)
        before, others = mine.used, other.used
        await asyncio.sleep(10)
        assert mine.used - before <= 1.05 * 10 * 20.25 / 4
        assert other.used - others >= 0.95 * 10 * 20.25 * 3 / 4

    with_fleet(5, do)


def test_while_a_worker_is_dead_nobody_gets_its_share_and_nothing_is_used_twice() -> None:
    async def do(fleet: Fleet, _chance: Random) -> None:
        mine, other = fleet.start(QUARTER), fleet.start(Fraction(3, 4))
        mine.busy()
        await asyncio.sleep(32)
        fleet.kill(other)
        await asyncio.sleep(1)
        before = mine.used
        await asyncio.sleep(60)
        assert mine.used - before <= LIMIT / 4

    assert max(with_fleet(6, do).minutes.arrived.values()) <= LIMIT


def test_silence_that_one_was_told_is_kept_by_all() -> None:
    async def do(fleet: Fleet, _chance: Random) -> None:
        first, second, third = (fleet.start(Fraction(1, 3)) for _ in range(3))
        await asyncio.sleep(31)
        first.allowance.pause(20.0)
        await asyncio.sleep(1)
        asking = [asyncio.create_task(worker.ask(1, urgent=True)) for worker in (first, second, third)]
        await asyncio.sleep(18)
        assert not any(one.done() for one in asking)
        await asyncio.sleep(1.2)
        assert all(one.done() for one in asking)

    with_fleet(7, do, lost=0.2)


def test_with_nothing_to_do_nothing_is_told() -> None:
    async def do(fleet: Fleet, _chance: Random) -> None:
        for _ in range(4):
            fleet.start(QUARTER)
        await asyncio.sleep(300)
        assert fleet.bus.told == 0

    with_fleet(8, do)


async def a_bad_day(fleet: Fleet, chance: Random) -> None:
    """Start, kill, move, load and unload workers at random, for some minutes. A share moves on only when its holder has been still for 11 s."""
    workers = [fleet.start(QUARTER, chance.choice((5, 50, 240))) for _ in range(4)]
    for _ in range(25):
        await asyncio.sleep(chance.uniform(0.1, 20))
        worker = chance.choice(workers)
        what = chance.random()
        if what < 0.5:
            worker.busy(chance.choice((1, 20, 60)), chance.choice(((1,), (40, 1), (5, 30))), urgent=chance.random() < 0.1)
        elif what < 0.7:
            worker.idle()
        elif what < 0.8:
            fleet.compare_clocks(chance.choice((5, 240)))
        elif what < 0.85:
            worker.exchange.doubt()
        elif what < 0.9:
            worker.allowance.pause(chance.uniform(0, 10))
        else:
            await another_takes_over(fleet, workers, worker)


async def another_takes_over(fleet: Fleet, workers: list[Worker], worker: Worker) -> None:
    """Let a worker die, and a new one have its share after the pause a lease makes."""
    fleet.kill(worker)
    workers.remove(worker)
    new = fleet.start(Fraction(0))
    workers.append(new)
    await asyncio.sleep(11)
    new.allowance.hold(QUARTER)


@pytest.mark.parametrize("seed", range(25))
def test_no_loss_delay_repeat_disorder_death_or_clock_makes_them_use_more_than_there_is(seed: int) -> None:
    chance = Random(seed)
    fleet = with_fleet(seed, a_bad_day, chance.choice((0.0, 0.1, 0.5)), chance.choice((0.01, 0.3, 3.0)))

    assert max(fleet.minutes.arrived.values()) <= LIMIT


@pytest.mark.parametrize("seed", range(200))
def test_each_unit_is_somebodys_once_in_whatever_order_records_come(seed: int) -> None:
    chance = Random(seed)
    shares = {name: Shares(name) for name in "abc"}
    ticks = {name: chance.randint(0, 10**6) for name in shares}
    own, used = dict.fromkeys(shares, 400), dict.fromkeys(shares, 0)
    for one in shares.values():
        one.turn(7, 0)
    records: list[bytes] = []
    for _ in range(400):
        name = chance.choice(list(shares))
        one, now_ms = shares[name], ticks[name] + chance.randint(0, 5)
        ticks = {other: tick + chance.randint(0, 120) for other, tick in ticks.items()}
        one.turn(7, now_ms)
        if chance.random() < 0.4:
            records.append(one.record(chance.randint(0, 60), now_ms, 0))
        elif records and chance.random() < 0.7:
            heard = one.hear(chance.choice(records), now_ms)
            if heard.need:
                one.lend(
                    heard, chance.randint(0, min(heard.need, own[name] - one.lent + one.borrowed - one.left - used[name], 400))
                )
        else:
            weight = chance.randint(0, 30)
            rest = one.spend(weight)
            mine = min(rest, own[name] - one.lent - (used[name] - sum_spent(one)))
            used[name] += weight - rest + max(0, mine)
        assert sum(used.values()) + sum(one.left for one in shares.values()) <= 1_200


def sum_spent(one: Shares) -> int:
    """Give what was used of loans."""
    return one.borrowed - one.left


def lender_and_borrower() -> tuple[Shares, Shares]:
    lender, borrower = Shares("lender"), Shares("borrower")
    lender.turn(7, 0)
    borrower.turn(7, 0)
    return lender, borrower


def lent(lender: Shares, borrower: Shares, weight: int, at_ms: int = 1_000) -> bytes:
    """Lend something, and give the record that tells of it."""
    heard = lender.hear(borrower.record(weight, at_ms, 0), 50)
    assert (heard.worker, heard.need, heard.at_ms) == ("borrower", weight, at_ms)
    assert lender.lend(heard, weight)
    return lender.record(0, 50, 0)


def test_a_loan_lapses_800_ms_after_it_was_wanted_however_late_it_came() -> None:
    lender, borrower = lender_and_borrower()
    told = lent(lender, borrower, 30)
    borrower.hear(told, 1_500)
    assert borrower.left == 30
    assert borrower.spend(10) == 0
    borrower.turn(7, 1_000 + LOAN_MS)
    assert (borrower.left, borrower.borrowed) == (0, 10)
    assert borrower.spend(10) == 10

    late, too_late = Shares("lender"), Shares("borrower")
    late.turn(7, 0)
    too_late.turn(7, 0)
    too_late.hear(lent(late, too_late, 30), 1_801)
    assert too_late.left == 0


def test_what_is_given_up_comes_back_once_however_often_it_is_told() -> None:
    lender, borrower = lender_and_borrower()
    borrower.hear(lent(lender, borrower, 30), 1_500)
    borrower.spend(10)
    borrower.turn(7, 2_000)
    told = borrower.record(0, 2_000, 0)

    assert [lender.hear(told, 60).back for _ in range(3)] == [20, 0, 0]
    assert lender.lent == 10


def test_an_old_record_that_comes_again_lends_nothing_again() -> None:
    lender, borrower = lender_and_borrower()
    told = lent(lender, borrower, 30)
    for _ in range(3):
        borrower.hear(told, 1_500)
    assert borrower.left == 30
    borrower.turn(7, 2_000)
    borrower.hear(told, 1_500)
    assert borrower.left == 0


def test_loans_end_with_their_minute() -> None:
    lender, borrower = lender_and_borrower()
    told = lent(lender, borrower, 30)
    borrower.turn(8, 1_100)
    borrower.hear(told, 1_200)
    assert borrower.left == 0
    lender.turn(8, 60)
    assert lender.lent == 0
    lender.turn(7, 61)
    assert lender.window == 8


def test_news_are_told_three_times() -> None:
    one = Shares("one")
    one.tell_again()
    told = 0
    while one.has_news:
        one.record(0, 0, 5_000)
        told += 1
    assert told == 3
    assert Shares("other").hear(one.record(0, 0, 5_000), 0) == Heard("one", -1, 0, 0, 5_000, 0)


GOOD: dict[str, Any] = {"v": 1, "from": "x", "window": 7, "at": 5, "need": 1, "silent": 0, "lent": {}, "back": {}}


@pytest.mark.parametrize(
    "wrong",
    [
        b"", b"{", b"[]", b"7", {"v": 2}, {"from": 7}, {"need": "1"}, {"need": True}, {"need": -5}, {"at": 2**60}, {"lent": []}, {"lent": {"one": 5}},
        {"lent": {"one": [1]}}, {"lent": {"one": [1, None]}}, {"back": {"one": "x"}}, {"window": None},
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused_and_changes_nothing(wrong: bytes | dict[str, Any]) -> None:
    one = Shares("one")
    one.turn(7, 0)
    with pytest.raises(BadRecord):
        one.hear(wrong if isinstance(wrong, bytes) else json.dumps(GOOD | wrong).encode(), 0)
    assert (one.lent, one.borrowed, one.left) == (0, 0, 0)


def test_nobody_gives_back_more_than_was_lent() -> None:
    lender, borrower = lender_and_borrower()
    lent(lender, borrower, 30)
    with pytest.raises(BadRecord):
        lender.hear(json.dumps(GOOD | {"from": "borrower", "back": {"lender": 31}}).encode(), 0)
    assert lender.lent == 30
