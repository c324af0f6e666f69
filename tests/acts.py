"""Acts: what happens on a tape nobody would wish for, as small numbers, drawn by hypothesis or by chance.

Decides: which kinds there are and how often each happens. A list of acts shrinks to the shortest tape that still shows what is wrong. Leaves to
others: what the numbers mean to a desk in its present state (adversary).
"""

from random import Random
from typing import NamedTuple

from hypothesis import strategies as st


class Act(NamedTuple):
    """Something that happens; what the numbers choose depends on the kind."""

    kind: str
    a: int = 0
    b: int = 0
    c: int = 0


WEIGHTS = {
    "mark": 20, "gap": 2, "tick": 14, "wait": 3, "signal": 22, "flood": 2, "fill": 12, "fill_all": 8, "again": 2, "external": 2, "event": 6,
    "answer": 4, "switch": 2, "trip": 1, "reset": 5, "policy": 2, "phase": 1, "manual": 4, "close": 2, "service": 1, "money": 4, "loop": 3,
    "junk": 1, "repeat": 2, "resend": 2,
}  # fmt: skip
KINDS = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]


def random_acts(seed: int, length: int, but_for: str = "") -> list[Act]:
    """Draw a tape by chance alone: longer ones than hypothesis would try."""
    chance = Random(seed)
    kinds = [kind for kind in KINDS if kind != but_for]
    return [
        Act(chance.choice(kinds), chance.randrange(1000), chance.randrange(1000), chance.randrange(1000)) for _ in range(length)
    ]


_NUMBERS = st.integers(0, 999)

ACTS = st.lists(st.builds(Act, st.sampled_from(KINDS), _NUMBERS, _NUMBERS, _NUMBERS), min_size=5, max_size=80)
