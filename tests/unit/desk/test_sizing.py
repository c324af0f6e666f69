"""Sizing: how much is bought for the risk that is allowed, and how the position is going to be left."""

from __future__ import annotations

from typing import Any

import pytest

from streams.desk import gates
from streams.desk.request import Request
from tests.desk_kit import Rig, dec, one_order
from tests.gate_kit import a_signal, look, wish


def sized(rig: Rig, **changes: Any) -> Request:
    request = wish(rig, quantity=dec(0), room=dec("1e9"), **changes)
    assert look(gates.sized, request).code == ""
    return request


@pytest.fixture
def rig() -> Rig:
    return Rig().ready()


class TestTheQuantity:
    @pytest.mark.parametrize(
        ("equity", "atr", "quantity"),
        [
            ("10000", "1", "100.000"),  # 2 % of 10,000 is 200; the stop is two ATR of 1 away
            ("10000", "3", "33.333"),  # 200 / 6 = 33.3333…
            ("5000", "1", "50.000"),
            ("10000.01", "1", "100.000"),
        ],
    )
    def test_is_the_risk_per_trade_over_the_distance_to_the_stop(self, rig: Rig, equity: str, atr: str, quantity: str) -> None:
        assert sized(rig, equity=dec(equity), signal=a_signal(atr=dec(atr))).quantity == dec(quantity)

    def test_loses_no_more_than_the_risk_at_the_stop(self, rig: Rig) -> None:
        request = sized(rig, signal=a_signal(atr=dec("0.777")))
        assert request.stop is not None
        assert request.quantity * (request.price - request.stop) <= dec(200)
        assert (request.quantity + dec("0.001")) * (request.price - request.stop) > dec(200)

    def test_is_capped_by_the_room_the_limits_leave(self, rig: Rig) -> None:
        request = wish(rig, quantity=dec(0), room=dec(2000))
        check = look(gates.sized, request)
        assert request.quantity == dec("19.998")  # 2000 / 100.01 = 19.99800…
        assert check.figures == ("risk_usd=200 atr=1 price=100.01 stop=98.01 distance=2 by_risk=100 by_room=19.998 room_usd=2000")

    def test_a_sale_below_the_mark_counts_at_the_mark(self, rig: Rig) -> None:
        request = wish(rig, side="SELL", price=dec("99.99"), quantity=dec(0), room=dec(2000))
        look(gates.sized, request)
        assert request.quantity == dec(20)

    def test_an_account_without_equity_buys_nothing(self, rig: Rig) -> None:
        assert look(gates.sized, wish(rig, equity=dec(-5), quantity=dec(0))).code == "SIZE_ZERO"

    def test_less_than_a_step_is_nothing(self, rig: Rig) -> None:
        assert look(gates.sized, wish(rig, room=dec("0.1"), quantity=dec(0))).code == "SIZE_ZERO"
        assert look(gates.sized, wish(rig, room=dec("0.10001"), quantity=dec(0))).code == ""

    def test_the_risk_per_trade_is_what_the_phase_says(self) -> None:
        assert sized(Rig(size={"risk_per_trade_pct": "10.00"}).ready()).quantity == dec(500)
        assert sized(Rig(size={"risk_per_trade_pct": "0.5"}).ready()).quantity == dec(25)


class TestTheStop:
    @pytest.mark.parametrize(
        ("regime", "long_stop", "short_stop"),
        [("TREND", "98.01", "101.99"), ("RANGE", "98.51", "101.49"), ("VOLATILE", "97.01", "102.99")],
    )
    def test_is_a_regimes_multiple_of_the_atr_away(self, rig: Rig, regime: Any, long_stop: str, short_stop: str) -> None:
        assert one_order(rig.signal(regime=regime)).protective_stop == dec(long_stop)
        assert one_order(rig.signal("SHORT", "ETHUSDT", regime=regime)).protective_stop == dec(short_stop)

    def test_lies_on_the_price_grid_away_from_the_price(self, rig: Rig) -> None:
        signal = a_signal(atr=dec("0.777"))  # two of them: 1.554
        assert sized(rig, signal=signal).stop == dec("98.45")  # 98.456 downwards
        assert sized(rig, signal=signal, side="SELL", price=dec("99.99")).stop == dec("101.55")  # 101.544 upwards

    @pytest.mark.parametrize(("atr", "code"), [("50.00", ""), ("50.01", "STOP_INVALID")])
    def test_must_be_above_zero(self, rig: Rig, atr: str, code: str) -> None:
        check = look(gates.sized, wish(rig, quantity=dec(0), signal=a_signal(atr=dec(atr))))
        assert check.code == code
        assert "stop=" in check.figures


class TestThePlan:
    def test_has_target_trail_and_deadline_of_its_regime(self, rig: Rig) -> None:
        plan = sized(rig, signal=a_signal(regime="RANGE", atr=dec(2))).plan
        assert plan is not None
        assert (plan.regime, plan.stop, plan.take_profit, plan.take_profit_share_pct) == (
            "RANGE",
            dec("97.01"),
            dec("104.01"),
            dec(75),
        )
        assert (plan.trail, plan.trail_step, plan.hold_ms) == (dec(2), dec("0.2"), 3_600_000)
        assert plan.deadline_ms == rig.state.now_ms + 3_600_000

    def test_mirrors_for_a_short(self, rig: Rig) -> None:
        plan = sized(rig, side="SELL", price=dec("99.99"), signal=a_signal(regime="RANGE", atr=dec(2))).plan
        assert plan is not None
        assert (plan.stop, plan.take_profit) == (dec("102.99"), dec("95.99"))

    def test_trails_by_a_tick_at_least(self, rig: Rig) -> None:
        plan = sized(rig, signal=a_signal(atr=dec("0.0001"))).plan
        assert plan is not None
        assert (plan.trail, plan.trail_step) == (dec("0.01"), dec("0.01"))
