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


Sent = tuple[str, str, bytes]
"""Topic, key and value of a record that went straight to the broker. Python's collector of cycles lets go of a plain tuple of such at first sight."""


class Company(Protocol):
    """What a record is under way with: its state is the record's, unless that has one of its own."""

    state: int
    watched: "list[Receipt]"
    """Those whose callers want to be called."""

    @property
    def desk(self) -> Desk:
        """Give who settles it."""

    def __getitem__(self, place: int, /) -> object:
        """Give what is kept of the record at a place: a receipt, or what was sent."""

    def receipt(self, place: int) -> "Receipt":
        """Give the receipt of the record at a place; make it where none is kept. Hold the lock."""


class Receipt:
    """One published record: whether it is acknowledged, and by whom. Its record stays with it until then.

    Made without a constructor, as one is made for many a record: who makes it sets `company`, `topic`, `key` and `value`. What few of them
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
    _problem: Exception | None = None

    @property
    def size(self) -> int:
        """Tell about how large it is."""
        return len(self.value) + len(self.key) + sum(len(name) + len(value) for name, value in self.headers) + OVERHEAD_BYTES

    @property
    def state(self) -> int:
        """Tell how it stands."""
        company = self.company.state  # first: an end of its own is noted before its company's
        return self.own or company

    @property
    def problem(self) -> Exception | None:
        """Tell what went wrong."""
        return self._problem

    def kept(self) -> "Receipt":
        """Give the receipt that is kept with the record. Hold the lock."""
        return self

    def settle(self, state: int, problem: Exception | None = None) -> None:
        """Say how it ended, where that is not the end of its company."""
        if self.state == WAITING:
            self._problem = problem
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


class Straight(Receipt):
    """The receipt of a record that went straight to the broker: where in its company the record is kept.

    Only its caller holds it, and mostly lets go of it at once. If it stayed with each record under way, thousands of them would grow old, and
    Python's collector of cycles would look at them again and again: a sixth of all the work of publishing was that.
    """

    place: int

    @property
    def state(self) -> int:
        """Tell how it stands."""
        company = self.company.state  # first, as above
        kept = self.company[self.place]
        return kept.state if isinstance(kept, Receipt) else company

    @property
    def problem(self) -> Exception | None:
        """Tell what went wrong."""
        kept = self.company[self.place]
        return kept.problem if isinstance(kept, Receipt) else None

    def kept(self) -> Receipt:
        """Give the receipt that is kept with the record. Hold the lock."""
        return self.company.receipt(self.place)

    def when_settled(self, call: "Callable[[Receipt], None]") -> None:
        """Call a function once it is settled, from the publisher's own thread; it must be quick."""
        self.company.desk.watch(self, lambda _: call(self))

    def __getattr__(self, name: str) -> object:
        """Give topic, key or value."""
        if name not in SENT:
            raise AttributeError(name)
        kept = self.company[self.place]
        return kept[SENT.index(name)] if isinstance(kept, tuple) else getattr(kept, name)


SENT = ("topic", "key", "value")
