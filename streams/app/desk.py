"""The desk role, put together: table `desk`, agent on the tape, figures."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from faust.types import TP

from connectors.kafka.faust_app import BatchedApp, BatchSchema
from schemas.codec import Codec
from streams.agents.deciding import DeskPorts, Desks
from streams.app.parts import Parts, take_batches, tend_for_ever
from streams.app.recording import RecordedLog
from streams.app.tables import PartitionOfTable, forget_others, own_table
from streams.desk.emergency_stop import StopState
from streams.pipeline.flood import FloodGate
from streams.pipeline.ports import DeskCodec
from streams.pipeline.write_pipeline import CHANGELOG
from streams.services.metrics import Metrics, Sample


def add_desk(app: BatchedApp, parts: Parts) -> Desks:
    """Make an app a desk."""
    identity = parts.identity
    log = parts.log if parts.recorder is None else RecordedLog(parts.log, parts.recorder)
    table = own_table(app, "desk", CHANGELOG, identity.partitions)
    desks = Desks(
        DeskPorts(
            identity,
            partial(_codec, parts),
            log,
            lambda partition: PartitionOfTable(table, partition),
            parts.look,
            parts.ending,
            parts.watcher,
            lambda: FloodGate(parts.settings.dead_letters_max),
            lambda: app.consumer_generation_id or 0,
            time.monotonic,
            pace=time.monotonic,
        )
    )

    class From:
        async def positions(self, assigned: frozenset[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
            forget_others(table, [partition for _, partition in assigned])
            return await desks.positions(assigned)

    app.positions_from = From()
    tape = app.topic(identity.tape, schema=BatchSchema(), partitions=identity.partitions)

    @app.agent(tape, name="qts-desk", concurrency=1)
    async def deciding(stream: Any) -> None:
        await take_batches(stream, desks.take)

    tend_for_ever(app, desks)
    if parts.settings.catch_up:
        app.task(partial(_leave_when_caught_up, desks))
    return desks


async def _leave_when_caught_up(desks: Desks) -> None:
    while not desks.caught_up:  # noqa: ASYNC110 - what it waits for is progress on Kafka, which sets no event
        await asyncio.sleep(CAUGHT_UP_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)


CAUGHT_UP_LOOK_S = 0.1


def tape_end(app: BatchedApp, parts: Parts, partition: int) -> int | None:
    """Give where the tape ended when it was last fetched from."""
    try:
        return app.consumer.highwater(TP(parts.identity.tape, partition))
    except (AssertionError, KeyError, RuntimeError):
        return None  # the partition is just being taken over or given away


def _codec(parts: Parts) -> DeskCodec:
    return Codec(parts.registry)


def desk_samples(desks: Desks, ends: Callable[[int], int | None]) -> Iterable[Sample]:
    """Give the figures of all partitions."""
    for partition, pipeline in desks.pipelines.items():
        label, state = (str(partition),), pipeline.state
        end = ends(partition)
        if end is not None:
            yield Sample(Metrics.TAPE_LAG_RECORDS, max(0, end - pipeline.next_offset), label)
        yield Sample(Metrics.TAPE_OFFSET, state.offset, label)
        yield Sample(Metrics.DESK_TIME_SECONDS, state.now_ms / 1_000, label)
        for fate, count in pipeline.fates.items():
            yield Sample(Metrics.INPUTS, count, (*label, fate.value))
        yield Sample(Metrics.SUPPRESSED, pipeline.suppressed, label)
        yield Sample(Metrics.SNAPSHOTS, pipeline.snapshots, label)
        accounts = state.accounts.values()
        yield Sample(Metrics.ACCOUNTS, len(state.accounts), label)
        yield Sample(Metrics.POSITIONS, sum(len(account.positions) for account in accounts), label)
        yield Sample(Metrics.STOPS_TRIPPED, sum(account.stop.state is not StopState.ARMED for account in accounts), label)
        if state.policy is not None:
            yield Sample(Metrics.POLICY_VERSION, state.policy.version, label)
