"""A worker says that it is ready when it has recovered, not before, and one that hangs, or whose broker does, is ended by its watchdog."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streams.agents.ending import STUCK
from streams.cli.crash_fleet import Member
from tests.fleet_kit import Deployed, page, until

pytestmark = pytest.mark.kafka


def test_a_worker_is_not_ready_before_it_has_recovered(deployment: Deployed) -> None:
    desk = deployment.worker("desk")
    statuses: list[int] = []

    def ready() -> bool:
        answer = page(desk, "/health/ready")
        if answer is not None:
            statuses.append(answer.status)
        return answer is not None and answer.status == 200

    until(ready, "the desk is ready")
    assert set(statuses) == {200, 503}
    assert "goes on at offset" in deployment.said(desk)
    deployment.leave(desk)


def last_words(said: str) -> str:
    """Give why a worker says it ends; a library may say something behind it."""
    return [line for line in said.splitlines() if "CRITICAL" in line][-1]


@contextmanager
def standing_still(deployment: Deployed) -> Iterator[None]:
    """Have the broker stand still while a block runs."""
    os.kill(deployment.broker_pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(deployment.broker_pid, signal.SIGCONT)


def works_again(deployment: Deployed, desk: Member) -> None:
    """Make sure that a worker which has ended can be started again."""
    again = deployment.worker("desk", desk.name)
    deployment.ready(again)
    deployment.leave(again)


def test_a_worker_whose_broker_stands_still_is_ended_by_its_watchdog(deployment: Deployed) -> None:
    desk = deployment.worker("desk", "silent-desk", QTS_SILENT_S_MAX="12")
    deployment.ready(desk)
    with standing_still(deployment):
        assert deployment.ended(desk) == STUCK
        assert "the broker has not answered for" in last_words(deployment.said(desk))
    works_again(deployment, desk)


def test_a_worker_that_hangs_in_its_recovery_is_ended_by_its_watchdog(deployment: Deployed) -> None:
    desk = deployment.worker("desk", "hanging-desk", QTS_RECOVERY_S_MAX="4")
    until(lambda: page(desk, "/health/live"), "it lives")
    with standing_still(deployment):
        answer = page(desk, "/health/ready")
        assert answer is not None
        assert answer.status == 503
        assert deployment.ended(desk) == STUCK
        assert "recovering for" in last_words(deployment.said(desk))
    works_again(deployment, desk)
