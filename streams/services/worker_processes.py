"""Workers as processes of this machine: how one is started, where it writes its log, on which port its pages are.

Decides: that each is in a session of its own (a Ctrl-C is for the supervisor, who ends them in order) and ends when its supervisor is gone,
however that went; and that a log takes no more than two files' room. Leaves to others: when (supervisor).
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from streams.services.supervisor import Spec

LOG_BYTES_MAX = 10 * 1024 * 1024
"""A worker says a few lines a minute; this is days of it, and hours of one that complains all the time. One older file is kept."""

WORDS_BYTES_MAX, WORDS_SHOWN_MAX = 8_192, 300


class WorkerProcess:
    """A running worker."""

    def __init__(self, popen: "subprocess.Popen[bytes]", port: int) -> None:
        """Stand for this process."""
        self._popen, self.port = popen, port

    @property
    def pid(self) -> int:
        """Give its process id."""
        return self._popen.pid

    def ended(self) -> int | None:
        """Give its exit code, negative for a signal; nothing while it runs."""
        return self._popen.poll()

    def terminate(self) -> None:
        """Tell it to leave."""
        self._popen.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._popen.kill()


class Launcher:
    """Starts workers with an environment, and keeps their logs."""

    def __init__(self, log_folder: Path, environ: Mapping[str, str], python: str = sys.executable) -> None:
        """Write logs into this folder; it is made here."""
        self._folder, self._environ, self._python = log_folder, dict(environ), python
        self._ports: dict[str, int] = {}
        log_folder.mkdir(parents=True, exist_ok=True)

    def start(self, spec: Spec) -> WorkerProcess:
        """Start a worker; on the port it had before, where that is free."""
        port = self._ports[spec.name] = free_port(self._ports.get(spec.name, 0))
        asked = [
            self._python, "-P", "-m", "streams.cli.main", "worker", spec.role, "--name", spec.name, "--web-port", str(port),
            "--parent", str(os.getpid()),
        ]  # fmt: skip
        with self.log_of(spec.name).open("ab") as log:
            popen = subprocess.Popen(
                asked, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return WorkerProcess(popen, port)

    def log_of(self, name: str) -> Path:
        """Name a worker's log."""
        return self._folder / f"{name}.log"

    def last_words(self, name: str) -> str:
        """Give the last line of a worker's log, shortened: why it does not get ready is often in it."""
        try:
            with self.log_of(name).open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - WORDS_BYTES_MAX))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][-WORDS_SHOWN_MAX:] if lines else ""

    def rotate(self, bytes_max: int = LOG_BYTES_MAX) -> None:
        """Set aside the logs that have grown too large.

        They are copied and cut, not renamed: the workers go on writing to the end of the same file and need not know. Lines written between
        copy and cut are lost: nothing that only watches may hold up a worker.
        """
        for path in self._folder.glob("*.log"):
            if path.stat().st_size > bytes_max:
                shutil.copyfile(path, path.with_suffix(".log.1"))
                os.truncate(path, 0)


def free_port(wanted: int = 0) -> int:
    """Find a port of 127.0.0.1 nobody listens on: the wanted one, or any. Somebody else may take it before the worker does; it then starts again."""
    for port in dict.fromkeys((wanted, 0)):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise OSError("no port of 127.0.0.1 is free")
