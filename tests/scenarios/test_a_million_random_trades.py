"""A million random trades through the desk's books, each against the reference in exact fractions. Takes about a minute."""

import pytest

from tests.random_trades import Trader, play_direct


@pytest.mark.parametrize("seed", [101, 102, 103, 104])
def test_the_books_are_exact_after_each_of_a_quarter_of_a_million_trades(seed: int) -> None:
    play_direct(Trader(seed), trades=250_000, compare_every=25)
