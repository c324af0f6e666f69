"""The throttle: ten signals a second, a hundred that wait, the best of them first."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.desk.messages import Signal
from streams.desk.outputs import Fate
from streams.desk.throttle import SignalQueue
from tests.desk_kit import Rig, codes, dec, decisions, orders
from tests.gate_kit import a_signal

QUIET = dict.fromkeys(("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"), "100")


def waiting(rig: Rig) -> list[str]:
    return [entry.signal.signal_id for entry in rig.account().queue.waiting()]


def burst(rig: Rig, count: int, **fields: Any) -> list[Any]:
    """Say that many signals within one second; they are looked at and refused for being unsure."""
    return [output for _ in range(count) for output in rig.signal(confidence=dec(fields.pop("confidence", "0.3")), **fields)]


class TestACycle:
    def test_works_ten_signals_at_once_and_lets_the_eleventh_wait(self) -> None:
        rig = Rig().ready()
        assert codes(burst(rig, 10)) == ["CONFIDENCE_LOW"] * 10
        assert rig.signal() == []
        assert rig.last.fate is Fate.APPLIED
        assert len(waiting(rig)) == 1

    def test_takes_ten_more_at_the_next_tick(self) -> None:
        rig = Rig().ready()
        burst(rig, 35)
        assert len(waiting(rig)) == 25
        assert codes(rig.tick(marks=QUIET)).count("CONFIDENCE_LOW") == 10
        assert len(waiting(rig)) == 15
        assert codes(rig.tick(marks=QUIET)).count("CONFIDENCE_LOW") == 10
        assert codes(rig.tick(marks=QUIET)).count("CONFIDENCE_LOW") == 5

    def test_a_cycle_is_the_whole_second_of_a_tick_not_of_a_clock(self) -> None:
        rig = Rig().ready()
        burst(rig, 10)
        rig.now_ms += 5_000
        assert burst(rig, 1) == []

    def test_every_look_says_where_its_second_stands(self) -> None:
        rig = Rig().ready()
        said = decisions(burst(rig, 10))
        figures = [check.figures for one in said for check in one.checks if check.gate == "throttle"]
        assert figures[0] == "used=1 per_cycle=10 waiting=0 queue_max=100"
        assert figures[-1] == "used=10 per_cycle=10 waiting=0 queue_max=100"

    def test_what_the_queue_uses_of_a_second_a_newcomer_cannot(self) -> None:
        rig = Rig().ready()
        burst(rig, 18)
        rig.tick(marks=QUIET)
        assert codes(burst(rig, 2)) == ["CONFIDENCE_LOW"] * 2
        assert burst(rig, 1) == []

    def test_accounts_do_not_share_their_seconds(self) -> None:
        rig = Rig().ready("alice", "bob")
        burst(rig, 11)
        assert codes(rig.signal(account="bob")) == ["LONG"]

    def test_a_tick_stays_applied_whatever_becomes_of_the_signals_it_works_on(self) -> None:
        rig = Rig().ready()
        burst(rig, 12)
        rig.tick(marks=QUIET)
        assert rig.last.fate is Fate.APPLIED


class TestTheQueue:
    def full(self) -> Rig:
        """Fill a queue with a hundred of confidence 0.5, but for one of 0.4 in the middle."""
        rig = Rig().ready()
        burst(rig, 10)
        for number in range(100):
            rig.signal(confidence=dec("0.4") if number == 50 else dec("0.5"), signal_id=f"w{number}")
        assert len(waiting(rig)) == 100
        return rig

    def test_gives_the_place_of_the_lowest_to_a_better_newcomer(self) -> None:
        rig = self.full()
        (said,) = decisions(rig.signal(confidence=dec("0.41"), signal_id="new"))
        assert (said.subject, said.verdict) == ("w50", "DROPPED")
        assert said.reason == "QUEUE_FULL confidence=0.4 newcomer=0.41 queue_max=100 dropped=1"
        assert waiting(rig)[-1] == "new"

    def test_drops_a_newcomer_that_is_no_better_than_the_lowest(self) -> None:
        rig = self.full()
        (said,) = decisions(rig.signal(confidence=dec("0.4"), signal_id="new"))
        assert (said.subject, said.verdict, said.code) == ("new", "DROPPED", "QUEUE_FULL")
        assert len(waiting(rig)) == 100

    def test_a_newcomer_that_is_dropped_was_refused_and_one_that_takes_a_place_was_not(self) -> None:
        rig = self.full()
        fates = []
        for confidence in ("0.4", "0.9"):
            rig.signal(confidence=dec(confidence))
            fates.append(rig.last.fate)
        assert fates == [Fate.REFUSED, Fate.APPLIED]

    def test_what_has_waited_too_long_leaves_before_a_newcomer_is_turned_away(self) -> None:
        rig = Rig(throttle={"signals_per_cycle": "1", "queue_max": "2"}).ready()
        for name in ("worked", "old", "older"):
            rig.signal(signal_id=name)
        rig.now_ms += 10_001
        outputs = rig.signal(confidence=dec("0.5"), signal_id="new")
        assert [(said.subject, said.verdict, said.code) for said in decisions(outputs)] == [
            (name, "DROPPED", "SIGNAL_EXPIRED") for name in ("old", "older")
        ]
        assert (waiting(rig), rig.last.fate) == (["new"], Fate.APPLIED)

    def test_among_the_lowest_the_last_to_come_leaves(self) -> None:
        rig = self.full()
        rig.signal(confidence=dec("0.9"))
        (said,) = decisions(rig.signal(confidence=dec("0.6")))
        assert said.subject == "w99"

    def test_counts_its_drops(self) -> None:
        rig = self.full()
        reasons = [decisions(rig.signal(confidence=dec("0.1")))[0].reason for _ in range(3)]
        assert [reason.rpartition("dropped=")[2] for reason in reasons] == ["1", "2", "3"]
        assert rig.account().drops == {"QUEUE_FULL": 3}

    def test_is_worked_from_the_best_and_among_equals_from_the_first_to_come(self) -> None:
        rig = Rig().ready()
        burst(rig, 10)
        for name, confidence in (("a", "0.30"), ("b", "0.40"), ("c", "0.40"), ("d", "0.35")):
            rig.signal(signal_id=name, confidence=dec(confidence))
        assert [said.subject for said in decisions(rig.tick(marks=QUIET)) if said.kind == "SIGNAL"] == ["b", "c", "d", "a"]

    def test_lets_go_of_what_has_waited_too_long_and_says_so(self) -> None:
        rig = Rig(throttle={"signals_per_cycle": "1"}).ready()
        for _ in range(12):
            rig.signal(confidence=dec("0.3"))
        outputs = rig.tick(10)
        assert codes(outputs).count("SIGNAL_EXPIRED") == 0
        assert codes(outputs).count("CONFIDENCE_LOW") == 10
        expired = [said for said in decisions(rig.tick()) if said.code == "SIGNAL_EXPIRED"]
        assert [(said.verdict, said.reason.rpartition(" ")[2]) for said in expired] == [("DROPPED", "dropped=1")]
        assert waiting(rig) == []

    def test_every_signal_of_a_flood_gets_exactly_one_verdict(self) -> None:
        rig = Rig().ready()
        said: list[str] = []
        for _ in range(20):
            for _ in range(50):
                said += [one.subject for one in decisions(rig.signal(confidence=dec("0.3")))]
            said += [one.subject for one in decisions(rig.tick()) if one.kind == "SIGNAL"]
        said += [one.subject for one in decisions(rig.tick(15)) if one.kind == "SIGNAL"]
        assert len(said) == len(set(said)) == 1_000

    def test_a_signal_is_judged_by_what_is_known_when_its_turn_comes(self) -> None:
        rig = Rig(throttle={"signals_per_cycle": "1"}).ready()
        rig.signal(symbol="ETHUSDT")
        assert rig.signal() == []
        rig.mark("BTCUSDT", "100", funding_rate="0.01")
        assert "FUNDING_COST" in codes(rig.tick())

    def test_a_wish_to_reduce_is_never_dropped_for_a_wish_to_add(self) -> None:
        rig = Rig(throttle={"signals_per_cycle": "1", "queue_max": "2"}).ready()
        rig.open()
        rig.tick(marks=QUIET)
        for _ in range(4):
            rig.signal(symbol="ETHUSDT", confidence=dec("0.95"))
        outputs = rig.signal("CLOSE", confidence=dec("0.5"))
        outputs += rig.tick(3, QUIET)
        assert [order.symbol for order in orders(outputs) if order.reduce_only] == ["BTCUSDT"]


class TestAnHourOfFlood:
    @pytest.mark.parametrize(("each_second", "worked"), [(12, 10), (50, 10)])
    def test_leaves_no_garbage_behind(self, each_second: int, worked: int) -> None:
        queue = SignalQueue()
        for second in range(600):
            for number in range(each_second):
                queue.offer(a_signal(confidence=dec(number) / 100), second * 1000 + 10_000, 100)
            queue.expired(second * 1000)
            for _ in range(worked):
                queue.next()
        kept = max(len(queue._best), len(queue._worst), len(queue._expiring))  # noqa: SLF001 - the bound is the point
        assert kept <= 3 * 100 + 100


class Naive:
    """The same queue, as plainly as it can be said."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, Signal]] = []
        self.arrivals = 0

    def offer(self, signal: Signal, expires_ms: int, room: int) -> Signal | None:
        leaving = None
        if len(self.rows) >= room:
            worst = min(self.rows, key=lambda row: (rank(row[2]), -row[0]))
            if rank(signal) <= rank(worst[2]):
                return signal
            self.rows.remove(worst)
            leaving = worst[2]
        self.arrivals += 1
        self.rows.append((self.arrivals, expires_ms, signal))
        return leaving

    def next(self) -> Signal | None:
        if not self.rows:
            return None
        best = max(self.rows, key=lambda row: (rank(row[2]), -row[0]))
        self.rows.remove(best)
        return best[2]

    def expired(self, now_ms: int) -> list[Signal]:
        gone = sorted((row for row in self.rows if row[1] < now_ms), key=lambda row: (row[1], row[0]))
        self.rows = [row for row in self.rows if row not in gone]
        return [row[2] for row in gone]


def rank(signal: Signal) -> tuple[bool, Decimal]:
    return signal.side == "CLOSE", signal.confidence


OFFER = st.tuples(st.sampled_from(["LONG", "LONG", "CLOSE"]), st.integers(0, 5), st.integers(0, 20))
MOVE = st.one_of(
    OFFER,
    OFFER,
    st.tuples(st.just("next"), st.just(0), st.just(0)),
    st.tuples(st.just("expired"), st.just(0), st.integers(0, 20)),
)


@given(st.integers(1, 6), st.lists(MOVE, max_size=120))
def test_the_queue_answers_like_a_plain_list(room: int, moves: list[tuple[str, int, int]]) -> None:
    queue, naive = SignalQueue(), Naive()
    for number, (what, confidence, ms) in enumerate(moves):
        if what in ("LONG", "CLOSE"):
            signal = a_signal(signal_id=f"s{number}", side=what, confidence=dec(confidence) / 10)
            assert queue.offer(signal, ms, room) == naive.offer(signal, ms, room)
        elif what == "next":
            assert queue.next() == naive.next()
        else:
            assert queue.expired(ms) == naive.expired(ms)
        assert [(entry.arrival, entry.expires_ms, entry.signal) for entry in queue.waiting()] == naive.rows
        queue = SignalQueue(queue.waiting(), queue.arrivals) if number % 7 == 0 else queue
