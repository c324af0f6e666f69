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
    row: Row
    pause_s: float


def plan(seed: int, events: int, kills: int, zombies: int, workers: int, session_s: float) -> list[Disturbance]:
    """Plan all disturbances, in the order of their moments."""
    chance = Random(f"{seed}/crash")  # noqa: S311 - seeded chance is the point
    rows = [_row(number) for number in range(kills)]
    chance.shuffle(rows)
    moments = sorted(chance.randrange(events // 20, events * 9 // 10) for _ in range(kills + zombies))
    paused = set(chance.sample(range(kills + zombies), zombies))
    planned = []
    for number, at_events in enumerate(moments):
        worker = chance.randrange(workers)
        if number in paused:
            role: Literal["desk", "sequencer"] = "desk" if chance.random() < 0.7 else "sequencer"
            planned.append(Disturbance(at_events, "pause", role, worker, "idle", session_s + 2 + 4 * chance.random()))
        else:
            row = rows.pop()
            planned.append(Disturbance(at_events, "kill", "sequencer" if row in SEQUENCER_ROWS else "desk", worker, row, 0.0))
    return planned


def _row(number: int) -> Row:
    """Take the rows in turn, those of the desk three times as often: its writes have more steps."""
    rows = (*DESK_ROWS, *DESK_ROWS, *DESK_ROWS, *SEQUENCER_ROWS)
    return rows[number % len(rows)]
