"""The stop over all accounts: a drawdown of everything together reaches every partition within three ticks."""

from __future__ import annotations

from typing import Any

import pytest

from streams.desk.emergency_stop import StopState
from streams.desk.messages import EVERY_ACCOUNT, Control, EquityReport, Reset, Trip
from streams.desk.outputs import Fate, Output
from streams.desk.state import new_state
from tests.desk_kit import SYMBOLS, Rig, codes, dec, decisions, orders

QUIET = dict.fromkeys(SYMBOLS, "100")
TICKS_MAX = 3
"""From the breach to every partition."""


class Partitions:
    """Several desks and what carries their reports and commands, each hop taking up to a whole tick.

    Reports go to partition 0, which hosts the stop over all accounts; commands to `*` go everywhere.
    """

    def __init__(self, count: int, hop_ticks: int = 1, **limits: dict[str, str]) -> None:
        limits = {"ess": {"drawdown_pct": "90", "stale_mark_s": "3600"}, "crash": {"fall_pct": "90"}} | limits
        self.rigs = [Rig(new_state(1, number, count), **limits).ready(f"account{number}") for number in range(count)]
        self.hop_ticks = hop_ticks
        self.ticks = 0
        self.under_way: list[tuple[int, EquityReport | Control]] = []
        self.silent: set[int] = set()
        self.said: list[Output] = []

    def hold(self, quantity: str = "50") -> Partitions:
        """Let every account hold a quantity bought at 100, without stops near by."""
        for number, rig in enumerate(self.rigs):
            rig.fill("elsewhere", quantity=quantity, account=f"account{number}")
            plan = rig.account(f"account{number}").positions["BTCUSDT"].plan
            assert plan is not None
            plan.stop, plan.take_profit, plan.trail = dec("0.01"), dec(10**6), dec(10**6)
        self.tick(3)
        return self

    def price(self, price: str) -> None:
        for rig in self.rigs:
            rig.mark("BTCUSDT", price)

    def tick(self, seconds: int = 1) -> None:
        """Let seconds pass everywhere, then deliver what has been under way for long enough."""
        for _ in range(seconds):
            self.ticks += 1
            for number, rig in enumerate(self.rigs):
                prices = {symbol: str(mark.mark) for symbol, mark in rig.state.marks.items()}
                self.take(number, rig.tick(1, prices))
            due = [body for ticks, body in self.under_way if ticks < self.ticks]
            self.under_way = [entry for entry in self.under_way if entry[0] >= self.ticks]
            for body in due:
                for number in [0] if isinstance(body, EquityReport) else range(len(self.rigs)):
                    self.take(number, self.rigs[number].feed(body))

    def take(self, number: int, outputs: list[Output]) -> None:
        self.said += outputs
        for output in outputs:
            if isinstance(output, Control) or (isinstance(output, EquityReport) and number not in self.silent):
                self.under_way.append((self.ticks + self.hop_ticks - 1, output))

    def command(self, command: Any, **fields: Any) -> None:
        for number, rig in enumerate(self.rigs):
            self.take(number, rig.command(EVERY_ACCOUNT, command, **fields))

    @property
    def stops(self) -> list[StopState]:
        return [rig.state.stop.state for rig in self.rigs]

    @property
    def asked(self) -> list[str]:
        return [said.reason.removeprefix("TRIP_ASKED cause=") for said in decisions(self.said) if said.code == "TRIP_ASKED"]

    def ticks_until_all_tripped(self, within: int) -> int:
        for ticks in range(1, within + 1):
            self.tick()
            if all(stop is not StopState.ARMED for stop in self.stops):
                return ticks
        return within + 1


class TestABreach:
    @pytest.mark.parametrize("count", [1, 2, 4])
    @pytest.mark.parametrize("hop_ticks", [0, 1])
    def test_reaches_every_partition_within_three_ticks(self, count: int, hop_ticks: int) -> None:
        desks = Partitions(count, hop_ticks).hold()
        desks.price("91")
        assert desks.ticks_until_all_tripped(within=10) <= TICKS_MAX

    @pytest.mark.parametrize(("price", "trips"), [("92.01", False), ("92", True)])
    def test_is_the_limit_exactly(self, price: str, trips: bool) -> None:
        desks = Partitions(3).hold()  # 150 BTC on 30,000: 4 % are 8 a coin
        desks.price(price)
        desks.tick(5)
        assert [stop is not StopState.ARMED for stop in desks.stops] == [trips] * 3

    def test_says_every_figure_where_it_is_judged(self) -> None:
        desks = Partitions(3).hold()
        desks.price("92")
        desks.tick(5)
        assert desks.asked == ["TOTAL_DRAWDOWN equity=28800 floor=28800 high_water=30000 limit_pct=4"]

    def test_is_of_the_sum_not_of_one_partition(self) -> None:
        desks = Partitions(3).hold()
        desks.rigs[0].mark("BTCUSDT", "85")
        desks.tick(5)
        assert desks.asked == []

    def test_is_asked_for_once(self) -> None:
        desks = Partitions(2, hop_ticks=3).hold()
        desks.tick(5)
        desks.price("80")
        desks.tick(10)
        assert len(desks.asked) == 1

    def test_of_what_was_gained_counts_too(self) -> None:
        desks = Partitions(2).hold()
        desks.price("110")  # 21,000 together: the floor is 20,160
        desks.tick(4)
        desks.price("101.59")
        desks.tick(4)
        assert len(desks.asked) == 1


class TestWhatATripDoes:
    def test_no_account_of_any_partition_gets_new_risk(self) -> None:
        desks = Partitions(3).hold()
        desks.price("90")
        desks.tick(4)
        for number, rig in enumerate(desks.rigs):
            assert codes(rig.signal(symbol="ETHUSDT", account=f"account{number}")) in (["ESS_TRIPPED"], ["ESS_COOLDOWN"])

    @pytest.mark.parametrize(("on_trip", "exits"), [("hold", 0), ("flatten", 3)])
    def test_the_policy_says_whether_positions_are_kept(self, on_trip: str, exits: int) -> None:
        desks = Partitions(3, total={"on_trip": on_trip}).hold()
        desks.price("90")
        desks.tick(6)
        assert len([order for order in orders(desks.said) if order.reduce_only]) == exits

    def test_it_cools_down_when_every_account_has_settled(self) -> None:
        desks = Partitions(2).hold()
        desks.price("90")
        desks.tick(6)
        assert desks.stops == [StopState.COOLDOWN] * 2

    def test_nothing_re_arms_by_itself(self) -> None:
        desks = Partitions(2).hold()
        desks.price("90")
        desks.tick(6)
        desks.price("150")
        for rig in desks.rigs:
            rig.now_ms += 3 * 86_400_000
        desks.tick(5)
        assert StopState.ARMED not in desks.stops

    def test_a_reset_rebases_the_sum(self) -> None:
        desks = Partitions(2).hold()
        desks.price("90")
        desks.tick(6)
        desks.command(Reset(True), reason="the feed is fine")
        desks.tick(5)
        assert desks.stops == [StopState.ARMED] * 2
        assert len(desks.asked) == 1
        desks.price("82.4")  # 19,000 less 4 % is 18,240
        desks.tick(5)
        assert len(desks.asked) == 2

    def test_a_reset_is_held_to_the_same_rules_as_an_accounts(self) -> None:
        desks = Partitions(1).hold()
        rig = desks.rigs[0]
        assert codes(rig.command(EVERY_ACCOUNT, Reset(True))) == ["ESS_NOT_TRIPPED"]
        rig.command(EVERY_ACCOUNT, Trip())
        assert codes(rig.command(EVERY_ACCOUNT, Reset(True), reason=" ")) == ["RESET_UNSIGNED"]
        assert codes(rig.command(EVERY_ACCOUNT, Reset(False))) == ["ESS_NOT_SETTLED"]
        desks.tick()
        assert codes(rig.command(EVERY_ACCOUNT, Reset(False))) == ["ESS_COOLDOWN"]
        rig.now_ms += 900_000
        assert codes(rig.command(EVERY_ACCOUNT, Reset(False))) == ["RESET"]

    def test_it_leaves_an_accounts_own_stop_alone(self) -> None:
        desks = Partitions(1).hold()
        rig = desks.rigs[0]
        rig.command("account0", Trip())
        rig.command(EVERY_ACCOUNT, Trip())
        desks.tick(2)
        rig.command(EVERY_ACCOUNT, Reset(True))
        assert rig.state.stop.armed
        assert not rig.account("account0").stop.armed


class TestMoneyThatMoves:
    def test_a_withdrawal_is_no_loss(self) -> None:
        desks = Partitions(2).hold()
        desks.rigs[1].money("WITHDRAWAL", "5000", account="account1")
        desks.tick(5)
        assert desks.asked == []

    def test_a_deposit_hides_no_loss(self) -> None:
        desks = Partitions(2).hold()
        desks.price("92.5")  # 3.75 %
        desks.tick(4)
        desks.rigs[1].money("DEPOSIT", "100000", account="account1")
        desks.tick(4)
        assert desks.asked == []
        desks.price("49.95")  # what is left of the 4 % is now of 119,250
        desks.tick(4)
        assert len(desks.asked) == 1


class TestSilence:
    def test_before_every_partition_has_reported_nothing_is_judged(self) -> None:
        desks = Partitions(2)
        desks.silent = {1}
        desks.hold()
        desks.price("50")
        desks.tick(5)
        assert desks.asked == []

    def test_a_partition_that_falls_silent_is_a_danger(self) -> None:
        desks = Partitions(2).hold()
        desks.silent = {1}
        desks.tick(30)
        assert desks.asked == []
        desks.tick(4)
        assert [cause.partition(" ")[0] for cause in desks.asked] == ["REPORT_STALE"]

    def test_so_is_silence_of_them_all(self) -> None:
        desks = Partitions(2).hold()
        desks.silent = {0, 1}
        desks.tick(34)
        assert [cause.partition(" ")[0] for cause in desks.asked] == ["REPORT_STALE"]

    def test_nobody_with_anything_cannot_fall(self) -> None:
        rig = Rig()
        rig.policy()
        rig.feed(EquityReport("r", 0, 1, rig.now_ms // 1000, dec(0), dec(0), 0, True, rig.now_ms))
        assert decisions(rig.last.outputs) == []

    def test_an_account_that_cannot_be_valued_is_a_danger_too(self) -> None:
        desks = Partitions(2).hold()
        desks.rigs[1].fill("elsewhere", symbol="NEWUSDT", quantity="1", account="account1")
        desks.tick(36)
        assert len(desks.asked) == 1

    def test_a_price_that_is_missing_for_a_moment_is_waited_for(self) -> None:
        desks = Partitions(2).hold()
        desks.rigs[1].fill("elsewhere", symbol="NEWUSDT", quantity="1", account="account1")
        desks.tick(10)
        desks.rigs[1].mark("NEWUSDT", "100")
        desks.tick(40)
        assert desks.asked == []


class TestReportsThatCannotBeTrue:
    def report(self, rig: Rig, **fields: Any) -> EquityReport:
        second = rig.now_ms // 1000
        return EquityReport(f"r{rig.number()}", 0, 2, second, dec(10_000), dec(10_000), 1, True, rig.now_ms)._replace(**fields)

    @pytest.mark.parametrize(
        "fields",
        [
            {"equity": dec("NaN")}, {"equity": dec("Infinity")}, {"equity": dec("1e30")}, {"equity": dec("1e110")}, {"equity": dec("-1e30")},
            {"transfers": dec("NaN")}, {"transfers": dec("1e110")}, {"partition": 2}, {"partition": -1}, {"partitions": 8, "partition": 7},
            {"partitions": 1}, {"second": 10**11}, {"ts": 0}, {"ts": 10**14}, {"report_id": ""},
        ],
    )  # fmt: skip
    def test_are_put_aside(self, fields: dict[str, Any]) -> None:
        rig = Rig(new_state(1, 0, 2)).ready()
        rig.feed(self.report(rig, **fields))
        assert rig.last.fate is Fate.DEAD_LETTER
        assert rig.state.total.reports == {}

    def test_a_repeat_or_an_older_one_is_a_duplicate(self) -> None:
        rig = Rig(new_state(1, 0, 2)).ready()
        first = self.report(rig)
        rig.feed(first)
        for again in (first, first._replace(report_id="r-old", second=first.second - 1, equity=dec(1))):
            rig.feed(again)
            assert rig.last.fate is Fate.DUPLICATE
        assert rig.state.total.reports[0][1] == first
