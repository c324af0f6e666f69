"""The one broker of a deployment on this machine, in the background: it goes on when the command that started it has ended.

Decides: how it is known again (by its process id and by what that process runs), that starting twice starts one, that stopping ends that one and no
other. Leaves to others: the node itself (local_node), what a person reads (streams.cli.kafka).
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from connectors.kafka.local_node import START_S_MAX, KafkaFailed, LocalNode, answers, free_ports, new_cluster_id, port_taken
from connectors.kafka.local_node import wait_until_it_answers as wait
from connectors.kafka.local_properties import NodePlan, NodePorts

HEAP_MB = 512
"""What a broker for a handful of workers needs, and what a notebook can spare."""
STOP_S_MAX = 60
"""An orderly end writes what is in memory and takes a second or two. After this it is killed, and the next start checks its data."""
LOOK_S = 0.1
EMPTY_LOOK_S, EMPTY_LOOKS_MAX = 0.005, 20
"""A process that becomes another program shows no command line for an instant: it is looked at again before it counts as gone."""
LOG_BYTES_MAX = 16 * 1024 * 1024
"""A log past this gives way at the next start; the one before it is kept."""

# The process writes its own id and becomes Java: whoever starts it may be killed at any moment, and it is found all the same.
_NOTED = 'echo "$$" > "$0.new" && mv "$0.new" "$0" && exec "$@"'


class PortTaken(Exception):
    """Somebody else listens where the broker should."""


class Busy(Exception):
    """Another start or stop of the same broker is under way."""


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

    def state(self) -> BrokerState:
        """Look at it."""
        pid, servers = self._pid(), self._servers()
        return BrokerState(pid, servers, pid is not None and servers is not None and answers(servers))

    def start(self, jars: Path, port: int) -> tuple[BrokerState, bool]:
        """Start it unless it runs, and wait until it answers. Gives its state, and whether this start was the one.

        Raises KafkaMissing, KafkaFailed, PortTaken and Busy; what did not come up is ended again.
        """
        with self._alone():
            found = self._pid()
            if found is not None:
                servers = self._servers() or f"127.0.0.1:{port}"
                if not wait(servers, 1, lambda: self._pid() == found):
                    raise KafkaFailed(
                        f"process {found} runs Kafka and does not answer; ./qts kafka stop ends it. Its log is {self.log}"
                    )
                return BrokerState(found, servers, answers=True), False
            if port_taken(port):
                raise PortTaken(f"port {port} of 127.0.0.1 is taken by another program")
            return self._started(LocalNode(jars, self.folder, HEAP_MB), port), True

    def stop(self) -> int | None:
        """End it in order. Gives the process id of what was ended; None where nothing ran. Raises Busy."""
        with self._alone():
            pid = self._pid()
            if pid is not None:
                self._end(pid)
            self.pid_file.unlink(missing_ok=True)
            return pid

    def _started(self, node: LocalNode, port: int) -> BrokerState:
        controller, secured = free_ports(2)
        node.prepare(NodePlan(1, (NodePorts(port, controller, secured),), node.data), new_cluster_id())
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        from_here = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            asked = ["sh", "-c", _NOTED, str(self.pid_file), *node.command]
            process = subprocess.Popen(
                asked, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        servers = f"127.0.0.1:{port}"
        try:
            if wait(servers, 1, lambda: process.poll() is None):
                return BrokerState(process.pid, servers, answers=True)
        except BaseException:
            self._give_up(process)
            raise
        self._give_up(process)
        with self.log.open("rb") as said:
            said.seek(from_here)
            words = said.read()[-2_000:].decode(errors="replace").strip()
        raise KafkaFailed(f"Kafka did not start within {START_S_MAX} s or ended; its log is {self.log}: {words}")

    def _give_up(self, process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait(STOP_S_MAX)
        self.pid_file.unlink(missing_ok=True)

    def _end(self, pid: int) -> None:
        for sent, wait_s in ((signal.SIGTERM, STOP_S_MAX), (signal.SIGKILL, STOP_S_MAX)):
            if self._pid() != pid:
                return
            os.kill(pid, sent)
            give_up = time.monotonic() + wait_s
            while self._pid() == pid and time.monotonic() < give_up:
                time.sleep(LOOK_S)
        if self._pid() == pid:
            raise KafkaFailed(f"process {pid} cannot be ended")

    def _pid(self) -> int | None:
        """Give the process id of the broker that runs. One that belongs to another program by now, after a restart of the machine, is not it."""
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        words = command_line(pid) if pid > 1 else ""
        return pid if "kafka.Kafka" in words and str(self._properties) in words else None

    def _servers(self) -> str | None:
        try:
            lines = self._properties.read_text().splitlines()
        except OSError:
            return None
        listeners = dict(line.partition("=")[::2] for line in lines).get("advertised.listeners", "")
        return listeners.removeprefix("PLAINTEXT://") or None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from starting or stopping it meanwhile. The lock ends with its holder, however that ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            give_up = time.monotonic() + START_S_MAX
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= give_up:
                        raise Busy(f"another start or stop of the broker in {self.folder} is under way") from None
                    time.sleep(LOOK_S)
            yield
        finally:
            os.close(handle)


def command_line(pid: int) -> str:
    """Give what a process runs; nothing where there is none, or where it has ended and was not collected yet."""
    if not Path("/proc/self/cmdline").exists():
        asked = ["ps", "-ww", "-p", str(pid), "-o", "command="]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    for _ in range(EMPTY_LOOKS_MAX):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        if words:
            return words.decode(errors="replace").replace("\0", " ")
        time.sleep(EMPTY_LOOK_S)
    return ""
