"""The gates that ask about the market, the size and the exchange: what passes, what is refused, and what happens exactly at the limit."""

from __future__ import annotations

from typing import Any

import pytest

from streams.desk import gates
from streams.desk.outputs import Check
from streams.desk.request import Request
from tests.desk_kit import Rig, dec
from tests.gate_kit import look, remember, wish


@pytest.fixture
def rig() -> Rig:
    return Rig().ready()


class TestCheapToHold:
    @pytest.mark.parametrize(
        ("rate", "side", "pays", "code"),
        [
            ("0.0003", "BUY", "0.03", ""),
            ("0.0003000001", "BUY", "0.03000001", "FUNDING_COST"),
            ("-0.0004", "BUY", "-0.04", ""),
            ("-0.0003", "SELL", "0.03", ""),
            ("-0.0003000001", "SELL", "0.03000001", "FUNDING_COST"),
            ("0.0004", "SELL", "-0.04", ""),
        ],
    )
    def test_refuses_who_would_pay_more_than_the_limit(self, rig: Rig, rate: str, side: Any, pays: str, code: str) -> None:
        rig.mark("BTCUSDT", "100", funding_rate=rate)
        assert look(gates.cheap_to_hold, wish(rig, side=side)) == Check("funding", code, f"pays_pct={pays} pays_pct_max=0.03")


class TestSized:
    def test_a_signal_is_sized_by_risk(self, rig: Rig) -> None:
        request = wish(rig, quantity=dec(0))
        assert look(gates.sized, request).code == ""
        assert request.quantity == dec("19.998")

    @pytest.mark.parametrize(
        ("side", "stop", "code"),
        [
            ("BUY", "98", ""), ("BUY", None, "STOP_MISSING"), ("BUY", "100.01", "STOP_MISSING"), ("BUY", "101", "STOP_MISSING"),
            ("SELL", "101", ""), ("SELL", None, "STOP_MISSING"), ("SELL", "100.01", "STOP_MISSING"), ("SELL", "98", "STOP_MISSING"),
            ("BUY", "0", "STOP_MISSING"),
        ],
    )  # fmt: skip
    def test_an_operators_order_needs_a_stop_on_its_losing_side(self, rig: Rig, side: Any, stop: str | None, code: str) -> None:
        request = wish(rig, signal=None, side=side, stop=None if stop is None else dec(stop))
        assert look(gates.sized, request).code == code

    @pytest.mark.parametrize(("room", "code"), [("100.01", ""), ("100.0099", "ROOM_EXCEEDED")])
    def test_an_operators_order_may_fill_the_room_exactly(self, rig: Rig, room: str, code: str) -> None:
        check = look(gates.sized, wish(rig, signal=None, room=dec(room)))
        assert check == Check("size", code, f"quantity=1 value_usd=100.01 room_usd={room} stop=98")


class TestLiquid:
    @pytest.mark.parametrize(("spread", "code"), [("0.12", ""), ("0.1201", "SPREAD_WIDE")])
    def test_takes_a_spread_at_the_limit(self, rig: Rig, spread: str, code: str) -> None:
        rig.mark("BTCUSDT", "100", bid=dec(100), ask=dec(100) + dec(spread))
        assert look(gates.liquid, wish(rig)).code == code

    @pytest.mark.parametrize(("depth", "code"), [("2500.25", ""), ("2500.24", "DEPTH_THIN"), ("0", "DEPTH_THIN")])
    def test_takes_a_share_of_the_book_at_the_limit(self, rig: Rig, depth: str, code: str) -> None:
        rig.mark("BTCUSDT", "100", depth=depth)
        figures = f"spread=0.02 spread_bps_max=12 value_usd=100.01 depth_usd={depth} depth_share_pct_max=4"
        assert look(gates.liquid, wish(rig)) == Check("liquidity", code, figures)

    def test_an_old_policy_refuses_as_it_did_and_says_what_it_said(self, rig: Rig) -> None:
        rig.mark("BTCUSDT", "100", depth="100", volume_24h="1")
        request = wish(rig)
        figures = "spread=0.02 spread_bps_max=12 value_usd=100.01 depth_usd=100 depth_share_pct_max=4"
        assert look(gates.liquid, request) == Check("liquidity", "DEPTH_THIN", figures)
        assert request.quantity == dec(1)


class TestCutToDepth:
    @pytest.fixture
    def rig(self) -> Rig:
        return Rig(market={"depth_cut": "true"}).ready()

    @pytest.mark.parametrize(
        ("depth", "left"),
        [("2500.25", "1"), ("2500.24", "0.999"), ("1250.126", "0.5"), ("1250.124", "0.499"), ("125.0125", "0.05")],
    )
    def test_a_signals_order_is_cut_to_its_share_in_whole_steps(self, rig: Rig, depth: str, left: str) -> None:
        rig.mark("BTCUSDT", "100", depth=depth)
        request = wish(rig)
        assert look(gates.liquid, request).code == ""
        assert request.quantity == dec(left)

    def test_a_cut_is_told_with_what_was_wanted(self, rig: Rig) -> None:
        rig.mark("BTCUSDT", "100", depth="1250.126")
        figures = "spread=0.02 spread_bps_max=12 value_usd=100.01 depth_usd=1250.126 depth_share_pct_max=4 wanted=1 cut_to=0.5"
        assert look(gates.liquid, wish(rig)) == Check("liquidity", "", figures)

    @pytest.mark.parametrize("depth", ["0", "1", "124"])
    def test_what_is_not_worth_sending_is_refused(self, rig: Rig, depth: str) -> None:
        rig.mark("BTCUSDT", "100", depth=depth)
        assert look(gates.liquid, wish(rig)).code == "DEPTH_THIN"

    def test_the_exchanges_smallest_quantity_is_worth_sending(self, rig: Rig) -> None:
        rig.instrument("BTCUSDT", min_quantity=dec("0.5"))
        rig.mark("BTCUSDT", "100", depth="1250.126")
        assert look(gates.liquid, wish(rig)).code == ""
        rig.mark("BTCUSDT", "100", depth="1250.124")
        assert look(gates.liquid, wish(rig)).code == "DEPTH_THIN"

    def test_an_operators_quantity_is_not_changed(self, rig: Rig) -> None:
        rig.mark("BTCUSDT", "100", depth="1250.126")
        request = wish(rig, signal=None)
        assert look(gates.liquid, request).code == "DEPTH_THIN"
        assert request.quantity == dec(1)

    def test_a_wide_spread_is_not_cured_by_cutting(self, rig: Rig) -> None:
        rig.mark("BTCUSDT", "100", depth="1250.126", ask="100.2")
        assert look(gates.liquid, wish(rig)).code == "SPREAD_WIDE"


class TestVolume:
    @pytest.fixture
    def rig(self) -> Rig:
        return Rig(market={"volume_24h_usd_min": "1000000"}).ready()

    @pytest.mark.parametrize(
        ("volume", "shown", "code"),
        [
            ("1000000", "1000000", ""),
            ("999999.99", "999999.99", "VOLUME_LOW"),
            ("0", "0", "VOLUME_LOW"),
            (None, "unknown", "VOLUME_LOW"),
        ],
    )
    def test_takes_a_volume_at_the_limit_and_none_that_nobody_knows(
        self, rig: Rig, volume: str | None, shown: str, code: str
    ) -> None:
        rig.mark("BTCUSDT", "100", volume_24h=volume)
        figures = "spread=0.02 spread_bps_max=12 value_usd=100.01 depth_usd=1000000 depth_share_pct_max=4"
        assert look(gates.liquid, wish(rig)) == Check(
            "liquidity", code, f"{figures} volume_24h_usd={shown} volume_24h_usd_min=1000000"
        )


class TestFiltered:
    def test_rounds_down_to_whole_steps(self, rig: Rig) -> None:
        request = wish(rig, quantity=dec("1.2349"))
        figures = "wanted=1.2349 quantity=1.234 quantity_min=0.001 quantity_max=10000 step=0.001 value=123.41234 value_min=5"
        assert look(gates.filtered, request) == Check("filters", "", figures)
        assert request.quantity == dec("1.234")

    @pytest.mark.parametrize(
        ("quantity", "code"), [("0.05", ""), ("0.0499", "NOTIONAL_MIN"), ("0.0009", "QUANTITY_MIN"), ("0", "QUANTITY_MIN")]
    )
    def test_checks_the_minima_again_after_rounding(self, rig: Rig, quantity: str, code: str) -> None:
        assert look(gates.filtered, wish(rig, quantity=dec(quantity), price=dec(100))).code == code

    def test_the_exchanges_smallest_quantity_may_be_more_than_a_step(self, rig: Rig) -> None:
        rig.instrument("BTCUSDT", min_quantity=dec("0.5"))
        assert look(gates.filtered, wish(rig, quantity=dec("0.5"))).code == ""
        assert look(gates.filtered, wish(rig, quantity=dec("0.499"))).code == "QUANTITY_MIN"

    def test_reducing_needs_no_minimum_value(self, rig: Rig) -> None:
        assert look(gates.filtered, wish(rig, quantity=dec("0.001"), adds_risk=False)).code == ""

    @pytest.mark.parametrize(("kind", "most"), [("MARKET", "5000"), ("LIMIT", "10000")])
    def test_narrows_to_the_exchanges_largest_quantity(self, rig: Rig, kind: Any, most: str) -> None:
        request = wish(rig, type=kind, quantity=dec(20000))
        assert look(gates.filtered, request).code == ""
        assert request.quantity == dec(most)

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"limit_price": dec("100.00")}, ""),
            ({"limit_price": dec("100.005")}, "PRICE_TICK"),
            ({"limit_price": None, "stop": None}, ""),
            ({"stop": dec("97.999")}, "PRICE_TICK"),
        ],
    )
    def test_holds_prices_to_the_exchanges_grid(self, rig: Rig, fields: dict[str, Any], code: str) -> None:
        assert look(gates.filtered, wish(rig, **fields)).code == code

    def test_refuses_without_filters(self, rig: Rig) -> None:
        assert look(gates.filtered, wish(rig, instrument=None)) == Check("filters", "INSTRUMENT_UNKNOWN", "")


class TestCollared:
    @pytest.mark.parametrize(
        ("price", "code"),
        [("101.5", ""), ("101.5001", "PRICE_COLLAR"), ("98.5", ""), ("98.4999", "PRICE_COLLAR")],
    )
    def test_takes_a_price_on_the_collar(self, rig: Rig, price: str, code: str) -> None:
        figures = f"price={price} low=98.5 high=101.5 band_low=85 band_high=115"
        assert look(gates.collared, wish(rig, price=dec(price))) == Check("collar", code, figures)

    @pytest.mark.parametrize(("price", "code"), [("100.5", ""), ("100.51", "PRICE_BAND"), ("99.5", ""), ("99.49", "PRICE_BAND")])
    def test_takes_a_price_on_the_exchanges_band(self, rig: Rig, price: str, code: str) -> None:
        rig.instrument("BTCUSDT", price_up_ratio=dec("1.005"), price_down_ratio=dec("0.995"))
        assert look(gates.collared, wish(rig, price=dec(price))).code == code


class TestRated:
    def sent(self, count: int, ago_ms: int) -> Rig:
        rig = Rig(orders={"per_10s_max": "3", "open_max": "2"}).ready()
        rig.account().order_times.extend([rig.state.now_ms - ago_ms] * count)
        return rig

    def test_passes_with_every_count(self) -> None:
        figures = "sent_10s=2 sent_10s_max=3 open=0 open_max=2 symbol=0 symbol_max=200"
        assert look(gates.rated, wish(self.sent(2, 0))) == Check("rate", "", figures)

    def test_refuses_an_order_too_many_in_ten_seconds(self) -> None:
        assert look(gates.rated, wish(self.sent(3, 9_999))).code == "ORDER_RATE"

    def test_forgets_orders_of_ten_seconds_ago(self) -> None:
        rig = self.sent(3, 10_000)
        assert look(gates.rated, wish(rig)).code == ""
        assert len(rig.account().order_times) == 0

    def test_refuses_an_order_too_many_open_at_once(self) -> None:
        rig = self.sent(0, 0)
        remember(rig, "o1", "ETHUSDT")
        assert look(gates.rated, wish(rig)).code == ""
        remember(rig, "o2", "SOLUSDT")
        figures = "sent_10s=0 sent_10s_max=3 open=2 open_max=2 symbol=0 symbol_max=200"
        assert look(gates.rated, wish(rig)) == Check("rate", "OPEN_ORDERS_MAX", figures)

    def test_the_exchanges_own_limit_is_of_orders_in_one_symbol(self) -> None:
        rig = self.sent(0, 0)
        rig.instrument("BTCUSDT", max_open_orders=1)
        remember(rig, "o1", "ETHUSDT")
        assert look(gates.rated, wish(rig)).code == ""
        del rig.account().orders["o1"]
        remember(rig, "o2", "BTCUSDT")
        figures = "sent_10s=0 sent_10s_max=3 open=1 open_max=2 symbol=1 symbol_max=1"
        assert look(gates.rated, wish(rig)) == Check("rate", "OPEN_ORDERS_MAX", figures)


class TestReduces:
    def wish_to_sell(self, rig: Rig, quantity: str = "0") -> Request:
        return wish(rig, side="SELL", type="MARKET", adds_risk=False, quantity=dec(quantity))

    def test_closes_all_that_is_held_unless_less_is_wanted(self, rig: Rig) -> None:
        rig.fill("x", quantity="2")
        everything, some, too_much = self.wish_to_sell(rig), self.wish_to_sell(rig, "0.5"), self.wish_to_sell(rig, "3")
        assert look(gates.reduces, everything) == Check("reduces", "", "held=2 pending=0 wanted=0")
        assert look(gates.reduces, some).code == ""
        assert look(gates.reduces, too_much).code == ""
        assert (everything.quantity, some.quantity, too_much.quantity) == (dec(2), dec("0.5"), dec(2))

    def test_counts_closing_orders_that_are_open(self, rig: Rig) -> None:
        rig.fill("x", quantity="2")
        remember(rig, "o1", side="SELL", quantity="1.5", reduce_only=True)
        request = self.wish_to_sell(rig, "2")
        assert look(gates.reduces, request) == Check("reduces", "", "held=2 pending=1.5 wanted=2")
        assert request.quantity == dec("0.5")
        remember(rig, "o2", side="SELL", quantity="0.5", reduce_only=True)
        assert look(gates.reduces, self.wish_to_sell(rig)).code == "ALREADY_CLOSING"

    def test_refuses_where_nothing_is_held_or_the_side_would_add(self, rig: Rig) -> None:
        assert look(gates.reduces, self.wish_to_sell(rig)).code == "NO_POSITION"
        rig.fill("x", quantity="2", side="SELL")
        assert look(gates.reduces, self.wish_to_sell(rig)).code == "NO_POSITION"
