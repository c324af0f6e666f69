"""The one broker of a deployment on this machine, in the background: it goes on when the command that started it has ended.

Decides: where it listens again, what is kept of its log, that starting twice starts one. Leaves to others: how a program in the background is found
and ended (connectors.background), the node itself (local_node), what a person reads (streams.cli.kafka).
"""

from pathlib import Path
from typing import NamedTuple

from connectors.background import Background, PortTaken
from connectors.kafka.local_node import START_S_MAX, KafkaFailed, LocalNode, answers, free_ports, new_cluster_id, port_taken
from connectors.kafka.local_node import wait_until_it_answers as wait
from connectors.kafka.local_properties import NodePlan, NodePorts

HEAP_MB = 512
"""What a broker for a handful of workers needs, and what a notebook can spare."""
STOP_S_MAX = 60
"""An orderly end writes what is in memory and takes a second or two. After this it is killed, and the next start checks its data."""
LOG_BYTES_MAX = 16 * 1024 * 1024
"""A log past this gives way at the next start; the one before it is kept."""


class BrokerState(NamedTuple):
    """What there is of the broker."""

    pid: int | None
    """None when it does not run."""
    servers: str | None
    """Where it listens, or did at its last start."""
    answers: bool


class BackgroundBroker:
    """The broker in a folder."""

    def __init__(self, folder: Path) -> None:
        """Name it."""
        self.folder = folder.resolve()
        self.pid_file = self.folder / "kafka.pid"
        self.log = LocalNode(Path(), self.folder, HEAP_MB).words
        self._properties = self.folder / "server.properties"
        self._program = Background(self.folder, "broker", self.pid_file, ("kafka.Kafka", str(self._properties)))

    def state(self) -> BrokerState:
        """Look at it."""
        pid, servers = self._program.pid(), self._servers()
        return BrokerState(pid, servers, pid is not None and servers is not None and answers(servers))

    def start(self, jars: Path, port: int) -> tuple[BrokerState, bool]:
        """Start it unless it runs, and wait until it answers. Gives its state, and whether this start was the one.

        Raises KafkaMissing, KafkaFailed, PortTaken and Busy; what did not come up is ended again.
        """
        with self._program.alone(START_S_MAX):
            found = self._program.pid()
            if found is not None:
                servers = self._servers() or f"127.0.0.1:{port}"
                if not wait(servers, 1, lambda: self._program.pid() == found):
                    raise KafkaFailed(
                        f"process {found} runs Kafka and does not answer; ./qts kafka stop ends it. Its log is {self.log}"
                    )
                return BrokerState(found, servers, answers=True), False
            if port_taken(port):
                raise PortTaken(f"port {port} of 127.0.0.1 is taken by another program")
            return self._started(LocalNode(jars, self.folder, HEAP_MB), port), True

    def stop(self) -> int | None:
        """End it in order. Gives the process id of what was ended; None where nothing ran. Raises Busy."""
        with self._program.alone(START_S_MAX):
            pid = self._program.pid()
            if pid is not None and not self._program.end(pid, STOP_S_MAX):
                raise KafkaFailed(f"process {pid} cannot be ended")
            self._program.forget()
            return pid

    def _started(self, node: LocalNode, port: int) -> BrokerState:
        controller, secured = free_ports(2)
        node.prepare(NodePlan(1, (NodePorts(port, controller, secured),), node.data), new_cluster_id())
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        from_here = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            process = self._program.launch(node.command, output)
        servers = f"127.0.0.1:{port}"
        try:
            if wait(servers, 1, lambda: process.poll() is None):
                return BrokerState(process.pid, servers, answers=True)
        except BaseException:
            self._program.give_up(process, STOP_S_MAX)
            raise
        self._program.give_up(process, STOP_S_MAX)
        with self.log.open("rb") as said:
            said.seek(from_here)
            words = said.read()[-2_000:].decode(errors="replace").strip()
        raise KafkaFailed(f"Kafka did not start within {START_S_MAX} s or ended; its log is {self.log}: {words}")

    def _servers(self) -> str | None:
        try:
            lines = self._properties.read_text().splitlines()
        except OSError:
            return None
        listeners = dict(line.partition("=")[::2] for line in lines).get("advertised.listeners", "")
        return listeners.removeprefix("PLAINTEXT://") or None
