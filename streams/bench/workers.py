"""Real workers as processes of a benchmark, on its own broker.

Decides: their environment and when they count as ready. Leaves to others: what they are measured by.
"""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from connectors.kafka.local_node import free_ports
from connectors.kafka.settings import KafkaSettings
from streams.bench.programs import Program
from streams.bench.rates import Timer

READY_S_MAX = 90.0
"""A worker is ready after three seconds; a busy machine takes many times that, and a hang ends."""
LOOK_EVERY_S = 0.05


class BenchWorker(Program):
    """A worker of ours."""

    def __init__(self, role: str, settings: KafkaSettings, folder: Path, more: Mapping[str, str] | None = None) -> None:
        """Know what to start. It ends with this process, whatever ends that. `more`: of its environment."""
        self.port = free_ports(1)[0]
        environ = {"QTS_KAFKA_SERVERS": settings.servers, "QTS_HOME": str(folder), "QTS_MODE": "tests", **(more or {})}
        argv = [
            sys.executable, "-P", "-m", "streams.cli.main", "worker", role, "--name", f"bench-{role}", "--web-port", str(self.port),
            "--parent", str(os.getpid()),
        ]  # fmt: skip
        super().__init__(argv, environ, folder / f"{role}.log")

    def wait_until_ready(self, timer: Timer) -> None:
        """Wait until it has recovered."""
        until = timer.now_ns() + int(READY_S_MAX * 1e9)
        while not self._ready():
            self.check()
            if timer.now_ns() > until:
                raise TimeoutError(f"a worker was not ready within {READY_S_MAX:.0f} s: {self.last_words()}")
            timer.sleep(LOOK_EVERY_S)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=1.0) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
