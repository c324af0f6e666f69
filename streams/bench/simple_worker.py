"""A worker of ours that does the simple work: the batched transport, the desk's agent and the write pipeline as they are, other work in them.

Run as a process of its own by `./qts bench kafka`: python -m streams.bench.simple_worker SERVERS GROUP SOURCE SINK FOLDER PARTITIONS PORT.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.kafka.faust_app import BatchedApp, BatchSchema, Deployment, new_app
from connectors.kafka.log import KafkaLog
from connectors.kafka.log_reader import LogReader
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.agents.deciding import DeskPorts, Desks
from streams.agents.ending import Ending
from streams.app.looks import KafkaLook
from streams.app.parts import take_batches, tend_for_ever
from streams.app.running import run
from streams.app.tables import PartitionOfTable, own_table
from streams.bench.simple import FillCodec, simple_work
from streams.pipeline.flood import FloodGate
from streams.pipeline.identity import Identity
from streams.pipeline.steps import NOBODY_WATCHES
from streams.pipeline.write_pipeline import CHANGELOG


class _EmptySink(KafkaLook):
    """Looks at the source; the sink of a run is new, nothing is on it yet."""

    def sent(self, partition: int, epoch: int) -> Mapping[str, tuple[int, int]]:  # noqa: ARG002 - the look's signature
        """Give nothing."""
        return {}


def make_app(servers: str, group: str, source: str, sink: str, folder: Path, partitions: int, port: int) -> BatchedApp:
    """Put the worker together."""
    settings, identity = KafkaSettings(servers), Identity(1, partitions, source, {})
    app = new_app(
        group, 1, Deployment(settings, partitions, "bench-0", port, data_folder=str(folder), web_bind="127.0.0.1"), None
    )
    table = own_table(app, "desk", CHANGELOG, partitions)
    look = _EmptySink(LogReader(settings, group), identity, lambda _names: {}, lambda: 1)
    codec = FillCodec(Codec(BundledRegistry()))
    desks = Desks(
        DeskPorts(
            identity,
            lambda: codec,
            KafkaLog(settings, group),
            lambda partition: PartitionOfTable(table, partition),
            look,
            Ending(os._exit),
            NOBODY_WATCHES,
            FloodGate,
            lambda: app.consumer_generation_id or 0,
            time.monotonic,
            simple_work(sink),
        )
    )

    class From:
        async def positions(self, assigned: frozenset[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
            return await desks.positions(assigned)

    app.positions_from = From()

    @app.agent(app.topic(source, schema=BatchSchema(), partitions=partitions), name="qts-bench", concurrency=1)
    async def working(stream: Any) -> None:
        await take_batches(stream, desks.take)

    tend_for_ever(app, desks)
    return app


if __name__ == "__main__":
    _servers, _group, _source, _sink, _folder, _partitions, _port = sys.argv[1:]
    sys.exit(run(make_app(_servers, _group, _source, _sink, Path(_folder), int(_partitions), int(_port))))
