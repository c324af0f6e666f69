"""Workers as processes that are killed, paused and woken up at chosen moments.

Decides: how a worker is started, how its step is read, that only processes started here are touched and that all of them end with the fleet.
Leaves to others: when what is done to whom (crash_plan), what is proven (replay.proof).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from connectors.steps import ask_to_die, noted_step
from streams.agents.ending import FOR_GOOD
from streams.pipeline.steps import Step

STEP_S_MAX = 30.0
"""A snapshot comes every ten seconds, and who has just been started has to come back first; a step that does not come is not waited for longer."""
ASK_EVERY_S = 0.2
"""Who has just been started begins a new file of steps and forgets what it was asked before."""
LEAVE_S_MAX = 15.0
"""A worker leaves within ten seconds."""


class WorkerDied(Exception):
    """A worker ended that nobody killed."""


class Member:
    """One worker, through all its lives."""

    def __init__(self, role: str, name: str, port: int, folder: Path, environ: Mapping[str, str]) -> None:
        """Know what to start; nothing runs yet."""
        self.role, self.name, self.port = role, name, port
        self.steps_file, self._log = folder / f"{name}.steps", folder / f"{name}.log"
        self._environ = {
            **environ,
            "QTS_STEPS_FILE": str(self.steps_file),
            "QTS_ROLE": role,
            "QTS_WORKER": name,
            "QTS_WEB_PORT": str(port),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.paused = False

    def start(self) -> None:
        """Start a life."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "streams.cli.main", "worker", self.role, "--name", self.name, "--web-port", str(self.port),
                 "--parent", str(os.getpid())],
                env={**os.environ, **self._environ}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Give the process of the present life."""
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Give the exit code of the present life; nothing while it lasts."""
        return None if self._process is None else self._process.poll()

    def step(self) -> Step:
        """Tell at which step it is, or was when it died."""
        return Step(noted_step(self.steps_file)) if self.steps_file.exists() else Step.IDLE

    def kill(self, at: Step | None = None) -> Step:
        """Kill it where it stands, or have it die at a step if it comes there in time; tell where that was."""
        assert self._process is not None
        if at is not None and self.steps_file.exists():
            self._die_at(at)
        self._process.kill()
        self._process.wait()
        self.paused = False
        return self.step()

    def _die_at(self, step: Step) -> None:
        """Ask it to die at a step until it has, for a bounded while."""
        assert self._process is not None
        until = time.monotonic() + STEP_S_MAX
        while self._process.poll() is None and time.monotonic() < until:
            ask_to_die(self.steps_file, step.value)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(ASK_EVERY_S)

    def pause(self) -> None:
        """Stop its clock: it becomes a zombie when its session has run out."""
        os.kill(self.pid, signal.SIGSTOP)
        self.paused = True

    def wake(self) -> None:
        """Let it go on as if nothing had been."""
        os.kill(self.pid, signal.SIGCONT)
        self.paused = False

    def check(self) -> bool:
        """Start it again if it ended for a reason outside, as whoever watches over workers does; tell whether it had to be."""
        if self._process is None or (code := self._process.poll()) is None:
            return False
        if code in FOR_GOOD:
            raise WorkerDied(f"worker {self.name} ended with {code}: {self._log.read_text(errors='replace')[-2_000:]}")
        self.start()
        return True

    def leave(self) -> int:
        """Tell it to leave, and give its exit code."""
        if self._process is None:
            return 0
        if self.paused:
            self.wake()
        self._process.terminate()
        try:
            return self._process.wait(LEAVE_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise WorkerDied(f"worker {self.name} did not leave within {LEAVE_S_MAX:.0f} s") from None

    def end(self) -> None:
        """End it, whatever it does."""
        if self._process is not None and self._process.poll() is None:
            if self.paused:
                self.wake()
            self._process.kill()
            self._process.wait()


class Fleet:
    """All workers of a proof."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        """Begin with none."""
        self._folder, self._environ = folder, environ
        self.members: list[Member] = []
        self.ended_by_themselves = 0

    def add(self, role: str, name: str, port: int) -> Member:
        """Start a worker."""
        member = Member(role, name, port, self._folder, self._environ)
        self.members.append(member)
        member.start()
        return member

    def of(self, role: str) -> list[Member]:
        """Give the workers of a role."""
        return [member for member in self.members if member.role == role]

    def check(self) -> None:
        """Make sure that all live."""
        for member in self.members:
            self.ended_by_themselves += member.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for member in self.members:
            member.end()
