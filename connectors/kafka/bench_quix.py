"""The peer of our workers: Quix Streams, exactly once, with the settings that serve it best.

Decides: how its application is set up. Runs in a process of its own, in an environment of its own (the extra `bench`). Leaves to others: the work
it does, which is the same as ours.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from quixstreams import Application, message_context
from quixstreams.models import BytesSerializer

COMMIT_EVERY_S = 1.0
"""Its default is 5 s. Measured at 0.5, 1, 2 and 5: no difference beyond the noise, and at 1 s a run of a few seconds has several commits."""
POLL_S = 0.1

Place = tuple[str, bytes | None, bytes]
"""An output: topic, key, bytes."""


class PeerPlan(NamedTuple):
    """What it reads, and where it keeps its state."""

    servers: str
    group: str
    source: str
    folder: Path


class _Bytes(BytesSerializer):  # type: ignore[misc]  # its package is in an environment of its own
    """Writes the bytes of an output that knows its topic."""

    def __call__(self, value: Place, ctx: Any) -> bytes:  # noqa: ARG002 - its signature
        return value[2]


def run_keyed(plan: PeerPlan, sink: str, work: Callable[[bytes, Any], bytes]) -> None:
    """Do work that has a state by key: kept in RocksDB and its changelog topic."""
    app = _application(plan)
    frame = app.dataframe(app.topic(plan.source, value_deserializer="bytes", key_deserializer="bytes"))
    frame = frame.apply(work, stateful=True)
    frame.to_topic(app.topic(sink, value_serializer="bytes", key_serializer="bytes"))
    app.run()


def run_stepping(plan: PeerPlan, sinks: Sequence[str], work: Callable[[bytes, int], list[Place]]) -> None:
    """Do work whose state is in this process: each record gives some outputs to some topics."""
    app = _application(plan)
    topics = {name: app.topic(name, value_serializer=_Bytes(), key_serializer="bytes") for name in sinks}

    def outputs(raw: bytes) -> list[Place]:
        return work(raw, message_context().offset)

    frame = app.dataframe(app.topic(plan.source, value_deserializer="bytes", key_deserializer="bytes"))
    frame = frame.apply(outputs, expand=True)
    frame.to_topic(lambda place, _key, _timestamp, _headers: topics[place[0]], key=lambda place: place[1])
    app.run()


def _application(plan: PeerPlan) -> Application:
    return Application(
        plan.servers,
        consumer_group=plan.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=COMMIT_EVERY_S,
        consumer_poll_timeout=POLL_S,
        state_dir=plan.folder,
        loglevel="WARNING",
        auto_create_topics=True,  # its changelog topics; the others are there
    )
