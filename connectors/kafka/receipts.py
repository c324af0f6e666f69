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

from collections.abc import Callable
from typing import Protocol

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

    def settled(self, receipt: "Receipt") -> None:
        """Call back whoever wants to know."""

    def watch(self, receipt: "Receipt", call: "Callable[[Receipt], None]") -> None:
        """Remember whom to call."""

    def wait_for(self, receipt: "Receipt", timeout_s: float | None) -> bool:
        """Wait until a receipt is settled."""


class Company(Protocol):
    """What a record is under way with: its state is the record's, unless that has one of its own."""

    state: int
    watched: "list[Receipt]"
    """Those whose callers want to be called."""

    @property
    def desk(self) -> Desk:
        """Give who settles it."""


class Receipt:
    """One published record: whether it is acknowledged, and by whom. Its record stays with it until then.

    Made without a constructor, as one is made for each record: who makes it sets `company`, `topic`, `key` and `value`. What few of them
    have lies on the class until it differs.
    """

    company: Company
    topic: str
    key: str
    value: bytes
    own = WAITING
    """How it ended, where that is not the end of its company."""
    headers: Headers = ()
    partition: int | None = None
    ts_ms = 0
    callbacks: "list[Callable[[Receipt], None]] | None" = None
    problem: Exception | None = None

    @property
    def size(self) -> int:
        """Tell about how large it is."""
        return len(self.value) + len(self.key) + sum(len(name) + len(value) for name, value in self.headers) + OVERHEAD_BYTES

    @property
    def state(self) -> int:
        """Tell how it stands."""
        return self.own or self.company.state

    def settle(self, state: int, problem: Exception | None = None) -> None:
        """Say how it ended, where that is not the end of its company."""
        if self.state == WAITING:
            self.problem = problem
            self.own = state
            if self.callbacks is not None:
                self.company.desk.settled(self)

    @property
    def acknowledged(self) -> bool:
        """Tell whether the broker has it, or the spool."""
        return self.state in {AT_BROKER, IN_SPOOL}

    def wait(self, timeout_s: float | None = None) -> "Receipt":
        """Wait until it is acknowledged; raises what happened instead, or Unsettled when the time is over."""
        if self.state == WAITING and not self.company.desk.wait_for(self, timeout_s):
            raise Unsettled(f"a record to {self.topic} is neither acknowledged nor spooled after {timeout_s} s")
        if self.problem is not None:
            raise self.problem
        return self

    def when_settled(self, call: "Callable[[Receipt], None]") -> None:
        """Call a function once it is settled, from the publisher's own thread; it must be quick."""
        self.company.desk.watch(self, call)

    def item(self) -> Item:
        """Give the record as the spool takes it."""
        return Item(0, self.ts_ms, self.topic, self.key, self.value, self.headers, self.partition)
