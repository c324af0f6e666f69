"""The sequencer role, put together: agent on every input topic, merging of marks, figures."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from connectors.kafka.faust_app import BatchedApp, BatchSchema
from connectors.kafka.partitioner import partition_of
from schemas.codec import Codec, Undecodable
from streams.agents.sequencing import SequencerPorts, Sequencing
from streams.app.parts import Parts, committed, tend_for_ever
from streams.desk.messages import EquityReport, Mark
from streams.desk.validation import wrong
from streams.flow import INPUTS
from streams.pipeline.conflation import merged
from streams.pipeline.sequencer import PORTFOLIO, Inputs, Sequencer, Tape
from streams.services.metrics import Metrics, Sample

SOURCES = (*(topic.name for topic in INPUTS), PORTFOLIO)
_HEADER_BYTES = 5


def add_sequencer(app: BatchedApp, parts: Parts) -> tuple[Sequencing, Sequencer]:
    """Make an app a sequencer."""
    identity, codec = parts.identity, Codec(parts.registry)
    clock_ms = lambda: time.time_ns() // 1_000_000  # noqa: E731 - a clock, handed in by name below
    sequencer = Sequencer(
        parts.log, codec, Inputs(partial(merge_marks, codec, clock_ms), _report_teller(codec), partial(account_of, codec)),
        Tape(identity.tape, identity.partitions, lambda key: partition_of(key, identity.partitions)), clock_ms, parts.watcher,
        None if parts.recorder is None else parts.recorder.tape,
    )  # fmt: skip
    sequencing = Sequencing(
        SequencerPorts(
            sequencer,
            parts.log,
            parts.look,
            parts.ending,
            parts.watcher,
            partial(committed, app),
            lambda: app.consumer_generation_id or 0,
            time.monotonic,
        )
    )
    app.positions_from = sequencing
    sources = app.topic(*SOURCES, schema=BatchSchema(), partitions=identity.partitions)

    @app.agent(sources, name="qts-sequencer", concurrency=1)
    async def sequence(stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            records, message.value, event.value = message.value, None, None
            await sequencing.take((message.topic, message.partition), message.generation_id, records, event.ack)

    tend_for_ever(app, sequencing)
    return sequencing, sequencer


def merge_marks(codec: Codec, clock_ms: Callable[[], int], raws: Sequence[bytes]) -> bytes | None:
    """Make one mark of several, where all can be read, are of one symbol and can be true: a bad one must not spoil the others."""
    try:
        marks = [codec.decode(raw) for raw in raws]
    except Undecodable:
        return None
    now_ms = clock_ms()
    if any(not isinstance(mark, Mark) or mark.symbol != marks[0].symbol or wrong(mark, now_ms) for mark in marks):
        return None
    return codec.encode(merged(marks))


def account_of(codec: Codec, raw: bytes) -> str | None:
    """Read the account of a record that came without a key."""
    try:
        account = getattr(codec.decode(raw), "account", None)
    except Undecodable:
        return None
    return account if isinstance(account, str) else None


def _report_teller(codec: Codec) -> Callable[[bytes], bool]:
    """Tell reports by the schema they name: each is decoded once."""
    known: dict[bytes, bool] = {}

    def is_report(raw: bytes) -> bool:
        header = raw[:_HEADER_BYTES]
        answer = known.get(header)
        if answer is None:
            try:
                answer = isinstance(codec.decode(raw), EquityReport)
            except Undecodable:
                return False  # nobody but the desk writes there; a stranger's bytes are no report
            if len(known) >= _SCHEMAS_MAX:
                known.clear()
            known[header] = answer
        return answer

    return is_report


_SCHEMAS_MAX = 100
"""Versions of two schemas; more are strangers', and are asked for again."""


def sequencer_samples(sequencing: Sequencing, sequencer: Sequencer) -> Iterable[Sample]:
    """Give the figures."""
    yield Sample(Metrics.RECORDS_FORWARDED, sequencer.forwarded)
    yield Sample(Metrics.OWNED_PARTITIONS, sequencing.owned)
