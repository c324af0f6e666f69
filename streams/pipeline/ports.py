"""What the pipeline needs of the world: a log to append to, a codec, a table for snapshots.

Decides: the shape of each port, and what an acknowledgement is counted by. Leaves to others: Kafka (connectors.kafka), bytes (schemas), Faust.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from streams.desk.messages import TapeEvent

Headers = Sequence[tuple[str, bytes]]
Done = Callable[[object, object], None]
"""Called once for each appended record: with what went wrong or None, and with the receipt."""


class AppendFailed(Exception):
    """A record is not known to be on its topic. The worker ends: whoever comes next starts from what is known."""


class Log(Protocol):
    """Topics that can be appended to. Records of one partition stay in the order they were appended in, without a gap, or appending fails."""

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None, done: Done, /
    ) -> None:
        """Append a record without waiting; done is called when it is acknowledged by all replicas in sync."""


class Polled(Log, Protocol):
    """A log whose acknowledgements are taken by polling."""

    def poll(self) -> object:
        """Take what has come."""

    def expect(self, records: int) -> None:
        """Hear how many records are about to be worked on at once: of many, the outputs may go together, of few each at once.

        Takes what has come, too: failures have to be looked at before anything more is appended.
        """


class RecordIn(Protocol):
    """A record as it was read."""

    @property
    def offset(self) -> int:
        """Its place in its partition."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its bytes."""


class Read(NamedTuple):
    """A record read, plainly."""

    offset: int
    key: bytes | None
    value: bytes | None


class EventCodec(Protocol):
    """Bytes to tape events."""

    def decode_event(self, raw: bytes, offset: int) -> TapeEvent:
        """Read the tape event at an offset."""


class DeskCodec(EventCodec, Protocol):
    """Bytes to tape events, outputs and plain records to bytes, and back."""

    def encode(self, message: Any) -> bytes:
        """Write a message."""

    def encode_record(self, name: str, record: Mapping[str, Any]) -> bytes:
        """Write a record of a schema."""

    def decode_record(self, name: str, raw: bytes) -> dict[str, Any]:
        """Read a record of a schema."""


class SnapshotTable(Protocol):
    """The snapshots of one partition, as they are remembered here. What makes them durable is the log."""

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Give what is there."""

    def put(self, key: bytes, value: bytes) -> None:
        """Remember a chunk that is durable."""

    def drop(self, key: bytes) -> None:
        """Forget a chunk."""


class Lane:
    """Counts what was appended to one place and what of it is acknowledged. Acknowledgements come in order, so two numbers tell all."""

    __slots__ = ("acked", "failure", "sent")

    def __init__(self) -> None:
        """Start with nothing sent."""
        self.sent = 0
        self.acked = 0
        self.failure: object = None

    def done(self, failure: object, _receipt: object) -> None:
        """Take an acknowledgement."""
        if failure is None:
            self.acked += 1
        elif self.failure is None:
            self.failure = failure

    @property
    def under_way(self) -> int:
        """Count what is not acknowledged yet."""
        return self.sent - self.acked

    def check(self) -> None:
        """Say so if anything could not be appended."""
        if self.failure is not None:
            raise AppendFailed(str(self.failure))


Targets = tuple[int, ...]


def targets(lanes: Sequence[Lane]) -> Targets:
    """Note how far each lane has to be acknowledged for everything sent so far to be."""
    return tuple([lane.sent for lane in lanes])


def reached(lanes: Sequence[Lane], wanted: Targets) -> bool:
    """Tell whether all of it is acknowledged."""
    return all(lane.acked >= number for lane, number in zip(lanes, wanted, strict=True))
