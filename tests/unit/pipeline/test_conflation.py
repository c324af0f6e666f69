"""Marks made fewer: the newest of a symbol in a window, and no wick lost or shown again, wherever a crash cuts."""

from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.pipeline.conflation import STALLED_MS, WINDOW_MS, Conflation, Kept, merged
from streams.pipeline.ports import Read
from tests.schema_kit import MARK


def together(raws: list[bytes]) -> bytes | None:
    """Merge by writing down what was merged; what says bad cannot be."""
    return None if any(b"bad" in raw for raw in raws) else b"+".join(raws)


def marks(*symbols: str, first: int = 1) -> list[Read]:
    return [Read(first + index, symbol.encode(), f"{symbol}{first + index}".encode()) for index, symbol in enumerate(symbols)]


def open_window() -> Conflation:
    """Give a conflation whose window has just begun, so that marks wait."""
    conflation = Conflation(together, 0)  # type: ignore[arg-type]
    assert len(conflation.add([Read(0, b"first", b"first")], 1_000)) == 1
    return conflation


def test_the_first_mark_after_a_quiet_time_goes_at_once() -> None:
    assert Conflation(together, 0).add(marks("B"), 1_000) == [Kept(1, b"B", b"B1")]  # type: ignore[arg-type]


def test_marks_wait_for_the_end_of_their_window_and_go_as_one_a_symbol() -> None:
    conflation = open_window()

    assert conflation.add(marks("B", "E", "B", "S"), 1_001) == []
    assert conflation.due(1_000 + WINDOW_MS - 1) == []
    assert conflation.due(1_000 + WINDOW_MS) == [Kept(1, b"B", b"B1+B3"), Kept(2, b"E", b"E2"), Kept(4, b"S", b"S4")]
    assert not conflation.holds


def test_the_last_of_a_window_goes_under_the_last_place_so_that_none_of_it_is_taken_again() -> None:
    conflation = open_window()
    conflation.add(marks("B", "E", "B"), 1_001)

    assert conflation.due(1_100) == [Kept(1, b"B", b"B1+B3"), Kept(3, b"E", b"E2")]


def test_what_cannot_be_merged_goes_one_by_one_under_its_own_place() -> None:
    conflation = open_window()
    conflation.add([*marks("B", "E", "E"), Read(4, b"E", b"bad"), Read(5, b"B", b"B5")], 1_001)

    assert conflation.due(1_100) == [Kept(1, b"B", b"B1+B5"), Kept(2, b"E", b"E2"), Kept(3, b"E", b"E3"), Kept(4, b"E", b"bad")]


def test_what_has_no_key_or_no_value_passes_after_what_came_before_it() -> None:
    conflation = open_window()

    out = conflation.add([*marks("B"), Read(2, None, b"x"), Read(3, b"B", None), *marks("B", first=4)], 1_001)

    assert out == [Kept(1, b"B", b"B1"), Kept(2, None, b"x"), Kept(3, b"B", b"")]
    assert conflation.due(1_100) == [Kept(4, b"B", b"B4")]


def test_what_somebody_else_may_have_passed_on_goes_one_by_one() -> None:
    conflation = Conflation(together, 4)  # type: ignore[arg-type]

    assert conflation.add(marks("B", "B", "E"), 1_000) == [Kept(1, b"B", b"B1"), Kept(2, b"B", b"B2"), Kept(3, b"E", b"E3")]
    assert conflation.add(marks("B", "B", first=4), 1_000) == [Kept(5, b"B", b"B4+B5")]


def test_what_waited_through_a_pause_of_the_process_goes_one_by_one() -> None:
    conflation = open_window()
    conflation.add(marks("B", "B"), 1_001)

    assert conflation.due(1_002 + STALLED_MS) == [Kept(1, b"B", b"B1"), Kept(2, b"B", b"B2")]


def test_a_clock_that_is_set_back_does_not_hold_marks() -> None:
    conflation = open_window()

    assert conflation.add(marks("B"), 10) == [Kept(1, b"B", b"B1")]


def test_merged_is_the_newest_by_its_own_time_with_the_extremes_of_all() -> None:
    early = MARK._replace(mark_id="a", ts=1, high=Decimal(110), low=Decimal(90), mark=Decimal(100))
    newest = MARK._replace(mark_id="b", ts=3, high=Decimal(105), low=Decimal(99), mark=Decimal(101))
    late = MARK._replace(mark_id="c", ts=2, high=Decimal(104), low=Decimal(80), mark=Decimal(95))

    assert merged([early, newest, late]) == newest._replace(high=Decimal(110), low=Decimal(80))
    assert merged([early, newest._replace(ts=1)]).mark_id == "b"


class Step(NamedTuple):
    symbol: str
    pause_ms: int


steps = st.lists(st.builds(Step, st.sampled_from("BES"), st.sampled_from((0, 1, 30, 120, 2_000))), min_size=1, max_size=40)


def windows_of(drawn: list[Step]) -> list[list[Kept]]:
    """Pass marks on; give what left together."""
    conflation, now_ms, out = Conflation(together, 0), 1_000, []  # type: ignore[arg-type]
    for offset, step in enumerate(drawn):
        now_ms += step.pause_ms
        out += [conflation.due(now_ms), conflation.add(marks(step.symbol, first=offset), now_ms)]
    return [window for window in [*out, conflation.due(now_ms + WINDOW_MS)] if window]


def shown(kept: list[Kept]) -> list[bytes]:
    """Give which marks the desk sees: what is not after the last place is dropped."""
    highest, seen = -1, []
    for one in kept:
        if one.offset > highest:
            highest = one.offset
            seen += one.value.split(b"+")
    return seen


@given(steps)
def test_every_mark_is_shown_once(drawn: list[Step]) -> None:
    seen = shown([kept for window in windows_of(drawn) for kept in window])

    assert sorted(seen) == sorted(f"{step.symbol}{offset}".encode() for offset, step in enumerate(drawn))


@settings(max_examples=200)
@given(steps, st.data())
def test_wherever_a_crash_cuts_no_mark_is_lost_and_none_of_a_window_that_has_left_is_shown_again(
    drawn: list[Step], data: st.DataObject
) -> None:
    windows = windows_of(drawn)
    whole = data.draw(st.integers(0, len(windows)))
    torn = windows[whole][: data.draw(st.integers(0, len(windows[whole]) - 1))] if whole < len(windows) else []
    before = [kept for window in windows[:whole] for kept in window]
    again = Conflation(together, len(drawn)).add(marks(*[step.symbol for step in drawn], first=0), 9_000_000)  # type: ignore[arg-type]

    seen = shown([*before, *torn, *again])

    everything = {f"{step.symbol}{offset}".encode() for offset, step in enumerate(drawn)}
    assert set(seen) == everything
    left = {mark for kept in before for mark in kept.value.split(b"+")}
    assert all(seen.count(mark) == 1 for mark in left)
