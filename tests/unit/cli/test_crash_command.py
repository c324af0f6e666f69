"""`./qts crash`: what it refuses before anything is started."""

from pathlib import Path

import pytest

from streams.cli.crash import PLAN
from streams.cli.exchange import fault_plan
from streams.cli.main import main


@pytest.mark.parametrize(
    "asked",
    [
        ("--orders", "50"),
        ("--faults", str(PLAN)),
        ("--stage", "execution", "--events", "5000"),
        ("--stage", "execution", "--zombies", "1"),
    ],
)
def test_options_of_the_other_stage_are_refused(asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crash", *asked]) == 2
    assert "belong to --stage" in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "left.log").write_text("of a run before")

    assert main(["crash", "--stage", "execution", "--keep", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err


def test_the_plan_of_a_crash_run_can_be_read() -> None:
    assert "timeout_after" in fault_plan(PLAN)
