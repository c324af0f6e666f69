"""What time it is at the exchange, and how sure that is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.exchange.clock import JUMP_MS, OLD_MS, ExchangeClock

AHEAD_MS = 1_700_000_000_000


class Hands:
    """Clocks that are set by hand."""

    def __init__(self) -> None:
        self.ticking, self.ahead = 1_000, AHEAD_MS

    def wall_ms(self) -> int:
        return self.ticking + self.ahead

    def ticking_ms(self) -> int:
        return self.ticking


def compared(hands: Hands, server_ahead_ms: int, there_ms: int = 5, back_ms: int = 5) -> ExchangeClock:
    clock = ExchangeClock(hands)
    ask(clock, hands, server_ahead_ms, there_ms, back_ms)
    return clock


def ask(clock: ExchangeClock, hands: Hands, server_ahead_ms: int, there_ms: int = 5, back_ms: int = 5) -> None:
    asked = hands.ticking
    hands.ticking += there_ms
    told = hands.ticking + AHEAD_MS + server_ahead_ms
    hands.ticking += back_ms
    clock.learn(asked, told, hands.ticking)


def test_before_the_first_comparison_nobody_knows() -> None:
    clock = ExchangeClock(Hands())

    assert clock.error_ms() is None
    assert clock.now_ms() == AHEAD_MS + 1_000


def test_the_error_is_half_the_way_there_and_back() -> None:
    hands = Hands()
    clock = compared(hands, 700, 40, 40)

    assert clock.error_ms() == 41
    assert clock.now_ms() == hands.wall_ms() + 700


@given(there=st.integers(0, 3_000), back=st.integers(0, 3_000), ahead=st.integers(-100_000, 100_000))
def test_the_exchanges_time_is_never_further_off_than_said(there: int, back: int, ahead: int) -> None:
    hands = Hands()
    clock = compared(hands, ahead, there, back)

    error_ms = clock.error_ms()
    assert error_ms is not None
    assert abs(clock.now_ms() - (hands.wall_ms() + ahead)) <= error_ms


def test_a_comparison_grows_old() -> None:
    hands = Hands()
    clock = compared(hands, 0)
    hands.ticking += OLD_MS

    assert clock.error_ms() == 6 + 36
    hands.ticking += 1
    assert clock.error_ms() is None


@pytest.mark.parametrize("jump_ms", [JUMP_MS + 1, -JUMP_MS - 1, 3_600_000])
def test_a_jump_of_the_systems_clock_makes_it_void_until_the_next_and_the_time_does_not_jump_along(jump_ms: int) -> None:
    hands = Hands()
    clock = compared(hands, 0)
    before = clock.now_ms()
    hands.ahead += jump_ms

    assert clock.error_ms() is None
    assert clock.now_ms() == before
    ask(clock, hands, 0)
    assert clock.error_ms() == 6


def test_slewing_is_no_jump() -> None:
    hands = Hands()
    clock = compared(hands, 0)
    hands.ahead += JUMP_MS

    assert clock.error_ms() == 6


def test_a_refused_timestamp_makes_it_void_until_the_next() -> None:
    hands = Hands()
    clock = compared(hands, 0)
    clock.doubt()

    assert clock.error_ms() is None
    ask(clock, hands, 0, 80, 80)
    assert clock.error_ms() == 81


def test_a_worse_comparison_that_agrees_does_not_replace_a_better_one() -> None:
    hands = Hands()
    clock = compared(hands, 0)
    ask(clock, hands, 0, 900, 100)

    assert clock.error_ms() == 6
    assert clock.now_ms() == hands.wall_ms()


def test_one_that_cannot_be_true_beside_the_older_one_does() -> None:
    hands = Hands()
    clock = compared(hands, 0)
    ask(clock, hands, 5_000, 100, 100)

    assert clock.error_ms() == 101
    assert clock.now_ms() == hands.wall_ms() + 5_000
