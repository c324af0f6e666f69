"""Modes: HALTED takes no signal, REDUCING only ever makes positions smaller, NORMAL does what the gates allow."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.desk import portfolio
from streams.desk.messages import CloseAccount, Disable, Enable, ManualOrder, OpenAccount, PhaseChange, Promotion, Trip
from streams.desk.modes import mode_of
from streams.desk.values import exact
from tests.desk_kit import SYMBOLS, Rig, cancels, codes, dec, decisions, one_order, orders

QUIET = dict.fromkeys(SYMBOLS, "100")


def mode(rig: Rig) -> str:
    return mode_of(rig.state, rig.account())


REDUCING: list[Callable[[Rig], object]] = [
    lambda rig: rig.tick(601),
    lambda rig: rig.command("alice", Trip()),
    lambda rig: rig.command("*", Trip()),
    lambda rig: rig.money("ADJUSTMENT", "-1"),
    lambda rig: rig.money("ADJUSTMENT", "0"),
    lambda rig: rig.fill("elsewhere", "0.001", symbol="ETHUSDT", fee=dec(1), fee_currency="XYZ"),
]
REDUCING_NAMES = ["policy stale", "tripped", "all tripped", "adjusted", "exchange fails", "fee owed"]


class TestHalted:
    def test_is_where_everything_starts(self) -> None:
        rig = Rig()
        rig.policy()
        rig.command("*", PhaseChange("phase3", True))
        rig.command("*", Promotion("heuristic", "LIVE"))
        rig.instrument("BTCUSDT")
        rig.mark("BTCUSDT", "100")
        rig.command("alice", OpenAccount("sim", "keys/alice", dec(10), dec(10_000)))
        assert mode(rig) == "HALTED"
        assert codes(rig.signal()) == ["TRADING_DISABLED"]
        rig.command("alice", Enable())
        assert codes(rig.signal()) == ["TRADING_DISABLED"]
        rig.command("*", Enable())
        assert (mode(rig), codes(rig.signal())) == ("NORMAL", ["LONG"])

    @pytest.mark.parametrize("account", ["*", "alice"])
    def test_comes_with_disabling_and_takes_back_what_adds_risk(self, account: str) -> None:
        rig = Rig().ready()
        order = one_order(rig.signal())
        assert [cancel.order_id for cancel in cancels(rig.command(account, Disable()))] == [order.order_id]
        assert mode(rig) == "HALTED"
        assert codes(rig.signal("CLOSE")) == ["TRADING_DISABLED"]

    def test_comes_with_taking_the_account_out_of_service(self) -> None:
        rig = Rig().ready()
        rig.command("alice", CloseAccount())
        assert mode(rig) == "HALTED"


class TestReducing:
    @pytest.mark.parametrize("reason", REDUCING, ids=REDUCING_NAMES)
    def test_comes_with_anything_that_is_missing_stale_or_wrong(self, reason: Callable[[Rig], object]) -> None:
        rig = Rig().ready()
        reason(rig)
        assert mode(rig) == "REDUCING"

    def test_a_policy_is_good_for_600_seconds_and_then_it_is_said(self) -> None:
        rig = Rig().ready()
        age_ms = rig.state.now_ms - rig.state.policy_ms
        assert age_ms % 1000 == 0
        assert "POLICY_STALE" not in codes(rig.tick(600 - age_ms // 1000))
        assert mode(rig) == "NORMAL"
        assert codes(rig.tick()).count("POLICY_STALE") == 1
        assert mode(rig) == "REDUCING"
        rig.policy(1)
        assert (mode(rig), codes(rig.tick())) == ("NORMAL", ["POLICY_FRESH"])

    @pytest.mark.parametrize("reason", REDUCING, ids=REDUCING_NAMES)
    @pytest.mark.parametrize("held", ["5", "-5"])
    def test_lets_a_signal_close_and_nothing_else(self, reason: Callable[[Rig], object], held: str) -> None:
        rig = Rig(ess={"on_trip": "hold"}).ready()
        rig.fill("elsewhere", abs(dec(held)), "100", side="BUY" if dec(held) > 0 else "SELL")
        reason(rig)
        rig.refresh()
        with_it, against_it = ("LONG", "SHORT") if dec(held) > 0 else ("SHORT", "LONG")
        assert [said.verdict for said in decisions(rig.signal(with_it))] == ["REFUSED"]
        assert [said.verdict for said in decisions(rig.signal("LONG", "SOLUSDT"))] == ["REFUSED"]
        closing = one_order(rig.signal(against_it))
        assert (closing.reduce_only, closing.quantity) == (True, dec(5))
        assert [said.verdict for said in decisions(rig.signal(against_it))] == ["REFUSED"]

    @pytest.mark.parametrize("reason", REDUCING, ids=REDUCING_NAMES)
    def test_an_operators_order_cannot_flip_a_position_either(self, reason: Callable[[Rig], object]) -> None:
        rig = Rig(ess={"on_trip": "hold"}).ready()
        rig.fill("elsewhere", "5", "100")
        reason(rig)
        rig.refresh()
        closing = one_order(rig.command("alice", ManualOrder("BTCUSDT", "SELL", "MARKET", dec(12), None, dec(103), False)))
        assert (closing.quantity, closing.reduce_only) == (dec(5), True)
        refused = rig.command("alice", ManualOrder("BTCUSDT", "BUY", "MARKET", dec(1), None, dec(97), False))
        assert [said.verdict for said in decisions(refused)] == ["REFUSED"]

    def test_nothing_opens_from_flat(self) -> None:
        rig = Rig().ready()
        rig.command("alice", Trip())
        rig.refresh()
        for side in ("LONG", "SHORT", "CLOSE"):
            assert orders(rig.signal(side)) == []


WISH = st.tuples(
    st.sampled_from(["LONG", "SHORT", "CLOSE", "BUY", "SELL", "fill", "reject", "tick"]), st.sampled_from(["0.5", "3", "7", "20"])
)


@settings(max_examples=40)
@given(st.sampled_from(REDUCING), st.sampled_from(["5", "-5", "0"]), st.lists(WISH, max_size=12))
def test_in_reducing_no_position_with_open_orders_counted_ever_grows_or_changes_sign(
    reason: Callable[[Rig], object], held: str, wishes: list[tuple[str, str]]
) -> None:
    rig = Rig(ess={"on_trip": "hold"}).ready()
    if dec(held):
        rig.fill("elsewhere", abs(dec(held)), "100", side="BUY" if dec(held) > 0 else "SELL")
    reason(rig)
    before = reach(rig)
    for what, quantity in wishes:
        rig.refresh()
        act(rig, what, quantity)
        now = reach(rig)
        assert (now[0] <= before[0], now[1] >= before[1]) == (True, True)
        before = now
    assert mode(rig) == "REDUCING"


def reach(rig: Rig) -> tuple[Decimal, Decimal]:
    """Give the most and the least the position in BTC can come to, with every open order filled."""
    held = rig.account().positions.get("BTCUSDT")
    quantity = held.quantity if held else dec(0)
    for order in rig.account().orders.values():
        if order.reduce_only and order.symbol == "BTCUSDT":
            quantity += order.rest if order.side == "BUY" else -order.rest
    with exact():
        longest, shortest = portfolio.extremes(rig.account(), "BTCUSDT")
    return max(longest, quantity), min(shortest, quantity)


def act(rig: Rig, what: str, quantity: str) -> None:
    """Do one thing an account in REDUCING may be asked to do, or that may happen to it."""
    first: Any = next(iter(rig.account().orders.values()), None)
    if what in ("BUY", "SELL"):
        stop = "97" if what == "BUY" else "103"
        rig.command("alice", ManualOrder("BTCUSDT", what, "MARKET", dec(quantity), None, dec(stop), False))  # type: ignore[arg-type]  # one of two words
    elif what == "fill" and first is not None:
        rig.fill(first.order_id, min(first.rest, dec(quantity)), "100", side=first.side)
    elif what == "reject" and first is not None:
        rig.event(first.order_id, "REJECTED")
    elif what == "tick":
        rig.tick()
    elif what in ("LONG", "SHORT", "CLOSE"):
        rig.signal(what)
