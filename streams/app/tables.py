"""Faust tables whose changelogs we write ourselves.

Decides: that a change is remembered here only when it is durable: it goes through our own producer first, with an explicit partition, and Faust's
recovery reads it back. Leaves to others: what is kept in them.
"""

from collections.abc import Iterable
from typing import Any

import faust


class OwnTable(faust.Table[bytes, bytes]):
    """A table that sends nothing itself."""

    def on_key_set(self, key: bytes, value: bytes) -> None:
        """Send nothing: it is on the changelog already."""

    def on_key_del(self, key: bytes) -> None:
        """Send nothing: it is on the changelog already."""


def own_table(app: faust.App, name: str, changelog: str, partitions: int) -> OwnTable:
    """Make a table of bytes by bytes."""
    topic = app.topic(
        changelog,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=partitions,
        compacting=True,
    )
    table: Any = OwnTable(
        app, name=name, partitions=partitions, key_type=bytes, value_type=bytes, changelog_topic=topic,
        recovery_buffer_size=100,
    )  # fmt: skip
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
