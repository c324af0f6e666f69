"""Commands of ours with worker processes below them: started, watched and ended by their process ids.

Decides: that whatever a test has started is ended with it. Leaves to others: what is asked of the commands.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

WAIT_S = 90.0
"""Workers are ready three seconds after their start on an idle machine; a loaded one gets many times that, and a hang ends."""
QTS = [sys.executable, "-P", "-m", "streams.cli.main"]


class Running:
    """A command under way."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.folder, self.process = folder, process
        self.seen: dict[int, str] = {}

    @property
    def pid(self) -> int:
        return self.process.pid

    def below(self) -> dict[int, str]:
        """Give the processes this command has started that are alive now, by id with their words."""
        found = {pid: words for pid, (parent, words) in processes().items() if parent == self.pid}
        self.seen |= found
        return found

    def worker(self, name: str) -> int | None:
        return next((pid for pid, words in self.below().items() if f" {name} " in words), None)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.below()
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def ended(self) -> int | None:
        """Wait until it has ended by itself, looking at what it starts; gives the exit code."""

        def over() -> bool:
            self.below()
            return self.process.poll() is not None

        until(over)
        return self.process.poll()

    def said(self) -> str:
        return self.folder.joinpath("out").read_text(errors="replace")

    def complained(self) -> str:
        return self.folder.joinpath("err").read_text(errors="replace")

    def answer(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.said().splitlines()[-1])
        return told

    def left(self) -> dict[int, str]:
        """Give what is still alive of all that was ever seen below this command."""
        alive = processes()
        return {pid: words for pid, words in self.seen.items() if pid in alive and alive[pid][1] == words}


def processes() -> dict[int, tuple[int, str]]:
    """Give every living process: its parent and its words. One that has ended and waits to be collected counts as ended."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError, IndexError):
                state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if state != "Z":
                    found[int(path.name)] = (int(parent), words)
    return found


@contextmanager
def running(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Run a command while a block runs, with QTS_HOME in a folder; whatever it has started is ended after it."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("QTS_", "QT_"))}
    with folder.joinpath("out").open("wb") as out, folder.joinpath("err").open("wb") as err:
        process = subprocess.Popen(
            [*QTS, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**own, "QTS_HOME": str(folder / "home"), **(environ or {})}
        )  # fmt: skip
    command = Running(folder, process)
    try:
        yield command
    finally:
        command.below()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in command.left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def called(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json to its end: its exit code and its object."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("QTS_", "QT_"))}
    done = subprocess.run(
        [*QTS, *arguments, "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT_S, check=False,
        env={**own, "QTS_HOME": str(folder / "home")},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return done.returncode, json.loads(lines[-1])


def until(true: Callable[[], object], wait_s: float = WAIT_S) -> bool:
    """Wait until something is true; tells whether it became so."""
    give_up = time.monotonic() + wait_s
    while time.monotonic() < give_up:
        if true():
            return True
        time.sleep(0.1)
    return bool(true())
