"""The one simulated exchange of a deployment on this machine, in the background: it goes on when the command that started it has ended.

Decides: how it is known again (by its process id and by what that process runs), that starting twice starts one, that stopping ends that one and no
other. A start is a new exchange: it is in memory only; the journal of the one before is kept. Leaves to others: the process (process), what a person
reads (streams.cli.exchange).
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import NamedTuple

from connectors.exchange.simulator.process import ANSWER_S_MAX, OPTIONS, SimulatorFailed, ask
from connectors.exchange.simulator.setting_up import Options, options_from_json
from connectors.kafka.local_background import Busy, PortTaken, command_line
from connectors.kafka.local_node import port_taken

LOOK_S = 0.1
LOOKS_MAX = int(ANSWER_S_MAX / LOOK_S)
END_LOOKS_MAX = 50
"""Five seconds for an orderly end: it has nothing to save."""
PROGRAM = "connectors.exchange.simulator.process"

# The process writes its own id and becomes the exchange: whoever starts it may be killed at any moment, and it is found all the same.
_NOTED = 'echo "$$" > "$0.new" && mv "$0.new" "$0" && exec "$@"'


class ExchangeState(NamedTuple):
    """What there is of the exchange."""

    pid: int | None
    """None when it does not run."""
    url: str | None
    """Where it listens, or did at its last start."""
    answers: bool
    options: Options | None


class BackgroundExchange:
    """The exchange in a folder."""

    def __init__(self, folder: Path) -> None:
        """Name it."""
        self.folder = folder.resolve()
        self.log = self.folder / "exchange.log"
        self.journal = self.folder / "journal" / "journal.jsonl"
        self._pid_file = self.folder / "exchange.pid"

    def state(self) -> ExchangeState:
        """Look at it."""
        pid, options = self._pid(), self._options()
        url = f"http://127.0.0.1:{options.port}" if options is not None else None
        return ExchangeState(pid, url, pid is not None and url is not None and _answers(url), options)

    def start(self, options: Options) -> tuple[ExchangeState, bool]:
        """Start it unless it runs, and wait until it answers. Gives its state, and whether this start was the one.

        Raises SimulatorFailed, PortTaken and Busy; what did not come up is ended again.
        """
        with self._alone():
            if self._pid() is not None:
                return self.state(), False
            if port_taken(options.port):
                raise PortTaken(f"port {options.port} of 127.0.0.1 is taken by another program")
            return self._started(options._replace(journal=self.journal)), True

    def stop(self) -> int | None:
        """End it. Gives the process id of what was ended; None where nothing ran. Raises Busy and SimulatorFailed."""
        with self._alone():
            pid = self._pid()
            if pid is not None:
                self._end(pid)
            self._pid_file.unlink(missing_ok=True)
            return pid

    def _started(self, options: Options) -> ExchangeState:
        before = self.journal.parent.with_name("journal.before")
        if self.journal.parent.exists():
            shutil.rmtree(before, ignore_errors=True)
            self.journal.parent.replace(before)
        (self.folder / OPTIONS).write_text(options.to_json(), encoding="utf-8")
        asked = ["sh", "-c", _NOTED, str(self._pid_file), sys.executable, "-P", "-m", PROGRAM, str(self.folder)]
        with self.log.open("wb") as output:
            process = subprocess.Popen(
                asked, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        url = f"http://127.0.0.1:{options.port}"
        try:
            up = _waited(LOOKS_MAX, lambda: process.poll() is not None or _answers(url)) and process.poll() is None
        except BaseException:
            self._give_up(process)
            raise
        if not up:
            self._give_up(process)
            words = self.log.read_text(errors="replace").strip()[-500:]
            raise SimulatorFailed(f"the exchange did not start; its log is {self.log}: {words}")
        return ExchangeState(process.pid, url, answers=True, options=options)

    def _give_up(self, process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait()
        self._pid_file.unlink(missing_ok=True)

    def _end(self, pid: int) -> None:
        for sent in (signal.SIGTERM, signal.SIGKILL):
            if self._pid() == pid:
                os.kill(pid, sent)
            if _waited(END_LOOKS_MAX, lambda: self._pid() != pid):
                return
        raise SimulatorFailed(f"process {pid} cannot be ended")

    def _pid(self) -> int | None:
        """Give the process id of the exchange that runs. One that belongs to another program by now is not it."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        words = command_line(pid) if pid > 1 else ""
        return pid if PROGRAM in words and str(self.folder) in words else None

    def _options(self) -> Options | None:
        try:
            return options_from_json((self.folder / OPTIONS).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from starting or stopping it meanwhile. The lock ends with its holder, however that ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            if not _waited(LOOKS_MAX, lambda: _locked(lock.fileno())):
                raise Busy(f"another start or stop of the exchange in {self.folder} is under way")
            yield


def _answers(url: str) -> bool:
    try:
        ask(url, "GET", "/sim/state")
    except SimulatorFailed:
        return False
    return True


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _waited(looks_max: int, reached: Callable[[], bool]) -> bool:
    """Look again and again; tell whether it was reached in the end."""
    never = Event()
    for _ in range(looks_max):
        if reached():
            return True
        never.wait(LOOK_S)
    return reached()
