"""The watch saves looks and nothing else: a desk that looks at every holder with every mark says the same, to the last decimal."""

from itertools import islice

import pytest
from hypothesis import given, settings

from streams.desk.messages import TapeEvent
from streams.replay.generate import generate
from streams.simulation.scenarios import SCENARIOS
from tests.acts import ACTS, Act, random_acts
from tests.eager import eager
from tests.twins import assert_same, recorded, run


def assert_nobody_was_missed(tape: list[TapeEvent], why: str) -> None:
    lazy = run(tape)
    with eager():
        assert_same(run(tape), lazy, why)


@settings(max_examples=60, deadline=None)
@given(acts=ACTS)
def test_nobody_who_matters_is_missed_whatever_happens(acts: list[Act]) -> None:
    assert_nobody_was_missed(recorded(acts), "eager")


@pytest.mark.parametrize("seed", range(8))
def test_nobody_who_matters_is_missed_over_a_long_bad_day(seed: int) -> None:
    assert_nobody_was_missed(recorded(random_acts(seed, 400)), f"seed {seed}")


@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_who_matters_is_missed_in_a_generated_market(seed: int) -> None:
    tape = [event for event, _ in generate(seed, events=4_000, accounts=8, symbols=6)]

    assert_nobody_was_missed(tape, f"seed {seed}")


def test_nobody_who_matters_is_missed_in_a_flash_crash() -> None:
    tape = [event for event, _ in islice(SCENARIOS["flash-crash"](3).run(), 6_000)]

    assert_nobody_was_missed(tape, "flash crash")
