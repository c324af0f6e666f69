"""The settings of a Kafka node that runs on this machine, as server.properties has them.

Decides: that every node is broker and controller, listens on 127.0.0.1 only, makes no topic by itself, and how many copies of Kafka's own topics
there are. Leaves to others: ports and folders, starting.
"""

from pathlib import Path
from typing import NamedTuple

from connectors.kafka.settings import Secret

SCRAM = ("SCRAM-SHA-512", "SCRAM-SHA-256")


class Secured(NamedTuple):
    """A second way in, for clients that log in with SCRAM over TLS."""

    keystore: Path
    """A PEM file with the broker's certificate and its key."""
    username: str
    password: Secret


class NodePorts(NamedTuple):
    """Where a node listens. Port `secured` is used where somebody may come in by SCRAM over TLS."""

    plain: int
    controller: int
    secured: int


class NodePlan(NamedTuple):
    """A node of a cluster."""

    node: int
    cluster: tuple[NodePorts, ...]
    """The ports of all nodes; nodes are counted from 1."""
    data: Path
    secured: Secured | None = None

    @property
    def ports(self) -> NodePorts:
        """Give this node's own."""
        return self.cluster[self.node - 1]


def server_properties(plan: NodePlan) -> str:
    """Write a node's server.properties."""
    nodes = len(plan.cluster)
    copies = min(3, nodes)
    voters = ",".join(f"{node}@127.0.0.1:{ports.controller}" for node, ports in enumerate(plan.cluster, 1))
    plain = f"PLAINTEXT://127.0.0.1:{plan.ports.plain}"
    secured = f",SECURED://127.0.0.1:{plan.ports.secured}" if plan.secured else ""
    values = {
        "process.roles": "broker,controller",
        "node.id": plan.node,
        "controller.listener.names": "CONTROLLER",
        # Named here and not kept on the disk: a node that starts again may get other ports.
        "controller.quorum.voters": voters,
        "listeners": f"{plain}{secured},CONTROLLER://127.0.0.1:{plan.ports.controller}",
        "advertised.listeners": f"{plain}{secured}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": _value(plan.data),
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": min(2, nodes),
        "group.initial.rebalance.delay.ms": 0,
        # Kafka's 128 MB are half of the heap here; this still holds the keys of 600,000 records.
        "log.cleaner.dedupe.buffer.size": 16 * 1024**2,
        **(_of_scram(plan.secured) if plan.secured else {}),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _of_scram(secured: Secured) -> dict[str, object]:
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        "listener.name.secured.ssl.keystore.type": "PEM",
        "listener.name.secured.ssl.keystore.location": _value(secured.keystore),
        "listener.name.secured.sasl.enabled.mechanisms": ",".join(SCRAM),
        **{f"listener.name.secured.{mechanism.lower()}.sasl.jaas.config": login for mechanism in SCRAM},
    }


def _value(path: Path) -> str:
    """Write a path as Java reads it: a backslash begins an escape there."""
    return str(path.resolve()).replace("\\", "\\\\")
