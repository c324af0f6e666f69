"""Watchers of steps: what a worker noted outlives kill -9, and one dies where it was told to."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.steps import DieAt, StepFile, noted_step
from streams.pipeline.steps import NOBODY_WATCHES, Step

DIES = """
import sys
from pathlib import Path
from connectors.steps import DieAt, StepFile
from streams.pipeline.steps import Step
watcher = DieAt(sys.argv[2], StepFile(Path(sys.argv[1])))
for step in (Step.STEPPING, Step.OUTPUT_SENT, Step.STEPPING, Step.SNAPSHOT_TAKEN):
    watcher.at(step)
print("alive")
"""


@pytest.mark.parametrize(
    ("plan", "noted"), [("STEPPING", Step.STEPPING), ("OUTPUT_SENT:1", Step.OUTPUT_SENT), ("STEPPING:2", Step.STEPPING)]
)
def test_a_worker_dies_at_its_step_and_leaves_a_note_of_it(tmp_path: Path, plan: str, noted: Step) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DIES, tmp_path / "run" / "steps", plan], capture_output=True, timeout=30, check=False
    )

    assert ended.returncode == -signal.SIGKILL
    assert noted_step(tmp_path / "run" / "steps") == noted.value
    assert b"alive" not in ended.stdout


def test_a_step_that_never_comes_kills_nobody(tmp_path: Path) -> None:
    watcher = DieAt("STEPPING:3", StepFile(tmp_path / "steps"))
    watcher.at(Step.STEPPING)
    watcher.at(Step.STEPPING)
    watcher.at(Step.RESUMING)

    assert noted_step(tmp_path / "steps") == Step.RESUMING.value


def test_a_new_worker_begins_with_a_clean_note(tmp_path: Path) -> None:
    StepFile(tmp_path / "steps").at(Step.RESUMING)
    StepFile(tmp_path / "steps")

    assert noted_step(tmp_path / "steps") == Step.IDLE.value


def test_every_step_fits_in_the_byte() -> None:
    assert all(0 <= step.value < 256 for step in Step)
    for step in Step:
        NOBODY_WATCHES.at(step)
