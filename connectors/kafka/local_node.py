"""One node of real Kafka on this machine: its folder, its Java, its process.

Decides: what its folder holds and how its storage is made (once: data survives), how much memory it may take, how it is waited for. Leaves to others:
its settings (local_properties), whether it runs beside a test (local_cluster) or in the background (local_background).
"""

import base64
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connectors.kafka.local_jars import KafkaMissing
from connectors.kafka.local_properties import SCRAM, NodePlan, Secured, server_properties

START_S_MAX = 180
"""It listens 2.5 s after its start on an idle machine; with seven programs to a core it took 30. A hang still ends."""
STOP_S_MAX = 30
"""An orderly end takes one to three seconds; what is still there then is killed."""
ASK_S = 1.0
"""How long one question waits while a broker comes up."""

SAID_MAX = 2_000
"""Of what a node said that did not start, the end is shown."""


class KafkaFailed(Exception):
    """It was there and did not start, or did not answer; the message ends with its last words."""


def java(jars: Path, heap_mb: int, *words: str) -> list[str]:
    """Give the command that runs a class of Kafka's. It logs from warnings on: they are few, so its log stays small."""
    level = "-Dorg.apache.logging.log4j.level=WARN"
    return ["java", "-Xms64m", f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", level, "-cp", f"{jars}/*", *words]


class LocalNode:
    """A node, and the folder it lives in."""

    def __init__(self, jars: Path, folder: Path, heap_mb: int) -> None:
        """Name it."""
        self.folder, self._jars, self._heap_mb = folder, jars, heap_mb
        self.properties, self.words, self.data = folder / "server.properties", folder / "kafka.log", folder / "data"

    @property
    def command(self) -> list[str]:
        """Give the command that runs it."""
        return java(self._jars, self._heap_mb, "kafka.Kafka", str(self.properties.resolve()))

    def prepare(self, plan: NodePlan, cluster_id: str) -> None:
        """Write its settings, and make its storage unless there is one. Raises KafkaMissing and KafkaFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.properties.write_text(server_properties(plan))
        # Kafka writes this file last and at once: a storage whose making was cut short is made again.
        if not (self.data / "meta.properties").exists():
            self._format(plan.secured, cluster_id)

    def last_words(self) -> str:
        """Give the end of its log."""
        try:
            return self.words.read_text(errors="replace").strip()[-SAID_MAX:]
        except OSError:
            return ""

    def _format(self, secured: Secured | None, cluster_id: str) -> None:
        words = ["format", "-t", cluster_id, "-c", str(self.properties.resolve())]
        if secured:
            login = f"[name={secured.username},password={secured.password}]"
            words += [word for mechanism in SCRAM for word in ("--add-scram", f"{mechanism}={login}")]
        # In a file that only we can read: on the command line, everybody on the machine would see a password.
        with tempfile.NamedTemporaryFile("w", prefix="format-", dir=self.folder) as arguments:
            arguments.write("".join(f"{word}\n" for word in words))
            arguments.flush()
            _ran(java(self._jars, self._heap_mb, "kafka.tools.StorageTool", f"@{arguments.name}"))


def _ran(asked: Sequence[str]) -> None:
    try:
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_S_MAX, check=False)
    except FileNotFoundError as error:
        raise KafkaMissing(
            "Java 17 or newer is needed and was not found (on Debian and Ubuntu: apt install openjdk-17-jre-headless)"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise KafkaFailed(f"Kafka's storage was not made within {START_S_MAX} s") from error
    said = (done.stdout + done.stderr).strip()[-SAID_MAX:]
    if "UnsupportedClassVersionError" in said:
        raise KafkaMissing(
            "the Java found is too old: Kafka needs 17 or newer (on Debian and Ubuntu: apt install openjdk-17-jre-headless)"
        )
    if done.returncode:
        raise KafkaFailed(f"Kafka's storage could not be made: {said}")


def new_cluster_id() -> str:
    """Give an id as Kafka wants it: 16 bytes in 22 letters, the first of them no dash, which would read as an option."""
    drawn = os.urandom(16)
    return base64.urlsafe_b64encode(bytes([drawn[0] & 0x7F]) + drawn[1:]).rstrip(b"=").decode()


def wait_until_it_answers(servers: str, brokers: int, alive: Callable[[], bool], wait_s_max: float = START_S_MAX) -> bool:
    """Wait until so many brokers answer; false when they are not alive any more, or never did."""
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0, "reconnect.backoff.max.ms": 200})
    give_up = time.monotonic() + wait_s_max
    while alive() and time.monotonic() < give_up:
        try:
            if len(admin.list_topics(timeout=ASK_S).brokers) >= brokers:
                return True
            time.sleep(ASK_S / 10)  # it answered at once, and others are still coming
        except KafkaException:
            continue  # not yet: list_topics itself has waited
    return False


def answers(servers: str) -> bool:
    """Tell whether a broker answers now."""
    try:
        return bool(AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=2 * ASK_S).brokers)
    except KafkaException:
        return False


def free_ports(count: int) -> list[int]:
    """Find ports nobody listens on. Somebody may before they are used: whoever uses them tries again on others."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


def port_taken(port: int) -> bool:
    """Tell whether somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: a connection just closed is in nobody's way
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
