"""The snapshots on the changelog, read from outside: for commands.

Decides: that what was deleted by name is gone. Leaves to others: which of them is the newest (pipeline.stored_snapshots).
"""

from connectors.kafka.log_reader import LogReader
from streams.pipeline.write_pipeline import CHANGELOG


def stored_chunks(reader: LogReader, partition: int) -> dict[bytes, bytes]:
    """Read the chunks of all snapshots of a partition."""
    stored: dict[bytes, bytes] = {}
    for record in reader.between(CHANGELOG, partition, *reader.bounds(CHANGELOG, partition)):
        if record.key is not None and record.value is not None:
            stored[record.key] = record.value
        elif record.key is not None:
            stored.pop(record.key, None)
    return stored
