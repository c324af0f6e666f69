"""Recording: a run of the desk as a tape file.

Decides: what goes into a tape file and in which order: the state the run starts from, then each event with the decisions made from it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from schemas.codec import Codec
from schemas.registry import Registry
from streams.desk.desk import Outcome
from streams.desk.messages import TapeEvent
from streams.desk.outputs import Decision
from streams.desk.state import DESK_VERSION, State
from streams.pipeline.snapshots import SnapshotWriter
from streams.replay.tape_file import TapeHeader, TapeWriter

PROGRESS_EVERY = 1_000


def record(
    path: Path, registry: Registry, start: State, run: Iterable[tuple[TapeEvent, Outcome]], description: str,
    progress: Callable[[int], None] | None = None,
) -> int:  # fmt: skip
    """Write a run that is about to start from `start`; tell how many events it had."""
    codec = Codec(registry)
    events = 0
    with TapeWriter(path, TapeHeader(start.epoch, start.partition, DESK_VERSION, description), registry) as tape:
        for raw in SnapshotWriter(codec).write(start):
            tape.snapshot(start.offset, raw)
        for event, outcome in run:
            tape.event(event.offset, codec.encode_event(event))
            for output in outcome.outputs:
                if isinstance(output, Decision):
                    tape.decision(event.offset, codec.encode(output))
            events += 1
            if progress is not None and events % PROGRESS_EVERY == 0:
                progress(PROGRESS_EVERY)
    if progress is not None:
        progress(events % PROGRESS_EVERY)
    return events
