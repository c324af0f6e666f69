"""What the unit tests hold against short tapes, held against many long ones: every invariant, nobody missed, restarts anywhere."""

from random import Random

import pytest

from streams.desk.state import new_state
from streams.replay.generate import generate
from tests.acts import random_acts
from tests.adversary import Adversary
from tests.eager import eager
from tests.invariants import everything
from tests.twins import Said, assert_same, restored, run


@pytest.mark.parametrize("seed", range(200, 224))
def test_a_long_bad_day_keeps_every_invariant_and_gives_the_same_answers_to_all(seed: int) -> None:
    adversary = Adversary(*everything())
    adversary.play(random_acts(seed, 700))
    tape, chance = adversary.tape, Random(seed)
    lived = run(tape)

    with eager():
        assert_same(run(tape), lived, f"seed {seed}, looking at everybody")

    state, said, start = new_state(1, 0), list[Said](), 0
    while start < len(tape):
        end = start + 1 + chance.randrange(60)
        state, more = run(tape[start:end], state)
        state, said, start = restored(state), said + more, end
    assert_same(lived, (state, said), f"seed {seed}, restarted again and again")


@pytest.mark.parametrize("seed", [11, 12])
def test_nobody_is_missed_in_a_generated_day_of_forty_accounts(seed: int) -> None:
    tape = [event for event, _ in generate(seed, events=30_000, accounts=40, symbols=20)]
    lived = run(tape)

    with eager():
        assert_same(run(tape), lived, f"seed {seed}")
