"""A worker that says what its lease looks like, every few milliseconds and whenever it ends: a program of its own, so that tests can stop it.

`python -m tests.lease_child SERVERS NAME FOLDER TOPIC PARTITIONS real|embedded`: prints lines of `clock left_s assigned_s`, by CLOCK_BOOTTIME.
"""

import os
import sys
import threading
from typing import Any

from connectors.kafka.faust_app import BatchSchema, Deployment, new_app
from connectors.kafka.lease import Lease
from connectors.kafka.local_node import free_ports
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.system_clock import boottime_s
from streams.app.running import run

SAY_S = 0.01


def main(servers: str, name: str, folder: str, topic: str, partitions: str, where: str) -> int:
    """Run until told to leave."""
    deployment = Deployment(
        KafkaSettings(servers), int(partitions), name, free_ports(1)[0], folder, embedded=where == "embedded"
    )  # fmt: skip
    app = new_app("qts-lease", 1, deployment, None)
    lease = app.lease = Said(app.conf.broker_session_timeout, boottime_s)

    @app.agent(app.topic(topic, schema=BatchSchema(), partitions=int(partitions)), concurrency=1)
    async def reading(stream: Any) -> None:
        async for _ in stream.events():
            pass

    threading.Thread(target=say_for_ever, args=(lease,), daemon=True).start()
    return run(app)


class Said(Lease):
    """A lease that says so when it ends: a rebalance may be over between two moments at which it is looked at."""

    def ends(self) -> None:
        """Hold nothing, and say so."""
        super().ends()
        say(self)


def say(lease: Lease) -> None:
    """Say what it looks like, in one piece: two threads do."""
    os.write(sys.stdout.fileno(), f"{boottime_s()} {lease.left_s()} {lease.assigned_s}\n".encode())


def say_for_ever(lease: Lease) -> None:
    """Say it again and again."""
    pause = threading.Event()
    while not pause.wait(SAY_S):
        say(lease)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
