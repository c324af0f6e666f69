"""A program of a folder that runs on in the background when the command that started it has ended.

Decides: how it is known again (by its process id and by what that process runs), that one start or stop is under way at a time, that ending it ends
that process and no other. Leaves to others: which program, and when it counts as started (connectors.kafka, connectors.exchange.simulator).
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOOK_S = 0.1
EMPTY_LOOK_S, EMPTY_LOOKS_MAX = 0.005, 20
"""A process that becomes another program shows no command line for an instant: it is looked at again before it counts as gone."""

# The process writes its own id and becomes the program: whoever starts it may be killed at any moment, and it is found all the same.
_NOTED = 'echo "$$" > "$0.new" && mv "$0.new" "$0" && exec "$@"'


class PortTaken(Exception):
    """Somebody else listens where the program should."""


class Busy(Exception):
    """Another start or stop of the same program is under way."""


class Background:
    """The one program of a folder."""

    def __init__(self, folder: Path, name: str, pid_file: Path, runs: Sequence[str]) -> None:
        """Say what it is called, where its process id is noted, and what its command line has to have in it."""
        self._folder, self._name, self._pid_file, self._runs = folder, name, pid_file, runs

    def pid(self) -> int | None:
        """Give the process id of what runs. One that belongs to another program by now, after a restart of the machine, is not it."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        words = command_line(pid) if pid > 1 else ""
        return pid if all(part in words for part in self._runs) else None

    def launch(self, command: Sequence[str], output: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start it."""
        asked = ["sh", "-c", _NOTED, str(self._pid_file), *command]
        return subprocess.Popen(
            asked, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )

    def give_up(self, process: "subprocess.Popen[bytes]", wait_s: float) -> None:
        """End one that did not come up."""
        process.kill()
        process.wait(wait_s)
        self.forget()

    def end(self, pid: int, wait_s: float) -> bool:
        """End it, in order if it does so in time; tell whether it has ended."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            if self.pid() != pid:
                return True
            os.kill(pid, sent)
            waited(wait_s, lambda: self.pid() != pid)
        return self.pid() != pid

    def forget(self) -> None:
        """Forget its process id."""
        self._pid_file.unlink(missing_ok=True)

    @contextmanager
    def alone(self, wait_s: float) -> Iterator[None]:
        """Keep others from starting or stopping it meanwhile. The lock ends with its holder, however that ends. Raises Busy."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not waited(wait_s, lambda: _locked(handle)):
                raise Busy(f"another start or stop of the {self._name} in {self._folder} is under way")
            yield
        finally:
            os.close(handle)


def waited(wait_s: float, reached: Callable[[], bool]) -> bool:
    """Look again and again; tell whether it was reached in time."""
    give_up = time.monotonic() + wait_s
    while not reached():
        if time.monotonic() >= give_up:
            return False
        time.sleep(LOOK_S)
    return True


def command_line(pid: int) -> str:
    """Give what a process runs; nothing where there is none, or where it has ended and was not collected yet."""
    if not Path("/proc/self/cmdline").exists():
        asked = ["ps", "-ww", "-p", str(pid), "-o", "command="]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    for _ in range(EMPTY_LOOKS_MAX):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        if words:
            return words.decode(errors="replace").replace("\0", " ")
        time.sleep(EMPTY_LOOK_S)
    return ""


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
