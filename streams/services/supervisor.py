"""The supervisor: keeps the workers of a deployment running on this machine.

Decides: what is started again and after which pause, what is left alone because it would end the same way again, and how all of it ends. It
touches only processes it has started. Leaves to others: the processes themselves (worker_processes), what they do, when to look (the command).
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from streams.agents.ending import BROKEN_TAPE, FLOODED, FOR_GOOD, OTHER_REIGN, OUTSIDE, REIGN_OVER, STUCK
from streams.services.durable_files import Disk, replace_file

LOGGER = logging.getLogger(__name__)

PAUSE_S_MIN, PAUSE_S_MAX = 1.0, 30.0
"""Between an end and the next start: doubled each time, so that a broker that is away is not hammered, and half a minute at most."""
SETTLED_S = 60.0
"""A worker that has lived so long did start: its next end is a new trouble, and waits a second again."""
LEAVE_S = 10.0
"""What a worker has to write everything down; what is there afterwards is killed, and comes back from its last snapshot."""
LOOK_S = 0.05
UNUSABLE = 2
"""Exit code of a worker that was given something it cannot use: an option, a variable."""

WORDS = {
    UNUSABLE: "its settings cannot be used",
    BROKEN_TAPE: "the tape is not the one its state was made from",
    OTHER_REIGN: "another desk version has to step this part of the tape",
    REIGN_OVER: "this desk version has done all that was its to do",
    FLOODED: "too many records cannot be used",
    STUCK: "nothing moved any more",
    OUTSIDE: "something outside failed",
}
"""What exit codes mean, for people."""


class Spec(NamedTuple):
    """A worker that should run."""

    role: str
    name: str


class Process(Protocol):
    """A running worker."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def port(self) -> int:
        """Where its pages are."""

    def ended(self) -> int | None:
        """Give its exit code, negative for a signal; nothing while it runs."""

    def terminate(self) -> None:
        """Tell it to leave."""

    def kill(self) -> None:
        """End it at once."""


class Clock(NamedTuple):
    """The time: one that never goes back, in seconds, and the time of day in milliseconds; and how to let it pass."""

    ticking_s: Callable[[], float]
    wall_ms: Callable[[], int]
    wait_s: Callable[[float], None]


State = Literal["running", "waiting", "ended", "stopped"]


@dataclass
class Watched:
    """A worker and what has become of it."""

    spec: Spec
    process: Process | None = None
    state: State = "waiting"
    started_s: float = 0.0
    started_ms: int = 0
    restarts: int = 0
    pause_s: float = PAUSE_S_MIN
    due_s: float = 0.0
    code: int | None = None

    @property
    def why(self) -> str:
        """Say how it ended last."""
        if self.code is None:
            return ""
        if self.code < 0:
            return f"signal {-self.code}"
        said = WORDS.get(self.code)
        return f"exit code {self.code}: {said}" if said else f"exit code {self.code}"


class Supervisor:
    """Watches over workers. Call `look` several times a second."""

    def __init__(
        self, specs: Iterable[Spec], start: Callable[[Spec], Process], clock: Clock, told: Callable[[Watched], None]
    ) -> None:
        """Take what should run; `told` hears of every change."""
        self._start, self._clock, self._told = start, clock, told
        self.workers = [Watched(spec) for spec in specs]

    def look(self) -> None:
        """Notice who has ended, and start who is due."""
        now_s = self._clock.ticking_s()
        for one in self.workers:
            if one.state == "running" and one.process is not None and (code := one.process.ended()) is not None:
                self._ended(one, code, now_s)
            elif one.state == "running" and one.pause_s > PAUSE_S_MIN and now_s - one.started_s >= SETTLED_S:
                one.pause_s = PAUSE_S_MIN
            if one.state == "waiting" and now_s >= one.due_s:
                self._begin(one, now_s)

    def stop(self, roles: Collection[str] | None = None) -> None:
        """End all workers, or those of some roles: each is told to leave, and killed when it has not left in time."""
        going = [one for one in self.workers if roles is None or one.spec.role in roles]
        for one in going:
            if one.process is not None and one.process.ended() is None:
                one.process.terminate()
        until_s = self._clock.ticking_s() + LEAVE_S
        while any(_alive(one) for one in going) and self._clock.ticking_s() < until_s:
            self._clock.wait_s(LOOK_S)
        for one in going:
            if one.process is not None and one.process.ended() is None:
                LOGGER.warning("worker %s did not leave within %.0f s and is killed", one.spec.name, LEAVE_S)
                one.process.kill()
                while one.process.ended() is None:
                    self._clock.wait_s(LOOK_S)
            if one.process is not None and one.state == "running":
                one.code = one.process.ended()
            one.state = "stopped"
            self._told(one)

    @property
    def left_alone(self) -> list[Watched]:
        """Give the workers that ended for good."""
        return [one for one in self.workers if one.state == "ended"]

    def _begin(self, one: Watched, now_s: float) -> None:
        again = one.process is not None
        try:
            one.process = self._start(one.spec)
        except OSError as failed:  # no memory, no process, no disk for its log: as outside a reason as there is
            LOGGER.error("worker %s cannot be started: %s", one.spec.name, failed)  # noqa: TRY400 - the reason says it all
            self._wait(one, now_s)
            return
        one.restarts += again
        one.state, one.started_s, one.started_ms = "running", now_s, self._clock.wall_ms()
        self._told(one)

    def _ended(self, one: Watched, code: int, now_s: float) -> None:
        one.code = code
        if code in FOR_GOOD or code == UNUSABLE:
            one.state = "ended"
            LOGGER.error("worker %s is not started again: %s", one.spec.name, one.why)
            self._told(one)
            return
        LOGGER.warning("worker %s ended (%s) and is started again in %.0f s", one.spec.name, one.why, one.pause_s)
        self._wait(one, now_s)

    def _wait(self, one: Watched, now_s: float) -> None:
        one.state, one.due_s = "waiting", now_s + one.pause_s
        one.pause_s = min(PAUSE_S_MAX, one.pause_s * 2)
        self._told(one)


def _alive(one: Watched) -> bool:
    return one.process is not None and one.process.ended() is None


class RunFolder:
    """One JSON file a worker, for whoever asks what runs here."""

    def __init__(self, folder: Path, more: dict[str, object], disk: Disk | None = None) -> None:
        """Write into this folder, with these figures beside those of the worker."""
        self._folder, self._more, self._disk = folder, more, disk or Disk()

    def note(self, one: Watched) -> None:
        """Write down a worker. A disk that takes nothing stops nobody: this is for showing only."""
        path = self._folder / f"{one.spec.name}.json"
        try:
            if one.state == "stopped":
                self._disk.remove(path)
                return
            self._disk.make_folder(self._folder)
            replace_file(self._disk, path, json.dumps(self._said(one)).encode())
        except OSError as failed:
            LOGGER.warning("%s cannot be written: %s", path, failed)

    def _said(self, one: Watched) -> dict[str, object]:
        process = one.process
        return {
            "role": one.spec.role,
            "name": one.spec.name,
            "pid": None if process is None else process.pid,
            "port": None if process is None else process.port,
            "started_ms": one.started_ms,
            "restarts": one.restarts,
            "state": one.state,
            "why": one.why,
            **self._more,
        }


def noted(folder: Path) -> list[dict[str, object]]:
    """Read what is written down; what cannot be read is left out."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            said = json.loads(path.read_bytes())
        except (OSError, ValueError) as bad:
            LOGGER.warning("%s cannot be read: %s", path, bad)
            continue
        if isinstance(said, dict) and isinstance(said.get("name"), str):
            found.append(said)
    return found
