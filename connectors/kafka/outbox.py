"""What was published and is not settled: under way to the broker, or waiting for the disk. The caller's side of the sender.

Decides: how much that may be, and what a caller is told when the spool has no room. Leaves to others: whether it goes to the broker or to
the disk (sender.py), the order in which callers come (publisher.py holds the lock).
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, KafkaException

from connectors.kafka.broker_link import Link, never_taken, refusal
from connectors.kafka.lanes import Clock, Lanes
from connectors.kafka.receipts import AT_BROKER, FAILED, WAITING, BadPartition, Receipt, Refused, UnknownTopic
from connectors.kafka.spool import Spool
from connectors.kafka.spool_disk import Position
from connectors.kafka.spool_format import packed_bytes
from connectors.kafka.spool_tail import SpoolError, SpoolFull
from connectors.kafka.under_way import Group

AWAY, DRAINING, DIRECT = "AWAY", "DRAINING", "DIRECT"

UNITS_MAX = 32_768
"""What may be under way at once: each record counts as one, and each KiB of it as one more. 100 ms of a fast broker, and 32 MiB at most.
Beyond it, callers wait. Twice as much was measured to be no faster."""
RECORDS_MAX = 20_000
BYTES_MAX = 64 * 1024 * 1024
"""What may wait for the disk at once."""
TOPIC_LETTERS_MAX = 249
"""Kafka's own bound."""
UNITS = 512
"""How large a group is. Callers serve delivery reports so often: another thread that did it would fight them for the interpreter."""
AGAIN_MS = 1_000
"""After trouble, with the broker or the disk, this much time passes before it is tried again."""


class Outbox:
    """Records that are not settled, in the order they were published."""

    def __init__(self, spool: Spool, link: Link, clock: Clock) -> None:
        """Begin empty, as if the broker were away."""
        self.lock = threading.Lock()
        self.mode, self.reason, self.trouble = AWAY, "the broker has not answered yet", ""
        self.closed = False
        self.problem: SpoolError | None = None
        self.problem_until = clock.ticking_ms()
        self.spool, self.link, self._clock = spool, link, clock
        self.lanes: dict[str, Lanes] = {}
        self.pending: deque[Receipt] = deque()
        self.window: deque[Group] = deque()
        self.open: Mapping[str, Lanes] = {}
        """The lanes while records may go straight to the broker, else none: one look tells a caller."""
        self.unsent = Group(self)
        """Where a receipt is until it is sent."""
        self.group, self.left = Group(self), UNITS
        self.tail = self.group.begin()
        self.acknowledged = 0
        self.window_units, self.window_records, self.pending_bytes, self.spool_bytes = 0, 0, 0, spool.bytes_used
        self._reached: Position | None = None
        self._called: deque[Receipt] = deque()
        self._condition, self._waiters = threading.Condition(), 0

    def receipt(self, topic: str, key: str, value: bytes) -> Receipt:
        """Make one for a record that is not sent yet."""
        receipt = Receipt()
        receipt.company, receipt.topic, receipt.key, receipt.value = self.unsent, topic, key, value
        return receipt

    def send(self, receipt: Receipt) -> bool:
        """Send a record straight to the broker. Hold the lock. False where it must wait for its turn; KeyError for a new topic."""
        lanes, partition = self.lanes[receipt.topic], receipt.partition
        if partition is None:
            partition = lanes[receipt.key]
        elif not 0 <= partition < lanes.partitions:
            raise BadPartition(f"{receipt.topic} has partitions 0 to {lanes.partitions - 1}, not {partition}")
        more = {"headers": list(receipt.headers)} if receipt.headers else {}
        try:
            self.link.produce(receipt.topic, receipt.value, receipt.key, partition, self.tail, **more)
        except (BufferError, KafkaException) as error:
            if (never := never_taken(error)) is not None:
                raise Refused(f"a record to {receipt.topic} cannot be sent: {never}") from None
            self.in_trouble(f"librdkafka takes nothing: {error}")
            return False
        self.group.append(receipt)
        receipt.company = self.group
        if receipt.callbacks:
            self.group.watched.append(receipt)
        self.left -= 1 + (receipt.size >> 10)
        if self.left <= 0:
            self.close_group()
        return True

    def close_group(self) -> None:
        """End the group that callers add to, and count it. Hold the lock."""
        group = self.group
        if group:
            group.units = UNITS - self.left
            self.add(group)
            self.group, self.left = Group(self), UNITS
            self.tail = self.group.begin()

    def add(self, group: Group) -> None:
        """Count a group as under way. Hold the lock."""
        self.window.append(group)
        self.window_units += group.units
        self.window_records += group.records
        self.see_room()

    def see_room(self) -> None:
        """Open the straight way to the broker, or close it. Hold the lock."""
        room = self.window_units < UNITS_MAX
        self.open = self.lanes if room and self.mode == DIRECT and not self.trouble and not self.closed else {}

    def in_trouble(self, why: str) -> None:
        """Take note of trouble: from now on nothing goes straight to the broker, so that nothing overtakes what failed."""
        self.trouble = self.trouble or why
        self.open = {}

    def keep(self, receipt: Receipt) -> None:
        """Let a record wait for the disk, or for the broker. Hold the lock. Raises SpoolError where the spool has no room for it."""
        if self.problem is not None and self._clock.ticking_ms() < self.problem_until:
            raise self.problem
        if not 0 < len(receipt.topic) <= TOPIC_LETTERS_MAX:
            raise UnknownTopic(f"{receipt.topic[:40]!r} is no name of a topic")
        if receipt.partition is not None and not 0 <= receipt.partition < 1 << 31:
            raise BadPartition(f"{receipt.topic} has no partition {receipt.partition}")
        size = packed_bytes(receipt.item())
        if self.spool_bytes + self.pending_bytes + size > self.spool.bytes_max:
            bound = f"{self.spool_bytes:,} of {self.spool.bytes_max:,} bytes, QTS_SPOOL_BYTES"
            self.problem = SpoolFull(f"the spool {self.spool.folder} is full ({bound}): nothing more is taken")
            raise self.problem
        receipt.ts_ms = self._clock.wall_ms()
        self.pending.append(receipt)
        self.pending_bytes += size

    def trim(self) -> None:
        """Forget what arrived at the old end of what is under way, and wake who waits."""
        with self.lock:
            window, some = self.window, False
            while window and (window[0].arrived or self._answered(window[0])):
                group, some = window.popleft(), True
                group.state = AT_BROKER
                self.window_units -= group.units
                self.window_records -= group.records
                self.acknowledged += group.records
                self._reached = group.after or self._reached
                self._called.extend(group.watched)
            if some:
                self.see_room()
        if self._waiters:
            with self._condition:
                self._condition.notify_all()

    def _answered(self, group: Group) -> bool:
        """Tell whether a group is over in which records were refused, and tell who published these. In trouble, that waits for its end."""
        if self.trouble or group.spooled or not group.reported:
            return False
        left = group.left()
        if any(why is None for _, why in left):
            self.in_trouble("a record was not taken, and it is not known which")
            return False
        for one, why in left:
            if isinstance(one, Receipt):
                one.settle(FAILED, refused(one, str(why)))
        return True

    def wait_for(self, receipt: Receipt, timeout_s: float | None) -> bool:
        """Wait until a receipt is settled."""
        with self._condition:
            self._waiters += 1
            try:
                return self._condition.wait_for(lambda: receipt.state != WAITING, timeout_s)
            finally:
                self._waiters -= 1

    def watch(self, receipt: Receipt, call: Callable[[Receipt], None]) -> None:
        """Remember whom to call when a receipt is settled."""
        with self.lock:
            kept = receipt.kept()
            if kept.callbacks is None and kept.company is not self.unsent:
                kept.company.watched.append(kept)
            kept.callbacks = [*(kept.callbacks or ()), call]
        if kept.state != WAITING:
            self.settled(kept)

    def not_taken(self, group: Group, error: KafkaError) -> None:
        """Take note that the broker did not take a record. Trouble, unless it never will and nothing else is held up by it."""
        never = refusal(error)
        if never is None:
            self.in_trouble(f"a record was not taken: {error.str()}")
        elif group.spooled and not group.alone:
            self.in_trouble(f"a record of the spool was refused: {never}")

    def settled(self, receipt: Receipt) -> None:
        """Have the caller's functions called, from the thread that steps."""
        self._called.append(receipt)

    def learn(self, topic: str) -> int | None:
        """Ask the broker about a topic. Gives its partitions: 0 where there is no such topic, None where nobody answers."""
        count = self.link.ask(topic)
        if count:
            with self.lock:
                self.lanes[topic] = Lanes(count)
                self.see_room()
        return count


def refused(receipt: Receipt, why: str) -> Refused:
    """Say that the broker never takes a record."""
    return Refused(f"the broker refuses a record to {receipt.topic}: {why}")
