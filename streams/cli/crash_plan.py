"""When which worker is killed or paused, and where: from a seed, and from where the kills before have fallen.

Decides: the moments (spread over the run), the victims, and at which step of the order of writes each kill is meant to fall, so that every row
of the table of crashes is hit about as often as any other. Leaves to others: doing it.
"""

from collections import Counter
from collections.abc import Sequence
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

Role = Literal["desk", "sequencer"]

AIMED: tuple[tuple[Step, ...], ...] = (
    (Step.STEPPING, Step.OUTPUT_SENT, Step.SNAPSHOT_TAKEN),
    (Step.SNAPSHOT_CHUNK_SENT,),
    (Step.SNAPSHOT_ACKNOWLEDGED, Step.BATCHES_ACKNOWLEDGED),
    (Step.FORWARDED, Step.FORWARD_ACKNOWLEDGED),
)
"""What kills are shared among evenly: the rows of the desk, and the sequencer's steps together."""
ANYWHERE_EVERY = 16
"""One in so many kills is not aimed: it falls wherever the worker is in that moment, such as coming back. The others are enough to hit each of
four kinds of step ten times with fifty kills, though a few fall elsewhere than they were meant to."""
_DESK_SHARE = 0.7


class Disturbance(NamedTuple):
    """Something that is done to a worker once so much has been published."""

    at_events: int
    kind: Literal["kill", "pause"]
    role: Role
    """Whose worker it is; a kill that is aimed is for whoever comes to its step."""
    worker: int
    aimed: bool
    pause_s: float


def plan(seed: int, events: int, kills: int, zombies: int, workers: int, session_s: float) -> list[Disturbance]:
    """Plan all disturbances, in the order of their moments."""
    chance = Random(f"{seed}/crash")  # noqa: S311 - seeded chance is the point
    moments = sorted(chance.randrange(events // 20, events * 9 // 10) for _ in range(kills + zombies))
    paused = set(chance.sample(range(kills + zombies), zombies))
    killed = [number for number in range(kills + zombies) if number not in paused]
    anywhere = set(chance.sample(killed, kills // ANYWHERE_EVERY))
    planned = []
    for number, at_events in enumerate(moments):
        worker = chance.randrange(workers)
        role: Role = "desk" if chance.random() < _DESK_SHARE else "sequencer"
        if number in paused:
            planned.append(Disturbance(at_events, "pause", role, worker, False, session_s + 2 + 4 * chance.random()))
        else:
            planned.append(Disturbance(at_events, "kill", role, worker, number not in anywhere, 0.0))
    return planned


def role_of(step: Step) -> Role:
    """Tell whose step it is."""
    return "sequencer" if step in (Step.FORWARDED, Step.FORWARD_ACKNOWLEDGED) else "desk"


class Aims:
    """Aims each kill at what was hit least so far. The same seed and the same places of the kills give the same aims."""

    def __init__(self, seed: int) -> None:
        """Begin with nothing hit."""
        self._chance = Random(f"{seed}/aims")  # noqa: S311 - seeded chance is the point
        self._hit: Counter[Step] = Counter()
        self._meant: Counter[Step] = Counter()

    def next(self) -> Step:
        """Choose where the next kill is to fall. Within a kind of step all take turns: one that never comes does not keep the others from theirs."""
        kind = AIMED[self._least([sum(self._hit[step] for step in steps) for steps in AIMED])]
        step = kind[self._least([self._meant[step] for step in kind])]
        self._meant[step] += 1
        return step

    def fell(self, step: Step) -> None:
        """Note where a kill has fallen, wherever it was meant to."""
        self._hit[step] += 1

    def _least(self, counts: Sequence[int]) -> int:
        """Choose a place where the least is."""
        return self._chance.choice([place for place, count in enumerate(counts) if count == min(counts)])
