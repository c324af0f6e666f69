"""One connection to the broker, from its start to the first trouble.

Decides: librdkafka's settings (acknowledged by all, idempotent, no time-out of its own: it would let a later record overtake the one that
timed out), which errors mean that a record will never be taken, and how a link is given up. Leaves to others: when (sender.py). A link is
never mended: what comes after trouble is a new one, so that no half-known state of the old one is carried on.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

Delivered = Callable[[KafkaError | None, Message], None]

NEVER_TAKEN = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - how the library names its own codes
}
"""About the record itself: trying again changes nothing. Everything else (rights, topics that are gone, a broker in trouble) can be
put right by somebody, so the record waits in the spool until it is."""

ASK_S_MAX = 3.0
"""An answer about a topic takes a millisecond; a broker that takes longer than this counts as away."""
GIVE_UP_S_MAX = 5.0
"""Reports of purged records come at once. One that does not is taken for undelivered: it is sent again, at worst twice."""

log = logging.getLogger(__name__)


class Link(Protocol):
    """What the sender needs of a broker."""

    produce: Callable[..., None]
    """(topic, value, key, partition, on_delivery, on_delivery, timestamp, headers), as confluent_kafka has it. `on_delivery` is called for a
    record that was not taken, and let go of for one that was: see under_way.py."""

    fatal: str
    """Why this link can do nothing more; empty while it can."""

    def topics(self) -> Mapping[str, int] | None:
        """Give the partitions of every topic that can be written to, once the broker has answered; None until then."""

    def ask(self, topic: str) -> int | None:
        """Ask how many partitions a topic has: 0 where the broker does not know it, None where it does not answer."""

    def poll(self, timeout_s: float) -> int:
        """Serve delivery reports."""

    def give_up(self) -> None:
        """End, and report every record that is not acknowledged."""


class KafkaLink:
    """A link through librdkafka."""

    def __init__(self, options: Mapping[str, str | int | float | bool]) -> None:
        """Begin to connect; `topics` tells when it worked."""
        self._ended = threading.Event()
        self._topics: dict[str, int] | None = None
        self._producer = Producer({**options, **OPTIONS, "error_cb": _said})
        self.produce: Callable[..., None] = self._producer.produce
        self.fatal = ""
        threading.Thread(target=self._connect, name="publisher-connects", daemon=True).start()

    def topics(self) -> Mapping[str, int] | None:
        """Give what the broker answered."""
        return self._topics

    def ask(self, topic: str) -> int | None:
        """Ask about one topic."""
        try:
            found = self._producer.list_topics(topic, timeout=ASK_S_MAX).topics[topic]
        except KafkaException:
            return None
        missing = found.error is not None and found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
        return 0 if missing else _partitions(found)

    def poll(self, timeout_s: float) -> int:
        """Serve delivery reports."""
        with _Fatal() as fatal:
            return self._producer.poll(timeout_s)
        self.fatal = self.fatal or fatal.said
        return 0

    def give_up(self) -> None:
        """End: what is queued or on its way is reported as not delivered."""
        self._ended.set()
        self._producer.purge()
        with _Fatal():  # it is raised once, by whoever serves it first
            self._producer.flush(GIVE_UP_S_MAX)
            return
        self._producer.flush(GIVE_UP_S_MAX)

    def _connect(self) -> None:
        while not self._ended.is_set():
            try:
                found = self._producer.list_topics(timeout=ASK_S_MAX).topics
            except KafkaException:
                self._ended.wait(0.2)  # it has waited itself, except where nobody listens at the address
                continue
            self._topics = {name: count for name, about in found.items() if (count := _partitions(about))}
            return


class _Fatal:
    """Keeps what the library says when it can do nothing more.

    It raises KafkaError then, which is no exception, and no `except` catches it. Or that got lost in the library on its way, and Python finds a
    call that failed for no reason: SystemError.
    """

    said = ""

    def __enter__(self) -> "_Fatal":
        return self

    def __exit__(self, kind: type[object] | None, error: object, _trace: TracebackType | None) -> bool:
        if kind is None or not issubclass(kind, (KafkaError, KafkaException, SystemError)):
            return False
        self.said = str(error)
        log.debug("a fatal error: %s", error)
        return True


OPTIONS: dict[str, Any] = {
    "acks": "all",
    "delivery.report.only.error": True,
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "linger.ms": 0,
    "message.timeout.ms": 0,
    "queue.buffering.max.messages": 0,
    "queue.buffering.max.kbytes": 2_097_151,
    "log_level": 2,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 500,
}
"""Only errors are reported, since what was taken is known without a call (under_way.py). Gapless: where a batch fails for good, none
after it is taken. How much is under way is bounded by the outbox, so its own bounds are wide."""


def refusal(error: KafkaError) -> str | None:
    """Tell why a record will never be taken; None where it may be, later."""
    return error.str() if error.code() in NEVER_TAKEN else None


def never_taken(error: BufferError | KafkaException) -> str | None:
    """Tell why librdkafka itself will never take a record; None where it may, later."""
    about = error.args[0] if error.args else None
    return refusal(about) if isinstance(about, KafkaError) else None


def _partitions(about: Any) -> int | None:
    """Count the partitions of a topic; None where it, or one of them, cannot be written to now."""
    if about.error is not None or any(one.leader < 0 for one in about.partitions.values()):
        return None
    return len(about.partitions)


def _said(error: KafkaError) -> None:
    log.debug("the broker: %s", error.str())
