"""The steps of writing, by name: where a worker stands, for whoever has to prove that it may die there.

Decides: which steps there are. Leaves to others: what is done at one (a watcher notes it, or ends the process there, see connectors.steps).
"""

from enum import Enum
from typing import Protocol


class Step(Enum):
    """A step of the order of writes."""

    IDLE = 0
    FORWARDED = 1
    """The sequencer has handed a record to the tape."""
    FORWARD_ACKNOWLEDGED = 2
    """All of a batch is on the tape."""
    STEPPING = 3
    """A batch is about to be stepped."""
    OUTPUT_SENT = 4
    """The desk has handed an output to its topic."""
    SNAPSHOT_TAKEN = 5
    """The state is written down; outputs before it are not all acknowledged yet."""
    SNAPSHOT_CHUNK_SENT = 6
    """A piece of the snapshot is under way."""
    SNAPSHOT_ACKNOWLEDGED = 7
    """The snapshot is durable; the batches are not acknowledged yet."""
    BATCHES_ACKNOWLEDGED = 8
    """The batches are acknowledged; their offsets are not committed yet."""
    RESUMING = 9
    """State is being restored."""


class Watcher(Protocol):
    """Is told of every step."""

    def at(self, step: Step, /) -> None:
        """Note a step."""


class _Nobody:
    def at(self, _step: Step, /) -> None:
        """Note nothing."""


NOBODY_WATCHES: Watcher = _Nobody()
