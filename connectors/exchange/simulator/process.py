"""The simulated exchange in a process of its own.

    with running(Options(seed=7, faults=text)) as exchange:      # a child: it ends with whoever started it, however that ends
        exchange.url

As a program, `python -m connectors.exchange.simulator.process`: with a folder it serves what `options.json` in there says, until SIGTERM; without one
the first line of stdin says it, and the end of stdin ends it. The first line of stdout is its address.

Decides: how the child is started, asked and ended. Leaves to others: the exchange in the background (background), what it does (server).
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from connectors import children
from connectors.exchange.simulator.journal import Journal
from connectors.exchange.simulator.plan_file import BadPlan
from connectors.exchange.simulator.played_prices import BadPrices
from connectors.exchange.simulator.server import serving
from connectors.exchange.simulator.setting_up import Options, options_from_json, set_up
from connectors.kafka.system_clock import SystemClock

OPTIONS = "options.json"
ANSWER_S_MAX = 60.0
"""It answers half a second after its start on an idle machine; a loaded one gets many times that. Large price files take a while, too."""
ASK_S_MAX = 60.0
"""The books of a long run are some 100 MB."""
STOP_S_MAX = 5.0
"""It has nothing to save: what is still there then is killed."""


class SimulatorFailed(Exception):
    """It did not start, has ended, or refuses."""


class SimulatorProcess:
    """An exchange in a child process."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
        """Take a child that was just started; `running` makes it."""
        self._process, self._said = process, said
        self.url = children.line_of(process, said, ANSWER_S_MAX, SimulatorFailed)

    @property
    def pid(self) -> int:
        """Give the child's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether the child is."""
        return self._process.poll() is None

    def check(self) -> None:
        """Say why it has ended, where it has. Raises SimulatorFailed."""
        if not self.alive:
            raise SimulatorFailed(f"the exchange has ended: {children.said(self._said)}")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask something under /sim/. Raises SimulatorFailed."""
        return ask(self.url, method, path, body)


@contextmanager
def running(options: Options | None = None) -> Iterator[SimulatorProcess]:
    """Run an exchange in a child process for as long as a block lasts. Raises SimulatorFailed."""
    with tempfile.TemporaryFile() as said:
        process = children.started(__name__, said)
        assert process.stdin is not None
        try:
            process.stdin.write(f"{(options or Options()).to_json()}\n".encode())
            yield SimulatorProcess(process, said)
        finally:
            children.end(process, STOP_S_MAX)


def ask(url: str, method: str, path: str, body: object = None) -> Any:
    """Ask an exchange something under /sim/; a text is sent as it is, anything else as JSON. Raises SimulatorFailed."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=ASK_S_MAX)
    sent = body if isinstance(body, str) or body is None else json.dumps(body)
    try:
        connection.request(method, path, body=sent)
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except (OSError, ValueError) as error:
        raise SimulatorFailed(f"the exchange at {url} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise SimulatorFailed(str(told["error"]))
    return told


async def serve(options: Options, stopped: asyncio.Event) -> None:
    """Serve until it is stopped, or breaks."""
    house, script = set_up(options, SystemClock().wall_ms)
    async with serving(house, script, port=options.port, journal=Journal(options.journal)) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        ended, stopping = asyncio.create_task(server.ended()), asyncio.create_task(stopped.wait())
        done, _ = await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        ended.cancel()
        stopping.cancel()


async def _main(folder: str | None) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for sent in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sent, stopped.set)
    if folder is not None:
        await serve(options_from_json((Path(folder) / OPTIONS).read_text(encoding="utf-8")), stopped)
        return
    options = options_from_json(sys.stdin.readline())

    def heard() -> None:
        if not os.read(sys.stdin.fileno(), 4_096):
            loop.remove_reader(sys.stdin.fileno())
            stopped.set()

    loop.add_reader(sys.stdin.fileno(), heard)
    await serve(options, stopped)


def main() -> None:
    """Be the program."""
    try:
        asyncio.run(_main(sys.argv[1] if len(sys.argv) > 1 else None))
    except (BadPlan, BadPrices, OSError) as failed:
        sys.exit(str(failed))


if __name__ == "__main__":
    main()
