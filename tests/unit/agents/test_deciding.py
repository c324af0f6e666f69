"""The desk's agent: it comes back at every step, drops what belongs to an assignment that has ended, and ends when something is broken."""

import asyncio

import pytest

from streams.agents import deciding
from streams.agents.deciding import QUIET_S
from streams.agents.ending import BROKEN_TAPE, FLOODED, OTHER_REIGN, OUTSIDE, REIGN_OVER
from streams.desk.desk import WrongReign
from streams.desk.messages import Control, TapeEvent, VersionChange
from streams.pipeline import write_pipeline
from streams.pipeline.flood import Flood
from streams.pipeline.identity import OtherTape
from streams.pipeline.ports import AppendFailed
from streams.pipeline.resuming import TapeBroken
from streams.pipeline.steps import OF_EXECUTION, Step
from tests.agent_kit import DeskWorker, Ticking, run
from tests.log_kit import Cluster, Crash, CrashAt, Late, Producer
from tests.pipeline_kit import CODEC, cluster_with, generated_tape, result_of, uninterrupted

SEED, EVENTS = 5, 500
TAPE = generated_tape(SEED, EVENTS)

STEPS = [
    (step, times)
    for step in Step
    if step not in (Step.FORWARDED, Step.FORWARD_ACKNOWLEDGED, *OF_EXECUTION)
    for times in ((1,) if step is Step.RESUMING else (1, 2, 4))
]


@pytest.mark.parametrize(("step", "times"), STEPS, ids=lambda value: getattr(value, "name", str(value)).lower())
def test_a_worker_that_dies_at_a_step_is_followed_by_one_that_misses_nothing(step: Step, times: int) -> None:
    cluster = cluster_with(TAPE)
    first = DeskWorker(cluster, watcher=CrashAt(step, times))
    with pytest.raises(Crash):
        run(first.to_the_end())
    first.log.die()

    second = DeskWorker(cluster)
    run(second.to_the_end())

    assert result_of(cluster, second.desks.pipelines[0].state) == uninterrupted(SEED, EVENTS)
    assert (first.ended.codes, second.ended.codes) == ([], [])


def test_a_worker_is_ready_when_it_has_resumed_and_not_before() -> None:
    async def story() -> None:
        worker = DeskWorker(cluster_with(TAPE))
        seen = [(worker.desks.ready, worker.desks.caught_up)]
        assert await worker.assigned(0) == {0: 0}
        seen.append((worker.desks.ready, worker.desks.caught_up))
        await worker.take(0, 0)
        seen.append((worker.desks.ready, worker.desks.caught_up))
        assert seen == [(False, False), (True, False), (True, True)]
        worker.desks.revoked()
        assert not worker.desks.ready

    run(story())


def test_a_batch_of_an_assignment_that_has_ended_is_dropped() -> None:
    async def story() -> None:
        worker = DeskWorker(cluster_with(TAPE))
        await worker.assigned(0)
        await worker.take(0, 0, generation=0)
        await worker.take(3, 0)
        worker.desks.tend()
        assert worker.desks.pipelines[0].next_offset == 0
        worker.desks.revoked()
        await worker.take(0, 0)
        assert (worker.log.appended, worker.acknowledged, worker.desks.pipelines) == (0, [], {})

    run(story())


def test_what_was_in_memory_is_dropped_when_partitions_are_assigned_anew() -> None:
    async def story() -> None:
        cluster = cluster_with(TAPE)
        worker = DeskWorker(cluster, Producer(cluster))
        await worker.assigned(0)
        await worker.take(0, 0, 300)
        before = worker.desks.pipelines[0]
        assert await worker.assigned(0) == {0: 0}
        worker.log.flow()
        worker.desks.tend()
        assert before.closed
        assert worker.acknowledged == []

    run(story())


def test_leaving_writes_a_last_snapshot_and_acknowledges_everything() -> None:
    async def story() -> None:
        worker = DeskWorker(cluster_with(TAPE[:37]))
        await worker.to_the_end(10)
        assert worker.acknowledged == [9, 19, 29, 36]
        assert await DeskWorker(worker.cluster).assigned(0) == {0: 37}
        await worker.take(0, 0)
        assert worker.desks.pipelines[0].next_offset == 37

    run(story())


def test_what_was_passed_over_is_made_up_for_when_no_partition_has_anything_any_more() -> None:
    async def story() -> None:
        cluster, clock = cluster_with(TAPE), Ticking()
        for raw in TAPE:
            cluster.put("tape", 1, b"acc", raw)
        worker = DeskWorker(cluster, partitions=2, clock=clock, pace=clock)
        await worker.assigned(0, 1)
        await worker.take(0, 0)
        for offset in range(0, EVENTS, 50):  # the other one is still far behind
            clock.now += QUIET_S * 0.9
            worker.desks.tend()
            await worker.take(1, offset, 50)
        taken = {number: pipeline.snapshots for number, pipeline in worker.desks.pipelines.items()}
        assert not any(pipeline.settled for pipeline in worker.desks.pipelines.values())
        clock.now += 2 * QUIET_S
        for _ in range(6):
            worker.desks.tend()
        assert all(pipeline.settled for pipeline in worker.desks.pipelines.values())
        assert {number: pipeline.snapshots - taken[number] for number, pipeline in worker.desks.pipelines.items()} == {0: 1, 1: 1}

    run(story())


def test_leaving_does_not_wait_for_ever_for_a_broker_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        cluster = cluster_with(TAPE)
        worker = DeskWorker(cluster, Producer(cluster), clock=Ticking(3.0))
        await worker.assigned(0)
        await worker.take(0, 0, 20)
        await worker.desks.leave()
        assert worker.acknowledged == []

    run(story())
    assert "leaves without a last snapshot of tape partitions [0]" in caplog.text


def test_leaving_does_not_wait_for_partitions_that_go_meanwhile() -> None:
    async def story() -> None:
        cluster = cluster_with(TAPE)
        worker = DeskWorker(cluster, Producer(cluster), clock=Ticking(0.0))
        await worker.assigned(0)
        await worker.take(0, 0, 20)
        leaving = asyncio.ensure_future(worker.desks.leave())
        await asyncio.sleep(0)
        worker.desks.revoked()
        await leaving

    run(story())


def test_stepping_waits_while_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_pipeline, "UNDER_WAY_MAX", 10)

    async def story() -> None:
        cluster = cluster_with(TAPE)
        log = Producer(cluster)
        worker = DeskWorker(cluster, log)
        await worker.assigned(0)
        taking = asyncio.ensure_future(worker.take(0, 0))
        for _ in range(3):
            await asyncio.sleep(deciding.TEND_S)
        stood_at = worker.desks.pipelines[0].next_offset
        assert stood_at < EVENTS
        while not taking.done():
            log.deliver()
            await asyncio.sleep(deciding.TEND_S)
        assert worker.desks.pipelines[0].next_offset == EVENTS

    run(story())


class GoneTopics(Cluster):
    """A cluster whose topics are not those the tape was begun with."""

    def check_identity(self) -> None:
        raise OtherTape("topic tape was made anew")


def test_what_keeps_a_partition_from_being_resumed_ends_the_worker() -> None:
    cut = cluster_with(TAPE)
    cut.cut("tape", 0, 3)
    worker = DeskWorker(cut)
    with pytest.raises(TapeBroken):
        run(worker.assigned(0))
    assert worker.ended.codes == [BROKEN_TAPE]

    other = DeskWorker(cut, look=GoneTopics())
    with pytest.raises(OtherTape):
        run(other.assigned(0))
    assert (other.ended.codes, other.desks.ready) == ([BROKEN_TAPE], False)


def test_a_failed_append_ends_the_worker() -> None:
    async def story() -> None:
        worker = DeskWorker(cluster_with(TAPE))
        worker.log.fail_from = 5
        await worker.assigned(0)
        with pytest.raises(AppendFailed):
            await worker.take(0, 0)
        assert worker.ended.codes == [OUTSIDE]

    run(story())


def test_nothing_is_said_behind_what_failed_just_before() -> None:
    async def story() -> None:
        cluster = cluster_with(TAPE)
        worker = DeskWorker(cluster, Late(cluster))
        await worker.assigned(0)
        worker.log.fail_from = 0
        await worker.take(0, 0, 100)  # its outputs have failed, and nobody has been told yet
        appended = worker.log.appended
        assert appended > 0
        with pytest.raises(AppendFailed):
            await worker.take(0, 100, 100)
        assert (worker.log.appended, worker.log.expected) == (appended, [100, 100])
        assert worker.ended.codes == [OUTSIDE]

    run(story())


def test_a_flood_ends_the_worker() -> None:
    async def story() -> None:
        worker = DeskWorker(cluster_with([b"garbage"] * 10))
        await worker.assigned(0)
        with pytest.raises(Flood):
            await worker.take(0, 0)
        assert worker.ended.codes == [FLOODED]

    run(story())


def change_of_version(cluster: Cluster, partition: int) -> None:
    body = Control(f"c-{partition}", "*", "op", "upgrade", 1_760_000_000_000, VersionChange("2"))
    event = TapeEvent(0, 1_760_000_000_000, "control", 9, 10**6, body)
    cluster.put("tape", partition, b"*", CODEC.encode_event(event))


def test_a_worker_ends_when_its_reign_is_over_on_all_its_partitions_and_others_finish_theirs() -> None:
    async def story() -> None:
        cluster = Cluster()
        for partition in (0, 1):
            cluster.put("tape", partition, b"acc", TAPE[0])
            change_of_version(cluster, partition)
        first = DeskWorker(cluster, partitions=2)
        await first.assigned(0, 1)
        await first.take(0, 0)
        for _ in range(3):
            first.desks.tend()
        assert first.ended.codes == []

        second = DeskWorker(cluster, partitions=2)  # a rebalance: partition 0 has nothing left to do, partition 1 has
        assert await second.assigned(0, 1) == {1: 0}
        second.desks.tend()
        assert second.ended.codes == []
        await second.take(1, 0)
        for _ in range(3):
            second.desks.tend()
        assert second.ended.codes == [REIGN_OVER]

        third = DeskWorker(cluster, partitions=2)
        with pytest.raises(WrongReign, match=r"partition 0 .* partition 1"):
            await third.assigned(0, 1)
        assert third.ended.codes == [OTHER_REIGN]

    run(story())
