"""A worker that is told to leave writes everything down and goes; the one that comes after steps nothing twice."""

import time

import pytest

from connectors.kafka.groups import Groups
from tests.fleet_kit import Deployed, figures, until

pytestmark = pytest.mark.kafka

LEAVE_S_MAX = 10.0


def test_a_worker_leaves_with_a_snapshot_of_all_it_has_stepped_and_the_next_one_steps_nothing_twice(deployment: Deployed) -> None:
    sequencer, desk = deployment.pair()
    with deployment.fed() as feed:
        until(lambda: feed.published > 300, "some are published")
        before_s = time.monotonic()
        deployment.leave(desk)
        assert time.monotonic() - before_s < LEAVE_S_MAX
        left_at = {partition: state.offset for partition, state in deployment.states().items()}
        committed = Groups(deployment.settings).committed("qts-desk")
        assert {partition: committed["tape", partition] for partition in left_at} == {
            partition: offset + 1 for partition, offset in left_at.items()
        }
        decided = [places_of(deployment, partition) for partition in range(deployment.partitions)]
        assert all(max(places) <= left_at[partition] for partition, places in enumerate(decided)), (
            "it has decided what it wrote down, and no more"
        )

        again = deployment.worker("desk", desk.name)
        deployment.ready(again)
        until(lambda: feed.published > 900, "some more are published")
    until(deployment.sequenced, "everything is on the tape")
    before_s = time.monotonic()
    deployment.leave(sequencer)
    assert time.monotonic() - before_s < LEAVE_S_MAX
    deployment.stepped_to_the_end(again)
    for partition, offset in left_at.items():
        stepped = sum(count for (_, of), count in figures(again, "qts_inputs_total").items() if int(of) == partition)
        assert stepped == deployment.ends("tape")[partition] - 1 - offset
        assert figures(again, "qts_suppressed_outputs_total")[(str(partition),)] == 0
    deployment.leave(again)

    assert deployment.proven().repeats == 0


def places_of(deployment: Deployed, partition: int) -> list[int]:
    """Give the tape offsets decisions were made at."""
    return [deployment.codec.decode(record.value or b"").offset for record in deployment.records("decisions", partition)]
