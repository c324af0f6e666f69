"""Faust tables whose changelogs we write ourselves.

Decides: that a change is remembered here only when it is durable: it goes through our own producer first, with an explicit partition, and Faust's
recovery reads it back. Leaves to others: what is kept in them.
"""

from collections.abc import Callable, Iterable
from typing import Any

import faust
from faust.types import EventT

from connectors.kafka.faust_app import BatchSchema

FETCHES_KEPT = 2
"""How many Faust gathers. With 1 it would go on reading a changelog after its end, and lose fetches when it resumes."""


class OwnTable(faust.Table[bytes, bytes]):
    """A table that sends nothing itself, and is restored by batches: record by record, Faust needs 0.09 ms for each."""

    trouble: Exception | None = None
    """Why something could not be taken in."""

    def on_key_set(self, key: bytes, value: bytes) -> None:
        """Send nothing: it is on the changelog already."""

    def on_key_del(self, key: bytes) -> None:
        """Send nothing: it is on the changelog already."""

    async def on_changelog_event(self, event: EventT[Any]) -> None:
        """Take in what a fetch of the changelog has brought, in the moment in which Faust notes how far it has read: nothing lies in between."""
        fetched: Any = event.message.value
        try:
            for record in fetched:
                self.restore(record.key, record.value)
        except Exception as error:
            self.trouble = error
            raise

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:  # noqa: ARG002 - Faust's signature
        """Do nothing: what Faust has gathered was taken in when it came. Where it could not be, this ends no recovery: Faust says so and waits."""
        if self.trouble is not None:
            raise self.trouble

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take in a record that was read back."""
        if value is None:
            self.data.pop(key, None)
        else:
            self.data[key] = value


Place = tuple[int, int, int]


class NewestTable(OwnTable):
    """A table in which the newest by its own word wins, whatever order a changelog has: a worker that was paused writes late."""

    place_of: Callable[[bytes], Place]

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take in a record that was read back, but for one that is older than what is there."""
        known = None if value is None else self.data.get(key)
        if known is None or value is None or self.place_of(value) >= self.place_of(known):
            super().restore(key, value)


def newest_table(app: faust.App, name: str, changelog: str, partitions: int, place_of: Callable[[bytes], Place]) -> OwnTable:
    """Make a table of bytes by bytes in which the newest wins."""
    table = own_table(app, name, changelog, partitions, NewestTable)
    assert isinstance(table, NewestTable)
    table.place_of = place_of
    return table


def own_table(app: faust.App, name: str, changelog: str, partitions: int, kind: type[OwnTable] = OwnTable) -> OwnTable:
    """Make a table of bytes by bytes."""
    topic = app.topic(changelog, schema=BatchSchema(), partitions=partitions, compacting=True)
    table: Any = kind(
        app,
        name=name,
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
        changelog_topic=topic,
        recovery_buffer_size=FETCHES_KEPT,
    )
    app.tables.add(table)
    return table  # type: ignore[no-any-return]


class PartitionOfTable:
    """What a table holds of one partition, by the beginning of its keys."""

    def __init__(self, table: OwnTable, partition: int) -> None:
        """Look at this partition."""
        self._table, self._prefix = table, f"{partition}/".encode()

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Give what is there."""
        return [(key, value) for key, value in self._table.items() if key.startswith(self._prefix)]

    def put(self, key: bytes, value: bytes) -> None:
        """Remember a value that is durable."""
        self._table[key] = value

    def drop(self, key: bytes) -> None:
        """Forget a value."""
        self._table.pop(key, None)


def forget_others(table: OwnTable, partitions: Iterable[int]) -> None:
    """Forget what belongs to partitions that are somebody else's now: it grows old here."""
    kept = tuple(f"{partition}/".encode() for partition in partitions)
    for key in [key for key in table.keys() if not key.startswith(kept)]:  # noqa: SIM118 - the table is no dict
        table.pop(key, None)
