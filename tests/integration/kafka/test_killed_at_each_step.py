"""Real workers that die by kill -9 at exactly one step of the order of writes, come back, and what the topics hold then is as if nothing had been."""

import signal

import pytest

from streams.pipeline.steps import OF_EXECUTION, Step
from tests.fleet_kit import Deployed, until

pytestmark = pytest.mark.kafka

DESK_STEPS = {
    Step.RESUMING: 2,
    Step.STEPPING: 5,
    Step.OUTPUT_SENT: 40,
    Step.SNAPSHOT_TAKEN: 2,
    Step.SNAPSHOT_CHUNK_SENT: 2,
    Step.SNAPSHOT_ACKNOWLEDGED: 2,
    Step.BATCHES_ACKNOWLEDGED: 2,
}
"""At which time of each a desk dies: not at the first, so that something has gone before."""
SEQUENCER_STEPS = {Step.FORWARDED: 60, Step.FORWARD_ACKNOWLEDGED: 10}


def test_every_step_is_died_at() -> None:
    assert {*DESK_STEPS, *SEQUENCER_STEPS} == {*Step} - OF_EXECUTION - {Step.IDLE}


def test_a_worker_that_dies_at_any_step_leaves_nothing_lost_doubled_or_contradicted(deployment: Deployed) -> None:
    sequencer, desk = deployment.pair()
    with deployment.fed():
        for role, steps in (("desk", DESK_STEPS), ("sequencer", SEQUENCER_STEPS)):
            before = desk if role == "desk" else sequencer
            for step, times in steps.items():
                before.kill()
                doomed = deployment.worker(role, before.name, QTS_DIE_AT=f"{step.name}:{times}")
                assert deployment.ended(doomed) == -signal.SIGKILL, deployment.said(doomed)[-2_000:]
                assert doomed.step() is step
                before.start()
                deployment.ready(before)
        orders = sum(deployment.ends("orders").values())
        until(lambda: sum(deployment.ends("orders").values()) > orders, "orders go out again")
    deployment.rest([sequencer], [desk])

    found = deployment.proven()
    assert found.duplicates_dropped > 0, (
        "what a sequencer had not had acknowledged when it died is on the tape twice, and counts once"
    )
