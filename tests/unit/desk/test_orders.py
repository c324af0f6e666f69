"""Orders: what the exchange says of them, what they reserve until then, and their lifetime."""

from __future__ import annotations

import itertools
import re

import pytest

from streams.desk import portfolio
from streams.desk.messages import Disable
from streams.desk.orders import CLOSED_ORDERS_MAX
from streams.desk.outputs import Fate, Order
from streams.desk.turn import order_id
from streams.desk.values import exact
from tests.desk_kit import SYMBOLS, Rig, cancels, codes, dec, decisions, one_order, orders

QUIET = dict.fromkeys(SYMBOLS, "100")


@pytest.fixture
def rig() -> Rig:
    return Rig().ready()


def reserved(rig: Rig) -> str:
    with exact():
        return str(portfolio.extremes(rig.account(), "BTCUSDT")[0])


class TestAnApprovedOrder:
    def test_carries_all_that_execution_needs(self, rig: Rig) -> None:
        order = one_order(rig.signal(signal_id="s-1"))
        assert order == Order(
            order.order_id, "alice", rig.offset, 1, "BTCUSDT", "BUY", "LIMIT", dec("19.998"), dec("100.01"), False, dec("98.01"), "s-1", 0, 1,
            rig.now_ms + 20_000, dec("98.5"), dec("101.5"), rig.account().control_position, rig.state.control_position, rig.now_ms,
        )  # fmt: skip

    def test_follows_its_verdict_which_names_it(self, rig: Rig) -> None:
        outputs = rig.signal()
        order = one_order(outputs)
        (said,) = decisions(outputs)
        assert (said.order_id, said.n, order.n) == (order.order_id, 0, 1)

    def test_is_open_until_its_end(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        assert rig.account().orders[order.order_id].status == "SENT"
        assert reserved(rig) == "19.998"

    def test_names_the_commands_that_had_been_applied(self, rig: Rig) -> None:
        first = one_order(rig.signal())
        rig.command("alice", Disable(), reason="a break")
        assert rig.account().control_position == rig.offset > first.control_position

    def test_has_an_id_an_exchange_takes(self) -> None:
        ids = {
            order_id(epoch, account, offset, n)
            for epoch, account, offset, n in itertools.product(
                (0, 1, 46_655), ("alice", "bob", "an-account.with:a_long-name"), (0, 35, 36, 2**53), (0, 1, 1_295)
            )
        }
        assert len(ids) == 3 * 3 * 4 * 3
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,32}", one) for one in ids)


class TestWhatTheExchangeSays:
    @pytest.mark.parametrize("how", ["REJECTED", "CANCELLED", "EXPIRED"])
    def test_an_end_releases_what_the_order_reserved(self, rig: Rig, how: str) -> None:
        order = one_order(rig.signal())
        rig.fill(order, "5")
        rig.event(order, how)
        assert rig.account().orders == {}
        assert reserved(rig) == "5"
        assert rig.account().closed_orders[order.order_id].how == how

    def test_an_acknowledgement_is_no_end(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        rig.event(order, "ACKNOWLEDGED")
        assert rig.account().orders[order.order_id].status == "WORKING"
        assert reserved(rig) == "19.998"

    def test_an_unknown_fate_keeps_all_it_reserves_and_is_said(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        assert codes(rig.event(order, "UNKNOWN")) == ["ORDER_FATE_UNKNOWN"]
        assert (rig.account().orders[order.order_id].status, reserved(rig)) == ("UNKNOWN", "19.998")
        rig.event(order, "ACKNOWLEDGED")
        assert rig.account().orders[order.order_id].status == "WORKING"

    def test_a_refused_cancel_leaves_the_order_open_and_is_tried_again(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        rig.command("alice", Disable())
        rig.event(order, "CANCEL_REJECTED")
        assert order.order_id in rig.account().orders
        assert [cancel.reason for cancel in cancels(rig.tick(6, QUIET))] == ["AGAIN"]

    def test_the_same_word_twice_is_a_duplicate(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        rig.event(order, "ACKNOWLEDGED", event_id="e1")
        assert rig.event(order, "ACKNOWLEDGED", event_id="e1") == []
        assert rig.last.fate is Fate.DUPLICATE

    def test_another_word_under_a_known_id_is_a_conflict_and_changes_nothing(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        rig.event(order, "ACKNOWLEDGED", event_id="e1")
        (said,) = decisions(rig.event(order, "CANCELLED", event_id="e1"))
        assert (said.kind, said.reason) == ("ALERT", f"ORDER_EVENT_CONFLICT order={order.order_id} kind=CANCELLED")
        assert rig.last.fate is Fate.REFUSED
        assert rig.account().orders[order.order_id].status == "WORKING"

    def test_a_word_after_the_end_is_refused(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        rig.event(order, "CANCELLED")
        assert codes(rig.event(order, "EXPIRED")) == ["ORDER_OVER"]
        assert rig.last.fate is Fate.REFUSED
        assert rig.account().orders == {}

    def test_an_acknowledgement_that_a_fill_has_overtaken_says_nothing(self, rig: Rig) -> None:
        order = rig.open()
        assert rig.event(order, "ACKNOWLEDGED") == []
        assert rig.last.fate is Fate.APPLIED

    def test_a_word_on_an_order_nobody_knows_is_refused(self, rig: Rig) -> None:
        assert codes(rig.event("elsewhere", "CANCELLED")) == ["ORDER_UNKNOWN"]

    def test_another_accounts_order_is_not_known(self) -> None:
        rig = Rig().ready("alice", "bob")
        order = one_order(rig.signal(account="alice"))
        assert codes(rig.event(order, "CANCELLED", account="bob")) == ["ORDER_UNKNOWN"]
        assert order.order_id in rig.account("alice").orders


class TestALifetime:
    def test_ends_in_a_cancel(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        assert cancels(rig.tick(19)) == []
        said = cancels(rig.tick())
        assert [(cancel.order_id, cancel.symbol, cancel.reason) for cancel in said] == [(order.order_id, "BTCUSDT", "LIFETIME")]

    def test_of_a_market_order_nobody_speaks_of_ends_with_a_warning_and_a_cancel(self, rig: Rig) -> None:
        rig.open()
        leaving = one_order(rig.signal("CLOSE"))
        quiet = rig.tick(19, QUIET)
        assert (decisions(quiet), cancels(quiet)) == ([], [])
        outputs = rig.tick(marks=QUIET)
        assert [said.reason for said in decisions(outputs)] == ["ORDER_SILENT symbol=BTCUSDT status=SENT"]
        assert [(cancel.order_id, cancel.reason) for cancel in cancels(outputs)] == [(leaving.order_id, "LIFETIME")]

    def test_a_silent_orders_cancel_is_repeated_and_its_warning_is_not(self, rig: Rig) -> None:
        rig.open()
        rig.signal("CLOSE")
        rig.tick(20, QUIET)
        outputs = rig.tick(11, QUIET)
        assert [cancel.reason for cancel in cancels(outputs)] == ["AGAIN", "AGAIN"]
        assert codes(outputs) == []

    def test_with_a_silent_orders_cancel_the_exit_goes_on(self, rig: Rig) -> None:
        entry = rig.open()
        leaving = one_order(rig.mark("BTCUSDT", "98"))
        rig.tick(20, QUIET)
        assert orders(rig.said)[1:] == [leaving]
        rig.event(leaving, "CANCELLED")
        again = one_order(rig.tick(6, QUIET))
        assert (again.quantity, again.reduce_only, again.order_id == leaving.order_id) == (entry.quantity, True, False)

    def test_of_a_market_order_that_fills_needs_no_cancel(self, rig: Rig) -> None:
        rig.open()
        rig.fill(one_order(rig.signal("CLOSE")))
        assert cancels(rig.tick(25, QUIET)) == []

    def test_a_cancel_is_repeated_until_there_is_an_answer(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        said = cancels(rig.tick(31))
        assert [cancel.reason for cancel in said] == ["LIFETIME", "AGAIN", "AGAIN"]
        rig.event(order, "CANCELLED")
        assert cancels(rig.tick(20)) == []

    def test_a_cancel_is_repeated_even_when_the_retry_time_changes_meanwhile(self) -> None:
        for before, after in (("5", "60"), ("60", "5")):
            rig = Rig(orders={"retry_s": before}).ready()
            rig.signal()
            rig.tick(20)
            rig.policy(2, orders={"retry_s": after})
            assert [cancel.reason for cancel in cancels(rig.tick(70))] != []

    def test_ends_with_the_last_fill(self, rig: Rig) -> None:
        rig.open()
        assert cancels(rig.tick(25)) == []


class TestWhatIsRememberedOfOldOrders:
    def test_the_times_of_orders_are_of_the_last_ten_seconds_even_where_no_gate_counts_them(self, rig: Rig) -> None:
        rig.open()
        rig.account().order_times.extendleft([rig.now_ms - 10_000] * 50)
        one_order(rig.mark("BTCUSDT", "98"))
        assert len(rig.account().order_times) == 2

    def test_is_bounded(self, rig: Rig) -> None:
        ended = []
        for _ in range(CLOSED_ORDERS_MAX + 3):
            rig.tick(marks=QUIET)
            order = one_order(rig.signal())
            rig.event(order, "CANCELLED")
            ended.append(order.order_id)
        assert list(rig.account().closed_orders) == ended[3:]
        assert codes(rig.fill(ended[0], "1")) == ["FILL_ADOPTED"]
        assert codes(rig.fill(ended[-1], "1")) == ["FILL_AFTER_END"]

    def test_the_books_of_orders_are_empty_when_all_have_ended(self, rig: Rig) -> None:
        for how in ("REJECTED", "CANCELLED", "EXPIRED"):
            rig.event(one_order(rig.signal()), how)
        assert orders(rig.tick(30)) == []
        assert rig.account().orders == {}
