"""The sequencer's agent: what it takes over, what it refuses to go on with, and how it leaves."""

import asyncio

import pytest

from streams.agents import sequencing
from streams.agents.ending import BROKEN_TAPE, OUTSIDE
from streams.agents.sequencing import SequencerPorts, Sequencing
from streams.pipeline import sequencer as sequencer_module
from streams.pipeline.identity import OtherTape
from streams.pipeline.ports import AppendFailed
from streams.pipeline.sequencer import Source
from streams.pipeline.steps import NOBODY_WATCHES, Step
from tests.agent_kit import Ended, Ticking, run
from tests.log_kit import Cluster, Crash, CrashAt, Eager, Late, Producer
from tests.pipeline_kit import CODEC
from tests.schema_kit import MARK
from tests.sequencer_checks import check_tape
from tests.sequencer_kit import START_MS, TOPICS, Clock, Worker, fill_sources, offsets_on

PARTITIONS = 2
ALL: frozenset[Source] = frozenset((topic, partition) for topic in TOPICS for partition in range(PARTITIONS))


class SequencerWorker:
    """The sequencer's agent on a cluster."""

    def __init__(self, cluster: Cluster, log: Producer | None = None, watcher: CrashAt | None = None) -> None:
        self.cluster, self.log, self.clock, self.ended = cluster, log or Eager(cluster), Clock(), Ended()
        self.generation = 1
        inner = Worker(cluster, self.log, self.clock, PARTITIONS, watcher or NOBODY_WATCHES, [("signals", 0)])
        self.sequencing = Sequencing(
            SequencerPorts(
                inner.sequencer,
                self.log,
                cluster,
                self.ended.ending,
                watcher or NOBODY_WATCHES,
                cluster.committed.get,
                lambda: self.generation,
                Ticking(0.1),
            )
        )

    async def take(self, source: Source, offset: int = 0, most: int = 1_000, generation: int = 1) -> int:
        records = self.cluster.read(*source, offset, most)

        def acknowledge() -> None:
            self.cluster.committed[source] = max(records[-1].offset + 1, self.cluster.committed.get(source, 0))

        await self.sequencing.take(source, generation, records, acknowledge)
        return len(records)

    async def to_the_end(self) -> None:
        await self.sequencing.positions(ALL)
        at = {source: self.cluster.committed.get(source, 0) for source in sorted(ALL)}
        while any(self.cluster.ends[source] > offset for source, offset in at.items()):
            for source, offset in at.items():
                self.clock.now_ms += 11
                at[source] += await self.take(source, offset, 20)
        self.clock.now_ms += 200
        await self.sequencing.leave()


@pytest.mark.parametrize(
    ("step", "times"), [(step, times) for step in (Step.FORWARDED, Step.FORWARD_ACKNOWLEDGED, Step.IDLE) for times in (1, 5, 12)]
)
def test_a_worker_that_dies_at_a_step_is_followed_by_one_that_misses_nothing(step: Step, times: int) -> None:
    cluster = Cluster()
    fill_sources(cluster, PARTITIONS, 1, 300)
    first = SequencerWorker(cluster, watcher=CrashAt(step, times))
    with pytest.raises(Crash):
        run(first.to_the_end())
    first.log.die()

    second = SequencerWorker(cluster)
    run(second.to_the_end())

    check_tape(cluster, PARTITIONS)
    assert (first.ended.codes, second.ended.codes) == ([], [])
    assert {source: cluster.committed.get(source, 0) for source in ALL} == {source: cluster.ends[source] for source in ALL}


def test_a_second_comes_only_while_sources_are_owned() -> None:
    async def story() -> None:
        worker = SequencerWorker(Cluster())
        worker.sequencing.tend()
        assert worker.log.appended == 0
        await worker.sequencing.positions(ALL)
        assert (worker.sequencing.ready, worker.sequencing.owned) == (True, len(ALL))
        worker.sequencing.tend()
        assert offsets_on(worker.cluster, 1, ("ticks", 1)) == [START_MS // 1_000 - 1]  # its second has not come yet
        worker.sequencing.revoked()
        worker.clock.now_ms += 5_000
        worker.sequencing.tend()
        assert worker.log.appended == PARTITIONS
        assert not worker.sequencing.ready

    run(story())


def test_a_batch_of_an_assignment_that_has_ended_is_dropped() -> None:
    async def story() -> None:
        worker = SequencerWorker(Cluster())
        worker.cluster.put("fills", 0, b"a", b"x")
        await worker.take(("fills", 0))
        await worker.sequencing.positions(ALL)
        await worker.take(("fills", 0), generation=0)
        worker.sequencing.leaving = True
        await worker.take(("fills", 0))
        assert worker.log.appended == 0

    run(story())


@pytest.mark.parametrize(
    ("low", "high", "committed", "words"),
    [(5, 9, 3, "begins at offset 5, read was up to 3"), (0, 2, 7, "ends at offset 2, read was up to 7")],
)
def test_a_source_that_is_not_the_one_that_was_read_ends_the_worker(low: int, high: int, committed: int, words: str) -> None:
    cluster = Cluster()
    cluster.starts["fills", 1], cluster.ends["fills", 1], cluster.committed["fills", 1] = low, high, committed
    worker = SequencerWorker(cluster)

    with pytest.raises(OtherTape, match=words):
        run(worker.sequencing.positions(ALL))
    assert (worker.ended.codes, worker.sequencing.ready) == ([BROKEN_TAPE], False)


def test_a_source_nobody_has_read_may_begin_late_and_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster()
    cluster.starts["fills", 1] = cluster.ends["fills", 1] = 5
    worker = SequencerWorker(cluster)
    run(worker.sequencing.positions(ALL))

    assert worker.sequencing.ready
    assert "fills/1 begins at offset 5, and no position is known" in caplog.text


def test_a_failed_append_ends_the_worker() -> None:
    async def story() -> None:
        worker = SequencerWorker(Cluster())
        worker.cluster.put("fills", 0, b"a", b"x")
        worker.log.fail_from = 0
        await worker.sequencing.positions(ALL)
        with pytest.raises(AppendFailed):
            await worker.take(("fills", 0))
        assert (worker.ended.codes, worker.cluster.committed) == ([OUTSIDE], {})

    run(story())


def test_taking_waits_while_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer_module, "UNDER_WAY_MAX", 1)

    async def story() -> None:
        cluster = Cluster()
        log = Producer(cluster)
        worker = SequencerWorker(cluster, log)
        for _ in range(2):
            cluster.put("fills", 0, b"a", b"x")
        await worker.sequencing.positions(frozenset({("fills", 0)}))
        await worker.take(("fills", 0), 0, 1)
        waiting = asyncio.ensure_future(worker.take(("fills", 0), 1, 1))
        await asyncio.sleep(sequencing.TEND_S)
        assert (waiting.done(), log.appended) == (False, 1)
        log.deliver()
        await waiting
        assert log.appended == 2

    run(story())


def test_leaving_lets_marks_go_that_wait_for_their_window() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = SequencerWorker(cluster)
        await worker.sequencing.positions(ALL)
        for number in range(3):
            cluster.put("marks", 0, b"BTCUSDT", CODEC.encode(MARK._replace(mark_id=str(number))))
            await worker.take(("marks", 0), number)
        assert cluster.committed["marks", 0] == 1
        worker.clock.now_ms += 100
        await worker.sequencing.leave()
        assert cluster.committed["marks", 0] == 3

    run(story())


def test_records_that_were_deleted_unread_under_a_running_worker_end_it() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = SequencerWorker(cluster)
        for number in range(10):
            cluster.put("fills", 0, b"a", b"%d" % number)
        await worker.sequencing.positions(ALL)
        await worker.take(("fills", 0), 0, 3)
        cluster.cut("fills", 0, 6)
        with pytest.raises(OtherTape, match="begins at offset 6, read was up to 3: what lies between was deleted unread"):
            await worker.take(("fills", 0), 3)
        assert (worker.ended.codes, worker.log.appended) == ([BROKEN_TAPE], 3 + PARTITIONS)  # and a tick on each tape

    run(story())


def test_nothing_is_put_behind_what_failed_just_before() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = SequencerWorker(cluster, Late(cluster))
        for number in range(6):
            cluster.put("fills", 0, b"a", b"%d" % number)
        await worker.sequencing.positions(ALL)
        worker.log.fail_from = 0
        await worker.take(("fills", 0), 0, 3)  # it has failed, and nobody has been told yet
        appended = worker.log.appended
        with pytest.raises(AppendFailed):
            await worker.take(("fills", 0), 3, 3)
        assert (worker.log.appended, worker.log.expected) == (appended, [3, 3])
        assert worker.ended.codes == [OUTSIDE]

    run(story())


def test_what_compaction_has_taken_out_is_no_gap() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = SequencerWorker(cluster)
        for _ in range(5):
            cluster.put("instruments", 0, b"BTCUSDT", b"x")
        cluster.compact("instruments", 0)
        await worker.sequencing.positions(ALL)
        await worker.take(("instruments", 0))
        assert (worker.ended.codes, cluster.committed["instruments", 0]) == ([], 5)

    run(story())


def test_a_batch_whose_assignment_ends_while_the_broker_is_asked_is_dropped() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = SequencerWorker(cluster)
        for _ in range(5):
            cluster.put("instruments", 0, b"BTCUSDT", b"x")
        cluster.compact("instruments", 0)
        await worker.sequencing.positions(frozenset({("instruments", 0)}))
        taking = asyncio.ensure_future(worker.take(("instruments", 0)))
        await asyncio.sleep(0)
        worker.generation = 2
        await taking
        assert worker.log.appended == 0

    run(story())


def test_it_says_where_every_source_goes_on_also_where_nothing_is_committed() -> None:
    cluster = Cluster()
    fill_sources(cluster, PARTITIONS, 1, 50)
    cluster.committed["fills", 0] = 1
    worker = SequencerWorker(cluster)

    places = run(worker.sequencing.positions(ALL))

    assert places == {source: 1 if source == ("fills", 0) else 0 for source in ALL}
