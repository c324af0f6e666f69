"""The interpreter's own pauses: everything is looked at once after recovery, then rarely, and what is settled never again."""

import gc
import sys
from collections.abc import Iterator

import pytest

from streams.app.pauses import ALL_EVERY_S, TURN_S, Pauses
from tests.agent_kit import Ticking


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    threshold, turn_s = gc.get_threshold(), sys.getswitchinterval()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    sys.setswitchinterval(turn_s)


class Cycle:
    """Refers to itself: only the collector lets it go."""

    gone = 0

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        Cycle.gone += 1


def test_threads_take_short_turns() -> None:
    Pauses(Ticking())

    assert sys.getswitchinterval() == pytest.approx(TURN_S)


def test_what_is_there_after_recovery_is_not_looked_at_again() -> None:
    pauses = Pauses(Ticking())
    pauses.every_second(False)
    assert gc.get_freeze_count() == 0
    pauses.every_second(True)
    assert gc.get_freeze_count() > 0


def test_cycles_go_after_ten_minutes_and_at_another_recovery() -> None:
    clock = Ticking()
    pauses = Pauses(clock)
    pauses.every_second(True)
    gc.disable()
    try:
        before = Cycle.gone
        Cycle()
        clock.now += ALL_EVERY_S - 1
        pauses.every_second(True)
        assert Cycle.gone == before
        clock.now += 1
        pauses.every_second(True)
        assert Cycle.gone == before + 1
        Cycle()
        pauses.every_second(False)
        pauses.every_second(True)
        assert Cycle.gone == before + 2
    finally:
        gc.enable()
