"""The books: netting, flips, fees, funding and transfers, to the last decimal."""

from __future__ import annotations

from decimal import Decimal

import pytest

from streams.desk import portfolio
from streams.desk.outputs import Fate
from streams.desk.values import exact
from tests.desk_kit import Rig, codes, dec, decisions, one_order


def equity(rig: Rig) -> Decimal | None:
    with exact():
        return portfolio.equity(rig.state, rig.account())


def book(rig: Rig) -> tuple[Decimal, Decimal]:
    """Give quantity and cost of the position in BTC."""
    held = rig.account().positions.get("BTCUSDT")
    return (held.quantity, held.cost) if held else (dec(0), dec(0))


def trade(rig: Rig, quantity: str, price: str) -> None:
    """Trade a signed quantity of BTC."""
    signed = dec(quantity)
    rig.fill("elsewhere", abs(signed), price, side="BUY" if signed > 0 else "SELL")


@pytest.fixture
def rig() -> Rig:
    return Rig(ess={"drawdown_pct": "90"}).ready()


class TestNetting:
    def test_adding_averages_the_entry(self, rig: Rig) -> None:
        trade(rig, "1", "100")
        trade(rig, "3", "104")
        assert book(rig) == (dec(4), dec(412))
        rig.mark("BTCUSDT", "103")
        assert equity(rig) == dec(10_000)

    def test_reducing_realises_against_the_average(self, rig: Rig) -> None:
        trade(rig, "1", "100")
        trade(rig, "3", "104")
        trade(rig, "-1", "110")
        assert book(rig) == (dec(3), dec(309))
        assert rig.account().realised == dec(7)
        assert rig.account().cash == dec(10_007)

    def test_a_short_gains_when_it_is_bought_back_lower(self, rig: Rig) -> None:
        trade(rig, "-2", "100")
        assert book(rig) == (dec(-2), dec(-200))
        trade(rig, "1", "90")
        assert book(rig) == (dec(-1), dec(-100))
        assert rig.account().realised == dec(10)

    def test_closing_leaves_no_position(self, rig: Rig) -> None:
        trade(rig, "2", "100")
        trade(rig, "-2", "95")
        assert rig.account().positions == {}
        assert rig.account().cash == dec(9_990)
        assert equity(rig) == dec(9_990)

    @pytest.mark.parametrize("direction", [1, -1])
    def test_a_flip_closes_the_one_and_opens_the_other(self, rig: Rig, direction: int) -> None:
        trade(rig, str(2 * direction), "100")
        trade(rig, str(-5 * direction), "110")
        assert book(rig) == (dec(-3 * direction), dec(-330 * direction))
        assert rig.account().realised == dec(20 * direction)

    def test_a_flip_gives_the_new_position_a_plan_of_its_own(self, rig: Rig) -> None:
        first = rig.open()
        rig.fill("elsewhere", first.quantity + 1, "100", side="SELL")
        plan = rig.account().positions["BTCUSDT"].plan
        assert plan is not None
        assert plan.stop == dec(104)  # adopted, 4 % above

    def test_thirds_stay_exact_in_equity_and_when_flat(self, rig: Rig) -> None:
        trade(rig, "3", "100.01")
        trade(rig, "4", "100.02")
        rig.mark("BTCUSDT", "100.02")
        before = equity(rig)
        trade(rig, "-1", "100.02")  # a seventh of 700.11 has no end
        assert equity(rig) == before
        trade(rig, "-6", "100.02")
        assert rig.account().realised == dec("0.03")
        assert rig.account().cash == dec("10000.03")


class TestFees:
    def test_in_usdt_come_out_of_cash(self, rig: Rig) -> None:
        rig.fill("elsewhere", "1", "100", fee=dec("0.05"))
        assert (rig.account().cash, rig.account().fees) == (dec("9999.95"), dec("0.05"))

    def test_in_the_base_coin_make_the_position_smaller(self, rig: Rig) -> None:
        rig.fill("elsewhere", "1", "100", fee=dec("0.001"), fee_currency="BTC")
        assert book(rig) == (dec("0.999"), dec("99.9"))
        assert rig.account().fees == dec("0.1")
        assert equity(rig) == dec("9999.9")

    def test_in_the_base_coin_make_a_short_larger(self, rig: Rig) -> None:
        rig.fill("elsewhere", "1", "100", side="SELL", fee=dec("0.001"), fee_currency="BTC")
        assert book(rig)[0] == dec("-1.001")
        assert equity(rig) == dec("9999.9")

    def test_in_the_base_coin_on_the_closing_fill_leave_a_short_with_a_stop(self, rig: Rig) -> None:
        trade(rig, "1", "100")
        rig.fill("elsewhere", "1", "100", side="SELL", fee=dec("0.01"), fee_currency="BTC")
        held = rig.account().positions["BTCUSDT"]
        assert held.quantity == dec("-0.01")
        assert held.plan is not None

    def test_in_bnb_are_charged_at_its_mark(self, rig: Rig) -> None:
        rig.mark("BNBUSDT", "600")
        rig.fill("elsewhere", "1", "100", fee=dec("0.0001"), fee_currency="BNB")
        assert (rig.account().cash, rig.account().fees) == (dec("9999.94"), dec("0.06"))

    def test_in_a_coin_without_a_mark_are_owed_until_there_is_one(self) -> None:
        rig = Rig().ready(symbols=("BTCUSDT",))
        rig.fill("elsewhere", "1", "100", fee=dec("0.0001"), fee_currency="BNB")
        assert rig.account().fees_owed == {"BNBUSDT": dec("0.0001")}
        assert rig.account().cash == dec(10_000)
        assert codes(rig.signal()) == ["ACCOUNT_IN_DOUBT"]
        rig.mark("BNBUSDT", "600")
        assert rig.account().fees_owed == {}
        assert rig.account().cash == dec("9999.94")
        assert codes(rig.signal()) == ["LONG"]

    def test_of_nothing_is_owed_to_nobody(self, rig: Rig) -> None:
        rig.fill("elsewhere", "1", "100", fee=dec("0.0000"), fee_currency="XYZ")
        assert rig.account().fees_owed == {}

    def test_a_rebate_is_a_fee_that_pays(self, rig: Rig) -> None:
        rig.fill("elsewhere", "1", "100", fee=dec("-0.01"))
        assert rig.account().cash == dec("10000.01")


class TestMoneyWithoutTrades:
    def test_funding_is_paid_and_received(self, rig: Rig) -> None:
        rig.money("FUNDING", "-1.25", symbol="BTCUSDT")
        rig.money("FUNDING", "0.25", symbol="BTCUSDT")
        assert (rig.account().cash, rig.account().funding) == (dec(9_999), dec(-1))
        assert rig.account().high_water == dec(10_000)

    def test_a_deposit_moves_the_high_water_mark_in_proportion(self, rig: Rig) -> None:
        rig.money("FUNDING", "-200")  # 2 % under water
        rig.money("DEPOSIT", "9800")
        assert rig.account().cash == dec(19_600)
        assert rig.account().high_water == dec(20_000)
        assert rig.account().day_start == dec(19_800)

    def test_so_does_a_withdrawal(self, rig: Rig) -> None:
        rig.money("FUNDING", "-200")
        rig.money("WITHDRAWAL", "4900")
        assert rig.account().high_water == dec(5_000)

    def test_a_transfer_is_never_a_profit(self, rig: Rig) -> None:
        rig.money("DEPOSIT", "500")
        rig.money("WITHDRAWAL", "200")
        assert (rig.account().transfers, rig.account().realised) == (dec(300), dec(0))

    def test_a_withdrawal_of_everything_leaves_no_mark_to_fall_from(self, rig: Rig) -> None:
        rig.money("WITHDRAWAL", "10000")
        assert rig.account().high_water == dec(0)
        assert rig.account().stop.armed

    def test_a_liquidation_takes_the_position_and_stops_the_account(self, rig: Rig) -> None:
        trade(rig, "2", "100")
        rig.money("LIQUIDATION", "-3", symbol="BTCUSDT", quantity=dec(-2), price=dec(90))
        assert rig.account().positions == {}
        assert rig.account().cash == dec(9_977)
        assert not rig.account().stop.armed

    def test_the_same_event_is_booked_once(self, rig: Rig) -> None:
        rig.money("DEPOSIT", "500", event_id="d1")
        rig.money("DEPOSIT", "500", event_id="d1")
        assert rig.last.fate is Fate.DUPLICATE
        assert rig.account().cash == dec(10_500)

    def test_other_content_under_a_known_id_is_a_conflict_and_moves_nothing(self, rig: Rig) -> None:
        rig.money("FUNDING", "3", event_id="f1")
        for change in ({"amount": "4"}, {"kind": "DEPOSIT"}, {"symbol": "ETHUSDT"}):
            (said,) = decisions(rig.money(**{"kind": "FUNDING", "amount": "3", "event_id": "f1"} | change))
            assert (said.kind, said.code, rig.last.fate) == ("ALERT", "ACCOUNT_EVENT_CONFLICT", Fate.REFUSED)
        assert rig.account().cash == dec(10_003)

    def test_the_same_numbers_written_differently_are_no_conflict(self, rig: Rig) -> None:
        rig.money("FUNDING", "3", event_id="f1")
        assert rig.money("FUNDING", "3.00", event_id="f1", ts=rig.now_ms) == []
        assert rig.last.fate is Fate.DUPLICATE


class TestAdjustments:
    def adjusted(self, rig: Rig) -> Rig:
        rig.money("ADJUSTMENT", "-7", symbol="BTCUSDT", quantity=dec(2), price=dec(100), event_id="adj")
        return rig

    def test_put_the_account_in_doubt(self, rig: Rig) -> None:
        self.adjusted(rig)
        assert (book(rig)[0], rig.account().cash) == (dec(2), dec(9_993))
        assert codes(rig.signal(symbol="ETHUSDT")) == ["ACCOUNT_IN_DOUBT"]

    def test_give_the_position_a_stop(self, rig: Rig) -> None:
        self.adjusted(rig)
        plan = rig.account().positions["BTCUSDT"].plan
        assert plan is not None
        assert plan.stop == dec(96)

    def test_are_reversed_when_the_trade_turns_up(self, rig: Rig) -> None:
        self.adjusted(rig)
        trade(rig, "2", "101")
        assert codes(rig.money("ADJUSTMENT", "0", reverses="adj")) == ["ADJUSTMENT_REVERSED"]
        rig.mark("BTCUSDT", "101")
        assert book(rig)[0] == dec(2)
        assert equity(rig) == dec(10_000)
        assert codes(rig.signal(symbol="ETHUSDT")) == ["LONG"]

    def test_reversing_what_nobody_knows_is_refused_and_said(self, rig: Rig) -> None:
        self.adjusted(rig)
        assert codes(rig.money("ADJUSTMENT", "0", reverses="other")) == ["ADJUSTMENT_UNKNOWN"]
        assert rig.last.fate is Fate.REFUSED
        assert list(rig.account().adjustments) == ["adj"]

    def test_leave_dust_that_is_recognised_at_once(self, rig: Rig) -> None:
        rig.fill("elsewhere", "2.0003")
        said = codes(rig.money("ADJUSTMENT", "0", symbol="BTCUSDT", quantity=dec(-2), price=dec(100)))
        assert said == ["ADJUSTED", "DUST"]
        held = rig.account().positions["BTCUSDT"]
        assert (held.quantity, held.dust, held.plan) == (dec("0.0003"), True, None)

    def test_are_reversed_once(self, rig: Rig) -> None:
        self.adjusted(rig)
        rig.money("ADJUSTMENT", "0", reverses="adj")
        assert codes(rig.money("ADJUSTMENT", "0", reverses="adj")) == ["ADJUSTMENT_UNKNOWN"]
        assert book(rig)[0] == dec(0)


class TestExposure:
    def test_is_the_most_open_orders_can_make_of_a_position(self, rig: Rig) -> None:
        rig.open(atr=dec(20))
        order = one_order(rig.signal(atr=dec(20)))
        held = rig.account().positions["BTCUSDT"].quantity
        with exact():
            assert portfolio.exposure(rig.state, rig.account(), "BTCUSDT") == (held + order.quantity) * 100
            rig.fill(order, "1")
            assert portfolio.extremes(rig.account(), "BTCUSDT") == (held + order.quantity, dec(0))

    def test_does_not_count_orders_that_only_reduce(self, rig: Rig) -> None:
        first = rig.open()
        rig.signal("CLOSE")
        assert portfolio.extremes(rig.account(), "BTCUSDT") == (first.quantity, dec(0))

    def test_the_partitions_equity_is_the_sum_of_its_accounts(self) -> None:
        rig = Rig(ess={"drawdown_pct": "90"}).ready("alice", "bob")
        rig.open(account="alice")
        rig.open("ETHUSDT", "SHORT", account="bob")
        rig.mark("BTCUSDT", "101.5")
        rig.mark("ETHUSDT", "98.7")
        with exact():
            each = [portfolio.equity(rig.state, account) for account in rig.state.accounts.values()]
            assert portfolio.partition_equity(rig.state) == (sum(worth for worth in each if worth is not None), True)


class TestTheDay:
    def test_begins_with_the_equity_of_its_first_second(self, rig: Rig) -> None:
        trade(rig, "10", "100")
        rig.mark("BTCUSDT", "103")
        assert rig.account().day_start == dec(10_000)
        rig.now_ms = (rig.now_ms // 86_400_000 + 1) * 86_400_000 - 1
        rig.tick()
        assert rig.account().day_start == dec(10_030)


def test_a_refused_fill_says_what_it_was() -> None:
    rig = Rig().ready()
    rig.fill("elsewhere", "1", "100", trade_id="t1")
    (said,) = decisions(rig.fill("elsewhere", "2", "100", trade_id="t1"))
    assert (said.kind, said.reason) == ("ALERT", "FILL_CONFLICT symbol=BTCUSDT price=100 quantity=2")
