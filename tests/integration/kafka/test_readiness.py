"""A worker says that it is ready when it has recovered, not before, and one that hangs is ended by its watchdog."""

import os
import signal

import pytest

from streams.agents.ending import OUTSIDE, STUCK
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


def test_a_worker_that_hangs_with_its_broker_is_ended_by_its_watchdog(deployment: Deployed) -> None:
    desk = deployment.worker("desk", "hanging-desk", QTS_SILENT_S_MAX="4", QTS_RECOVERY_S_MAX="4")
    deployment.ready(desk)
    os.kill(deployment.broker_pid, signal.SIGSTOP)
    try:
        assert deployment.ended(desk) in (STUCK, OUTSIDE)
    finally:
        os.kill(deployment.broker_pid, signal.SIGCONT)
    desk.start()
    deployment.ready(desk)
    deployment.leave(desk)
