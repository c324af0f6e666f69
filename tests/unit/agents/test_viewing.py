"""The views' agent: what it takes, drops and leaves, on tables kept in memory."""

import json
from typing import Any

import pytest

from streams.agents.ending import DEFECT, OUTSIDE
from streams.agents.viewing import Viewing, ViewsPorts
from streams.pipeline.ports import AppendFailed
from streams.pipeline.views import CHANGELOGS, ESS, POSITIONS, Picture
from tests.agent_kit import Ended, Ticking, run
from tests.log_kit import Cluster, Eager, MemoryTable, Producer


def picture_of(record: Any) -> Picture | None:
    account, offset = record
    row = json.dumps([1, offset, 0]).encode()
    return Picture(1, offset, 0, account, {POSITIONS: row, ESS: row}) if account else None


def place_of(row: bytes) -> tuple[int, int, int]:
    epoch, offset, n = json.loads(row)
    return epoch, offset, n


class ViewsWorker:
    """The views' agent on a cluster."""

    def __init__(self, cluster: Cluster, log: Producer | None = None) -> None:
        self.cluster, self.log, self.ended = cluster, log or Eager(cluster), Ended()
        self.generation = 1
        self.acknowledged = 0
        self.tables = {name: MemoryTable(cluster.table(CHANGELOGS[name], 0)) for name in (POSITIONS, ESS)}
        self.viewing = Viewing(
            ViewsPorts(
                lambda _: self.tables, self.log, picture_of, place_of, self.ended.ending, lambda: self.generation, Ticking(1.0)
            )
        )

    async def take(self, *records: tuple[str, int], generation: int = 1) -> None:
        await self.viewing.take(0, generation, records, self._acknowledge)

    def _acknowledge(self) -> None:
        self.acknowledged += 1


ASSIGNED = frozenset({("portfolio", 0)})


def test_pictures_are_kept_and_what_is_none_is_passed_by() -> None:
    async def story() -> None:
        worker = ViewsWorker(Cluster())
        assert await worker.viewing.positions(ASSIGNED) == {}
        await worker.take(("a", 4), ("", 5), ("a", 3))
        assert worker.viewing.ready
        assert worker.acknowledged == 1
        assert worker.tables[ESS].held == {b"0/a": b"[1, 4, 0]"}

    run(story())


def test_a_batch_of_an_assignment_that_has_ended_is_dropped() -> None:
    async def story() -> None:
        worker = ViewsWorker(Cluster())
        await worker.viewing.positions(ASSIGNED)
        await worker.take(("a", 4), generation=0)
        worker.viewing.revoked()
        await worker.take(("a", 4))
        assert (worker.log.appended, worker.acknowledged, worker.viewing.ready) == (0, 0, False)

    run(story())


def test_leaving_has_everything_taken_acknowledged_or_gives_up_in_time() -> None:
    async def story() -> None:
        cluster = Cluster()
        worker = ViewsWorker(cluster)
        await worker.viewing.positions(ASSIGNED)
        await worker.take(("a", 4))
        await worker.viewing.leave()
        assert worker.acknowledged == 1

        away = ViewsWorker(cluster, Producer(cluster))
        await away.viewing.positions(ASSIGNED)
        await away.take(("b", 5))
        await away.viewing.leave()
        await away.take(("c", 6))
        assert away.acknowledged == 0

    run(story())


def test_a_failed_append_ends_the_worker() -> None:
    async def story() -> None:
        worker = ViewsWorker(Cluster())
        worker.log.fail_from = 0
        await worker.viewing.positions(ASSIGNED)
        with pytest.raises(AppendFailed):
            await worker.take(("a", 4))
        assert worker.ended.codes == [OUTSIDE]

    run(story())


def test_a_row_that_cannot_be_read_back_ends_the_worker() -> None:
    cluster = Cluster()
    cluster.put(CHANGELOGS[ESS], 0, b"0/a", b"garbage")
    worker = ViewsWorker(cluster)

    with pytest.raises(json.JSONDecodeError):
        run(worker.viewing.positions(ASSIGNED))
    assert (worker.ended.codes, worker.viewing.ready) == ([DEFECT], False)
