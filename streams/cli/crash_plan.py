"""When which worker is killed or paused, from a seed.

Decides: the moments (spread over the run), the victims, and at which step of the order of writes each kill is meant to fall, so that every row
of the table of crashes is hit again and again. Leaves to others: doing it.
"""

from random import Random
from typing import Literal, NamedTuple

from streams.pipeline.steps import Step

Row = Literal[
    "outputs under way",
    "snapshot being written",
    "after the snapshot",
    "sequencer forwarding",
    "sequencer acknowledged",
    "coming back",
    "idle",
]

ROW_OF: dict[Step, Row] = {
    Step.STEPPING: "outputs under way",
    Step.OUTPUT_SENT: "outputs under way",
    Step.SNAPSHOT_TAKEN: "outputs under way",
    Step.SNAPSHOT_CHUNK_SENT: "snapshot being written",
    Step.SNAPSHOT_ACKNOWLEDGED: "after the snapshot",
    Step.BATCHES_ACKNOWLEDGED: "after the snapshot",
    Step.FORWARDED: "sequencer forwarding",
    Step.FORWARD_ACKNOWLEDGED: "sequencer acknowledged",
    Step.RESUMING: "coming back",
    Step.IDLE: "idle",
}
"""Which row of the table of crashes (DESIGN.md, section 5) a step belongs to; the sequencer has rows of its own."""

DESK_ROWS: tuple[Row, ...] = ("outputs under way", "snapshot being written", "after the snapshot")
SEQUENCER_ROWS: tuple[Row, ...] = ("sequencer forwarding", "sequencer acknowledged")


class Disturbance(NamedTuple):
    """Something that is done to a worker once so much has been published."""

    at_events: int
    kind: Literal["kill", "pause"]
    role: Literal["desk", "sequencer"]
    worker: int
    step: Step | None
    """Where the kill is to fall; None: wherever the worker is in that moment."""
    pause_s: float


def plan(seed: int, events: int, kills: int, zombies: int, workers: int, session_s: float) -> list[Disturbance]:
    """Plan all disturbances, in the order of their moments."""
    chance = Random(f"{seed}/crash")  # noqa: S311 - seeded chance is the point
    targets = [_TARGETS[number % len(_TARGETS)] for number in range(kills)]
    chance.shuffle(targets)
    moments = sorted(chance.randrange(events // 20, events * 9 // 10) for _ in range(kills + zombies))
    paused = set(chance.sample(range(kills + zombies), zombies))
    planned = []
    for number, at_events in enumerate(moments):
        worker = chance.randrange(workers)
        role: Literal["desk", "sequencer"] = "desk" if chance.random() < _DESK_SHARE else "sequencer"
        if number in paused:
            planned.append(Disturbance(at_events, "pause", role, worker, None, session_s + 2 + 4 * chance.random()))
            continue
        row = targets.pop()
        step = None if row is None else chance.choice([step for step in sorted(ROW_OF, key=_value) if ROW_OF[step] == row])
        if row is not None:
            role = "sequencer" if row in SEQUENCER_ROWS else "desk"
        planned.append(Disturbance(at_events, "kill", role, worker, step, 0.0))
    return planned


def _value(step: Step) -> int:
    return step.value


_TARGETS: tuple[Row | None, ...] = (
    *DESK_ROWS,
    "sequencer forwarding",
    None,
    *DESK_ROWS,
    "sequencer acknowledged",
    *DESK_ROWS,
    None,
)
"""Taken in turn: the rows of the desk three times, those of the sequencer once, and some wherever the worker happens to be."""
_DESK_SHARE = 0.7
