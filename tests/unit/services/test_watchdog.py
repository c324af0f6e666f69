"""The watchdog: what hangs is ended, what works is left alone."""

import pytest

from streams.services.watchdog import Limits, Stuck, Watchdog, Watched

LIMITS = Limits(recovery_s_max=10, silent_s_max=5, memory_bytes_max=1_000)


class Worker:
    """A worker as the watchdog sees it."""

    def __init__(self) -> None:
        self.now, self.ready, self.polls, self.memory = 100.0, False, 0, 10
        self.dog = Watchdog(lambda: Watched(self.ready, self.polls, self.memory), lambda: self.now, LIMITS)

    def later(self, seconds: float, polls: bool = True) -> None:
        self.now += seconds
        self.polls += polls
        self.dog.check()


def test_a_worker_that_recovers_in_time_is_left_alone_and_its_recovery_is_measured() -> None:
    worker = Worker()
    worker.later(4)
    worker.ready = True
    worker.later(4)
    worker.later(1_000)

    assert worker.dog.recovery_s == 8


def test_a_recovery_that_hangs_is_ended() -> None:
    worker = Worker()
    worker.later(10)

    with pytest.raises(Stuck, match="recovering for 11 s, more than 10"):
        worker.later(1)


def test_each_recovery_has_its_own_time() -> None:
    worker = Worker()
    worker.ready = True
    worker.later(4)
    worker.ready = False
    worker.later(9)
    worker.later(9)
    worker.ready = True
    worker.later(1)

    assert worker.dog.recovery_s == 10
    worker.ready = False
    worker.later(1)
    with pytest.raises(Stuck):
        worker.later(11)


def test_a_worker_that_does_not_poll_any_more_is_ended() -> None:
    worker = Worker()
    worker.ready = True
    worker.later(1)
    worker.later(5, polls=False)

    with pytest.raises(Stuck, match="nothing polled for 6 s"):
        worker.later(1, polls=False)


def test_memory_that_runs_away_ends_a_worker() -> None:
    worker = Worker()
    worker.memory = 1_000
    worker.later(1)
    worker.memory = 1_001

    with pytest.raises(Stuck, match="of memory"):
        worker.later(1)
