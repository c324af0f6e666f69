"""A real Kafka for tests: one node in KRaft mode, from its Maven artifacts, on free ports of 127.0.0.1, in a folder of its own.

Decides: how it is put together, started, waited for and ended. Leaves to others: whether it may be missing (conftest.py), what is tested on it.
"""

import hashlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

ROOT = Path(__file__).parent.parent.parent
POM = ROOT / "infra" / "kafka" / "pom.xml"
JARS = ROOT / "build" / "kafka-jars"

RESOLVE_S_MAX = 600
"""43 MB from a slow mirror still fit."""
START_S_MAX = 90
"""It listens 2.5 s after its start on an idle machine; a loaded one gets many times that, and a hang still ends."""
STOP_S_MAX = 20
"""An orderly end takes about a second; what is still there then is killed."""
STARTS_MAX = 3
"""Between finding a port free and Kafka's taking it, somebody else may: it is tried again on others, but not for ever."""

CLUSTER_ID = "dGVzdHMtb2YtdGhlLXF0cw"
HEAP = ("-Xms128m", "-Xmx512m")

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={logs}
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class KafkaMissingError(Exception):
    """Its jars could not be had: no Maven, no Java, no network."""


class KafkaFailedError(Exception):
    """It was there and did not start."""


class Kafka(NamedTuple):
    """A running broker."""

    servers: str
    admin: AdminClient

    def new_topic(self, name: str, partitions: int) -> str:
        """Create a topic and wait until it is there."""
        for created in self.admin.create_topics([NewTopic(name, partitions, 1)], operation_timeout=30).values():
            created.result(timeout=30)
        return name


def resolved_jars() -> Path:
    """Give the folder of Kafka's jars; the first call has Maven copy them, later ones find them."""
    folder = JARS / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f"{folder.name}-{time.monotonic_ns()}.tmp")
    asked = ["mvn", "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={unfinished}"]
    try:
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RESOLVE_S_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KafkaMissingError(f"Maven could not run: {error}") from error
    if done.returncode:
        raise KafkaMissingError(f"Maven could not copy Kafka's jars: {(done.stdout + done.stderr).strip()[-800:]}")
    try:
        unfinished.rename(folder)
    except OSError:
        # Another run of the tests was quicker; its copy is as good.
        shutil.rmtree(unfinished)
    return folder


@contextmanager
def running_kafka(jars: Path, folder: Path) -> Iterator[Kafka]:
    """Run a broker while a block runs, and end exactly this one after it."""
    said = ""
    for attempt in range(1, STARTS_MAX + 1):
        process, port, words = _start(jars, folder / str(attempt))
        try:
            kafka = _answering(process, port)
            if kafka is not None:
                yield kafka
                return
        finally:
            _end(process)
        said = words.read_text()
        if "Address already in use" not in said:
            break
    raise KafkaFailedError(f"Kafka did not start: {said[-2000:]}")


def _start(jars: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int, Path]:
    """Format a storage and start a broker on it. Gives the process, its port, and the file of what it says."""
    folder.mkdir(parents=True)
    port, controller_port = _free_ports()
    settings, words = folder / "server.properties", folder / "output.txt"
    settings.write_text(PROPERTIES.format(port=port, controller_port=controller_port, logs=folder / "logs"))
    java = ["java", *HEAP, "-cp", f"{jars}/*"]
    formatting = [*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER_ID, "-c", str(settings)]
    try:
        formatted = subprocess.run(
            formatting, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KafkaFailedError(f"Java could not format a storage: {error}") from error
    if formatted.returncode:
        raise KafkaFailedError(f"Kafka's storage could not be formatted: {(formatted.stdout + formatted.stderr)[-2000:]}")
    with words.open("wb") as output:
        asked = [*java, "kafka.Kafka", str(settings)]
        process = subprocess.Popen(asked, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    return process, port, words


def _answering(process: subprocess.Popen[bytes], port: int) -> Kafka | None:
    """Wait until a broker answers; None if it ended or never did."""
    servers = f"127.0.0.1:{port}"
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0, "reconnect.backoff.max.ms": 200})
    give_up = time.monotonic() + START_S_MAX
    while process.poll() is None and time.monotonic() < give_up:
        try:
            if admin.list_topics(timeout=1.0).brokers:
                return Kafka(servers, admin)
        except KafkaException:
            continue  # not yet: list_topics itself has waited
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S_MAX)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])
