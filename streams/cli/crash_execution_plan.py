"""When which executor is killed or paused, and where: from a seed.

Decides: that the steps of execution are gone through one after the other, each once before any comes again; that one disturbance in three falls
wherever its worker is: a kill, or a pause that is shorter than the session or longer. Leaves to others: doing it (crash_execution).
"""

from random import Random
from typing import Final, Literal, NamedTuple

from streams.pipeline.steps import OF_EXECUTION, Step

STEPS: Final = tuple(step for step in Step if step in OF_EXECUTION)
"""The steps of execution."""
ELSEWHERE_EVERY: Final = 3
CALM_S: Final = 20.0
"""At most so long after one disturbance the next begins: a worker is there again after some fifteen seconds, so some fall while it comes back."""
_ELSEWHERE: Final = ("long pause", "kill", "short pause")


class Strike(NamedTuple):
    """Something that is done to an executor."""

    after_s: float
    """So long after what was done before."""
    kind: Literal["kill", "pause"]
    worker: int
    step: Step | None
    """Where a kill is to fall; nothing where it falls at once."""
    pause_s: float
    tries: int = 0
    """How often it was in vain: the step did not come."""


def strikes(seed: int, count: int, workers: int, session_s: float) -> list[Strike]:
    """Plan all disturbances, in their order."""
    chance = Random(f"{seed}/crash-execution")  # noqa: S311 - seeded chance is the point
    steps = chance.sample(STEPS, len(STEPS))
    planned: list[Strike] = []
    aimed = elsewhere = 0
    for number in range(count):
        after_s, worker = CALM_S * chance.random(), chance.randrange(workers)
        if number % ELSEWHERE_EVERY < ELSEWHERE_EVERY - 1:
            planned.append(Strike(after_s, "kill", worker, steps[aimed % len(steps)], 0.0))
            aimed += 1
            continue
        kind = _ELSEWHERE[elsewhere % len(_ELSEWHERE)]
        elsewhere += 1
        if kind == "kill":
            planned.append(Strike(after_s, "kill", worker, None, 0.0))
        else:
            long = kind == "long pause"
            pause_s = session_s + 2 + 4 * chance.random() if long else session_s * (0.2 + 0.6 * chance.random())
            planned.append(Strike(after_s, "pause", worker, None, pause_s))
    return planned
