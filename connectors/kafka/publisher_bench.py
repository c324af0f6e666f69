"""The publisher and the spool beside bare librdkafka, in one run.

Decides: what is compared: acknowledged records a second, the same records to the same topic, the sides taking turns. The bare side has the
same settings, as much under way as it does best with, and a callback that counts acknowledgements: whoever publishes by hand and wants to
know what arrived needs that as well. Reports of success are therefore on there, as is librdkafka's default; the publisher does without.
Leaves to others: the broker and its topic (four partitions), how the rows are shown (./qts bench kafka).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import TypeVar

from confluent_kafka import KafkaError, Message, Producer

from connectors.kafka.broker_link import OPTIONS, KafkaLink, Link
from connectors.kafka.lanes import Clock, Lanes
from connectors.kafka.publisher import Outgoing, Publisher
from connectors.kafka.settings import KafkaSettings

ROUNDS = 9
"""The sides take turns so often; the median of the ratios of each turn counts, so that one hiccup of the machine does not."""
BARE_RECORDS, BARE_POLL = 100_000, 1_000
"""How much the bare side has under way, and how often it serves reports: what it was fastest with."""
KEYS = 64
TOGETHER = 1_000
"""What a caller of publish_all has at once: a poll's worth."""
LOOKS_MAX, LOOK_S = 100, 0.1
WAIT_S_MAX = 300.0

Found = TypeVar("Found")
Row = tuple[str, float, str, float | None]


class NotDone(Exception):
    """A side did not get all its records acknowledged: there is nothing to compare."""


class Nobody:
    """A broker that is always away, so that all goes to the spool."""

    def __init__(self) -> None:
        """Answer nothing."""
        self.produce: Callable[..., None] = self._never
        self.fatal = ""

    def topics(self) -> None:
        """Give none."""

    def ask(self, topic: str) -> None:
        """Know none."""

    def poll(self, timeout_s: float) -> int:  # noqa: ARG002 - the port's signature
        """Serve nothing."""
        return 0

    def give_up(self) -> None:
        """Have nothing under way."""

    def _never(self, *_record: object) -> None:
        raise BufferError


def measure(
    settings: KafkaSettings,
    records: int,
    value_bytes: int,
    folder: Path,
    clock: Clock,
    clock_ns: Callable[[], int],
    topic: str = "publisher-bench",
) -> list[Row]:
    """Give name, figure, unit and ratio of: bare librdkafka, the publisher, draining the spool. The topic must be there."""
    keys = [f"account-{number}" for number in range(KEYS)]
    work = Work(settings, topic, keys, bytes(value_bytes), records, clock, clock_ns)
    sides: dict[str, Callable[[Path], float]] = {
        "bare": lambda _: work.bare(),
        "one by one": work.published,
        "together": lambda where: work.published(where, together=True),
        "drained": work.drained,
    }
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(ROUNDS):
        # Forth and back: what a side leaves behind in the broker is not always the next one's burden.
        for name in list(sides) if turn % 2 == 0 else reversed(sides):
            found[name].append(sides[name](folder / f"{name}-{turn}"))
    bare, published, together, drained = found.values()
    return [
        ("bare librdkafka, acknowledged", median(bare), "records/s", None),
        ("publisher, acknowledged", median(published), "records/s", _ratio(published, bare)),
        ("publisher, acknowledged, publish_all", median(together), "records/s", _ratio(together, bare)),
        ("draining the spool", median(drained), "records/s", _ratio(drained, bare)),
    ]


def _ratio(ours: list[float], bare: list[float]) -> float:
    return median(one / other for one, other in zip(ours, bare, strict=True))


class Gate(KafkaLink):
    """A link that is connected already, and answers when it is told to: what is measured begins with the answer."""

    opened = False

    def warm(self, topic: str) -> None:
        """Send a record, and wait until it has arrived and the broker has told what topics there are."""
        _warm(self._producer, topic)
        _told(super().topics, self._producer, "its topics")

    def topics(self) -> Mapping[str, int] | None:
        """Give what the broker answered, once it may."""
        return super().topics() if self.opened else None


class Work:
    """The same records, three ways. Each gives records a second, from the first to the last acknowledgement."""

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        keys: list[str],
        value: bytes,
        records: int,
        clock: Clock,
        clock_ns: Callable[[], int],
    ) -> None:
        """Take what is sent."""
        self._settings, self._topic, self._keys, self._value, self._records = settings, topic, keys, value, records
        self._clock, self._clock_ns = clock, clock_ns

    def _partitions(self, producer: Producer) -> int:
        """Count the topic's partitions; a broker takes a moment to tell of a topic that has just been made."""
        return len(
            _told(
                lambda: producer.list_topics(self._topic, timeout=WAIT_S_MAX).topics[self._topic].partitions,
                producer,
                self._topic,
            )
        )

    def bare(self) -> float:
        """Send with librdkafka alone, counting what was acknowledged."""
        producer = Producer({**self._settings.librdkafka(), **OPTIONS, "delivery.report.only.error": False})
        partitions = Lanes(self._partitions(producer))
        _warm(producer, self._topic)
        acknowledged = 0

        def delivered(error: KafkaError | None, _message: Message) -> None:
            nonlocal acknowledged
            acknowledged += error is None

        topic, value, keys = self._topic, self._value, self._keys
        began = self._clock_ns()
        for number in range(self._records):
            key = keys[number % KEYS]
            producer.produce(topic, value, key, partitions[key], delivered)
            if number % BARE_POLL == 0:
                producer.poll(0)
                while len(producer) > BARE_RECORDS:
                    producer.poll(0.01)
        producer.flush(WAIT_S_MAX)
        return self._rate(began, acknowledged)

    def published(self, folder: Path, together: bool = False) -> float:
        """Publish to a broker that is there, one by one or together."""
        with Publisher(self._settings, folder, clock=self._clock) as publisher:
            publisher.publish(self._topic, self._keys[0], self._value).wait(WAIT_S_MAX)
            began = self._clock_ns()
            if together:
                self._all_together(publisher)
            else:
                self._all(publisher)
            rate = self._rate(began, self._records - publisher.flush(WAIT_S_MAX))
            if not publisher.health().green:
                raise NotDone(f"the publisher is not well: {publisher.health().reasons}")
            return rate

    def drained(self, folder: Path) -> float:
        """Spool with no broker, then drain to one that is there."""
        with Publisher(self._settings, folder, clock=self._clock, new_link=_nobody) as publisher:
            self._all(publisher)
            publisher.flush(WAIT_S_MAX)
            spooled = publisher.health().spooled
        gate = Gate(self._settings.librdkafka())
        gate.warm(self._topic)
        with Publisher(self._settings, folder, clock=self._clock, new_link=lambda: gate) as publisher:
            began = self._clock_ns()
            gate.opened = True
            publisher.drain(WAIT_S_MAX)
            return self._rate(began, spooled - publisher.health().spooled)

    def _all(self, publisher: Publisher) -> None:
        topic, value, keys, publish = self._topic, self._value, self._keys, publisher.publish
        for number in range(self._records):
            publish(topic, keys[number % KEYS], value)

    def _all_together(self, publisher: Publisher) -> None:
        topic, value, keys = self._topic, self._value, self._keys
        for first in range(0, self._records, TOGETHER):
            last = min(first + TOGETHER, self._records)
            publisher.publish_all([Outgoing(topic, keys[number % KEYS], value) for number in range(first, last)])

    def _rate(self, began: int, acknowledged: int) -> float:
        took_s = (self._clock_ns() - began) / 1e9
        if acknowledged < self._records:
            raise NotDone(f"{acknowledged:,} of {self._records:,} records were acknowledged")
        return acknowledged / took_s


def _told(look: Callable[[], Found | None], producer: Producer, what: str) -> Found:
    """Look until the broker has told of something."""
    for _ in range(LOOKS_MAX):
        if found := look():
            return found
        producer.poll(LOOK_S)
    raise LookupError(f"the broker does not tell of {what}")


def _warm(producer: Producer, topic: str) -> None:
    """Send a record and wait until it has arrived: what an idempotent producer asks the broker for first takes half a second now and then."""
    producer.produce(topic, b"", "")
    if producer.flush(WAIT_S_MAX):
        raise NotDone("a first record was not acknowledged")


def _nobody() -> Link:
    return Nobody()
