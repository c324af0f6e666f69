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
    ORDER_NOTED = 10
    """An order was read; NEW is under way."""
    SENDING_NOTED = 11
    """SENDING is under way."""
    REQUEST_DUE = 12
    """SENDING is durable; the request goes out next."""
    REQUEST_ANSWERED = 13
    """The exchange has answered; nothing of that is written."""
    IN_DOUBT = 14
    """No answer came; UNKNOWN is about to be written."""
    FILLS_SAID = 15
    """Fills are durable; nothing else of them is."""
    EVENT_SAID = 16
    """What the exchange said of an order is durable; the ledger does not know yet."""
    STEP_NOTED = 17
    """A step was written to the ledger and is durable."""
    ORDER_OVER = 18
    """An order is over; it is still kept."""
    LEDGER_FORGETS = 19
    """A high-water is durable; what is below it is about to be deleted."""


OF_EXECUTION = frozenset(step for step in Step if step.value >= Step.ORDER_NOTED.value)
"""The steps of execution. The others are those of the tape and the desk."""


class Watcher(Protocol):
    """Is told of every step."""

    def at(self, step: Step, /) -> None:
        """Note a step."""


class _Nobody:
    def at(self, _step: Step, /) -> None:
        """Note nothing."""


NOBODY_WATCHES: Watcher = _Nobody()
