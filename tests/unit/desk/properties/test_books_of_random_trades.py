"""Random trades against the reference in exact fractions: thousands here, a million in tests/scenarios."""

import pytest

from tests.random_trades import Trader, play_direct, play_stepped


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_books_are_exact_after_each_of_five_hundred_random_trades(seed: int) -> None:
    play_direct(Trader(seed), trades=500, compare_every=1)


@pytest.mark.parametrize("seed", [21, 22])
def test_the_books_are_exact_after_each_of_a_thousand_fills_through_the_desk(seed: int) -> None:
    play_stepped(Trader(seed), trades=1_000)
