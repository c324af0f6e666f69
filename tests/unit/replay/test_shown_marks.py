"""A mark stands in the one it was merged into, and in no other."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from streams.desk.messages import Mark
from streams.pipeline.conflation import merged
from streams.replay.shown_marks import ShownMarks
from tests.schema_kit import MARK


def mark(ts: int, low: int, high: int, symbol: str = "B") -> Mark:
    return MARK._replace(symbol=symbol, ts=ts, low=Decimal(low), high=Decimal(high))


def test_a_mark_stands_in_the_one_right_before_its_place_or_right_at_or_after_it() -> None:
    shown = ShownMarks()
    shown.show(10, mark(9, 80, 120))
    shown.show(14, mark(5, 90, 110))
    shown.show(18, mark(9, 80, 120))

    assert [offset for offset in range(25) if shown.holds(offset, mark(5, 90, 110))] == list(range(25))
    assert [offset for offset in range(25) if shown.holds(offset, mark(9, 80, 120))] == list(range(25))
    shown.show(22, mark(5, 90, 110))
    shown.show(26, mark(5, 90, 110))
    assert [offset for offset in range(30) if shown.holds(offset, mark(9, 80, 120))] == list(range(23))


def test_a_mark_stands_in_none_of_another_symbol_none_that_is_older_and_none_without_its_wicks() -> None:
    shown = ShownMarks()
    shown.show(10, mark(5, 90, 110))

    assert shown.holds(9, mark(4, 91, 109))
    assert not shown.holds(9, mark(4, 91, 109, "E"))
    assert not shown.holds(9, mark(6, 91, 109))
    assert not shown.holds(9, mark(4, 89, 109))
    assert not shown.holds(9, mark(4, 91, 111))


def test_the_oldest_are_forgotten() -> None:
    shown = ShownMarks(2)
    for offset, symbol in enumerate("BES"):
        shown.show(offset, mark(1, 90, 110, symbol))

    assert [shown.holds(9, mark(1, 90, 110, symbol)) for symbol in "BES"] == [False, True, True]


marks = st.builds(mark, st.integers(1, 20), st.integers(80, 100), st.integers(100, 120))


@given(st.lists(marks, min_size=1, max_size=8), st.booleans(), marks, marks)
def test_whatever_was_merged_stands_in_what_it_became(window: list[Mark], last: bool, before: Mark, after: Mark) -> None:
    shown = ShownMarks()
    shown.show(9, before)
    shown.show(9 + len(window) if last else 10, merged(window))
    shown.show(30, after)

    assert all(shown.holds(offset, one) for offset, one in enumerate(window, 10))
