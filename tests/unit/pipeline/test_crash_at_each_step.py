"""Each step of the order of writes is one a worker may die at: it comes back, and nothing is missing, nothing differs."""

from random import Random

import pytest

from streams.pipeline.steps import Step
from streams.pipeline.stored_snapshots import CHUNK_BYTES
from tests.log_kit import Crash, CrashAt, Producer
from tests.pipeline_kit import Desk, cluster_with, generated_tape, result_of, uninterrupted

SEED, EVENTS = 5, 500

DESK_STEPS = (
    Step.OUTPUT_SENT, Step.SNAPSHOT_TAKEN, Step.SNAPSHOT_CHUNK_SENT, Step.SNAPSHOT_ACKNOWLEDGED, Step.BATCHES_ACKNOWLEDGED,
)  # fmt: skip


@pytest.mark.parametrize("kept", ["nothing", "a prefix", "everything"])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("step", DESK_STEPS, ids=lambda step: step.name.lower())
def test_a_crash_at_a_step_changes_nothing(step: Step, times: int, kept: str) -> None:
    cluster = cluster_with(generated_tape(SEED, EVENTS))
    watcher = CrashAt(step, times)
    first = Producer(cluster, Random(f"{step}/{times}") if kept == "a prefix" else None)
    with pytest.raises(Crash):
        Desk(cluster, first, watcher).finish(most=23)
    if kept == "everything":
        first.deliver()
    first.die()

    second = Desk(cluster, Producer(cluster))
    second.finish(most=61)

    assert result_of(cluster, second.pipeline.state) == uninterrupted(SEED, EVENTS)
    assert cluster.committed.get(("tape", 0), 0) <= EVENTS


def test_the_tape_of_these_proofs_says_something_of_everything() -> None:
    outputs = uninterrupted(SEED, EVENTS).outputs

    assert {topic for topic, said in outputs.items() if said} >= {"orders", "decisions", "portfolio"}


def test_a_worker_that_dies_again_and_again_gets_to_the_end() -> None:
    cluster = cluster_with(generated_tape(SEED, EVENTS))
    plan = [
        (Step.BATCHES_ACKNOWLEDGED, 1),
        (Step.OUTPUT_SENT, 30),
        (Step.SNAPSHOT_ACKNOWLEDGED, 2),
        (Step.SNAPSHOT_CHUNK_SENT, 2),
    ]
    crashes = 0
    for life in range(200):
        log = Producer(cluster)
        desk = Desk(cluster, log, CrashAt(*plan[life % 4]))
        try:
            desk.finish(most=17)
        except Crash:
            crashes += 1
            log.die()
        else:
            break
    else:
        pytest.fail("it never got to the end")

    assert crashes >= 4
    assert result_of(cluster, desk.pipeline.state) == uninterrupted(SEED, EVENTS)


def test_what_is_on_the_topics_already_is_not_sent_again() -> None:
    cluster = cluster_with(generated_tape(SEED, EVENTS))
    log = Producer(cluster)
    desk = Desk(cluster, log, CrashAt(Step.SNAPSHOT_TAKEN, 4))
    with pytest.raises(Crash):
        desk.finish()
    log.deliver()

    second = Desk(cluster, Producer(cluster))
    second.finish()

    assert second.pipeline.suppressed > 0
    said = {topic: len(uninterrupted(SEED, EVENTS).outputs[topic]) for topic in ("orders", "decisions", "portfolio")}
    assert {topic: len(cluster.logs[topic, 0]) for topic in said} == said


def test_a_snapshot_that_is_half_written_is_passed_over() -> None:
    cluster = cluster_with(generated_tape(SEED, EVENTS))
    desk = Desk(cluster, Producer(cluster), CrashAt(Step.SNAPSHOT_ACKNOWLEDGED, 3))
    with pytest.raises(Crash):
        desk.finish()
    changelog = cluster.logs["qts-desk-desk-changelog", 0]
    last = changelog[-1]
    assert last.value is not None
    assert len(last.value) < CHUNK_BYTES
    changelog[-1] = last._replace(value=last.value[:-40])

    second = Desk(cluster, Producer(cluster))

    assert len(second.passed_over) == 1
    second.finish()
    assert result_of(cluster, second.pipeline.state) == uninterrupted(SEED, EVENTS)
