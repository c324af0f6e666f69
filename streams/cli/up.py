"""`./qts up`: start the workers of a deployment on this machine, and watch over them until told to end.

Decides: which workers there are, what is said of them, and when there is nothing left to watch. Leaves to others: starting again and ending
(services.supervisor), broker and folders (deployment), what each worker does.
"""

import re
import time
from collections.abc import Mapping

import click
from rich.table import Table

from streams.cli.command import single
from streams.cli.deployment import EMBEDDED, Broker, Deployment, Place, broker, deployment, home, specs, until_told
from streams.cli.output import NEGATIVE, Answer, BadInput, Output, Unavailable
from streams.cli.pulse import Pulse
from streams.cli.worker import ROLES
from streams.services.supervisor import Watched

DEFAULT_WORKERS = "sequencer=1,desk=2,execution=1,views=1,policy=1"
ONE_OF_EACH = "sequencer=1,desk=1,execution=1,views=1,policy=1"
WORKERS_MAX = 64
"""Of a role. A machine has no use for more, and there is one partition at least for each that does anything."""
LOOK_S = 0.2
ROTATE_S = 60.0
SAY_S = 10.0
"""While workers are not ready: say every ten seconds which."""


@single("up", example="./qts up\n./qts up --workers sequencer=1,desk=4,views=1,policy=1 --broker 127.0.0.1:9092")
@click.option("--workers", help=f"How many of which role. [default: {DEFAULT_WORKERS}; on the embedded broker one of each]")
@click.option(
    "--broker",
    "wanted",
    metavar="local|embedded|HOST:PORT",
    help="Which Kafka. [default: QTS_KAFKA_SERVERS where set, else local, the one of ./qts kafka]",
)
def command(out: Output, workers: str | None, wanted: str | None) -> Answer:
    """Start workers and watch over them: what dies for reasons outside is started again.

    Ctrl-C or SIGTERM end them in order. The broker is started where it is the local one, and its topics are made where they are missing. The
    embedded broker is for trying out: everything in it is gone when this ends. Logs are in QTS_HOME/log (.qts/log unless set).
    """
    counts = parse_workers(workers or (ONE_OF_EACH if wanted == EMBEDDED else DEFAULT_WORKERS))
    if wanted == EMBEDDED and max(counts.values()) > 1:
        raise BadInput(
            "--broker embedded: one worker of a role; it cannot share out partitions among several (docs/adr/0011-embedded-broker.md)"
        )
    place = Place(home())
    with until_told() as told, broker(wanted) as found:
        mode = {"QTS_MODE": "demo"} if wanted == EMBEDDED else {}
        with deployment(place, specs(counts), found, mode) as running, Pulse(running.supervisor.workers) as pulse:
            out.console.print(f"{sum(counts.values())} workers on {found.kafka.servers}, logs in {place.log}", soft_wrap=True)
            watch = _Watch(out, found, running, pulse)
            while not told() and not watch.over:
                watch.look()
                time.sleep(LOOK_S)
            ended = running.supervisor.left_alone
            answer = watch.answer("told" if told() else "nothing left to watch")
    out.console.print("all workers have ended")
    return Answer(answer, NEGATIVE if ended else 0)


def parse_workers(text: str) -> dict[str, int]:
    """Read `role=count,role=count`."""
    counts: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        said = re.fullmatch(r"([a-z]+)=([0-9]{1,3})", part)
        if said is None or said[1] not in ROLES or not int(said[2]) <= WORKERS_MAX or said[1] in counts:
            raise BadInput(f"--workers {part}: give each of {', '.join(ROLES)} at most once, with 0 to {WORKERS_MAX}")
        counts[said[1]] = int(said[2])
    if not sum(counts.values()):
        raise BadInput("--workers names no worker")
    if counts.get("policy", 0) > 1:
        raise BadInput("--workers policy: one at most; the store is one folder")
    if counts.get("marketdata", 0) > 1:
        raise BadInput("--workers marketdata: one at most; a second one says the same again")
    return counts


class _Watch:
    """Looks after workers, and says what changes."""

    def __init__(self, out: Output, found: Broker, running: Deployment, pulse: Pulse) -> None:
        self._out, self._found, self._running, self._pulse = out, found, running, pulse
        self._began_s = self._rotated_s = self._said_s = time.monotonic()
        self._ready = False

    @property
    def over(self) -> bool:
        """Tell whether every worker has ended for good."""
        workers = self._running.supervisor.workers
        return len(self._running.supervisor.left_alone) == len(workers)

    def look(self) -> None:
        """Look once."""
        now_s = time.monotonic()
        if not self._found.alive():
            raise Unavailable("the broker has ended, and everything on it is gone")
        self._running.supervisor.look()
        if now_s - self._rotated_s >= ROTATE_S:
            self._rotated_s = now_s
            self._running.launcher.rotate()
        if self._pulse.all_ready != self._ready:
            self._ready = not self._ready
            if self._ready:
                self._out.console.print(f"all are ready, {now_s - self._began_s:.1f} s after the start")
                self._out.console.print(self._table())
        elif not self._ready and now_s - self._said_s >= SAY_S:
            self._said_s = now_s
            waited = [one.spec.name for one in self._running.supervisor.workers if not self._pulse.ready(one)]
            self._out.console.print(f"not ready yet: {', '.join(waited)}; see ./qts status and {self._logs}", soft_wrap=True)

    def answer(self, ended: str) -> Mapping[str, object]:
        """Tell what became of the workers, for programs."""
        return {"ended": ended, "was_ready": self._ready, "workers": [_told(one) for one in self._running.supervisor.workers]}

    @property
    def _logs(self) -> str:
        return str(self._running.launcher.log_of("NAME"))

    def _table(self) -> Table:
        table = Table("worker", "role", "pid", "pages", "restarts", box=None, padding=(0, 2, 0, 0))
        for one in self._running.supervisor.workers:
            port = one.process.port if one.process else 0
            pid = one.process.pid if one.process else ""
            table.add_row(one.spec.name, one.spec.role, str(pid), f"http://127.0.0.1:{port}", str(one.restarts))
        return table


def _told(one: Watched) -> Mapping[str, object]:
    return {"name": one.spec.name, "role": one.spec.role, "restarts": one.restarts, "state": one.state, "why": one.why}
