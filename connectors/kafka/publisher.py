"""The publisher: how everybody outside the workers writes to Kafka, whether it is there or not.

    with Publisher(settings, folder, clock=SystemClock()) as publisher:
        receipt = publisher.publish("signals", account, codec.encode(signal))
        receipt.wait(5)          # or receipt.when_settled(call); returning at once is the usual way

Decides: how long a caller waits when too much is under way, and how publishing ends. A record is acknowledged when the broker has it on
all its replicas, or when it is synced to the spool; records of a key arrive in the order of their publish calls, on the way to the disk
and back too. Some may arrive twice after trouble: readers drop repeats by their ids. Leaves to others: the order of things (sender.py),
the bytes (the caller), keeping a folder for each process (two publishers on one are refused).
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import KafkaException

from connectors.kafka.broker_link import KafkaLink, Link
from connectors.kafka.lanes import Clock
from connectors.kafka.outbox import AWAY, BYTES_MAX, DIRECT, RECORDS_MAX, UNITS
from connectors.kafka.receipts import WAITING, Backlogged, Closed, Receipt, RecordTooLarge, Straight, UnknownTopic
from connectors.kafka.sender import Sender
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.spool import Spool
from connectors.kafka.spool_disk import SpoolDisk
from connectors.kafka.spool_settings import SPOOL_BYTES

RECORD_BYTES_MAX = 950_000
"""Below librdkafka's and the brokers' 1 MB, headers included: what the spool takes, the broker takes later."""
BLOCK_MS = 1_000
"""How long a caller waits for room before it gets an error: a broker under load makes room in milliseconds."""
BUSY_S, IDLE_S, AWAY_S = 0.005, 0.05, 0.02
"""How long the publisher's own thread rests while callers serve reports; waits for a report; rests while the broker is away."""
CLOSE_S = 10.0


class Outgoing(NamedTuple):
    """A record to publish."""

    topic: str
    key: str
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None


class Health(NamedTuple):
    """Whether everything published goes straight to the broker, and if not, why."""

    green: bool
    reasons: tuple[str, ...]
    mode: str
    spooled: int
    spool_bytes: int
    set_aside: int


class Publisher:
    """Publishes records from any thread."""

    def __init__(
        self,
        settings: KafkaSettings,
        folder: Path,
        *,
        clock: Clock,
        bytes_max: int = SPOOL_BYTES,
        disk: SpoolDisk | None = None,
        new_link: Callable[[], Link] | None = None,
    ) -> None:
        """Own the spool folder, and begin to connect. Raises SpoolError where the folder cannot be had."""
        self._clock = clock
        self._spool = Spool(folder, bytes_max, disk)
        self._sender = Sender(self._spool, new_link or (lambda: KafkaLink(settings.librdkafka())), clock)
        self._polled, self._seen = 0, 0
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def publish(
        self,
        topic: str,
        key: str,
        value: bytes,
        *,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> Receipt:
        """Publish a record and return at once, unless too much is under way: then wait a second for room. Raises NotPublished, SpoolError."""
        sender = self._sender
        if headers or partition is not None:
            slow = sender.receipt(topic, key, value)
            slow.headers, slow.partition = tuple(headers), partition
            return self._publish_slowly(slow)
        link, receipt = None, Straight()
        sender.lock.acquire()  # `with` costs twice as much
        try:
            sender.link.produce(topic, value, key, sender.open[topic][key], sender.tail)
            group = sender.group
            receipt.company, receipt.place = group, len(group)
            group.append((topic, key, value))
            sender.left = left = sender.left - 1 - (len(value) >> 10)
            if left > 0:
                return receipt
            link = self._end_group()
        except (KeyError, BufferError, KafkaException):
            pass  # no broker, a new topic, no room: told apart below
        finally:
            sender.lock.release()
        if link is None:
            return self._publish_slowly(sender.receipt(topic, key, value))
        link.poll(0)
        sender.trim()
        return receipt

    def publish_all(self, records: Iterable[Outgoing]) -> list[Receipt]:
        """Publish records in their order, faster than one by one. Where one is not taken, those before it are, and the error is raised."""
        done: list[Receipt] = []
        rest = iter(records)
        while some := list(islice(rest, UNITS)):
            while some:
                count = self._publish_some(some, done)
                if not count:
                    topic, key, value, headers, partition = some[0]
                    done.append(self.publish(topic, key, value, headers=headers, partition=partition))
                del some[: count or 1]
        return done

    def _publish_some(self, records: Sequence[Outgoing], done: list[Receipt]) -> int:
        """Publish those at the beginning that nothing is in the way of, under one lock. Gives how many."""
        sender, count = self._sender, 0
        with sender.lock:
            produce, lanes, tail, group, left = sender.link.produce, sender.open, sender.tail, sender.group, sender.left
            try:
                for topic, key, value, headers, partition in records:
                    if headers or partition is not None or left <= 0:
                        break
                    produce(topic, value, key, lanes[topic][key], tail)
                    receipt = Straight()
                    receipt.company, receipt.place = group, len(group)
                    group.append((topic, key, value))
                    done.append(receipt)
                    left -= 1 + (len(value) >> 10)
                    count += 1
            except (KeyError, BufferError, KafkaException):
                del records  # the next is published by itself
            finally:
                sender.left = left
            link = self._end_group() if left <= 0 else None
        del tail
        if link is not None:
            link.poll(0)
            sender.trim()
        return count

    def _end_group(self) -> Link:
        """End the group, and give the link whose reports are to be served. Hold the lock."""
        self._sender.close_group()
        self._polled += 1
        return self._sender.link

    def flush(self, timeout_s: float) -> int:
        """Wait until what was published before is settled; gives how many records are not."""
        sender = self._sender
        give_up = self._clock.ticking_ms() + timeout_s * 1_000
        left_s: Callable[[], float] = lambda: max(0.0, (give_up - self._clock.ticking_ms()) / 1_000)  # noqa: E731 - said twice below
        with sender.lock:
            sender.close_group()
            groups = [group for group in sender.window if not group.spooled]
            waiting = [*sender.spooling, *sender.pending]
            # A group arrives as a whole: its last record tells of all, unless there was trouble.
            lasts = [group.receipt(len(group) - 1) for group in groups if group]
        for one in [*waiting, *lasts]:
            if one.state == WAITING and not sender.wait_for(one, left_s()):
                break
        with sender.lock:
            waiting += [group.receipt(place) for group in groups if group.state == WAITING for place in range(len(group))]
        for one in waiting:
            if one.state == WAITING and not sender.wait_for(one, left_s()):
                return sum(other.state == WAITING for other in waiting)
        return 0

    def drain(self, timeout_s: float) -> int:
        """Wait until the spool is empty and all goes straight to the broker; gives how many records still wait."""
        give_up = self._clock.ticking_ms() + timeout_s * 1_000
        while (self._spool.records or self._sender.mode != DIRECT) and self._clock.ticking_ms() < give_up:
            self._stop.wait(BUSY_S)
        return self._spool.records

    @property
    def acknowledged(self) -> int:
        """Tell how many records were settled on the straight way or drained, and are looked at no more."""
        return self._sender.acknowledged

    def health(self) -> Health:
        """Tell whether all is well."""
        sender, spool = self._sender, self._spool
        reasons = []
        if sender.mode == AWAY:
            reasons.append(f"spooling: {sender.reason}")
        if spool.records:
            reasons.append(f"{spool.records:,} records wait in the spool")
        if sender.problem is not None:
            reasons.append(str(sender.problem))
        if sender.blocked:
            reasons.append(sender.blocked)
        reasons += [f"{count:,} records set aside in {spool.folder}: {why}" for why, count in spool.set_aside.reasons.items()]
        return Health(not reasons, tuple(reasons), sender.mode, spool.records, sender.spool_bytes, spool.set_aside.records)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Take nothing more, wait for the broker so long, and bring the rest to the spool."""
        if self._stop.is_set():
            return
        with self._sender.lock:
            self._sender.closed = True
            self._sender.see_room()
        self.flush(timeout_s)
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._sender.end()
        self._spool.close()

    def __enter__(self) -> Self:
        """Use it in a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def _publish_slowly(self, receipt: Receipt) -> Receipt:
        """Publish where something is in the way: no broker, a new topic, no room."""
        sender = self._sender
        if receipt.size >= RECORD_BYTES_MAX:
            raise RecordTooLarge(f"a record to {receipt.topic} of {receipt.size:,} bytes: {RECORD_BYTES_MAX:,} is the most")
        give_up = self._clock.ticking_ms() + BLOCK_MS
        while True:
            with sender.lock:
                if sender.closed:
                    raise Closed("the publisher is closed")
                direct, known = sender.mode == DIRECT and not sender.trouble, receipt.topic in sender.lanes
                if sender.open and known and sender.send(receipt):
                    return receipt
                waiting = sender.window_records if direct else len(sender.pending)
                if not direct and waiting < RECORDS_MAX and sender.pending_bytes < BYTES_MAX:
                    sender.keep(receipt)
                    self._wake.set()
                    return receipt
            if direct and not known:
                self._learn(receipt.topic)
            elif self._clock.ticking_ms() >= give_up:
                raise Backlogged(f"{waiting:,} records are not acknowledged yet: {receipt.topic} gets no more")
            elif direct:
                sender.link.poll(0.01)
                sender.trim()
            else:
                self._stop.wait(0.01)

    def _learn(self, topic: str) -> None:
        count = self._sender.learn(topic)
        if count == 0:
            raise UnknownTopic(f"the broker has no topic {topic}: ./qts topics create")
        if count is None:
            self._sender.in_trouble(f"the broker tells nothing about topic {topic}")

    def _run(self) -> None:
        """Step until the end. Where a defect ends it early, nothing more is taken, instead of waiting for ever."""
        try:
            while not self._stop.is_set():
                self._turn()
        finally:
            with self._sender.lock:
                self._sender.closed = True
                if not self._stop.is_set():
                    self._sender.mode, self._sender.reason = AWAY, "the publisher's thread has ended, by a defect of ours"

    def _turn(self) -> None:
        sender = self._sender
        busy = sender.step()
        if sender.mode == DIRECT:
            served, self._seen = self._polled != self._seen, self._polled
            if served:
                sender.finish()
                self._stop.wait(BUSY_S)
            else:
                sender.serve(IDLE_S)
        elif sender.mode == AWAY:
            sender.finish()
            self._wake.clear()
            if sender.pending and not busy:
                self._stop.wait(BUSY_S)
            elif not sender.pending:
                self._wake.wait(AWAY_S)
        elif not busy:
            sender.serve(BUSY_S)
