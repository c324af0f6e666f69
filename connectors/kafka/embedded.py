"""The embedded broker: librdkafka's own in-memory Kafka, in a child process, for trying out where no Java is.

Decides: how the child is started, told to make topics, and ended (it ends with whoever started it, however that ends). What this broker cannot
do is in docs/adr/0011-embedded-broker.md. Leaves to others: which topics there are, and the tape's file, since old records fall out of memory.

As a program, `python -m connectors.kafka.embedded`: the first line of stdout is its address; then each line `NAME PARTITIONS` on stdin
makes a topic and is answered by a line; the end of stdin ends it.
"""

import os
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import IO, Self

from connectors import children
from connectors.kafka.mock_cluster import MockCluster, MockFailed

DEFAULT_PARTITIONS = 4
"""What a topic gets that is made by its first use. It cannot be set; another count needs `create`, before the first use."""
PARTITION_BYTES_MAX = 5 * 1024 * 1024
"""What is kept of a partition; the oldest records give way. Also fixed."""
ANSWER_S_MAX = 20.0
"""It answers 0.3 s after its start on an idle machine; a loaded one gets many times that, and a hang still ends."""
STOP_S_MAX = 5.0
"""It has nothing to save: what is still there then is killed."""


class EmbeddedBrokerFailed(Exception):
    """It did not start, or has ended."""


class EmbeddedBroker:
    """A broker in a child process. Everything in it is gone when it stops."""

    servers: str
    """Where it listens, once started: 127.0.0.1 and a free port."""

    def __init__(self) -> None:
        """Name it; `start` starts it."""
        self._process: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Give the child's process id while there is one."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Tell whether the child is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self._process is not None:
            raise EmbeddedBrokerFailed("it has been started already")
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._process = children.started(__name__, self._words)
        try:
            self.servers = self._line()
        except BaseException:
            self.stop()
            raise

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic. One that is there already, by first use or by this, keeps the partitions it has."""
        if self._process is None or self._process.stdin is None or self._words is None:
            raise EmbeddedBrokerFailed("it has not been started")
        try:
            self._process.stdin.write(f"{topic} {partitions}\n".encode())
        except OSError as gone:
            raise EmbeddedBrokerFailed(f"it has ended: {children.said(self._words)}") from gone
        answer = self._line()
        if answer != "ok":
            raise EmbeddedBrokerFailed(answer)

    def stop(self) -> None:
        """End it. Does nothing where it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        children.end(process, STOP_S_MAX)
        if self._words is not None:
            self._words.close()

    def _line(self) -> str:
        """Read one line of the child's, or say why there is none."""
        assert self._process is not None
        assert self._words is not None
        return children.line_of(self._process, self._words, ANSWER_S_MAX, EmbeddedBrokerFailed)


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Be the child: serve until stdin ends."""
    cluster = MockCluster()
    cluster.wait_until_it_answers(ANSWER_S_MAX)
    _answer(cluster.servers)
    # From here on nobody reads what librdkafka grumbles about clients that come and go.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    for line in sys.stdin:
        name, _, count = line.strip().rpartition(" ")
        try:
            cluster.create(name, int(count))
        except (ValueError, MockFailed) as refused:
            _answer(f"{line.strip()}: {refused}")
        else:
            _answer("ok")
    # Clients still connected would hold up an orderly end of librdkafka's threads, and there is nothing to save.
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except MockFailed as failed:
        sys.exit(f"the embedded broker could not start: {failed}")
