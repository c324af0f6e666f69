"""Views: an older picture never wins, also not across a restart that lost half of what was written."""

import json
from collections.abc import Mapping
from random import Random

import pytest

from streams.pipeline import views
from streams.pipeline.ports import AppendFailed
from streams.pipeline.views import CHANGELOGS, ESS, POSITIONS, Picture, ViewsKeeper
from tests.log_kit import Cluster, MemoryTable, Producer


def picture(account: str, offset: int, epoch: int = 1, n: int = 0) -> Picture:
    rows = {name: json.dumps([epoch, offset, n, name]).encode() for name in (POSITIONS, ESS)}
    return Picture(epoch, offset, n, account, rows)


def place_of(row: bytes) -> tuple[int, int, int]:
    epoch, offset, n, _ = json.loads(row)
    return epoch, offset, n


class Shelf:
    """A keeper on what a cluster holds."""

    def __init__(self, cluster: Cluster) -> None:
        self.log = Producer(cluster)
        self.tables = {name: MemoryTable(cluster.table(CHANGELOGS[name], 2)) for name in (POSITIONS, ESS)}
        self.keeper = ViewsKeeper(2, self.tables, self.log, place_of)
        self.acknowledged: list[int] = []

    def feed(self, *pictures: Picture) -> None:
        number = len(self.acknowledged)
        self.keeper.feed(pictures, lambda: self.acknowledged.append(number))

    def settle(self) -> None:
        self.log.flow()
        self.keeper.progress()

    def shown(self, name: str = POSITIONS) -> Mapping[str, tuple[int, int, int]]:
        return {key.decode(): place_of(row) for key, row in self.tables[name].held.items()}


def test_the_newest_picture_of_an_account_wins_whatever_the_order() -> None:
    pictures = [picture("a", offset, epoch, n) for epoch in (1, 2) for offset in (1, 5, 9) for n in (0, 1)]
    for seed in range(20):
        shelf = Shelf(Cluster())
        shuffled = Random(seed).sample(pictures, len(pictures))
        for start in range(0, len(shuffled), 1 + seed % 4):
            shelf.feed(*shuffled[start : start + 1 + seed % 4])
        shelf.settle()

        assert shelf.shown() == shelf.shown(ESS) == {"2/a": (2, 9, 1)}, f"seed {seed}"


def test_an_account_may_have_a_slash_in_its_name() -> None:
    cluster = Cluster()
    first = Shelf(cluster)
    first.feed(picture("a/b", 5))
    first.settle()
    second = Shelf(cluster)
    second.feed(picture("a/b", 4))
    second.settle()

    assert second.shown() == {"2/a/b": (1, 5, 0)}


def test_an_older_picture_does_not_win_after_a_restart_either() -> None:
    cluster = Cluster()
    first = Shelf(cluster)
    first.feed(picture("a", 5), picture("b", 6))
    first.settle()

    second = Shelf(cluster)
    second.feed(picture("a", 4), picture("b", 7))
    second.settle()

    assert second.shown() == {"2/a": (1, 5, 0), "2/b": (1, 7, 0)}


@pytest.mark.parametrize("lost", [POSITIONS, ESS])
@pytest.mark.parametrize("known_before", [True, False])
def test_a_row_whose_sister_was_lost_with_its_worker_is_written_again(lost: str, known_before: bool) -> None:
    cluster = Cluster()
    first = Shelf(cluster)
    if known_before:
        first.feed(picture("a", 3))
        first.settle()
    first.feed(picture("a", 5))
    first.log.deliver([(CHANGELOGS[POSITIONS if lost == ESS else ESS], 2)])
    first.log.die()

    second = Shelf(cluster)
    second.feed(picture("a", 5))
    second.settle()

    assert Shelf(cluster).shown(POSITIONS) == Shelf(cluster).shown(ESS) == {"2/a": (1, 5, 0)}


def test_nothing_is_shown_before_it_is_durable() -> None:
    shelf = Shelf(Cluster())
    shelf.feed(picture("a", 1))
    shelf.settle()
    shelf.feed(picture("a", 2))
    assert shelf.shown() == {"2/a": (1, 1, 0)}

    shelf.settle()
    assert shelf.shown() == {"2/a": (1, 2, 0)}


def test_batches_are_acknowledged_when_both_rows_are_durable_and_in_order() -> None:
    shelf = Shelf(Cluster())
    shelf.feed(picture("a", 1))
    shelf.feed()
    shelf.log.deliver([(CHANGELOGS[POSITIONS], 2)])
    shelf.log.poll()
    shelf.keeper.progress()
    assert (shelf.acknowledged, shelf.keeper.settled) == ([], False)

    shelf.settle()
    assert len(shelf.acknowledged) == 2
    assert shelf.keeper.settled


def test_a_failed_append_ends_it() -> None:
    shelf = Shelf(Cluster())
    shelf.log.fail_from = 1
    shelf.feed(picture("a", 1))
    shelf.log.flow()

    with pytest.raises(AppendFailed):
        shelf.keeper.progress()


def test_it_takes_no_more_while_too_much_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "UNDER_WAY_MAX", 2)
    shelf = Shelf(Cluster())
    room = [shelf.keeper.has_room]
    shelf.feed(picture("a", 1))
    room.append(shelf.keeper.has_room)
    shelf.settle()
    room.append(shelf.keeper.has_room)

    assert room == [True, False, True]


def test_after_the_end_nothing_is_acknowledged() -> None:
    shelf = Shelf(Cluster())
    shelf.feed(picture("a", 1))
    shelf.keeper.close()
    shelf.settle()

    assert shelf.acknowledged == []
