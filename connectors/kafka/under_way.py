"""Records that are under way to the broker together, and how it is known that all of them arrived.

A callback for each record would cost more than publishing it. Instead, each record of a group is given to librdkafka with the same object, the
group's tail: librdkafka calls it for a record that was not taken, and lets go of it, without a call, for one that was
(`delivery.report.only.error`). When nobody holds the tail any more and nobody has called it, the broker has the whole group. What must never
happen is that a group looks finished too early, and it cannot: whoever may still have to call the tail has to hold it. A report that
never comes leaves the group unfinished, and the sender gives up the link.

Decides: which records of a group were not taken, told apart by their content: two with the same topic, key and value are one as good as
the other. Leaves to others: what to do about it (sender.py).
"""

import weakref
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from confluent_kafka import KafkaError, Message

from connectors.kafka.broker_link import refusal
from connectors.kafka.receipts import WAITING, Desk, Receipt, Sent
from connectors.kafka.spool_disk import Position
from connectors.kafka.spool_format import Item, Names, parsed

Content = tuple[str, bytes, bytes]
"""Topic, key and value."""


class Reported(Desk, Protocol):
    """Who wants to know of errors: the sender."""

    def not_taken(self, group: "Group", error: KafkaError) -> None:
        """Take note that the broker did not take a record of a group."""


class Block(NamedTuple):
    """Records as they lie in a segment of the spool: taken apart again only where some of them were not taken."""

    data: bytes
    at: int
    base: int
    offset: int
    records: int

    def items(self) -> list[Item]:
        """Take them apart."""
        return parsed(self.data, self.at, self.base, self.offset, self.records, Names())[0]


class Group(list[Receipt | Item | Sent]):
    """Records under way that are looked at together: what went straight to the broker, items of the spool, or a block of it."""

    def __init__(
        self, desk: Reported, of: Iterable[Receipt | Item] = (), spooled: bool = False, after: Position | None = None
    ) -> None:
        """Begin with some, or none. `after` is where the spool is read on behind them, where that can be noted."""
        super().__init__(of)
        self.desk, self.spooled, self.after = desk, spooled, after
        self.state = WAITING
        self.block: Block | None = None
        self.units = 0
        self.suspect = False
        """The broker refused one of it: each is sent by itself, to find out which."""
        self.unsent = 0
        """So many at its end librdkafka did not take."""
        self.watched: list[Receipt] = []
        self.failed: list[tuple[Content, str | None]] = []
        """What was not taken, and why it never will be, where that is so."""
        self.given_up = False
        self._tail: weakref.ref[Tail] | None = None

    @property
    def records(self) -> int:
        """Tell how many they are."""
        return self.block.records if self.block is not None else len(self)

    def receipt(self, place: int) -> Receipt:
        """Give the receipt of a record that went straight to the broker; make it where none is kept. Hold the lock."""
        kept = self[place]
        if isinstance(kept, Receipt):
            return kept
        assert not isinstance(kept, Item), "records of the spool have no receipts"
        made = self[place] = Receipt()
        made.company, (made.topic, made.key, made.value) = self, kept
        return made

    @property
    def items(self) -> list[Item]:
        """Give the records of the spool."""
        return [one for one in self if isinstance(one, Item)]

    @property
    def alone(self) -> bool:
        """Tell whether it is one record by itself, because of a refusal."""
        return self.suspect and len(self) == 1

    def begin(self) -> "Tail":
        """Give the tail, to be given to librdkafka with each record. Whoever sends lets go of it when the last was given."""
        tail = Tail(self)
        self._tail = weakref.ref(tail)
        return tail

    @property
    def reported(self) -> bool:
        """Tell whether all of it was reported on."""
        return self._tail is not None and self._tail() is None

    @property
    def arrived(self) -> bool:
        """Tell whether the broker has all of it."""
        return self._tail is not None and self._tail() is None and not self.failed and not self.unsent

    def _apart(self) -> Sequence[Receipt | Item]:
        return [one if isinstance(one, Item) else self.receipt(place) for place, one in enumerate(self)]

    def left(self) -> "list[tuple[Receipt | Item, str | None]]":
        """Give what did not arrive, in order, and why it never will, where that is so. Hold the lock, unless all of it is the spool's.

        What was not reported on counts as not arrived: it is sent again, at worst twice.
        """
        records = self.block.items() if self.block is not None else self._apart()
        sent = len(records) - self.unsent
        why: dict[Content, list[str | None]] = {}
        for content, reason in self.failed:
            why.setdefault(content, []).append(reason)
        failed: dict[int, str | None] = {}
        # From the end: what a link leaves when it is given up are the last ones of each partition.
        for place in range(len(records) - 1, -1, -1):
            if why and (reasons := why.get(content_of(records[place]))):
                failed[place] = reasons.pop()
        known = self.reported and not any(why.values())
        return [(one, failed.get(place)) for place, one in enumerate(records) if place in failed or place >= sent or not known]


class Tail:
    """What librdkafka holds for each record of a group until it has reported on it."""

    __slots__ = ("__weakref__", "_group")

    def __init__(self, group: Group) -> None:
        """Belong to a group, which does not hold it."""
        self._group = group

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        """Take note of a record that was not taken."""
        if error is not None and not self._group.given_up:
            content = message.topic() or "", _bytes(message.key()), _bytes(message.value())
            self._group.failed.append((content, refusal(error)))
            self._group.desk.not_taken(self._group, error)


def content_of(record: Receipt | Item) -> Content:
    """Give what tells a record apart."""
    return record.topic, record.key.encode(), record.value


def _bytes(said: str | bytes | None) -> bytes:
    return said.encode() if isinstance(said, str) else said or b""
