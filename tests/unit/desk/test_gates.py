"""The gates that ask about the account, the signal and the limits: what passes, what is refused, and what happens exactly at the limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streams.desk import gates
from streams.desk.emergency_stop import StopState
from streams.desk.messages import Disable, Enable, Promotion
from streams.desk.outputs import Check
from streams.desk.state import Adjustment
from tests.desk_kit import Rig, dec, one_order
from tests.gate_kit import a_signal, look, remember, wish


@pytest.fixture
def rig() -> Rig:
    return Rig().ready()


class TestKnown:
    def test_passes_an_account_in_service_and_a_symbol_with_filters(self, rig: Rig) -> None:
        assert look(gates.known, wish(rig)) == Check("known", "", "venue=sim symbol=BTCUSDT source=heuristic stage=LIVE")

    def test_refuses_an_account_out_of_service(self, rig: Rig) -> None:
        rig.account().in_service = False
        assert look(gates.known, wish(rig)).code == "ACCOUNT_CLOSED"

    def test_refuses_a_symbol_without_filters(self, rig: Rig) -> None:
        assert look(gates.known, wish(rig, instrument=None)).code == "INSTRUMENT_UNKNOWN"

    @pytest.mark.parametrize("stage", ["SHADOW", "RETIRED"])
    def test_refuses_a_source_that_may_not_trade(self, rig: Rig, stage: Any) -> None:
        rig.command("*", Promotion("heuristic", stage))
        check = look(gates.known, wish(rig))
        assert (check.code, check.figures) == ("SOURCE_NOT_LIVE", f"venue=sim symbol=BTCUSDT source=heuristic stage={stage}")

    def test_refuses_a_source_nobody_has_let_trade(self, rig: Rig) -> None:
        check = look(gates.known, wish(rig, signal=a_signal(source="newcomer")))
        assert (check.code, "source=newcomer stage=UNKNOWN" in check.figures) == ("SOURCE_NOT_LIVE", True)

    def test_takes_an_operator_for_a_source_of_its_own(self, rig: Rig) -> None:
        rig.command("*", Promotion("heuristic", "RETIRED"))
        check = look(gates.known, wish(rig, signal=None))
        assert (check.code, "source=operator" in check.figures) == ("", True)


class TestFresh:
    def aged(self, rig: Rig, age_ms: int) -> Check:
        return look(gates.fresh, wish(rig, asked_ms=rig.state.now_ms - age_ms))

    def test_passes_with_the_age_and_both_limits(self, rig: Rig) -> None:
        assert self.aged(rig, 1234) == Check("fresh", "", "age_ms=1234 age_ms_max=10000 ahead_ms_max=2000")

    @pytest.mark.parametrize(("age_ms", "code"), [(10_000, ""), (10_001, "SIGNAL_STALE"), (-2_000, ""), (-2_001, "SIGNAL_AHEAD")])
    def test_takes_an_age_at_the_limit_and_refuses_a_millisecond_more(self, rig: Rig, age_ms: int, code: str) -> None:
        assert self.aged(rig, age_ms).code == code

    def test_without_a_policy_new_risk_is_refused_and_reducing_is_not(self, rig: Rig) -> None:
        assert look(gates.fresh, wish(rig, phase=None)).code == "POLICY_MISSING"
        assert look(gates.fresh, wish(rig, phase=None, adds_risk=False)).code == ""


class TestEnabled:
    @pytest.mark.parametrize(
        ("every", "own", "code"), [(True, True, ""), (True, False, "no"), (False, True, "no"), (False, False, "no")]
    )
    def test_needs_both_switches_on(self, rig: Rig, every: bool, own: bool, code: str) -> None:
        rig.command("*", Enable() if every else Disable())
        rig.command("alice", Enable() if own else Disable())
        assert look(gates.enabled, wish(rig)) == Check("enabled", code and "TRADING_DISABLED", f"all={every} account={own}")


class TestArmed:
    @pytest.mark.parametrize("own", list(StopState))
    @pytest.mark.parametrize("every", list(StopState))
    def test_passes_only_where_both_stops_are_armed(self, rig: Rig, own: StopState, every: StopState) -> None:
        rig.account().stop.state, rig.state.stop.state = own, every
        both = (own, every)
        code = "ESS_TRIPPED" if StopState.TRIPPED in both else "ESS_COOLDOWN" if StopState.COOLDOWN in both else ""
        assert look(gates.armed, wish(rig)) == Check("armed", code, f"account={own.value} all={every.value}")


class TestPolicyFresh:
    @pytest.mark.parametrize(("age_ms", "code"), [(600_000, ""), (600_001, "POLICY_STALE")])
    def test_takes_a_policy_of_600_seconds_and_refuses_an_older_one(self, rig: Rig, age_ms: int, code: str) -> None:
        rig.state.policy_ms = rig.state.now_ms - age_ms
        assert look(gates.policy_fresh, wish(rig)) == Check("policy", code, f"age_ms={age_ms} age_ms_max=600000")

    def test_refuses_where_there_is_none(self, rig: Rig) -> None:
        assert look(gates.policy_fresh, wish(rig, phase=None)).code == "POLICY_MISSING"


class TestUndoubted:
    def test_passes_books_that_are_explained(self, rig: Rig) -> None:
        assert look(gates.undoubted, wish(rig)) == Check("undoubted", "", "adjustments=0 doubt=none fees_owed=0")

    def test_refuses_an_adjustment_without_its_trade(self, rig: Rig) -> None:
        rig.account().adjustments["a1"] = Adjustment("BTCUSDT", dec(1), dec(100), dec(0))
        assert look(gates.undoubted, wish(rig)) == Check("undoubted", "ACCOUNT_IN_DOUBT", "adjustments=1 doubt=none fees_owed=0")

    def test_refuses_a_fill_nobody_could_place(self, rig: Rig) -> None:
        rig.account().doubt = "FILL_TOO_OLD"
        assert look(gates.undoubted, wish(rig)).code == "ACCOUNT_IN_DOUBT"

    def test_refuses_a_fee_without_a_price(self, rig: Rig) -> None:
        rig.account().fees_owed["XYZUSDT"] = dec(1)
        assert look(gates.undoubted, wish(rig)) == Check("undoubted", "ACCOUNT_IN_DOUBT", "adjustments=0 doubt=none fees_owed=1")


class TestInPhase:
    def test_passes_a_symbol_of_the_phase(self, rig: Rig) -> None:
        assert look(gates.in_phase, wish(rig)) == Check("phase", "", "phase=phase3 symbols=4")

    def test_refuses_any_other(self, rig: Rig) -> None:
        assert look(gates.in_phase, wish(rig, symbol="DOGEUSDT")).code == "SYMBOL_NOT_IN_PHASE"


class TestConfident:
    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"confidence": dec("0.45")}, ""),
            ({"confidence": dec("0.4499")}, "CONFIDENCE_LOW"),
            ({"model_agreement": dec("0.60")}, ""),
            ({"model_agreement": dec("0.5999")}, "AGREEMENT_LOW"),
            ({"degraded": True}, "SIGNAL_DEGRADED"),
        ],
    )
    def test_takes_what_is_sure_enough(self, rig: Rig, fields: dict[str, Any], code: str) -> None:
        assert look(gates.confident, wish(rig, signal=a_signal(**fields))).code == code

    def test_records_every_figure(self, rig: Rig) -> None:
        figures = "confidence=0.9 confidence_min=0.45 agreement=0.9 agreement_min=0.6 degraded=False"
        assert look(gates.confident, wish(rig)) == Check("confident", "", figures)

    def test_a_policy_may_allow_degraded_signals(self) -> None:
        rig = Rig(entry={"allow_degraded": "true"}).ready()
        assert look(gates.confident, wish(rig, signal=a_signal(degraded=True))).code == ""

    def test_an_operator_needs_no_confidence(self, rig: Rig) -> None:
        assert look(gates.confident, wish(rig, signal=None)) == Check("confident", "", "manual=True")


class TestMarkFresh:
    def aged(self, rig: Rig, symbol: str, age_ms: int) -> Check:
        rig.refresh()
        rig.state.mark_ms[symbol] = rig.state.now_ms - age_ms
        return look(gates.mark_fresh, wish(rig))

    @pytest.mark.parametrize(("age_ms", "code"), [(5_000, ""), (5_001, "MARK_STALE")])
    def test_takes_a_mark_at_the_limit_and_refuses_an_older_one(self, rig: Rig, age_ms: int, code: str) -> None:
        assert self.aged(rig, "BTCUSDT", age_ms) == Check("mark", code, f"symbol=BTCUSDT age_ms={age_ms} age_ms_max=5000")

    def test_refuses_where_there_is_none(self, rig: Rig) -> None:
        del rig.state.marks["BTCUSDT"]
        request = replace(wish(Rig().ready()), state=rig.state, account=rig.account())
        assert look(gates.mark_fresh, request) == Check("mark", "MARK_MISSING", "symbol=BTCUSDT")

    def test_the_price_of_anything_else_that_is_held_must_be_fresh_too(self, rig: Rig) -> None:
        rig.open("ETHUSDT")
        assert self.aged(rig, "ETHUSDT", 5_001) == Check("mark", "MARK_STALE", "symbol=ETHUSDT age_ms=5001 age_ms_max=5000")

    def test_and_the_price_of_anything_that_may_come_to_be_held(self, rig: Rig) -> None:
        one_order(rig.signal(symbol="ETHUSDT"))
        assert self.aged(rig, "ETHUSDT", 5_001).code == "MARK_STALE"

    def test_the_price_of_what_nobody_here_holds_does_not_matter(self, rig: Rig) -> None:
        assert self.aged(rig, "ETHUSDT", 60_000).code == ""


class TestWithinPositions:
    def test_passes_while_there_is_room_for_a_symbol(self, rig: Rig) -> None:
        assert look(gates.within_positions, wish(rig)) == Check("positions", "", "positions=0 positions_max=20 mode=full")

    def test_refuses_a_symbol_too_many(self) -> None:
        rig = Rig(size={"positions_max": "2"}).ready()
        rig.open("ETHUSDT")
        assert look(gates.within_positions, wish(rig)).code == ""
        rig.open("SOLUSDT")
        assert look(gates.within_positions, wish(rig)) == Check(
            "positions", "POSITIONS_MAX", "positions=2 positions_max=2 mode=full"
        )

    def test_an_open_order_counts_as_a_position(self) -> None:
        rig = Rig(size={"positions_max": "1"}).ready()
        one_order(rig.signal(symbol="ETHUSDT"))
        assert look(gates.within_positions, wish(rig)).code == "POSITIONS_MAX"

    def test_more_of_a_symbol_is_no_symbol_more(self) -> None:
        rig = Rig(size={"positions_max": "1"}).ready()
        rig.open("BTCUSDT")
        assert look(gates.within_positions, wish(rig)).code == ""

    def test_refuses_an_entry_against_an_order_that_is_open(self, rig: Rig) -> None:
        remember(rig, "o1", side="SELL")
        assert look(gates.within_positions, wish(rig)).code == "OPPOSITE_OPEN"
        assert look(gates.within_positions, wish(rig, side="SELL")).code == ""

    def test_a_second_entry_needs_full_mode(self) -> None:
        rig = Rig().ready()
        rig.open("BTCUSDT")
        request = wish(rig)
        assert request.phase is not None
        limited = replace(request, phase=replace(request.phase, trading_mode="limited"))
        assert look(gates.within_positions, request).code == ""
        assert look(gates.within_positions, limited).code == "MODE_LIMITED"

    def test_refuses_an_entry_into_a_position_that_is_being_closed(self, rig: Rig) -> None:
        rig.open("BTCUSDT")
        rig.account().positions["BTCUSDT"].exiting = "STOP"
        assert look(gates.within_positions, wish(rig)).code == "POSITION_CLOSING"

    def test_dust_is_no_position(self) -> None:
        rig = Rig(size={"positions_max": "1"}).ready()
        rig.open("ETHUSDT")
        rig.account().positions["ETHUSDT"].dust = True
        assert look(gates.within_positions, wish(rig)).code == ""


class TestWithinExposure:
    def test_passes_with_the_room_that_the_tightest_limit_leaves(self, rig: Rig) -> None:
        request = wish(rig)
        figures = "position_usd=0 position_usd_max=2000 exposure_usd=0 exposure_usd_max=24000 equity=10000 leverage_max=3"
        assert look(gates.within_exposure, request) == Check("exposure", "", figures)
        assert (request.room, request.equity) == (dec(2000), dec(10000))

    @pytest.mark.parametrize(
        ("limits", "code"),
        [
            ({"max_position_usd": "100"}, "POSITION_USD"),
            ({"max_position_usd": "100", "max_exposure_usd": "100"}, "POSITION_USD"),
            ({"max_position_usd": "150", "max_exposure_usd": "150"}, ""),
        ],
    )
    def test_refuses_where_nothing_is_left_of_it(self, limits: dict[str, str], code: str) -> None:
        rig = Rig(size=limits).ready()
        remember(rig, "o1")
        assert look(gates.within_exposure, wish(rig)).code == code

    def test_refuses_where_another_symbol_has_used_up_the_exposure(self) -> None:
        rig = Rig(size={"max_position_usd": "500", "max_exposure_usd": "500"}).ready()
        remember(rig, "o1", "ETHUSDT", quantity="5")
        check = look(gates.within_exposure, wish(rig))
        assert check.code == "EXPOSURE_USD"
        assert "position_usd=0 position_usd_max=500 exposure_usd=500 exposure_usd_max=500" in check.figures

    @pytest.mark.parametrize(("quantity", "code"), [("9.999", ""), ("10", "LEVERAGE")])
    def test_refuses_where_the_leverage_is_used_up(self, quantity: str, code: str) -> None:
        rig = Rig().ready(balance="1000", leverage="1")
        remember(rig, "o1", "ETHUSDT", quantity=quantity)
        assert look(gates.within_exposure, wish(rig)).code == code

    def test_the_tighter_of_the_policys_and_the_accounts_leverage_counts(self) -> None:
        assert "leverage_max=2" in look(gates.within_exposure, wish(Rig().ready(leverage="2"))).figures
        assert "leverage_max=3" in look(gates.within_exposure, wish(Rig().ready(leverage="20"))).figures

    def test_an_account_below_zero_has_no_room(self) -> None:
        rig = Rig().ready(balance="0")
        rig.account().cash = dec(-1)
        assert look(gates.within_exposure, wish(rig)).code == "LEVERAGE"

    def test_orders_that_only_reduce_take_no_room(self, rig: Rig) -> None:
        remember(rig, "o1", side="SELL", quantity="15", reduce_only=True)
        request = wish(rig)
        assert look(gates.within_exposure, request).code == ""
        assert request.room == dec(2000)
