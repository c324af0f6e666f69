"""Fills: booked once, whatever else is wrong with them; what does not fit is said aloud."""

from __future__ import annotations

import pytest

from streams.desk.memory import ENTRIES_MAX
from streams.desk.outputs import Fate
from tests.desk_kit import Rig, codes, dec, decisions, one_order
from tests.desk_records import records

HOUR_MS = 3_600_000


@pytest.fixture
def rig() -> Rig:
    return Rig().ready()


class TestAFillOfOurOrder:
    def test_opens_the_position_with_the_orders_plan(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        assert codes(rig.fill(order)) == []
        held = rig.account().positions["BTCUSDT"]
        assert (held.quantity, held.cost) == (dec("19.998"), dec("1999.99998"))
        assert held.plan is not None
        assert held.plan.stop == order.protective_stop
        assert rig.account().orders == {}

    def test_in_parts_keeps_the_order_open_until_the_last(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        for part, rest in (("9", "10.998"), ("10", "0.998")):
            rig.fill(order, part)
            assert rig.account().orders[order.order_id].rest == dec(rest)
        rig.fill(order, "0.998")
        assert rig.account().orders == {}
        assert rig.account().closed_orders[order.order_id].how == "FILLED"

    def test_before_its_acknowledgement_counts_the_same(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        rig.fill(order)
        assert rig.event(order, "ACKNOWLEDGED") == []
        assert rig.account().positions["BTCUSDT"].quantity == order.quantity

    def test_at_another_price_than_its_limit_is_booked_at_its_own(self, rig: Rig) -> None:
        rig.fill(one_order(rig.signal()), price="99.5")
        assert rig.account().positions["BTCUSDT"].cost == dec("19.998") * dec("99.5")


class TestTheSameFillTwice:
    def test_is_booked_once(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        rig.fill(order, "5", trade_id="t1")
        before = records(rig.state)["accounts"]
        assert rig.fill(order, "5", trade_id="t1") == []
        assert rig.last.fate is Fate.DUPLICATE
        assert records(rig.state)["accounts"] == before

    @pytest.mark.parametrize(
        "change", [{"price": "99"}, {"quantity": "6"}, {"side": "SELL"}, {"fee": dec(1)}, {"fee_currency": "BNB"}]
    )
    def test_with_other_content_the_first_is_kept_and_somebody_is_told(self, rig: Rig, change: dict[str, str]) -> None:
        order = one_order(rig.signal())
        rig.fill(order, quantity="5", trade_id="t1")
        books = rig.account().positions["BTCUSDT"].cost, rig.account().cash
        (said,) = decisions(rig.fill(order, **{"quantity": "5", "trade_id": "t1"} | change))
        assert (said.kind, said.code, rig.last.fate) == ("ALERT", "FILL_CONFLICT", Fate.REFUSED)
        assert (rig.account().positions["BTCUSDT"].cost, rig.account().cash) == books

    def test_the_same_trade_id_of_another_symbol_or_venue_is_another_trade(self, rig: Rig) -> None:
        rig.fill("x", "1", trade_id="t1")
        rig.fill("x", "1", trade_id="t1", symbol="ETHUSDT")
        rig.fill("x", "1", trade_id="t1", venue="other")
        assert {symbol: held.quantity for symbol, held in rig.account().positions.items()} == {
            "BTCUSDT": dec(2),
            "ETHUSDT": dec(1),
        }

    def test_equal_numbers_written_differently_are_the_same_content(self, rig: Rig) -> None:
        rig.fill("x", "1", "100", trade_id="t1")
        assert rig.fill("x", "1.000", "100.0", trade_id="t1") == []
        assert rig.last.fate is Fate.DUPLICATE


class TestAFillThatDoesNotFit:
    def test_more_than_was_ordered_is_booked_and_said(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        assert codes(rig.fill(order, "20")) == ["OVERFILL"]
        assert rig.account().positions["BTCUSDT"].quantity == dec(20)
        assert rig.account().orders == {}

    def test_more_after_the_end_is_an_overfill_too(self, rig: Rig) -> None:
        order = rig.open()
        assert codes(rig.fill(order, "1")) == ["OVERFILL"]
        assert rig.account().positions["BTCUSDT"].quantity == dec("20.998")

    def test_after_its_orders_cancel_is_booked_with_the_orders_plan(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        rig.event(order, "CANCELLED")
        (said,) = decisions(rig.fill(order, "3"))
        assert said.reason == f"FILL_AFTER_END order={order.order_id} symbol=BTCUSDT quantity=3 how=CANCELLED"
        held = rig.account().positions["BTCUSDT"]
        assert held.plan is not None
        assert (held.quantity, held.plan.stop) == (dec(3), order.protective_stop)

    def test_of_an_order_nobody_knows_is_adopted_with_a_stop_of_its_own(self, rig: Rig) -> None:
        assert codes(rig.fill("by-hand", "2", "100")) == ["FILL_ADOPTED"]
        held = rig.account().positions["BTCUSDT"]
        assert held.plan is not None
        assert (held.quantity, held.plan.stop, held.plan.regime) == (dec(2), dec(96), "VOLATILE")

    def test_its_stop_is_a_tick_away_at_least(self, rig: Rig) -> None:
        rig.fill("by-hand", "2", "0.05", symbol="ETHUSDT")
        plan = rig.account().positions["ETHUSDT"].plan
        assert plan is not None
        assert (plan.stop, plan.trail, plan.trail_step) == (dec("0.04"), dec("0.01"), dec("0.01"))

    @pytest.mark.parametrize("wrong", [{"symbol": "ETHUSDT"}, {"side": "SELL"}])
    @pytest.mark.parametrize("ended", [False, True])
    def test_of_another_symbol_or_side_than_its_order_is_not_counted_to_it(
        self, rig: Rig, wrong: dict[str, str], ended: bool
    ) -> None:
        order = one_order(rig.signal())
        if ended:
            rig.event(order, "CANCELLED")
        assert codes(rig.fill(order, "0.1", price="3000", **wrong)) == ["FILL_MISMATCH"]
        left = rig.account().closed_orders[order.order_id] if ended else rig.account().orders[order.order_id]
        assert left.filled == 0
        plan = rig.account().positions[wrong.get("symbol", "BTCUSDT")].plan
        assert plan is not None
        assert plan.stop in (dec(2880), dec(3120))

    def test_is_adopted_by_the_account_it_names(self) -> None:
        rig = Rig().ready("alice", "bob")
        order = one_order(rig.signal(account="alice"))
        assert codes(rig.fill(order, "1", account="bob")) == ["FILL_ADOPTED"]
        assert rig.account("alice").positions == {}
        assert order.order_id in rig.account("alice").orders


class TestWhatIsForgotten:
    """Ids are kept for an hour; what may be a repeat of something forgotten is not booked, and the account is in doubt."""

    def forgetful(self) -> Rig:
        rig = Rig().ready()
        rig.fill("x", "1", trade_id="old", ts=rig.now_ms)
        rig.now_ms += HOUR_MS + 1
        rig.policy(1)
        rig.refresh()
        rig.fill("x", "1", trade_id="new")
        return rig

    def test_a_repeat_of_something_forgotten_is_not_booked_twice(self) -> None:
        rig = self.forgetful()
        long_ago_ms = rig.now_ms - HOUR_MS - 60_000
        assert codes(rig.fill("x", "1", trade_id="old", ts=long_ago_ms)) == ["FILL_TOO_OLD"]
        assert rig.last.fate is Fate.REFUSED
        assert rig.account().positions["BTCUSDT"].quantity == dec(2)

    def test_it_puts_the_account_in_doubt_until_somebody_enables_it(self) -> None:
        rig = self.forgetful()
        rig.fill("x", "1", trade_id="older", ts=rig.now_ms - 2 * HOUR_MS)
        assert codes(rig.signal(symbol="ETHUSDT")) == ["ACCOUNT_IN_DOUBT"]

    def test_a_late_fill_with_an_id_that_is_still_known_is_a_plain_duplicate(self) -> None:
        rig = self.forgetful()
        rig.fill("x", "1", trade_id="new")
        assert rig.last.fate is Fate.DUPLICATE

    def test_the_memory_is_bounded(self) -> None:
        rig = Rig().ready()
        memory = rig.account().inputs_seen
        for number in range(ENTRIES_MAX + 100):
            memory.remember(f"F:{number}", rig.now_ms, rig.now_ms, HOUR_MS)
        assert len(memory.entries) == ENTRIES_MAX
