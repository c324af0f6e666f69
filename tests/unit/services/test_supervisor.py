"""The supervisor: who is started again and when, who is left alone, and that all end."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.agents.ending import BROKEN_TAPE, FOR_GOOD, OUTSIDE
from streams.services.durable_files import Disk
from streams.services.supervisor import (
    LEAVE_S,
    PAUSE_S_MAX,
    SETTLED_S,
    UNUSABLE,
    Clock,
    Process,
    RunFolder,
    Spec,
    Supervisor,
    Watched,
    noted,
)


class FakeProcess:
    """A process that ends when it is told to."""

    def __init__(self, pid: int, stubborn: bool = False) -> None:
        self.pid, self.port, self.stubborn = pid, 6_000 + pid, stubborn
        self.code: int | None = None
        self.signals: list[str] = []

    def ended(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.signals.append("TERM")
        if not self.stubborn:
            self.code = 0

    def kill(self) -> None:
        self.signals.append("KILL")
        self.code = -9


class World:
    """Time, and the processes that were started in it."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.started: list[tuple[float, Spec]] = []
        self.processes: list[FakeProcess] = []
        self.stubborn: set[str] = set()
        self.told: list[tuple[str, str]] = []
        self.broken = False

    def clock(self) -> Clock:
        return Clock(lambda: self.now_s, lambda: int(self.now_s * 1_000), self.wait)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    def start(self, spec: Spec) -> Process:
        if self.broken:
            raise OSError("no process left")
        self.started.append((self.now_s, spec))
        self.processes.append(FakeProcess(len(self.processes) + 1, spec.name in self.stubborn))
        return self.processes[-1]

    def note(self, one: Watched) -> None:
        self.told.append((one.spec.name, one.state))

    def supervisor(self, *names: str) -> Supervisor:
        return Supervisor([Spec(name.partition("-")[0], name) for name in names], self.start, self.clock(), self.note)

    def pass_time(self, supervisor: Supervisor, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += 0.25
            supervisor.look()


def end(process: FakeProcess, code: int) -> None:
    process.code = code


def names(world: World) -> list[str]:
    return [spec.name for _, spec in world.started]


def states(supervisor: Supervisor) -> list[str]:
    return [one.state for one in supervisor.workers]


def test_every_worker_is_started_at_the_first_look() -> None:
    world = World()
    supervisor = world.supervisor("sequencer-0", "desk-0", "desk-1")

    supervisor.look()

    assert [spec.name for _, spec in world.started] == ["sequencer-0", "desk-0", "desk-1"]
    assert {one.state for one in supervisor.workers} == {"running"}
    assert [one.restarts for one in supervisor.workers] == [0, 0, 0]


def test_a_worker_that_died_for_a_reason_outside_is_started_again_a_second_later() -> None:
    world = World()
    supervisor = world.supervisor("desk-0", "desk-1")
    supervisor.look()

    world.processes[0].code = -9
    supervisor.look()
    assert names(world) == ["desk-0", "desk-1"]
    world.pass_time(supervisor, 1)

    assert names(world) == ["desk-0", "desk-1", "desk-0"]
    assert supervisor.workers[0].restarts == 1
    assert supervisor.workers[0].why == "signal 9"


def test_the_pause_doubles_up_to_half_a_minute() -> None:
    world = World()
    supervisor = world.supervisor("desk-0")
    supervisor.look()
    pauses = []
    for _ in range(8):
        died_s = world.now_s
        end(world.processes[-1], OUTSIDE)
        while world.processes[-1].code is not None:
            world.now_s += 0.25
            supervisor.look()
        pauses.append(round(world.started[-1][0] - died_s))

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert pauses[-1] == PAUSE_S_MAX


def test_a_worker_that_has_lived_for_a_while_begins_with_a_short_pause_again() -> None:
    world = World()
    supervisor = world.supervisor("desk-0")
    supervisor.look()
    for _ in range(4):
        end(world.processes[-1], OUTSIDE)
        world.pass_time(supervisor, 10)

    world.pass_time(supervisor, SETTLED_S)
    end(world.processes[-1], OUTSIDE)
    supervisor.look()
    before = len(world.started)
    world.pass_time(supervisor, 1.25)

    assert len(world.started) == before + 1


@pytest.mark.parametrize("code", [*sorted(FOR_GOOD), UNUSABLE])
def test_a_worker_that_would_end_the_same_way_again_is_left_alone_and_it_is_said_why(code: int) -> None:
    world = World()
    supervisor = world.supervisor("desk-0", "desk-1")
    supervisor.look()

    world.processes[0].code = code
    world.pass_time(supervisor, 120)

    assert len(world.started) == 2
    assert [one.spec.name for one in supervisor.left_alone] == ["desk-0"]
    assert supervisor.left_alone[0].why.startswith(f"exit code {code}: ")
    assert supervisor.workers[1].state == "running"


def test_a_worker_that_cannot_be_started_is_tried_again() -> None:
    world = World()
    world.broken = True
    supervisor = world.supervisor("desk-0")
    supervisor.look()
    assert states(supervisor) == ["waiting"]

    world.broken = False
    world.pass_time(supervisor, 1.25)

    assert states(supervisor) == ["running"]
    assert supervisor.workers[0].restarts == 0


def test_all_are_told_to_leave_at_once_and_nobody_is_killed_who_leaves() -> None:
    world = World()
    supervisor = world.supervisor("sequencer-0", "desk-0")
    supervisor.look()
    began_s = world.now_s

    supervisor.stop()

    assert [process.signals for process in world.processes] == [["TERM"], ["TERM"]]
    assert world.now_s == began_s
    assert {one.state for one in supervisor.workers} == {"stopped"}


def test_who_does_not_leave_is_killed_after_ten_seconds() -> None:
    world = World()
    world.stubborn = {"desk-0"}
    supervisor = world.supervisor("sequencer-0", "desk-0")
    supervisor.look()
    began_s = world.now_s

    supervisor.stop()

    assert [process.signals for process in world.processes] == [["TERM"], ["TERM", "KILL"]]
    assert world.now_s - began_s == pytest.approx(LEAVE_S, abs=0.2)


def test_some_roles_can_be_ended_before_the_others_and_stay_ended() -> None:
    world = World()
    supervisor = world.supervisor("sequencer-0", "desk-0")
    supervisor.look()

    supervisor.stop({"sequencer"})
    world.pass_time(supervisor, 60)

    assert [one.state for one in supervisor.workers] == ["stopped", "running"]
    assert len(world.started) == 2


def test_a_worker_that_waits_for_its_next_start_is_not_started_while_all_end() -> None:
    world = World()
    supervisor = world.supervisor("desk-0")
    supervisor.look()
    world.processes[0].code = OUTSIDE
    supervisor.look()

    supervisor.stop()
    world.pass_time(supervisor, 60)

    assert len(world.started) == 1


def test_each_worker_has_a_file_that_says_how_it_is_and_goes_with_it(tmp_path: Path) -> None:
    world = World()
    folder = RunFolder(tmp_path / "run", {"supervisor": 4_242, "servers": "127.0.0.1:1"})
    supervisor = Supervisor([Spec("desk", "desk-0")], world.start, world.clock(), folder.note)
    supervisor.look()

    said = noted(tmp_path / "run")
    assert said == [
        {
            "role": "desk", "name": "desk-0", "pid": 1, "port": 6_001, "started_ms": 1_000_000, "restarts": 0, "state": "running", "why": "",
            "supervisor": 4_242, "servers": "127.0.0.1:1",
        }
    ]  # fmt: skip
    world.processes[0].code = BROKEN_TAPE
    supervisor.look()
    assert noted(tmp_path / "run")[0]["state"] == "ended"
    supervisor.stop()
    assert noted(tmp_path / "run") == []


class FullDisk(Disk):
    """A disk that takes nothing."""

    def write(self, path: Path, content: bytes) -> None:  # noqa: ARG002 - the signature of a disk
        raise OSError(28, "No space left on device")


def test_a_full_disk_stops_nobody(tmp_path: Path) -> None:
    world = World()
    folder = RunFolder(tmp_path / "run", {}, FullDisk())
    supervisor = Supervisor([Spec("desk", "desk-0")], world.start, world.clock(), folder.note)

    supervisor.look()

    assert supervisor.workers[0].state == "running"
    assert noted(tmp_path / "run") == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"role": "desk"}', b"\xff\xfe", json.dumps({"name": 3}).encode()])
def test_a_file_nobody_can_read_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "desk-0.json").write_bytes(content)
    (tmp_path / "desk-1.json").write_text('{"name": "desk-1"}')

    found: list[dict[str, Any]] = noted(tmp_path)

    assert [one["name"] for one in found] == ["desk-1"]
