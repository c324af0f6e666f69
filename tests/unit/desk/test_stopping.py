"""What trips an account's emergency stop, and what it does then: hold or flatten, settle, cool down, wait for somebody."""

from __future__ import annotations

from typing import Any

import pytest

from streams.desk import portfolio
from streams.desk.emergency_stop import StopState
from streams.desk.messages import EVERY_ACCOUNT, Disable, Enable, PhaseChange, PolicyUpdate, Reset, Trip
from streams.desk.outputs import Output, Portfolio
from streams.desk.policy_check import canonical, document_hash
from streams.desk.state import Account
from streams.desk.values import exact
from streams.simulation.policies import document
from tests.desk_kit import SYMBOLS, Rig, cancels, codes, dec, decisions, one_order, orders, portfolios

QUIET = dict.fromkeys(SYMBOLS, "100")


def roomy(**ess: str) -> Rig:
    """Start a desk whose limits allow most of an account to stand in one symbol."""
    size = {"max_position_usd": "9000", "max_exposure_usd": "20000", "risk_per_trade_pct": "10.00"}
    return Rig(size=size, market={"depth_share_max_pct": "100", "collar_pct_max": "50"}, ess=ess)


def trips(outputs: list[Output]) -> list[str]:
    """Give the causes of the trips among outputs."""
    reasons = [said.reason for said in decisions(outputs) if said.kind == "ESS" and said.code == "TRIPPED"]
    return [reason.removeprefix("TRIPPED cause=").partition(" ")[0] for reason in reasons]


def holding(drawdown_pct: str = "5.0", on_trip: str = "hold", **ess: str) -> Rig:
    """Hold 50 BTC bought at 100 with 10,000 USD, without stops near by: a dollar less of price is 50 of equity."""
    rig = roomy(drawdown_pct=drawdown_pct, on_trip=on_trip, **ess).ready()
    rig.fill("elsewhere", quantity="50", price="100")
    far_away(rig)
    return rig


def far_away(rig: Rig, account: str = "alice") -> None:
    """Take every stop and target of an account out of the way."""
    for position in rig.account(account).positions.values():
        assert position.plan is not None
        position.plan.stop, position.plan.take_profit, position.plan.trail = dec("0.01"), dec(10**6), dec(10**6)


def refreshed(rig: Rig, seconds: int, policy_every_s: int = 300) -> list[Output]:
    """Let time pass with prices and policy kept fresh."""
    outputs: list[Output] = []
    for second in range(seconds):
        if second % policy_every_s == 0:
            rig.policy(1, **rig.limits)
        outputs += rig.tick(marks={symbol: str(mark.mark) for symbol, mark in rig.state.marks.items()})
    return outputs


class TestDrawdown:
    @pytest.mark.parametrize(("drawdown_pct", "price", "trips_at"), [("3.0", "94.00", "94"), ("5.0", "90.00", "90")])
    def test_trips_exactly_at_the_limit(self, drawdown_pct: str, price: str, trips_at: str) -> None:
        rig = holding(drawdown_pct)
        assert trips(rig.mark("BTCUSDT", dec(price) + dec("0.01"))) == []
        assert trips(rig.mark("BTCUSDT", trips_at)) == ["DRAWDOWN"]

    def test_says_every_figure(self) -> None:
        rig = holding("3.0")
        rig.mark("BTCUSDT", "94")
        assert rig.account().stop.trip_reason == "DRAWDOWN equity=9700 floor=9700 high_water=10000 limit_pct=3"

    def test_counts_from_the_high_water_mark_not_from_the_start(self) -> None:
        rig = holding("5.0")
        rig.mark("BTCUSDT", "110")  # equity 10,500, so the floor is 9,975
        assert rig.account().high_water == dec(10_500)
        assert trips(rig.mark("BTCUSDT", "99.51")) == []
        assert trips(rig.mark("BTCUSDT", "99.5")) == ["DRAWDOWN"]

    def test_the_high_water_mark_rises_with_money_too(self) -> None:
        rig = holding("5.0")
        rig.money("FUNDING", "1000")
        assert rig.account().high_water == dec(11_000)
        assert trips(rig.money("FUNDING", "-549.99")) == []
        assert trips(rig.money("FUNDING", "-0.01")) == ["DRAWDOWN"]

    def test_counts_what_is_realised_too(self) -> None:
        rig = holding("5.0")
        rig.fill("elsewhere", quantity="50", price="90.01", side="SELL")
        assert rig.account().stop.armed
        assert trips(rig.money("FUNDING", "-0.5")) == ["DRAWDOWN"]

    def test_counts_fees(self) -> None:
        rig = holding("5.0")
        assert trips(rig.fill("elsewhere", quantity="1", price="100", fee=dec(500))) == ["DRAWDOWN"]

    def test_takes_the_worst_of_a_mark(self) -> None:
        assert trips(holding("5.0").mark("BTCUSDT", "100", low="90")) == ["DRAWDOWN"]

    def test_takes_the_best_of_a_mark_for_the_high_water_first(self) -> None:
        rig = holding("5.0")
        assert trips(rig.mark("BTCUSDT", "104", high="110", low="99.5")) == ["DRAWDOWN"]

    def test_a_short_falls_when_the_price_rises(self) -> None:
        rig = roomy().ready()
        rig.fill("elsewhere", quantity="50", price="100", side="SELL")
        far_away(rig)
        position = rig.account().positions["BTCUSDT"]
        assert position.plan is not None
        position.plan.stop, position.plan.take_profit = dec(10**6), dec("0.01")
        assert trips(rig.mark("BTCUSDT", "109.99")) == []
        assert trips(rig.mark("BTCUSDT", "110")) == ["DRAWDOWN"]

    def test_sums_what_is_held(self) -> None:
        rig = holding("5.0")
        rig.fill("elsewhere", symbol="ETHUSDT", quantity="50", price="100")
        far_away(rig)
        assert trips(rig.mark("BTCUSDT", "95")) == []
        assert trips(rig.mark("ETHUSDT", "95.01")) == []
        assert trips(rig.mark("ETHUSDT", "95")) == ["DRAWDOWN"]

    def test_a_withdrawal_is_no_loss(self) -> None:
        rig = holding("5.0")
        assert trips(rig.money("WITHDRAWAL", "5000")) == []
        assert rig.account().high_water == dec(5_000)

    def test_a_fee_nobody_can_price_does_not_blind_it(self) -> None:
        rig = holding("5.0")
        rig.fill("elsewhere", quantity="0.001", price="100", fee=dec("0.01"), fee_currency="XYZ")
        assert trips(rig.mark("BTCUSDT", "89")) == ["DRAWDOWN"]

    def test_dust_nobody_prices_does_not_blind_it(self) -> None:
        rig = holding("5.0")
        rig.instrument("NEWUSDT")
        rig.fill("elsewhere", "0.0005", symbol="NEWUSDT")
        rig.account().positions["NEWUSDT"].dust = True
        rig.money("FUNDING", "0")
        with exact():
            assert portfolio.partition_equity(rig.state) == (dec(10_000), True)
        assert trips(rig.mark("BTCUSDT", "90.01")) == []
        assert trips(rig.mark("BTCUSDT", "90")) == ["DRAWDOWN"]

    def test_only_the_account_that_fell_is_stopped(self) -> None:
        rig = roomy(on_trip="hold").ready("alice", "bob")
        rig.fill("elsewhere", quantity="50", price="100")
        far_away(rig)
        rig.mark("BTCUSDT", "90")
        assert (rig.account("alice").stop.state, rig.account("bob").stop.state) == (StopState.TRIPPED, StopState.ARMED)


class TestFlashCrash:
    def small(self) -> Rig:
        """Hold so little that no fall is a drawdown."""
        rig = Rig().ready()
        rig.fill("elsewhere", quantity="0.1", price="100")
        far_away(rig)
        return rig

    @pytest.mark.parametrize(("price", "cause"), [("80.01", []), ("80", ["FLASH_CRASH"]), ("50", ["FLASH_CRASH"])])
    def test_trips_at_a_fall_of_a_fifth(self, price: str, cause: list[str]) -> None:
        assert trips(self.small().mark("BTCUSDT", price)) == cause

    def test_a_wick_is_a_fall(self) -> None:
        assert trips(self.small().mark("BTCUSDT", "100", low="80")) == ["FLASH_CRASH"]

    def test_the_wick_upwards_is_where_a_fall_begins(self) -> None:
        assert trips(self.small().mark("BTCUSDT", "100", high="110", low="88")) == ["FLASH_CRASH"]

    def test_a_rise_is_none(self) -> None:
        assert trips(self.small().mark("BTCUSDT", "150")) == []

    @pytest.mark.parametrize(("seconds", "cause"), [(299, ["FLASH_CRASH"]), (300, ["FLASH_CRASH"]), (301, [])])
    def test_counts_within_five_minutes(self, seconds: int, cause: list[str]) -> None:
        rig = self.small()
        rig.tick(10, QUIET | {"BTCUSDT": "95"})
        rig.mark("BTCUSDT", "100")
        rig.tick(seconds - 1, QUIET | {"BTCUSDT": "95"})
        rig.now_ms = (rig.now_ms // 1000 + 1) * 1000 - 1
        assert trips(rig.mark("BTCUSDT", "80")) == cause

    def test_a_slow_fall_within_the_window_is_one(self) -> None:
        rig = self.small()
        for number in range(1, 20):
            assert trips(rig.tick(10, QUIET | {"BTCUSDT": str(100 - number)})) == []
        assert trips(rig.mark("BTCUSDT", "80")) == ["FLASH_CRASH"]

    def test_only_holders_are_stopped_short_ones_too(self) -> None:
        rig = Rig().ready("alice", "bob", "carol")
        rig.fill("elsewhere", quantity="0.1", price="100")
        rig.fill("elsewhere", quantity="0.1", price="100", side="SELL", account="carol")
        rig.mark("BTCUSDT", "80")
        assert [rig.account(name).stop.armed for name in ("alice", "bob", "carol")] == [False, True, False]


class TestStaleMarks:
    @pytest.mark.parametrize(("seconds", "cause"), [(30, []), (31, ["STALE_MARK"])])
    def test_trip_who_holds_something_nobody_prices(self, seconds: int, cause: list[str]) -> None:
        rig = Rig().ready()
        rig.now_ms = (rig.now_ms // 1000 + 1) * 1000 - 1
        rig.fill("elsewhere", quantity="0.1", price="100")
        rig.mark("BTCUSDT", "100")
        assert trips(rig.tick(seconds)) == cause

    def test_do_not_trip_who_holds_nothing(self) -> None:
        rig = Rig().ready()
        assert trips(rig.tick(100)) == []

    def test_trip_each_after_the_time_of_its_own_phase(self) -> None:
        rig = Rig().ready("alice", "bob")
        written = document(SYMBOLS)
        written["phases"]["patient"] = document(SYMBOLS, ess={"stale_mark_s": "60"})["phases"]["phase3"]
        text = canonical(written)
        rig.command(EVERY_ACCOUNT, PolicyUpdate(2, document_hash(text), text))
        rig.command("bob", PhaseChange("patient", True))
        rig.refresh()
        for name in ("alice", "bob"):
            rig.fill("elsewhere", quantity="0.1", price="100", account=name)
        rig.tick(32)
        assert (rig.account("alice").stop.armed, rig.account("bob").stop.armed) == (False, True)
        rig.tick(30)
        assert not rig.account("bob").stop.armed

    def test_a_position_without_any_price_counts_from_when_it_was_opened(self) -> None:
        rig = Rig().ready()
        rig.fill("elsewhere", symbol="NEWUSDT", quantity="0.1", price="100")
        assert trips(rig.tick(30)) == []
        assert trips(rig.tick()) == ["STALE_MARK"]


class TestByHand:
    def test_trips_at_once_with_who_and_why(self) -> None:
        rig = holding()
        outputs = rig.command("alice", Trip(), user="ann", reason="a strange feeling")
        assert trips(outputs) == ["COMMAND"]
        assert rig.account().stop.trip_reason == "COMMAND user=ann reason=a strange feeling"
        assert codes(outputs) == ["TRIPPED", "TRIPPED"]

    @pytest.mark.parametrize(
        "fields", [{"user": ""}, {"reason": ""}, {"user": " ", "reason": " "}, {"ts": 1}, {"ts": 10**13}, {"reason": "x" * 600}]
    )
    def test_is_never_refused_for_its_form(self, fields: dict[str, Any]) -> None:
        rig = holding()
        rig.command("alice", Trip(), **fields)
        assert rig.account().stop.state is StopState.TRIPPED

    def test_a_second_time_says_so(self) -> None:
        rig = holding()
        rig.command("alice", Trip())
        assert codes(rig.command("alice", Trip())) == ["ALREADY_TRIPPED"]

    def test_a_liquidation_trips_too(self) -> None:
        rig = holding()
        assert trips(rig.money("LIQUIDATION", "0", symbol="BTCUSDT", quantity=dec(-1), price=dec(100))) == ["LIQUIDATION"]


class TestOnATrip:
    def test_holding_cancels_what_adds_risk_and_keeps_what_is_held(self) -> None:
        rig = holding(on_trip="hold")
        entering = one_order(rig.signal(symbol="ETHUSDT"))
        outputs = rig.command("alice", Trip())
        assert [cancel.order_id for cancel in cancels(outputs)] == [entering.order_id]
        assert orders(outputs + refreshed(rig, 10)) == []

    def test_flattening_closes_every_position(self) -> None:
        rig = holding(on_trip="flatten")
        rig.fill("elsewhere", symbol="ETHUSDT", quantity="1", price="100", side="SELL")
        exits = orders(rig.command("alice", Trip()))
        assert [(order.symbol, order.side, order.quantity, order.reduce_only) for order in exits] == [
            ("BTCUSDT", "SELL", dec(50), True), ("ETHUSDT", "BUY", dec(1), True),
        ]  # fmt: skip

    def test_orders_that_only_reduce_are_not_cancelled(self) -> None:
        rig = holding(on_trip="hold")
        rig.signal("CLOSE")
        assert cancels(rig.command("alice", Trip())) == []

    def test_nothing_that_adds_risk_is_made(self) -> None:
        rig = holding()
        rig.command("alice", Trip())
        assert codes(rig.signal(symbol="ETHUSDT")) == ["ESS_TRIPPED"]
        assert [said.verdict for said in decisions(rig.signal("CLOSE"))] == ["APPROVED"]

    def test_a_fill_that_comes_late_is_flattened_too(self) -> None:
        rig = holding(on_trip="flatten")
        entering = one_order(rig.signal(symbol="ETHUSDT"))
        rig.command("alice", Trip())
        rig.fill(entering, "1")
        assert [(order.symbol, order.quantity) for order in orders(refreshed(rig, 2))] == [("ETHUSDT", dec(1))]

    @pytest.mark.parametrize("account", [EVERY_ACCOUNT, "alice"])
    def test_what_waits_to_open_is_dropped_and_what_waits_to_close_is_worked_on(self, account: str) -> None:
        rig = Rig(throttle={"signals_per_cycle": "1"}, ess={"on_trip": "hold"}).ready()
        rig.open()
        rig.signal(symbol="ETHUSDT", signal_id="eth")
        rig.signal("CLOSE", signal_id="out")
        rig.signal("SHORT", symbol="SOLUSDT", signal_id="sol")
        outputs = rig.command(account, Trip())
        dropped = [(said.subject, said.reason) for said in decisions(outputs) if said.verdict == "DROPPED"]
        assert dropped == [("eth", "ESS_TRIPPED confidence=0.9 dropped=1"), ("sol", "ESS_TRIPPED confidence=0.9 dropped=2")]
        assert [entry.signal.signal_id for entry in rig.account().queue.waiting()] == ["out"]
        assert [(order.symbol, order.reduce_only) for order in orders(refreshed(rig, 3))] == [("BTCUSDT", True)]

    def test_other_accounts_signals_go_on_waiting(self) -> None:
        rig = Rig(throttle={"signals_per_cycle": "1"}).ready("alice", "bob")
        for _ in range(2):
            rig.signal(account="bob")
        rig.command("alice", Trip())
        assert len(rig.account("bob").queue) == 1

    def test_a_cancel_without_an_answer_is_repeated(self) -> None:
        rig = holding()
        entering = one_order(rig.signal(symbol="ETHUSDT"))
        rig.command("alice", Trip())
        again = cancels(refreshed(rig, 11))
        assert [(cancel.order_id, cancel.reason) for cancel in again] == [(entering.order_id, "AGAIN")] * 2


class TestSettling:
    def test_holding_cools_down_when_no_order_that_adds_risk_is_left(self) -> None:
        rig = holding(on_trip="hold")
        entering = one_order(rig.signal(symbol="ETHUSDT"))
        rig.command("alice", Trip())
        refreshed(rig, 3)
        assert rig.account().stop.state is StopState.TRIPPED
        rig.event(entering, "CANCELLED")
        assert codes(refreshed(rig, 1)).count("COOLDOWN") == 1
        assert rig.account().stop.cooldown_start_ms == rig.state.now_ms

    def test_flattening_cools_down_when_it_is_flat(self) -> None:
        rig = holding(on_trip="flatten")
        leaving = one_order(rig.command("alice", Trip()))
        rig.fill(leaving, "49.999")
        refreshed(rig, 2)
        assert rig.account().stop.state is StopState.TRIPPED
        rig.fill(leaving, "0.001")
        refreshed(rig, 1)
        assert rig.account().stop.state is StopState.COOLDOWN

    def test_dust_on_top_of_what_is_being_sold_is_not_flat(self) -> None:
        rig = holding(on_trip="flatten")
        rig.fill("elsewhere", quantity="0.0005", price="100")
        rig.command("alice", Trip())
        refreshed(rig, 3)
        assert rig.account().stop.state is StopState.TRIPPED

    def test_dust_alone_is_as_flat_as_it_gets(self) -> None:
        rig = holding(on_trip="flatten")
        rig.fill("elsewhere", quantity="0.0005", price="100")
        rig.fill(one_order(rig.command("alice", Trip())))
        refreshed(rig, 3)
        assert rig.account().stop.state is StopState.COOLDOWN

    def test_an_order_of_unknown_fate_is_not_settled(self) -> None:
        rig = holding(on_trip="hold")
        rig.event(one_order(rig.signal(symbol="ETHUSDT")), "UNKNOWN")
        rig.command("alice", Trip())
        refreshed(rig, 60)
        assert rig.account().stop.state is StopState.TRIPPED


class TestReset:
    def cooling(self, **ess: str) -> Rig:
        rig = holding(**ess)
        rig.command("alice", Trip())
        refreshed(rig, 1)
        assert rig.account().stop.state is StopState.COOLDOWN
        return rig

    @pytest.mark.parametrize(
        ("user", "reason"), [("", "fine again"), ("ann", ""), ("", ""), (" ", "fine again"), ("ann", " \t"), ("\n", "\n")]
    )
    @pytest.mark.parametrize("override", [False, True])
    def test_needs_somebody_and_a_reason(self, user: str, reason: str, override: bool) -> None:
        rig = self.cooling(cooldown_s="0")
        before = rig.account().stop
        assert codes(rig.command("alice", Reset(override), user=user, reason=reason)) == ["RESET_UNSIGNED"]
        assert rig.account().stop == before
        assert not rig.account().stop.armed

    def test_waits_for_the_end_of_the_cooldown_to_the_millisecond(self) -> None:
        rig = self.cooling()
        rig.now_ms += 899_999
        (said,) = decisions(rig.command("alice", Reset(False)))
        assert said.reason == "ESS_COOLDOWN left_ms=1"
        rig.now_ms += 1
        assert codes(rig.command("alice", Reset(False))) == ["RESET"]
        assert rig.account().stop.armed

    def test_comes_earlier_only_with_override(self) -> None:
        rig = self.cooling()
        assert codes(rig.command("alice", Reset(False))) == ["ESS_COOLDOWN"]
        assert codes(rig.command("alice", Reset(True))) == ["RESET"]

    def test_is_refused_before_it_has_settled_but_for_override(self) -> None:
        rig = holding()
        one_order(rig.signal(symbol="ETHUSDT"))
        rig.command("alice", Trip())
        assert codes(rig.command("alice", Reset(False))) == ["ESS_NOT_SETTLED"]
        assert codes(rig.command("alice", Reset(True))) == ["RESET"]

    def test_is_refused_where_nothing_has_tripped(self) -> None:
        rig = holding()
        assert codes(rig.command("alice", Reset(True))) == ["ESS_NOT_TRIPPED"]
        assert rig.account().stop.reset_count == 0

    def test_is_refused_while_nobody_knows_what_the_account_is_worth(self) -> None:
        rig = self.cooling()
        rig.fill("elsewhere", symbol="NEWUSDT", quantity="1", price="1")
        assert codes(rig.command("alice", Reset(True))) == ["EQUITY_UNKNOWN"]

    def test_clears_the_trip_counts_itself_and_rebases_the_high_water_mark(self) -> None:
        rig = holding("5.0")
        rig.mark("BTCUSDT", "90")
        refreshed(rig, 1)
        rig.command("alice", Reset(True), user="bea", reason="looked at it")
        stop = rig.account().stop
        assert (stop.trip_ms, stop.trip_reason, stop.cooldown_start_ms, stop.reset_count) == (None, "", None, 1)
        assert (stop.reset_by, stop.reset_reason) == ("bea", "looked at it")
        assert rig.account().high_water == dec(9_500)
        assert trips(rig.mark("BTCUSDT", "80.51")) == []
        assert trips(rig.mark("BTCUSDT", "80.5")) == ["DRAWDOWN"]

    def test_lets_trade_again(self) -> None:
        rig = self.cooling()
        rig.command("alice", Reset(True))
        assert codes(rig.signal(symbol="ETHUSDT")) == ["LONG"]

    def test_stops_what_was_being_flattened(self) -> None:
        rig = holding(on_trip="flatten")
        rig.event(one_order(rig.command("alice", Trip())), "REJECTED")
        rig.command("alice", Reset(True))
        assert orders(refreshed(rig, 20)) == []

    def test_a_position_kept_by_a_reset_still_ends_at_its_deadline(self) -> None:
        rig = holding(on_trip="flatten")
        plan = rig.account().positions["BTCUSDT"].plan
        assert plan is not None
        leaving = one_order(rig.command("alice", Trip()))
        rig.event(leaving, "REJECTED")
        rig.now_ms = plan.deadline_ms
        for _ in range(3):
            rig.refresh()
            for order in orders(rig.tick()):
                rig.event(order, "REJECTED")
        rig.command("alice", Reset(True))
        assert [said.code for said in decisions(refreshed(rig, 10)) if said.kind == "EXIT"] == ["TIME"]


class TestNothingReArmsByItself:
    def after_days(self, rig: Rig) -> Account:
        for _ in range(4):
            rig.now_ms += 86_400_000
            rig.policy(1, **rig.limits)
            rig.refresh()
            rig.tick(3, {symbol: str(mark.mark) for symbol, mark in rig.state.marks.items()})
        return rig.account()

    @pytest.mark.parametrize("cooldown_s", ["0", "900"])
    def test_not_even_after_days(self, cooldown_s: str) -> None:
        rig = holding(cooldown_s=cooldown_s)
        rig.command("alice", Trip())
        refreshed(rig, 2)
        stop = self.after_days(rig).stop
        assert stop.state is StopState.COOLDOWN
        assert stop.trip_reason.startswith("COMMAND")

    def test_nor_with_anything_else_an_operator_does(self) -> None:
        rig = holding("5.0")
        rig.mark("BTCUSDT", "90")
        rig.policy(2, ess={"drawdown_pct": "50"})
        rig.mark("BTCUSDT", "120")
        for account in (EVERY_ACCOUNT, "alice"):
            rig.command(account, Disable())
            rig.command(account, Enable())
        rig.money("DEPOSIT", "100000")
        assert not self.after_days(rig).stop.armed


class TestWhatIsShown:
    def shown(self, outputs: list[Output]) -> Portfolio:
        return [one for one in portfolios(outputs) if one.account == "alice"][-1]

    def test_the_whole_life_of_a_trip(self) -> None:
        rig = holding("5.0")
        entering = one_order(rig.signal(symbol="ETHUSDT"))
        rig.mark("BTCUSDT", "90")
        tripped_ms = rig.state.now_ms
        tripped = self.shown(refreshed(rig, 1))
        assert (tripped.ess_state, tripped.ess_trip_ms, tripped.mode) == ("TRIPPED", tripped_ms, "REDUCING")
        assert (tripped.ess_cooldown_ms, tripped.ess_left_s, tripped.ess_reset_count) == (None, 900, 0)
        assert tripped.ess_trip_reason.startswith("DRAWDOWN ")
        rig.event(entering, "CANCELLED")
        cooling = self.shown(refreshed(rig, 1))
        assert (cooling.ess_state, cooling.ess_cooldown_ms, cooling.ess_left_s) == ("COOLDOWN", rig.state.now_ms, 900)
        rig.command("alice", Reset(True))
        armed = self.shown(refreshed(rig, 1))
        assert (armed.ess_state, armed.ess_trip_ms, armed.ess_trip_reason, armed.ess_left_s) == ("ARMED", None, "", 0)
        assert (armed.ess_reset_count, armed.mode) == (1, "NORMAL")
