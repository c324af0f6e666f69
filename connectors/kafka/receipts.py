"""What a caller of the publisher gets: a receipt for each record, or one of these errors.

Decides: what "acknowledged" means: the broker has it on all its replicas, or it is synced to the spool. Leaves to others: getting it there.

NotPublished
 ├─ RecordTooLarge   no broker of ours takes it: make it smaller
 ├─ UnknownTopic     the broker does not have the topic: ./qts topics create
 ├─ BadPartition     the topic has fewer partitions
 ├─ Backlogged       too much is under way: wait, or slow down
 ├─ Refused          the broker will never take this record; nothing else was held up by it
 ├─ Unsettled        not acknowledged within the time given; it may still be
 └─ Closed           the publisher was closed
and SpoolError (spool_tail.py): the broker is away, and the spool cannot take it.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from confluent_kafka import KafkaError, Message

from connectors.kafka.spool_disk import Position
from connectors.kafka.spool_format import Headers, Item

WAITING, AT_BROKER, IN_SPOOL, FAILED = 0, 1, 2, 3
"""A record's state. Everything but WAITING is settled, once and for all."""

OVERHEAD_BYTES = 120
"""What a record under way costs besides its key and value, about: counts against the bound of bytes."""


class NotPublished(Exception):
    """A record was not acknowledged."""


class RecordTooLarge(NotPublished):
    """Larger than what the broker takes."""


class UnknownTopic(NotPublished):
    """The broker does not have the topic."""


class BadPartition(NotPublished):
    """The topic has no such partition."""


class Backlogged(NotPublished):
    """The bound of what is under way is reached."""


class Refused(NotPublished):
    """The broker will never take this record."""


class Unsettled(NotPublished):
    """Nothing is known of it yet."""


class Closed(NotPublished):
    """The publisher was closed before it was acknowledged."""


class Desk(Protocol):
    """Where receipts are settled: the sender."""

    def failed(self, sent: "Receipt | Drained", error: KafkaError) -> None:
        """Take note that the broker did not take a record."""

    def settled(self, receipt: "Receipt") -> None:
        """Call back whoever wants to know."""

    def wait_for(self, receipt: "Receipt", timeout_s: float | None) -> bool:
        """Wait until a receipt is settled."""


class Receipt:
    """One published record: whether it is acknowledged, and by whom. Its record stays with it until then."""

    # On the class, so that making one sets only what differs: one is made for each record.
    state = WAITING
    headers: Headers = ()
    partition: int | None = None
    ts_ms = 0
    callbacks: "list[Callable[[Receipt], None]] | None" = None
    problem: Exception | None = None

    def __init__(self, desk: Desk, topic: str, key: str, value: bytes) -> None:
        """Begin to wait."""
        self.desk = desk
        self.topic = topic
        self.key = key
        self.value = value

    @property
    def size(self) -> int:
        """Tell about how large it is."""
        return len(self.value) + len(self.key) + sum(len(name) + len(value) for name, value in self.headers) + OVERHEAD_BYTES

    def delivered(self, error: KafkaError | None, _message: Message) -> None:
        """Take the broker's answer. Runs once a record: nothing more than needed is done here."""
        if error is not None:
            self.desk.failed(self, error)
        elif self.state == WAITING:
            self.state = AT_BROKER
            if self.callbacks is not None:
                self.desk.settled(self)

    def settle(self, state: int, problem: Exception | None = None) -> None:
        """Say how it ended, where that is not the broker's acknowledgement."""
        if self.state == WAITING:
            self.problem = problem
            self.state = state
            if self.callbacks is not None:
                self.desk.settled(self)

    @property
    def acknowledged(self) -> bool:
        """Tell whether the broker has it, or the spool."""
        return self.state in {AT_BROKER, IN_SPOOL}

    def wait(self, timeout_s: float | None = None) -> "Receipt":
        """Wait until it is acknowledged; raises what happened instead, or Unsettled when the time is over."""
        if self.state == WAITING and not self.desk.wait_for(self, timeout_s):
            raise Unsettled(f"a record to {self.topic} is neither acknowledged nor spooled after {timeout_s} s")
        if self.problem is not None:
            raise self.problem
        return self

    def when_settled(self, call: Callable[["Receipt"], None]) -> None:
        """Call a function once it is settled, from the publisher's own thread; it must be quick."""
        self.callbacks = [*(self.callbacks or ()), call]
        if self.state != WAITING:
            self.desk.settled(self)

    def item(self) -> Item:
        """Give the record as the spool takes it."""
        return Item(0, self.ts_ms, self.topic, self.key, self.value, self.headers, self.partition)


class Drained:
    """A record of the spool under way to the broker."""

    state = WAITING
    alone = False
    """The broker refused it in company; now it is sent by itself."""

    def __init__(self, desk: Desk, item: Item) -> None:
        """Begin to wait."""
        self.desk = desk
        self.item = item

    def delivered(self, error: KafkaError | None, _message: Message) -> None:
        """Take the broker's answer."""
        if error is None:
            self.state = AT_BROKER
        else:
            self.desk.failed(self, error)

    def settle(self) -> None:
        """Say that it needs no sending any more."""
        self.state = FAILED


class Group(list[Receipt | Drained]):
    """Records under way that are looked at together: one look at a hundred costs little more than one at each."""

    def __init__(self, of: Iterable[Receipt | Drained] = (), spooled: bool = False, after: Position | None = None) -> None:
        """Begin with some, or none. `after` is where the spool is read on behind them, where that can be noted."""
        super().__init__(of)
        self.bytes_held = 0
        self.spooled, self.after = spooled, after
