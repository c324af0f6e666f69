"""Exact numbers: nothing is rounded that nobody asked to round."""

from __future__ import annotations

from decimal import Decimal, Inexact, getcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.desk.values import (
    AMOUNT_MAX,
    MONEY_SCALE,
    exact,
    is_amount,
    money_quotient,
    money_share,
    round_down,
    shown,
    steps_ceiling,
    steps_floor,
    text,
)  # fmt: skip
from tests.desk_kit import dec

AMOUNTS = st.decimals(-(10**12), 10**12, places=10)
STEPS = st.sampled_from([dec("0.00000001"), dec("0.001"), dec("0.01"), dec("0.5"), dec(1), dec(25)])


class TestExact:
    def test_what_would_have_to_be_rounded_is_an_error(self) -> None:
        with exact(), pytest.raises(Inexact):
            dec(1) / dec(3)

    @given(AMOUNTS, AMOUNTS, AMOUNTS)
    def test_sums_and_products_are_those_of_fractions(self, one: Decimal, other: Decimal, third: Decimal) -> None:
        with exact():
            assert Fraction(one * other + third) == Fraction(one) * Fraction(other) + Fraction(third)

    def test_it_ends_with_its_block_even_after_an_error(self) -> None:
        before = getcontext()
        with pytest.raises(Inexact), exact():
            dec(1) / dec(3)
        assert getcontext() is before
        assert dec(1) / dec(3) != 0


class TestDivision:
    def test_is_to_the_last_decimal_money_has(self) -> None:
        assert money_quotient(dec(2), dec(3)) == Decimal("0." + "6" * 19 + "7")

    @given(AMOUNTS, st.decimals("0.0000000001", 10**6, places=10))
    def test_is_off_by_half_of_it_at_most(self, dividend: Decimal, divisor: Decimal) -> None:
        with exact():
            off = Fraction(money_quotient(dividend, divisor)) - Fraction(dividend) / Fraction(divisor)
        assert abs(off) <= Fraction(1, 2 * 10**MONEY_SCALE)

    def test_a_share_is_multiplied_before_it_is_divided(self) -> None:
        assert money_share(dec(9), dec(1), dec(3)) == 3
        assert money_share(dec(3), dec(1), dec(3)) == 1


class TestSteps:
    @given(st.decimals(0, 10**9, places=10), STEPS)
    def test_down_and_up_enclose_the_value(self, value: Decimal, step: Decimal) -> None:
        with exact():
            low, high = steps_floor(value, step), steps_ceiling(value, step)
            assert low <= value <= high
            assert high - low in (0, step)
            assert low % step == high % step == 0
            assert round_down(value, step) == low

    @pytest.mark.parametrize(
        ("value", "low", "high"), [("-0.015", "-0.02", "-0.01"), ("-0.01", "-0.01", "-0.01"), ("0", "0", "0")]
    )
    def test_below_zero_down_is_down(self, value: str, low: str, high: str) -> None:
        with exact():
            assert steps_floor(dec(value), dec("0.01")) == dec(low)
            assert steps_ceiling(dec(value), dec("0.01")) == dec(high)


class TestWriting:
    @pytest.mark.parametrize(
        ("number", "written"),
        [
            ("1", "1"), ("1.0", "1"), ("1.500", "1.5"), ("100", "100"), ("1E+3", "1000"), ("0", "0"), ("-0", "0"), ("-0.00", "0"), ("0E-10", "0"),
            ("1E-10", "0.0000000001"), ("-2.50", "-2.5"), ("123456789012345.0000000001", "123456789012345.0000000001"),
        ],
    )  # fmt: skip
    def test_there_is_one_way(self, number: str, written: str) -> None:
        assert text(dec(number)) == written

    @given(AMOUNTS)
    def test_it_can_be_read_back(self, number: Decimal) -> None:
        assert dec(text(number)) == number

    @pytest.mark.parametrize(
        ("number", "seen"),
        [("0.005", "0.01"), ("-0.005", "-0.01"), ("0.00499999", "0.00"), ("1.235", "1.24"), ("2", "2.00"), ("1.225", "1.23")],
    )
    def test_people_see_cents_rounded_half_up(self, number: str, seen: str) -> None:
        assert shown(dec(number)) == seen


@pytest.mark.parametrize(
    ("number", "can_be"),
    [
        ("0", True), ("-1", True), ("1e-10", True), ("1e-11", False), ("NaN", False), ("sNaN", False), ("Infinity", False), ("-Infinity", False),
        ("1e15", False), ("-1e15", False), ("1e30", False),
    ],
)  # fmt: skip
def test_an_amount_is_finite_not_huge_and_no_finer_than_the_wire(number: str, can_be: bool) -> None:
    assert is_amount(dec(number)) is can_be


def test_the_largest_amount_is_just_below_the_bound() -> None:
    assert is_amount(AMOUNT_MAX - dec("0.0000000001"))
    assert not is_amount(AMOUNT_MAX)
