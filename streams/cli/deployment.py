"""What `./qts up` and `./qts demo` share: the broker, its topics, the environment of the workers, and the supervisor that runs them.

Decides: what `--broker` means, which names and folders workers get, and that a deployment runs once in a folder. Leaves to others: the broker
itself (connectors.kafka), topics (streams.cli.topics), who is started again (services.supervisor).
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from connectors.kafka.embedded import EmbeddedBroker, EmbeddedBrokerFailed
from connectors.kafka.settings import KafkaSettings
from infra.kafka.topics import DEFAULT_PARTITIONS, catalogue
from streams.cli.kafka_options import settings
from streams.cli.output import BadInput, CommandError, Unavailable
from streams.services.durable_files import locked
from streams.services.supervisor import Clock, RunFolder, Spec, Supervisor
from streams.services.worker_processes import Launcher

LOCAL, EMBEDDED = "local", "embedded"
CLOCK = Clock(time.monotonic, lambda: time.time_ns() // 1_000_000, time.sleep)


class Broker(NamedTuple):
    """A broker, and what workers are told of it."""

    kafka: KafkaSettings
    partitions: int
    environ: Mapping[str, str]
    epoch: int
    pid: int | None = None
    """Of the embedded one: it lives in a process of ours."""
    alive: Callable[[], bool] = lambda: True


@contextmanager
def broker(wanted: str | None) -> Iterator[Broker]:
    """Have a broker with its topics while a block runs: embedded, local (`./qts kafka`), HOST:PORT, or the one the environment names."""
    if wanted is not None and wanted not in (LOCAL, EMBEDDED) and ":" not in wanted:
        raise BadInput(f"--broker {wanted}: give local, embedded or HOST:PORT")
    if wanted == EMBEDDED:
        with _embedded() as found:
            yield found
        return
    local = wanted == LOCAL or (wanted is None and not os.environ.get("QTS_KAFKA_SERVERS"))
    where = settings(_local_servers() if local else wanted)
    partitions, epoch = _with_topics(where)
    yield Broker(where, partitions, {"QTS_KAFKA_SERVERS": where.servers}, epoch)


@contextmanager
def _embedded() -> Iterator[Broker]:
    try:
        with EmbeddedBroker() as embedded:
            for topic in catalogue(DEFAULT_PARTITIONS):
                embedded.create(topic.name, topic.partitions)
            environ = {"QTS_KAFKA_SERVERS": embedded.servers, "QTS_EMBEDDED_PARTITIONS": str(DEFAULT_PARTITIONS)}
            kafka = KafkaSettings(servers=embedded.servers)
            yield Broker(kafka, DEFAULT_PARTITIONS, environ, 1, embedded.pid, lambda: embedded.running)
    except EmbeddedBrokerFailed as failed:
        raise Unavailable(f"the embedded broker: {failed}") from failed


def _local_servers() -> str:
    """Use the broker of `./qts kafka`, started where it does not run. It runs on afterwards."""
    from streams.cli.kafka import running_servers  # noqa: PLC0415 - only this broker needs it

    return running_servers()


def _with_topics(where: KafkaSettings) -> tuple[int, int]:
    """Make the topics that are missing; refuse those that may lose or mix up records. Gives partitions and the tape's epoch."""
    from streams.cli.topics import make_topics  # noqa: PLC0415 - the embedded broker does without

    looked, problems, _ = make_topics(where, None, None)
    if problems:
        more = f" (and {len(problems) - 1} more: ./qts topics check)" if len(problems) > 1 else ""
        raise CommandError(f"{problems[0]}{more}", problems=problems)
    assert looked.identity is not None  # without problems it was noted
    return looked.identity.partitions, looked.identity.epoch


class Place(NamedTuple):
    """Where a deployment keeps its files."""

    home: Path

    @property
    def run(self) -> Path:
        """Give where running workers are noted."""
        return self.home / "run"

    @property
    def log(self) -> Path:
        """Give where their logs are."""
        return self.home / "log"


def home() -> Path:
    """Give where this machine's deployment keeps its files."""
    return Path(os.environ.get("QTS_HOME") or ".qts")


def specs(counts: Mapping[str, int], prefix: str = "") -> list[Spec]:
    """Name the workers: the same names at every start, so that each takes up its partitions at once."""
    return [Spec(role, f"{prefix}{role}-{number}") for role, count in counts.items() for number in range(count)]


class Deployment(NamedTuple):
    """Workers that are watched over."""

    supervisor: Supervisor
    launcher: Launcher


@contextmanager
def deployment(
    place: Place, wanted: Sequence[Spec], found: Broker, more: Mapping[str, str], forgotten: Sequence[str] = ()
) -> Iterator[Deployment]:
    """Run workers while a block runs; all of them have ended after it, however it ends. First these of its folders are made empty."""
    try:
        place.run.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            if not held.enter_context(locked(place.run / "lock", wait=False)):
                raise CommandError(f"workers of {place.home} run already: ./qts status shows them")
            for name in forgotten:
                shutil.rmtree(place.home / name, ignore_errors=True)
            launcher = Launcher(place.log, _environ(place, found, more))
            for left in place.run.glob("*.json"):
                left.unlink(missing_ok=True)  # of a supervisor that was killed: its workers have ended with it
            notes = RunFolder(
                place.run,
                {
                    "supervisor": os.getpid(),
                    "servers": found.kafka.servers,
                    "embedded": "QTS_EMBEDDED_PARTITIONS" in found.environ,
                },
            )
            supervisor = Supervisor(wanted, launcher.start, CLOCK, notes.note)
            held.callback(supervisor.stop)
            yield Deployment(supervisor, launcher)
    except OSError as failed:
        raise Unavailable(f"{place.home} cannot be used: {failed}") from failed


def _environ(place: Place, found: Broker, more: Mapping[str, str]) -> dict[str, str]:
    """Give workers this environment, the broker, and nothing that another deployment left in it."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in ("QTS_EMBEDDED_PARTITIONS", "QTS_WORKER", "QTS_WEB_PORT", "QTS_ROLE")
    }
    return {**own, "QTS_HOME": str(place.home.resolve()), **found.environ, **more}


@contextmanager
def until_told() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C and SIGTERM instead of breaking off, so that workers end in order; gives what tells whether one came. The third one breaks off."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > _PATIENCE:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_PATIENCE = 2
"""A second Ctrl-C is impatience, while workers write down what they know; after the third they are left to their own watch over their parent."""
