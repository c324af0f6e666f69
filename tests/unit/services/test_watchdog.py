"""The watchdog: what hangs is ended, what works is left alone."""

import pytest

from streams.services.watchdog import Limits, Stuck, Watchdog, Watched

LIMITS = Limits(recovery_s_max=10, silent_s_max=5, memory_bytes_max=1_000)


class Worker:
    """A worker as the watchdog sees it."""

    def __init__(self) -> None:
        self.now, self.ready, self.polls, self.memory = 100.0, False, 0, 10
        self.answers: int | None = None
        self.dog = Watchdog(lambda: Watched(self.ready, self.polls, self.memory, self.answers), lambda: self.now, LIMITS)

    def later(self, seconds: float, polls: bool = True, answers: bool = False) -> None:
        self.now += seconds
        self.polls += polls
        if answers:
            self.answers = (self.answers or 0) + 1
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


def test_a_worker_that_recovers_need_not_poll_and_has_its_time_for_it_once_it_is_ready() -> None:
    worker = Worker()
    worker.later(1, polls=False)
    worker.later(8, polls=False)
    worker.ready = True
    worker.later(1, polls=False)
    worker.later(4, polls=False)

    with pytest.raises(Stuck, match="nothing polled for 6 s"):
        worker.later(1, polls=False)


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


def test_a_worker_whose_broker_stands_still_is_ended_though_it_polls() -> None:
    worker = Worker()
    worker.ready = True
    worker.later(1, answers=True)
    worker.later(5)

    with pytest.raises(Stuck, match="the broker has not answered for 6 s, more than 5"):
        worker.later(1)


def test_a_broker_that_holds_up_polling_as_well_is_named_with_it() -> None:
    worker = Worker()
    worker.ready = True
    worker.later(1)
    worker.later(1, polls=False, answers=True)
    worker.later(4, polls=False)

    with pytest.raises(Stuck, match="nothing polled for 6 s, the broker has not answered for 5 s, more than 5"):
        worker.later(1, polls=False)


def test_a_broker_that_never_answers_ends_a_worker_that_asks_it() -> None:
    worker = Worker()
    worker.answers = 0
    worker.later(0)
    worker.later(5)

    with pytest.raises(Stuck, match="the broker has not answered for 6 s"):
        worker.later(1)


def test_a_broker_that_answers_again_in_time_gets_all_of_it_once_more() -> None:
    worker = Worker()
    worker.ready = True
    for _ in range(3):
        worker.later(5)
        worker.later(0, answers=True)


def test_a_broker_that_nobody_asks_is_not_missed() -> None:
    worker = Worker()
    worker.ready = True
    worker.later(1)
    worker.later(1_000)


def test_a_worker_that_stood_still_itself_gets_its_time_once_more() -> None:
    worker = Worker()
    worker.ready = True
    worker.later(1, answers=True)
    worker.later(60, polls=False)
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
