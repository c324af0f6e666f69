"""A real Kafka for tests: one broker on free ports of 127.0.0.1, in a folder of its own.

Decides: what a test is given of it. Leaves to others: starting and ending it (connectors.kafka.local_cluster), whether it may be missing
(conftest.py), what is tested on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from connectors.kafka import local_jars
from connectors.kafka.local_cluster import running_cluster

ROOT = Path(__file__).parent.parent.parent
POM = ROOT / "infra" / "kafka" / "pom.xml"
JARS = ROOT / "build" / "kafka-jars"

KafkaMissingError = local_jars.KafkaMissing
"""Its jars could not be had: no Maven, no Java, no network."""


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
    return local_jars.resolved_jars(POM.read_bytes(), JARS)


@contextmanager
def running_kafka(jars: Path, folder: Path) -> Iterator[Kafka]:
    """Run a broker while a block runs, and end exactly this one after it."""
    with running_cluster(jars, folder) as cluster:
        yield Kafka(
            cluster.servers, AdminClient({"bootstrap.servers": cluster.servers, "log_level": 0, "reconnect.backoff.max.ms": 200})
        )
