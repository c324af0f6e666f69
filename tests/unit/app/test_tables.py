"""Tables are restored from their changelogs a fetch at a time."""

from types import SimpleNamespace
from typing import Any

import faust
import pytest

from streams.app.tables import OwnTable, PartitionOfTable, newest_table, own_table


def fetch(*records: tuple[bytes, bytes | None]) -> Any:
    """Give the event of a fetch."""
    value = [SimpleNamespace(key=key, value=value) for key, value in records]
    return SimpleNamespace(message=SimpleNamespace(value=value))


def restore(table: OwnTable, *events: Any) -> None:
    """Do what Faust's recovery does: hand over each event without giving anybody else a turn, and gather them all."""
    for event in events:
        with pytest.raises(StopIteration):
            table.on_changelog_event(event).send(None)
    table.apply_changelog_batch(events)


@pytest.fixture
def app() -> faust.App:
    return faust.App("tables", store="memory://", broker="memory://")


def test_each_record_of_a_fetch_counts_in_its_order(app: faust.App) -> None:
    table = own_table(app, "table", "table-changelog", 2)
    restore(table, fetch((b"0/a", b"1"), (b"0/b", b"1"), (b"0/a", b"2")), fetch((b"0/b", None), (b"1/c", b"3")))
    assert dict(PartitionOfTable(table, 0).items()) == {b"0/a": b"2"}
    assert dict(PartitionOfTable(table, 1).items()) == {b"1/c": b"3"}


def test_what_was_deleted_and_written_again_is_there_and_what_was_never_there_may_be_deleted(app: faust.App) -> None:
    table = own_table(app, "table", "table-changelog", 1)
    restore(table, fetch((b"0/a", None), (b"0/b", b""), (b"0/c", b"1"), (b"0/c", None), (b"0/c", b"2")))
    assert dict(PartitionOfTable(table, 0).items()) == {b"0/b": b"", b"0/c": b"2"}


def test_the_newest_by_its_own_word_wins_unless_it_is_deleted(app: faust.App) -> None:
    table = newest_table(app, "table", "table-changelog", 1, lambda row: (int(row), 0, 0))
    restore(table, fetch((b"0/a", b"7"), (b"0/a", b"5"), (b"0/b", b"1"), (b"0/b", b"2"), (b"0/c", b"9"), (b"0/c", None)))
    assert dict(PartitionOfTable(table, 0).items()) == {b"0/a": b"7", b"0/b": b"2"}
