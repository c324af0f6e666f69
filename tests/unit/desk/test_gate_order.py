"""The order of the gates, and what is said of a look through all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streams.desk import gates
from streams.desk.messages import Disable, ManualOrder
from tests.desk_kit import SYMBOLS, Rig, codes, dec, decisions, one_order

DESIGNED_ORDER = [
    "known", "fresh", "throttled", "enabled", "armed", "policy_fresh", "in_phase", "confident", "mark_fresh", "within_positions", "within_exposure",
    "cheap_to_hold", "sized", "liquid", "filtered", "collared", "rated",
]  # fmt: skip


class TestTheOrderOfTheGates:
    def test_is_the_designed_one(self) -> None:
        names = [gate.__name__ for gate in gates.OPENING]
        assert [name for name in names if name in DESIGNED_ORDER] == DESIGNED_ORDER

    def test_doubt_is_asked_for_before_anything_about_the_market(self) -> None:
        names = [gate.__name__ for gate in gates.OPENING]
        assert names.index("policy_fresh") < names.index("undoubted") < names.index("in_phase")

    def test_exits_ask_only_what_is_held_and_what_the_exchange_takes(self) -> None:
        assert (gates.reduces, gates.filtered) == gates.EXITING
        assert gates.REDUCING[-2:] == gates.EXITING

    def test_a_pass_records_every_gate_with_its_figures(self) -> None:
        (said,) = decisions(Rig().ready().signal())
        gates_looked_at = [check.gate for check in said.checks]
        assert gates_looked_at == [
            "known", "fresh", "throttle", "enabled", "armed", "policy", "undoubted", "phase", "confident", "mark", "positions", "exposure", "funding",
            "size", "liquidity", "filters", "collar", "rate",
        ]  # fmt: skip
        assert all(check.figures and not check.code for check in said.checks)
        assert (said.verdict, said.reason) == ("APPROVED", "LONG symbol=BTCUSDT side=BUY")

    @pytest.mark.parametrize(
        ("spoil", "code"),
        [
            (lambda rig: rig.signal(confidence=dec("0.1"), ts=1), "SIGNAL_STALE"),
            (lambda rig: (rig.command("alice", Disable()), rig.signal(confidence=dec("0.1")))[1], "TRADING_DISABLED"),
            (lambda rig: rig.signal(confidence=dec("0.1"), symbol="DOGEUSDT"), "INSTRUMENT_UNKNOWN"),
        ],
    )
    def test_the_first_refusal_stops(self, spoil: Callable[[Rig], list[Any]], code: str) -> None:
        outputs = spoil(Rig().ready())
        said = decisions(outputs)[-1]
        assert (said.verdict, said.code) == ("REFUSED", code)
        assert [check.code for check in said.checks][:-1] == [""] * (len(said.checks) - 1)
        assert said.reason == f"{said.checks[-1].code} {said.checks[-1].figures}"

    def test_an_operators_order_answers_the_same_questions(self) -> None:
        rig = Rig().ready()
        outputs = rig.command("alice", ManualOrder("BTCUSDT", "BUY", "LIMIT", dec(1), dec(100), dec(98), False))
        (said,) = decisions(outputs)
        assert len(said.checks) == len(gates.OPENING)
        assert codes(outputs) == ["MANUAL"]
        assert one_order(outputs).protective_stop == dec(98)

    @pytest.mark.parametrize("symbol", SYMBOLS)
    def test_limits_count_what_is_in_flight(self, symbol: str) -> None:
        rig = Rig(size={"max_exposure_usd": "2500"}).ready()
        one_order(rig.signal(symbol="BTCUSDT"))
        second = rig.signal(symbol=symbol)
        if symbol == "BTCUSDT":
            assert codes(second) == ["NOTIONAL_MIN"]
        else:  # 2500 less 19.998 at the mark of 100, at a price of 100.01
            assert one_order(second).quantity == dec("5.001")
