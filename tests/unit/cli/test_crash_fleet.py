"""A worker of a crash run dies at the step it was asked to die at, also when it was asked before it noted its first one."""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli import crash_fleet
from streams.cli.crash_fleet import Member
from streams.pipeline.steps import Step

ROOT = Path(__file__).parents[3]
STEPPING_ON = """
import sys, time
from pathlib import Path
from connectors.steps import StepFile
from streams.pipeline.steps import Step
time.sleep(float(sys.argv[2]))
steps = StepFile(Path(sys.argv[1]))
while True:
    for name in sys.argv[3:]:
        steps.at(Step[name])
        time.sleep(0.01)
"""


class Stepping(Member):
    """Only goes through steps, once it has come up."""

    def __init__(self, folder: Path, up_after_s: float, *steps: Step) -> None:
        super().__init__("desk", "desk-0", 0, folder, {})
        self._program = [sys.executable, "-c", STEPPING_ON, str(self.steps_file), str(up_after_s), *(step.name for step in steps)]

    def start(self) -> None:
        self._process = subprocess.Popen(self._program, cwd=ROOT)


def test_who_has_not_come_up_yet_is_asked_again_and_dies_where_it_was_asked_to(tmp_path: Path) -> None:
    member = Stepping(tmp_path, 0.3, Step.IDLE, Step.STEPPING, Step.SNAPSHOT_ACKNOWLEDGED)
    member.steps_file.write_bytes(bytes([Step.IDLE.value, 0]))  # of the life before
    member.start()
    try:
        assert member.kill(Step.SNAPSHOT_ACKNOWLEDGED) is Step.SNAPSHOT_ACKNOWLEDGED
    finally:
        member.end()


def test_a_step_that_does_not_come_is_waited_for_for_a_while_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_fleet, "STEP_S_MAX", 0.1)
    member = Stepping(tmp_path, 0, Step.STEPPING)
    member.steps_file.write_bytes(bytes([Step.STEPPING.value, 0]))
    member.start()
    try:
        assert member.kill(Step.SNAPSHOT_ACKNOWLEDGED) is not Step.SNAPSHOT_ACKNOWLEDGED
        assert member.code is not None
    finally:
        member.end()
