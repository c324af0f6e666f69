"""The one simulated exchange of a deployment on this machine, in the background: it goes on when the command that started it has ended.

Decides: that starting twice starts one, and that a start is a new exchange: it is in memory only; the journal of the one before is kept. Leaves to
others: how a program in the background is found and ended (connectors.background), the process (process), what a person reads
(streams.cli.exchange).
"""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from connectors.background import Background, PortTaken, waited
from connectors.exchange.simulator.process import ANSWER_S_MAX, OPTIONS, STOP_S_MAX, SimulatorFailed, ask
from connectors.exchange.simulator.setting_up import Options, options_from_json
from connectors.kafka.local_node import port_taken

PROGRAM = "connectors.exchange.simulator.process"


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
        self._program = Background(self.folder, "exchange", self.folder / "exchange.pid", (PROGRAM, str(self.folder)))

    def state(self) -> ExchangeState:
        """Look at it."""
        pid, options = self._program.pid(), self._options()
        url = f"http://127.0.0.1:{options.port}" if options is not None else None
        return ExchangeState(pid, url, pid is not None and url is not None and _answers(url), options)

    def start(self, options: Options) -> tuple[ExchangeState, bool]:
        """Start it unless it runs, and wait until it answers. Gives its state, and whether this start was the one.

        Raises SimulatorFailed, PortTaken and Busy; what did not come up is ended again.
        """
        with self._program.alone(ANSWER_S_MAX):
            if self._program.pid() is not None:
                return self.state(), False
            if port_taken(options.port):
                raise PortTaken(f"port {options.port} of 127.0.0.1 is taken by another program")
            return self._started(options._replace(journal=self.journal)), True

    def stop(self) -> int | None:
        """End it. Gives the process id of what was ended; None where nothing ran. Raises Busy and SimulatorFailed."""
        with self._program.alone(ANSWER_S_MAX):
            pid = self._program.pid()
            if pid is not None and not self._program.end(pid, STOP_S_MAX):
                raise SimulatorFailed(f"process {pid} cannot be ended")
            self._program.forget()
            return pid

    def _started(self, options: Options) -> ExchangeState:
        before = self.journal.parent.with_name("journal.before")
        if self.journal.parent.exists():
            shutil.rmtree(before, ignore_errors=True)
            self.journal.parent.replace(before)
        (self.folder / OPTIONS).write_text(options.to_json(), encoding="utf-8")
        with self.log.open("wb") as output:
            process = self._program.launch([sys.executable, "-P", "-m", PROGRAM, str(self.folder)], output)
        url = f"http://127.0.0.1:{options.port}"
        try:
            up = waited(ANSWER_S_MAX, lambda: process.poll() is not None or _answers(url)) and process.poll() is None
        except BaseException:
            self._program.give_up(process, STOP_S_MAX)
            raise
        if not up:
            self._program.give_up(process, STOP_S_MAX)
            words = self.log.read_text(errors="replace").strip()[-500:]
            raise SimulatorFailed(f"the exchange did not start; its log is {self.log}: {words}")
        return ExchangeState(process.pid, url, answers=True, options=options)

    def _options(self) -> Options | None:
        try:
            return options_from_json((self.folder / OPTIONS).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _answers(url: str) -> bool:
    try:
        ask(url, "GET", "/sim/state")
    except SimulatorFailed:
        return False
    return True
