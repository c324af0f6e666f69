"""What commands say: exact figures for programs, nothing on stdout that is not asked for."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from streams.cli.output import Answer, Output, json_line
from streams.desk.emergency_stop import StopState


def test_decimals_are_written_exactly_and_never_as_floats() -> None:
    assert (
        json_line({"price": Decimal("0.10000000000000000001"), "big": Decimal("1E+3")})
        == '{"price": "0.10000000000000000001", "big": "1000"}'
    )


def test_paths_times_and_states_are_written_as_text() -> None:
    line = json_line({"file": Path("a/b"), "at": datetime(2026, 1, 2, tzinfo=UTC), "ess": StopState.ARMED})

    assert json.loads(line) == {"file": "a/b", "at": "2026-01-02T00:00:00+00:00", "ess": "ARMED"}


def test_a_line_break_in_a_text_does_not_break_the_line() -> None:
    assert "\n" not in json_line({"reason": "one\ntwo"})


@pytest.mark.parametrize("figure", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(figure: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_line({"figure": figure})


def test_what_has_no_place_in_json_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        json_line({"thing": object()})


def test_people_read_text_as_it_is_with_no_markup_taken_out(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).console.print("signal [red] 0x1f 12:30")

    assert capsys.readouterr().out == "signal [red] 0x1f 12:30\n"


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with Output(as_json=False).progress("replaying", total=10) as advance:
        advance(10)

    assert capsys.readouterr() == ("", "")


def test_nothing_is_written_for_programs_unless_they_ask(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).finish(Answer({"events": 3}))

    assert capsys.readouterr().out == ""
