"""Exits: hard stop, partial take-profit, trailing stop, time stop, by regime; and that they get through whatever else is wrong."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from streams.desk.messages import CloseAccount, ClosePosition, Disable, ManualOrder, PolicyUpdate, Trip
from streams.desk.outputs import Order, Output
from streams.desk.state import Plan, Position
from tests.desk_kit import SYMBOLS, Rig, cancels, codes, dec, decisions, one_order, orders

QUIET = dict.fromkeys(SYMBOLS, "100")
# A trend position opened at 100.01 with an ATR of 1: stop 98.01, target 104.01 (33 %), trail 2.50 in steps of 0.25, two hours.


def held(rig: Rig, symbol: str = "BTCUSDT") -> Position:
    return rig.account().positions[symbol]


def plan_of(rig: Rig, symbol: str = "BTCUSDT") -> Plan:
    plan = held(rig, symbol).plan
    assert plan is not None
    return plan


def limit_to_sell(quantity: Decimal, price: str) -> ManualOrder:
    return ManualOrder("BTCUSDT", "SELL", "LIMIT", quantity, dec(price), None, True)


def rig_policy(rig: Rig) -> PolicyUpdate:
    """Say the present policy again."""
    assert rig.state.policy is not None
    return PolicyUpdate(rig.state.policy.version, rig.state.policy.hash, rig.state.policy_document)


def whys(outputs: list[Output]) -> list[str]:
    """Give the reason of every exit that was approved."""
    return [said.code for said in decisions(outputs) if said.kind == "EXIT" and said.verdict == "APPROVED"]


@pytest.fixture
def rig() -> Rig:
    return Rig().ready()


class TestTheHardStop:
    @pytest.mark.parametrize(("price", "closes"), [("98.02", False), ("98.01", True), ("97", True)])
    def test_closes_a_long_at_its_level(self, rig: Rig, price: str, closes: bool) -> None:
        entry = rig.open()
        outputs = rig.mark("BTCUSDT", price)
        assert whys(outputs) == (["STOP"] if closes else [])
        if closes:
            exit_order = one_order(outputs)
            assert (exit_order.side, exit_order.type, exit_order.quantity) == ("SELL", "MARKET", entry.quantity)
            assert exit_order.reduce_only
            assert exit_order.protective_stop is None

    @pytest.mark.parametrize(("price", "closes"), [("101.98", False), ("101.99", True)])
    def test_closes_a_short_at_its_level(self, rig: Rig, price: str, closes: bool) -> None:
        rig.open(side="SHORT")
        assert whys(rig.mark("BTCUSDT", price)) == (["STOP"] if closes else [])

    def test_a_wick_is_enough_on_either_side(self, rig: Rig) -> None:
        rig.open()
        rig.open("ETHUSDT", "SHORT")
        assert whys(rig.mark("BTCUSDT", "100", low="98.01")) == ["STOP"]
        assert whys(rig.mark("ETHUSDT", "100", high="101.99")) == ["STOP"]

    def test_a_wick_the_other_way_does_not_count(self, rig: Rig) -> None:
        rig.open()
        assert whys(rig.mark("BTCUSDT", "100", high="101.99")) == []

    def test_closes_every_holder_of_the_symbol_and_nobody_else(self) -> None:
        rig = Rig().ready("alice", "bob", "carol")
        rig.open(account="alice")
        rig.open(account="carol")
        rig.open("ETHUSDT", account="bob")
        assert [order.account for order in orders(rig.mark("BTCUSDT", "98"))] == ["alice", "carol"]

    def test_the_first_price_of_a_symbol_already_held_counts(self, rig: Rig) -> None:
        rig.instrument("NEWUSDT")
        rig.fill("elsewhere", symbol="NEWUSDT", quantity="1", price="100")  # adopted: stop 4 % below
        assert whys(rig.mark("NEWUSDT", "95")) == ["STOP"]

    @pytest.mark.parametrize(("price", "closes"), [("96.01", False), ("96", True)])
    def test_a_position_nobody_planned_has_one_at_the_policys_distance(self, rig: Rig, price: str, closes: bool) -> None:
        rig.fill("elsewhere", quantity="1", price="100")
        assert whys(rig.mark("BTCUSDT", price)) == (["STOP"] if closes else [])

    def test_adding_tightens_it_and_never_loosens_it(self) -> None:
        rig = Rig(size={"risk_per_trade_pct": "0.1"}).ready()
        stops = []
        for atr in ("2", "1", "3"):
            rig.open(atr=dec(atr))
            stops.append(plan_of(rig).stop)
        assert stops == [dec("96.01"), dec("98.01"), dec("98.01")]


class TestThePartialTakeProfit:
    @pytest.mark.parametrize(("price", "takes"), [("104.00", False), ("104.01", True)])
    def test_sells_its_share_at_the_target(self, rig: Rig, price: str, takes: bool) -> None:
        rig.open()
        outputs = rig.mark("BTCUSDT", price)
        assert whys(outputs) == (["TAKE_PROFIT"] if takes else [])
        if takes:
            assert one_order(outputs).quantity == dec("6.599")  # 33 % of 19.998 is 6.59934

    def test_is_taken_once(self, rig: Rig) -> None:
        rig.open()
        target = one_order(rig.mark("BTCUSDT", "104.01"))
        rig.fill(target, price="104")
        assert held(rig).quantity == dec("13.399")
        assert whys(rig.mark("BTCUSDT", "104.1")) == []

    def test_a_short_takes_it_below(self, rig: Rig) -> None:
        rig.open(side="SHORT")
        exit_order = one_order(rig.mark("BTCUSDT", "95.99"))
        assert (exit_order.side, exit_order.quantity) == ("BUY", dec("6.6"))

    def test_a_wick_is_enough(self, rig: Rig) -> None:
        rig.open()
        assert whys(rig.mark("BTCUSDT", "102", high="104.01")) == ["TAKE_PROFIT"]

    def test_of_a_mark_that_touches_both_the_stop_counts(self, rig: Rig) -> None:
        rig.open()
        assert whys(rig.mark("BTCUSDT", "100", low="98", high="105")) == ["STOP"]

    def test_is_tried_again_after_a_rejection_but_not_at_once(self, rig: Rig) -> None:
        rig.open()
        rig.event(one_order(rig.mark("BTCUSDT", "104.01")), "REJECTED")
        assert whys(rig.mark("BTCUSDT", "104.1")) == []
        rig.tick(5)
        assert whys(rig.mark("BTCUSDT", "104.2")) == ["TAKE_PROFIT"]

    def test_is_not_lost_to_an_operators_order_that_is_cancelled_later(self, rig: Rig) -> None:
        entry = rig.open()
        by_hand = one_order(rig.command("alice", limit_to_sell(entry.quantity, "120")))
        assert whys(rig.mark("BTCUSDT", "104.01")) == []
        rig.event(by_hand, "CANCELLED")
        rig.tick(5, QUIET | {"BTCUSDT": "104"})
        assert whys(rig.mark("BTCUSDT", "104.02")) == ["TAKE_PROFIT"]

    def test_a_share_below_the_exchanges_minimum_is_left_in_the_position(self, rig: Rig) -> None:
        rig.open()
        rig.instrument("BTCUSDT", min_quantity=dec(10))
        assert codes(rig.mark("BTCUSDT", "104.01")) == ["QUANTITY_MIN"]
        assert codes(rig.mark("BTCUSDT", "104.02")) == []
        assert not held(rig).exiting


class TestTheTrailingStop:
    def test_follows_the_best_price_at_a_distance(self, rig: Rig) -> None:
        rig.open()
        rig.mark("BTCUSDT", "103")
        assert (plan_of(rig).best, plan_of(rig).stop) == (dec(103), dec("100.5"))

    def test_moves_in_steps(self, rig: Rig) -> None:
        rig.open()
        rig.mark("BTCUSDT", "103")
        rig.mark("BTCUSDT", "103.24")
        assert plan_of(rig).stop == dec("100.5")
        rig.mark("BTCUSDT", "103.25")
        assert plan_of(rig).stop == dec("100.75")

    def test_never_goes_back(self, rig: Rig) -> None:
        rig.open()
        for price in ("103", "101", "102"):
            rig.mark("BTCUSDT", price)
        assert plan_of(rig).stop == dec("100.5")

    def test_is_hit_like_a_hard_one(self, rig: Rig) -> None:
        rig.open()
        rig.mark("BTCUSDT", "103")
        assert whys(rig.mark("BTCUSDT", "100.51")) == []
        assert whys(rig.mark("BTCUSDT", "100.5")) == ["TRAIL"]

    def test_a_wick_up_pulls_it_over_the_price_of_the_same_mark(self, rig: Rig) -> None:
        rig.open()
        assert whys(rig.mark("BTCUSDT", "101", high="103.9")) == ["TRAIL"]

    def test_follows_a_short_downwards(self, rig: Rig) -> None:
        rig.open(side="SHORT")
        rig.mark("BTCUSDT", "97")
        assert (plan_of(rig).best, plan_of(rig).stop) == (dec(97), dec("99.5"))
        assert whys(rig.mark("BTCUSDT", "99.5")) == ["TRAIL"]

    def test_does_not_loosen_a_stop_that_is_tighter(self, rig: Rig) -> None:
        rig.open()
        rig.mark("BTCUSDT", "100.30")  # the best moves, 2.50 below it is still under the hard stop
        assert (plan_of(rig).best, plan_of(rig).stop) == (dec("100.3"), dec("98.01"))
        assert whys(rig.mark("BTCUSDT", "98.01")) == ["STOP"]


class TestTheTimeStop:
    def after(self, rig: Rig, seconds: int) -> list[Output]:
        """Let time pass at once, with a price that is new then."""
        rig.now_ms += (seconds - 1) * 1000
        rig.command("*", rig_policy(rig))
        rig.refresh()
        return rig.tick()

    @pytest.mark.parametrize(("regime", "seconds"), [("TREND", 7_200), ("RANGE", 3_600), ("VOLATILE", 1_800)])
    def test_closes_at_its_regimes_deadline(self, rig: Rig, regime: Any, seconds: int) -> None:
        rig.open(regime=regime)
        assert whys(self.after(rig, seconds - 1)) == []
        assert whys(rig.tick()) == ["TIME"]

    def test_counts_from_the_first_fill(self, rig: Rig) -> None:
        order = one_order(rig.signal(regime="VOLATILE"))
        rig.tick(10)
        rig.fill(order, "1")
        rig.tick(5)
        rig.fill(order, "1")
        assert whys(self.after(rig, 1_794)) == []
        assert whys(rig.tick()) == ["TIME"]


class TestOnceBegun:
    def test_an_exit_is_not_sent_twice(self, rig: Rig) -> None:
        rig.open()
        one_order(rig.mark("BTCUSDT", "98"))
        assert orders(rig.mark("BTCUSDT", "97")) == []
        assert orders(rig.tick(10, QUIET | {"BTCUSDT": "97"})) == []

    @pytest.mark.parametrize("how", ["REJECTED", "CANCELLED", "EXPIRED"])
    def test_it_is_tried_again_after_the_retry_time(self, rig: Rig, how: str) -> None:
        rig.open()
        first = one_order(rig.mark("BTCUSDT", "98"))
        rig.event(first, how)
        assert orders(rig.tick(4, QUIET)) == []
        again = one_order(rig.tick(2, QUIET))
        assert again.order_id != first.order_id
        assert again.quantity == first.quantity

    def test_what_was_not_filled_is_sold_with_the_next(self, rig: Rig) -> None:
        entry = rig.open()
        first = one_order(rig.mark("BTCUSDT", "98"))
        rig.fill(first, "7", price="98")
        rig.event(first, "EXPIRED")
        rest = [order for order in orders(rig.tick(7, QUIET)) if order.reduce_only]
        assert sum(order.quantity for order in rest) == entry.quantity - 7

    def test_more_than_the_exchange_takes_at_once_is_sold_in_parts(self, rig: Rig) -> None:
        entry = rig.open()
        rig.instrument("BTCUSDT", max_market_quantity=dec(8))
        part = one_order(rig.mark("BTCUSDT", "98"))
        sold = []
        for _ in range(3):
            sold.append(part.quantity)
            rig.fill(part, price="98")
            following = orders(rig.tick(2, QUIET))
            part = following[0] if following else part
        assert sold == [dec(8), dec(8), entry.quantity - 16]
        assert rig.account().positions == {}

    def test_a_price_that_comes_back_does_not_stop_it(self, rig: Rig) -> None:
        rig.open()
        rig.event(one_order(rig.mark("BTCUSDT", "98")), "REJECTED")
        rig.mark("BTCUSDT", "103")
        assert len(orders(rig.tick(6, QUIET))) == 1

    def test_a_fill_that_comes_on_top_is_closed_after_it(self, rig: Rig) -> None:
        rig.open()
        leaving = one_order(rig.mark("BTCUSDT", "98"))
        rig.fill(leaving, "10", price="98")
        rig.fill("late", "3", price="98")
        assert orders(rig.tick(2, QUIET)) == []
        rig.fill(leaving, "9.998", price="98")
        assert one_order(rig.tick(2, QUIET)).quantity == dec(3) == held(rig).quantity

    def test_an_operators_order_that_closes_all_is_waited_for(self, rig: Rig) -> None:
        entry = rig.open()
        by_hand = one_order(rig.command("alice", ManualOrder("BTCUSDT", "SELL", "MARKET", entry.quantity, None, None, True)))
        assert decisions(rig.mark("BTCUSDT", "98") + rig.tick(10, QUIET)) == []
        rig.event(by_hand, "EXPIRED")
        assert one_order(rig.tick(marks=QUIET)).quantity == entry.quantity

    def test_an_operators_limit_order_makes_room_for_it(self, rig: Rig) -> None:
        entry = rig.open()
        by_hand = one_order(rig.command("alice", limit_to_sell(entry.quantity, "120")))
        outputs = rig.mark("BTCUSDT", "98")
        assert [cancel.order_id for cancel in cancels(outputs)] == [by_hand.order_id]
        rig.event(by_hand, "CANCELLED")
        assert one_order(rig.tick(marks=QUIET)).quantity == entry.quantity

    def test_an_order_whose_fate_is_unknown_is_waited_for(self, rig: Rig) -> None:
        rig.open()
        rig.event(one_order(rig.mark("BTCUSDT", "98")), "UNKNOWN")
        assert orders(rig.tick(20, QUIET)) == []


class TestDust:
    """What is below the exchange's smallest quantity: here 0.0003 BTC, left by a fee that was taken in the coin."""

    def rig_with_dust(self, **limits: Any) -> Rig:
        rig = Rig(**limits).ready()
        rig.fill(one_order(rig.signal()), fee=dec("0.0007"), fee_currency="BTC")
        self.stop_out(rig)
        assert held(rig).quantity == dec("0.0003")
        return rig

    def stop_out(self, rig: Rig) -> None:
        rig.fill(one_order(rig.mark("BTCUSDT", "98")), price="98")

    def test_is_said_once_and_left_alone(self) -> None:
        rig = self.rig_with_dust()
        rig.tick(30, QUIET)
        said = codes(rig.said)
        assert said.count("DUST") == 1
        assert "QUANTITY_MIN" not in said

    def test_does_not_close_the_next_position_of_its_symbol(self) -> None:
        rig = self.rig_with_dust()
        rig.tick(2, QUIET)
        entry = rig.open()
        assert orders(rig.tick(3, QUIET)) == []
        assert held(rig).quantity == entry.quantity + dec("0.0003")
        assert plan_of(rig).stop == dec("98.01")
        assert whys(rig.mark("BTCUSDT", "98")) == ["STOP"]

    def test_does_not_turn_the_next_short_into_a_sale_of_dust(self) -> None:
        rig = self.rig_with_dust()
        rig.tick(2, QUIET)
        order = one_order(rig.signal("SHORT"))
        assert not order.reduce_only
        rig.fill(order)
        assert held(rig).quantity < 0
        assert whys(rig.mark("BTCUSDT", "101.99")) == ["STOP"]

    def test_is_found_when_a_signal_closes_all_but_it(self) -> None:
        rig = Rig().ready()
        rig.fill(one_order(rig.signal()), fee=dec("0.0007"), fee_currency="BTC")
        rig.fill(one_order(rig.signal("CLOSE")), price="100")
        rig.tick(2, QUIET)
        assert held(rig).quantity == dec("0.0003")
        assert not one_order(rig.signal("SHORT")).reduce_only

    def test_is_nothing_to_close(self) -> None:
        rig = self.rig_with_dust()
        rig.tick(2, QUIET)
        assert codes(rig.command("alice", ClosePosition(None))) == ["NO_POSITION"]

    def test_does_not_stand_in_an_operators_way(self) -> None:
        rig = self.rig_with_dust()
        rig.tick(2, QUIET)
        order = one_order(rig.command("alice", ManualOrder("BTCUSDT", "SELL", "MARKET", dec(1), None, dec(103), False)))
        assert (order.quantity, order.reduce_only) == (dec(1), False)

    @pytest.mark.parametrize(("quantity", "dust"), [("2.5", True), ("2.501", False)])
    def test_is_worth_250_usd_at_most_whatever_the_filters_say(self, rig: Rig, quantity: str, dust: bool) -> None:
        rig.instrument("BTCUSDT", min_quantity=dec(3))
        said = codes(rig.fill("elsewhere", quantity, "100"))
        assert (held(rig).dust, held(rig).plan is None, "DUST" in said) == (dust, dust, dust)

    def test_is_nothing_worth_more_so_its_exit_is_tried_again_until_the_filters_let_it_out(self, rig: Rig) -> None:
        entry = rig.open()
        rig.instrument("BTCUSDT", min_quantity=dec(50))
        assert codes(rig.mark("BTCUSDT", "98")) == ["QUANTITY_MIN"]
        assert codes(rig.tick(15, QUIET)) == ["QUANTITY_MIN"] * 3
        assert (held(rig).dust, held(rig).exiting) == (False, "STOP")
        rig.instrument("BTCUSDT")
        assert [order.quantity for order in orders(rig.tick(5, QUIET))] == [entry.quantity]

    def test_is_a_position_again_when_the_filters_let_it_be_closed(self) -> None:
        rig = self.rig_with_dust()
        rig.tick(2, QUIET)
        rig.instrument("BTCUSDT", min_quantity=dec("0.0001"), step_size=dec("0.0001"))
        assert (held(rig).dust, plan_of(rig).stop) == (False, dec(96))
        leaving = one_order(rig.mark("BTCUSDT", "96"))
        assert (leaving.quantity, leaving.reduce_only) == (dec("0.0003"), True)
        rig.fill(leaving, price="96")
        assert rig.account().positions == {}

    def test_stays_dust_under_other_filters_that_are_no_finer(self) -> None:
        rig = self.rig_with_dust()
        assert rig.instrument("BTCUSDT", step_size=dec("0.01")) == []
        assert held(rig).dust

    def test_is_not_found_while_the_order_that_sells_the_rest_is_open(self) -> None:
        rig = Rig().ready()
        rig.fill(one_order(rig.signal()), fee=dec("0.0007"), fee_currency="BTC")
        rig.mark("BTCUSDT", "98")
        assert codes(rig.tick(5, QUIET)) == []


class TestASignalThatCloses:
    """Whoever wants out wants what is still on its way in back as well."""

    @pytest.mark.parametrize("side", ["CLOSE", "SHORT"])
    def test_takes_back_the_open_rest_of_the_entry(self, rig: Rig, side: str) -> None:
        entering = one_order(rig.signal())
        rig.fill(entering, "5")
        outputs = rig.signal(side)
        assert (one_order(outputs).quantity, one_order(outputs).reduce_only) == (dec(5), True)
        assert [(cancel.order_id, cancel.reason) for cancel in cancels(outputs)] == [(entering.order_id, side)]

    def test_takes_back_an_entry_of_which_nothing_is_held_yet(self, rig: Rig) -> None:
        entering, elsewhere = one_order(rig.signal()), one_order(rig.signal(symbol="ETHUSDT"))
        outputs = rig.signal("CLOSE")
        assert codes(outputs) == ["NO_POSITION"]
        assert [cancel.order_id for cancel in cancels(outputs)] == [entering.order_id]
        assert elsewhere.order_id in rig.account().orders

    def test_takes_back_a_limit_that_rests_in_its_way(self, rig: Rig) -> None:
        entry = rig.open()
        resting = one_order(rig.command("alice", limit_to_sell(entry.quantity, "120")))
        outputs = rig.signal("CLOSE")
        assert codes(outputs) == ["ALREADY_CLOSING"]
        assert [cancel.order_id for cancel in cancels(outputs)] == [resting.order_id]

    def test_asks_for_no_cancel_twice(self, rig: Rig) -> None:
        rig.signal()
        assert len(cancels(rig.signal("CLOSE"))) == 1
        assert cancels(rig.signal("CLOSE")) == []

    def test_takes_nothing_back_where_it_is_not_believed(self, rig: Rig) -> None:
        rig.signal()
        assert cancels(rig.signal("CLOSE", source="newcomer")) == []
        assert cancels(rig.signal("CLOSE", ts=rig.now_ms - 10_001)) == []


NO_WAY_IN: list[Callable[[Rig], object]] = [
    lambda rig: rig.command("alice", Disable()),
    lambda rig: rig.command("*", Disable()),
    lambda rig: rig.command("alice", CloseAccount()),
    lambda rig: rig.tick(700, QUIET),  # the policy goes stale
    lambda rig: rig.command("*", Trip()),
    lambda rig: [rig.command("alice", Trip()), rig.tick(3, QUIET)],
    lambda rig: rig.fill("elsewhere", symbol="ETHUSDT", quantity="0.001", fee=dec(1), fee_currency="XYZ"),
    lambda rig: rig.account().order_times.extend([rig.now_ms] * 200),
]


@pytest.mark.parametrize(
    "close_the_door",
    NO_WAY_IN,
    ids=["disabled", "all disabled", "closed", "policy stale", "all tripped", "tripped", "in doubt", "rate used up"],
)
def test_exits_get_through_when_nothing_else_does(close_the_door: Callable[[Rig], object]) -> None:
    rig = Rig(ess={"on_trip": "hold"}).ready()
    rig.open()
    close_the_door(rig)
    refused = decisions(rig.signal(symbol="SOLUSDT"))
    assert [said.verdict for said in refused] == ["REFUSED"]
    assert whys(rig.mark("BTCUSDT", "98")) == ["STOP"]


def test_an_operator_can_close_when_nothing_else_goes() -> None:
    for close_the_door in NO_WAY_IN:
        rig = Rig(ess={"on_trip": "hold"}).ready()
        entry = rig.open()
        close_the_door(rig)
        assert [order.quantity for order in orders(rig.command("alice", ClosePosition("BTCUSDT")))] == [entry.quantity]


def test_an_order_to_enter_does_not_outlive_the_decision_to_leave() -> None:
    rig = Rig(size={"risk_per_trade_pct": "0.1"}).ready()
    rig.open()
    entering: Order = one_order(rig.signal())
    outputs = rig.mark("BTCUSDT", "98")
    assert [cancel.order_id for cancel in cancels(outputs)] == [entering.order_id]


def test_nothing_is_added_to_a_position_that_is_being_closed() -> None:
    rig = Rig(size={"risk_per_trade_pct": "0.1"}).ready()
    rig.open()
    rig.mark("BTCUSDT", "98")
    assert [said.verdict for said in decisions(rig.signal())] == ["REFUSED"]


class TestDustThatIsWorthMore:
    """Dust is looked at again once a minute: what has become worth a stop gets one."""

    def test_is_taken_up_again(self) -> None:
        rig = Rig().ready()
        rig.instrument("BTCUSDT", min_quantity=dec(5))
        rig.fill("nobodys", "2.4", price="100")
        assert rig.account().positions["BTCUSDT"].dust
        rig.tick(61, dict.fromkeys(("ETHUSDT", "SOLUSDT", "BNBUSDT"), "100") | {"BTCUSDT": "110"})
        held = rig.account().positions["BTCUSDT"]
        assert not held.dust
        assert held.plan is not None
