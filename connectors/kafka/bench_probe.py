"""Sends records at a steady rate and notes when what came of them arrives.

Decides: how a record is recognised at the other end (by a name found in its bytes), and that sending waits for nothing. Leaves to others: the clock,
what is between the two ends.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.kafka.bench_ends import NotDone
from connectors.kafka.settings import KafkaSettings

LATE_S_MAX = 20.0
"""What has not arrived this long after the last was sent does not arrive."""
CONNECT_S_MAX = 30.0
HEARD_MAX = 10_000
"""Arrivals remembered: a minute of them."""


class Sent(NamedTuple):
    """A record to be sent: when, counted from the beginning; where to; and its name, where its arrival is waited for."""

    at_ns: int
    topic: str
    partition: int
    key: bytes
    value: bytes
    name: str


class Probe:
    """Listens to one topic and sends to others, in one thread: what is timed never waits for a lock."""

    def __init__(
        self, settings: KafkaSettings, topic: str, partitions: int, name_of: Callable[[bytes], str | None], now_ns: Callable[[], int]
    ) -> None:  # fmt: skip
        """Listen from the topic's end on."""
        self._name_of, self._now_ns = name_of, now_ns
        self.heard_at = 0
        """When the last record arrived."""
        self._heard: deque[int] = deque(maxlen=HEARD_MAX)
        self._consumer = Consumer(
            {**settings.librdkafka(), "group.id": f"bench-probe-{topic}", "enable.auto.commit": False, "log_level": 0}
        )
        ends = [
            self._consumer.get_watermark_offsets(TopicPartition(topic, at), timeout=CONNECT_S_MAX)[1] for at in range(partitions)
        ]
        self._consumer.assign([TopicPartition(topic, at, end) for at, end in enumerate(ends)])
        self._producer = Producer(
            {**settings.librdkafka(), "linger.ms": 0, "enable.idempotence": True, "acks": "all", "log_level": 0}
        )

    def run(self, plan: Iterable[Sent], wanted: float = 1.0) -> list[int]:
        """Send everything at its time; give how long each named one took, in nanoseconds. A share of them has to arrive."""
        under_way: dict[str, int] = {}
        took: list[int] = []
        named = 0
        began = self._now_ns()
        for sent in plan:
            while (left := began + sent.at_ns - self._now_ns()) > 0:
                self._listen(left / 1e9, under_way, took)
            if sent.name:
                named += 1
                under_way[sent.name] = self._now_ns()
            self._producer.produce(sent.topic, sent.value, sent.key, sent.partition)
            self._producer.poll(0)
            self._listen(0, under_way, took)
        until = self._now_ns() + int(LATE_S_MAX * 1e9)
        while len(took) < named and self._now_ns() < until:
            if len(took) >= wanted * named and not self._listen(1.0, under_way, took):
                break
            self._listen(0.05, under_way, took)
        if len(took) < wanted * named:
            raise NotDone(f"{len(took)} of {named} arrived")
        return took

    def again_at(self, after_ns: int) -> int:
        """Give when the first record after a time arrived."""
        return next(at for at in self._heard if at > after_ns)

    def close(self) -> None:
        """Let go of the broker."""
        self._producer.flush(1.0)
        self._consumer.close()

    def _listen(self, wait_s: float, under_way: dict[str, int], took: list[int]) -> bool:
        message = self._consumer.poll(wait_s)
        if message is None or message.error() is not None:
            return False
        self.heard_at = now = self._now_ns()
        self._heard.append(now)
        value = message.value()
        name = None if value is None else self._name_of(value)
        if name is not None and name in under_way:
            took.append(now - under_way.pop(name))
        return True


def percentile(values: list[int], share: float) -> float:
    """Give the value that this share of them does not exceed."""
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])
