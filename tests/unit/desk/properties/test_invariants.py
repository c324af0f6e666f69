"""The invariants of the design, held against tapes nobody would wish for."""

import pytest
from hypothesis import given, settings

from tests.acts import ACTS, Act, random_acts
from tests.adversary import Adversary
from tests.invariants import everything


@settings(max_examples=60, deadline=None)
@given(acts=ACTS)
def test_every_invariant_holds_whatever_happens(acts: list[Act]) -> None:
    Adversary(*everything()).play(acts)


@pytest.mark.parametrize("seed", range(8))
def test_every_invariant_holds_over_a_long_bad_day(seed: int) -> None:
    adversary = Adversary(*everything())

    adversary.play(random_acts(seed, 300))

    assert len(adversary.tape) > 300
