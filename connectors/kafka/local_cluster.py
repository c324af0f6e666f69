"""Brokers of real Kafka that live as long as the program that starts them, kill -9 included: one, or a cluster of three. For tests and proofs.

Decides: their ports, that they start together, how one is killed and comes back, and that exactly these are ended. Leaves to others: a node
(local_node), the broker in the background (local_background).
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from connectors.kafka.local_node import (
    START_S_MAX,
    STOP_S_MAX,
    KafkaFailed,
    LocalNode,
    free_ports,
    new_cluster_id,
    wait_until_it_answers,
)
from connectors.kafka.local_properties import NodePlan, NodePorts, Secured

STARTS_MAX = 3
"""Between finding a port free and Kafka's taking it, somebody else may: it is tried again on others, but not for ever."""
HEAP_MB = 512
HEAP_MB_OF_MANY = 256
"""Three of them fit beside the rest on a small machine; what they carry there is little."""

# Java looks at no pipe, so a small process beside it does: when its other end closes without a word, whoever started the broker has died.
_ENDS_WITH_US = 'exec 3<&0; (read -r word <&3 || kill -9 "$$") & exec "$@" </dev/null 3<&-'


class LocalCluster:
    """Brokers on 127.0.0.1, each a broker and a controller, each a process of its own."""

    def __init__(self, jars: Path, folder: Path, brokers: int = 1, secured: Secured | None = None) -> None:
        """Name it. Its data is in the folder, and is found again by the next start there."""
        heap_mb = HEAP_MB if brokers == 1 else HEAP_MB_OF_MANY
        self._nodes = {node: LocalNode(jars, folder / f"node-{node}", heap_mb) for node in range(1, brokers + 1)}
        self._secured, self._folder = secured, folder
        self._ports: tuple[NodePorts, ...] = ()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def servers(self) -> str:
        """Give where it listens, without a login."""
        return ",".join(f"127.0.0.1:{ports.plain}" for ports in self._ports)

    @property
    def secured_servers(self) -> str:
        """Give where it listens for SCRAM over TLS."""
        return ",".join(f"127.0.0.1:{ports.secured}" for ports in self._ports)

    def start(self) -> None:
        """Start all nodes and wait until they answer. Raises KafkaFailed; then none is left."""
        said = ""
        for _ in range(STARTS_MAX):
            found = free_ports(3 * len(self._nodes))
            self._ports = tuple(NodePorts(*found[at : at + 3]) for at in range(0, len(found), 3))
            try:
                cluster_id = self._cluster_id()
                for node in self._nodes:
                    self._start(node, cluster_id)
                if wait_until_it_answers(self.servers, len(self._nodes), self._all_alive):
                    return
            except BaseException:
                self.stop()
                raise
            said = "\n".join(node.last_words() for node in self._nodes.values())
            self.stop()
            if "Address already in use" not in said:
                break
        raise KafkaFailed(f"Kafka did not start: {said or f'nothing within {START_S_MAX} s'}")

    def kill(self, node: int) -> None:
        """End a node as a power failure does."""
        process = self._processes.pop(node)
        process.kill()
        process.wait(STOP_S_MAX)
        _release(process)

    def revive(self, node: int) -> None:
        """Start a node that was killed, on its old ports and data, and wait until all answer."""
        self._start(node, self._cluster_id())
        if not wait_until_it_answers(self.servers, len(self._processes), self._all_alive):
            raise KafkaFailed(f"node {node} did not come back: {self._nodes[node].last_words()}")

    def pid(self, node: int) -> int:
        """Give a node's process id."""
        return self._processes[node].pid

    def stop(self) -> None:
        """End all nodes in order, exactly these; what is still there after a while is killed."""
        processes = list(self._processes.values())
        self._processes.clear()
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_S_MAX)
            _release(process)

    def _start(self, node: int, cluster_id: str) -> None:
        this = self._nodes[node]
        this.prepare(NodePlan(node, self._ports, this.data, self._secured), cluster_id)
        with this.words.open("wb") as output:
            asked = ["sh", "-c", _ENDS_WITH_US, "kafka", *this.command]
            self._processes[node] = subprocess.Popen(
                asked, cwd=this.folder, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
            )

    def _cluster_id(self) -> str:
        """Give the id of this cluster: all its nodes have the same, and no other cluster has it, should it ever get one of its ports."""
        file = self._folder / "cluster-id"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            file.write_text(new_cluster_id())
        return file.read_text()

    def _all_alive(self) -> bool:
        return all(process.poll() is None for process in self._processes.values())


def _release(process: "subprocess.Popen[bytes]") -> None:
    """Tell whoever watches over a process that it has ended, so that nobody else is taken for it."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # the watcher has ended too
        process.stdin.write(b"\n")
        process.stdin.flush()
    with suppress(BrokenPipeError):
        process.stdin.close()


@contextmanager
def running_cluster(jars: Path, folder: Path, brokers: int = 1, secured: Secured | None = None) -> Iterator[LocalCluster]:
    """Run brokers while a block runs, and end exactly these after it."""
    cluster = LocalCluster(jars, folder, brokers, secured)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
