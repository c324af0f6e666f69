"""A few runs of chaos; hundreds are in tests/scenarios."""

import pytest

from tests.pipeline_chaos import Chaos


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_answers_are_those_of_an_uninterrupted_run(seed: int) -> None:
    chaos = Chaos(seed)

    assert chaos.run() == chaos.expected, f"seed {seed}"
    assert chaos.crashes + chaos.moves > 0
