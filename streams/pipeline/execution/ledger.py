"""The ledger: what is known of each attempt of each order. It only grows, until all of an order is over.

Decides: how records merge, whatever order they come in: the furthest step counts, and of several sendings the last, because only after its window is
anybody sure. A refusal is nothing beside a sending: who refused then did not know of it. What may be forgotten: steps at or below a high-water,
and a high-water below a newer one. Leaves to others: writing (store), what to do about an order (executor).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal, Protocol

from streams.desk.outputs import Cancel, Order
from streams.desk.values import ZERO
from streams.pipeline.execution.ledger_adjustments import SAID, Adjustments
from streams.pipeline.execution.ledger_keys import CANCEL, NEW, Keys, Place, Step, place_of, read_place
from streams.pipeline.execution.ledger_records import Cursor, StepRecord, later
from streams.pipeline.execution.ledger_stops import Stops

CHANGELOG: Final = "qts-execution-ledger-changelog"
STEP, CURSOR, OWNER = "LedgerStep", "LedgerCursor", "LedgerStep"
HELD, LEFT = "HELD", "LEFT"

End = Literal["FILLED", "CANCELLED", "REJECTED", "EXPIRED"]


class LedgerCodec(Protocol):
    """Bytes to orders and records, and back."""

    def decode(self, raw: bytes) -> Any:
        """Read a message."""

    def encode(self, message: Any) -> bytes:
        """Write a message."""

    def encode_record(self, name: str, record: Mapping[str, Any]) -> bytes:
        """Write a record of a schema."""

    def decode_record(self, name: str, raw: bytes) -> dict[str, Any]:
        """Read a record of a schema."""


@dataclass(slots=True)
class Attempt:
    """One client id, and its fate as far as it is known."""

    number: int
    quantity: Decimal
    sent: StepRecord | None = None
    unknown: bool = False
    exchange_id: str = ""
    filled: Decimal = ZERO
    known: bool = False
    """There are steps of it."""
    decided: StepRecord | None = None
    """The newest decision that it is over, and when that was made."""
    decided_ms: int = 0

    @property
    def done(self) -> StepRecord | None:
        """Give its end. Who decided that before it was sent did not know of that: it is none."""
        return self.decided if self.sent is None or self.decided_ms >= self.sent.ts else None

    @property
    def accepted(self) -> bool:
        """Tell whether the exchange has said that it has it."""
        return bool(self.exchange_id)


@dataclass(slots=True)
class Entry:
    """An order, and all its attempts."""

    order: Order
    place: Place
    attempts: list[Attempt] = field(default_factory=list)
    cancel: Cancel | None = None
    over: bool = False
    """Nothing more is done about it: everything was said."""

    @property
    def attempt(self) -> Attempt:
        """Give the last attempt, which is the first while none was made."""
        return self.attempts[-1]

    @property
    def filled(self) -> Decimal:
        """Give what all attempts have brought."""
        return sum((attempt.filled for attempt in self.attempts), ZERO)


def _in_order(item: tuple[bytes, bytes]) -> Place:
    """Sort orders by their place."""
    return read_place(item[0].decode().split("/")[3])


def client_id(order: Order, attempt: int) -> str:
    """Name an attempt: at most 32 and 4 characters."""
    return f"{order.order_id}-a{attempt}"


class Ledger:
    """The ledger of one partition."""

    def __init__(self, partition: int, codec: LedgerCodec, items: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Read what there is, in whatever order."""
        self.keys, self._codec = Keys(partition), codec
        self.accounts: dict[str, dict[Place, Entry]] = {}
        """By account, its orders in their order."""
        self.high: dict[str, Place] = {}
        self.cursors: dict[tuple[str, str], Cursor] = {}
        self.stops = Stops()
        self.adjustments = Adjustments()
        self.paid: dict[str, dict[str, int]] = {}
        """By account and payment that was said, when that was."""
        self.owners: dict[str, bool] = {}
        """By token, whether it has left."""
        self.by_client_id: dict[str, tuple[Entry, Attempt]] = {}
        self._by_order_id: dict[str, Entry] = {}
        self._early: dict[tuple[str, Place], list[tuple[bytes, bytes]]] = {}
        """What there is of orders that are not here yet: somebody wrote them again, and compaction took the first."""
        self._kept: dict[str, dict[Place, set[bytes]]] = {}
        self._highs: dict[str, set[Place]] = {}
        orders: list[tuple[bytes, bytes]] = []
        later: list[tuple[bytes, bytes]] = []
        for key, value in items:
            (orders if key.endswith(f"/{NEW}".encode()) else later).append((key, value))
        for key, value in (*sorted(orders, key=_in_order), *later):
            self.take(key, value)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take a record in that is durable."""
        _, account, kind, *rest = key.decode().split("/")
        if kind == "order":
            self._take_order(key, account, read_place(rest[0]), rest[1:], value)
        elif kind == "high":
            self._take_high(account, read_place(rest[0]), value)
        elif kind == "trades":
            if value is not None:
                self.cursors[account, rest[0]] = Cursor(**self._codec.decode_record(CURSOR, value))
        elif kind == "stop":
            self.stops.take(key, (account, rest[0]), rest[1], rest[2], None if value is None else self._step(value))
        elif kind == "adjustment":
            event = None if value is None or rest[2] == SAID else self._codec.decode(value)
            self.adjustments.take(account, rest[0], rest[1], rest[2], event, deleted=value is None)
        elif kind == "paid":
            self._take_paid(account, "/".join(rest), value)
        elif kind == "owner":
            if value is None:
                self.owners.pop(rest[0], None)
            else:
                self.owners[rest[0]] = self._codec.decode_record(OWNER, value)["kind"] == LEFT

    def entries(self) -> Iterator[Entry]:
        """Give all orders that are kept, by account in their order."""
        for account in sorted(self.accounts):
            yield from self.accounts[account].values()

    def of_id(self, order_id: str) -> Entry | None:
        """Find an order by its id."""
        return self._by_order_id.get(order_id)

    def is_over(self, account: str, place: Place) -> bool:
        """Tell whether an order is at or below what is all over."""
        high = self.high.get(account)
        return high is not None and place <= high

    def encode_step(self, record: StepRecord) -> bytes:
        """Write a step."""
        return self._codec.encode_record(STEP, record._asdict())

    def encode_message(self, message: Any) -> bytes:
        """Write what is to be said."""
        return self._codec.encode(message)

    def encode_cursor(self, cursor: Cursor) -> bytes:
        """Write how far trades were said."""
        return self._codec.encode_record(CURSOR, cursor._asdict())

    def encode_owner(self, *, left: bool) -> bytes:
        """Write that a partition is owned, or was."""
        return self.encode_step(StepRecord(0, ZERO, kind=LEFT if left else HELD))

    def finished(self, account: str, at_least: int) -> Place | None:
        """Give up to where all orders of an account are over, if that many can be forgotten then."""
        newest, count = None, 0
        for place, entry in self.accounts.get(account, {}).items():
            if not entry.over:
                break
            newest, count = place, count + 1
        return newest if count >= at_least else None

    def outdated(self, account: str) -> list[bytes]:
        """Give the keys that mean nothing any more, because of a high-water that is durable."""
        high = self.high.get(account)
        if high is None:
            return []
        steps = [key for place, keys in self._kept.get(account, {}).items() if place <= high for key in sorted(keys)]
        return steps + [self.keys.high(account, place) for place in self._highs.get(account, ()) if place < high]

    def _take_order(self, key: bytes, account: str, place: Place, rest: list[str], value: bytes | None) -> None:
        keys = self._kept.setdefault(account, {}).setdefault(place, set())
        if value is None:
            keys.discard(key)
            if not keys:
                del self._kept[account][place]
            return
        keys.add(key)
        if self.is_over(account, place):
            return
        entry = self.accounts.setdefault(account, {}).get(place)
        if rest[0] == NEW:
            if entry is None:
                order: Order = self._codec.decode(value)
                assert place_of(order) == place
                self._add(Entry(order, place, [Attempt(0, order.quantity)]))
        elif entry is None:
            self._early.setdefault((account, place), []).append((key, value))
        elif rest[0] == CANCEL:
            entry.cancel = entry.cancel or self._codec.decode(value)
        else:
            self._take_step(entry, int(rest[0]), rest[1], int(rest[2]) if len(rest) > 2 else 0, self._step(value))

    def _step(self, value: bytes) -> StepRecord:
        return StepRecord(**self._codec.decode_record(STEP, value))

    def _take_paid(self, account: str, payment_id: str, value: bytes | None) -> None:
        paid = self.paid.setdefault(account, {})
        if value is None:
            paid.pop(payment_id, None)
        else:
            paid[payment_id] = self._step(value).ts

    def _add(self, entry: Entry) -> None:
        orders = self.accounts[entry.order.account]
        in_order = not orders or next(reversed(orders)) < entry.place
        orders[entry.place] = entry
        if not in_order:
            self.accounts[entry.order.account] = dict(sorted(orders.items()))
        self._by_order_id[entry.order.order_id] = entry
        self.by_client_id[client_id(entry.order, 0)] = entry, entry.attempt
        for key, value in self._early.pop((entry.order.account, entry.place), ()):
            self.take(key, value)

    def _take_step(self, entry: Entry, number: int, step: Step | str, own_ms: int, record: StepRecord) -> None:
        while len(entry.attempts) <= number:
            self._add_attempt(entry, record.quantity)
        attempt = entry.attempts[number]
        attempt.known = True
        attempt.quantity = record.quantity
        attempt.exchange_id = attempt.exchange_id or record.exchange_id
        attempt.filled = max(attempt.filled, record.filled)
        if step == "SENDING":
            attempt.sent = later(attempt.sent, record)
        elif step == "UNKNOWN":
            attempt.unknown = True
        elif step == "DONE" and own_ms >= attempt.decided_ms:
            attempt.decided, attempt.decided_ms = record, own_ms
        elif step == "OVER":
            entry.over = True
        self._fit(entry)

    def _fit(self, entry: Entry) -> None:
        """Have one more attempt than there are steps of where the last end asks for it, and only there."""
        further = len(entry.attempts) > 1 and not entry.attempt.known
        end = entry.attempts[-2 if further else -1].done
        rest = ZERO if end is None else end.rest
        if further and not rest:
            del self.by_client_id[client_id(entry.order, entry.attempt.number)]
            entry.attempts.pop()
        elif further:
            entry.attempt.quantity = rest
        elif rest:
            self._add_attempt(entry, rest)

    def _add_attempt(self, entry: Entry, quantity: Decimal) -> None:
        attempt = Attempt(len(entry.attempts), quantity)
        entry.attempts.append(attempt)
        self.by_client_id[client_id(entry.order, attempt.number)] = entry, attempt

    def _take_high(self, account: str, place: Place, value: bytes | None) -> None:
        if value is None:
            self._highs.get(account, set()).discard(place)
            return
        self._highs.setdefault(account, set()).add(place)
        if not self.is_over(account, place):
            self.high[account] = place
            self._below(account)

    def _below(self, account: str) -> None:
        """Drop the orders that are over by the high-water; their keys are kept in mind until they are deleted."""
        high, orders = self.high[account], self.accounts.get(account, {})
        for place in [place for place in orders if place <= high]:
            entry = orders.pop(place)
            del self._by_order_id[entry.order.order_id]
            for attempt in entry.attempts:
                self.by_client_id.pop(client_id(entry.order, attempt.number), None)
        for early in [early for early in self._early if early[0] == account and early[1] <= high]:
            del self._early[early]
