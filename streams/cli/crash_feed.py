"""What flows in while workers are killed: a market, signals, an exchange and operators, in a thread of their own.

Decides: how fast, that everything published is acknowledged before it counts, and what of the desk's answers reaches whom outside. Leaves to
others: what is published and what comes of an answer (simulation.worlds).
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from connectors.kafka.log import KafkaLog
from connectors.kafka.log_reader import Found, LogReader
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.messages import EVERY_ACCOUNT, Body
from streams.flow import TOPIC_OF
from streams.pipeline.ports import Lane
from streams.simulation.live import LiveWorld
from streams.simulation.worlds import Worlds

PAUSE_S = 0.01
LOOK_MS = 1_000
"""How often people look at what was decided: nobody is faster, and a look asks the broker about each partition."""
ORDERS, DECISIONS = "orders", "decisions"


class Reading(Protocol):
    """What the feed needs of a reader of topics."""

    def bounds(self, topic: str, partition: int, /) -> tuple[int, int]:
        """Give the first offset there is, and the one the next record will get."""
        ...

    def between(self, topic: str, partition: int, start: int, end: int, /) -> Iterable[Found]:
        """Read the records from one offset to before another."""
        ...


class Feed:
    """Publishes what live worlds give until so many records are acknowledged, and hands them the answers that come back."""

    def __init__(self, settings: KafkaSettings, worlds: Sequence[LiveWorld], partitions: int, events: int) -> None:
        """Begin with nothing published."""
        self._settings, self._worlds, self._partitions, self._events = settings, Worlds(worlds), partitions, events
        self._codec, self._lane = Codec(BundledRegistry()), Lane()
        self._log = KafkaLog(settings, "crash-feed")
        self._stop = threading.Event()
        self._executor = ThreadPoolExecutor(1, "feed")
        self._running: Future[None] | None = None
        self._looked_ms = 0
        self._read: dict[tuple[str, int], int] = {}
        self._heard: dict[int, tuple[int, int]] = {}

    @property
    def published(self) -> int:
        """Count what is acknowledged."""
        return self._lane.acked

    @property
    def done(self) -> bool:
        """Tell whether as much as was asked for is acknowledged."""
        return self.published >= self._events

    def start(self) -> None:
        """Begin to publish."""
        self._running = self._executor.submit(self._run)

    def finish(self) -> None:
        """Stop, and make sure that everything is acknowledged."""
        self._stop.set()
        if self._running is not None:
            self._running.result()

    def check(self) -> None:
        """Say so if it broke."""
        if self._running is not None and self._running.done():
            self._running.result()

    def _run(self) -> None:
        with LogReader(self._settings, "crash-exchange") as reader:
            self.begin(reader)
            while not self._stop.is_set():
                self.turn(reader, time.time_ns() // 1_000_000)
                time.sleep(PAUSE_S)
        self._log.flush(30.0)
        self._lane.check()

    def begin(self, reader: Reading) -> None:
        """Leave out what was said before this market began: it was about another one."""
        places = [(topic, partition) for topic in (ORDERS, DECISIONS) for partition in range(self._partitions)]
        self._read = {place: reader.bounds(*place)[1] for place in places}

    def turn(self, reader: Reading, now_ms: int) -> None:
        """Take the answers that have come, and publish what is due."""
        for _, said in self._new(reader, ORDERS):
            self._worlds.hear(said, now_ms)
        if not 0 <= now_ms - self._looked_ms < LOOK_MS:
            self._looked_ms = now_ms
            self._look(reader, now_ms)
        for body in self._worlds.advance(now_ms):
            self._publish(body)
        self._log.poll()
        self._lane.check()

    def _publish(self, body: Body) -> None:
        key = str(getattr(body, "account", None) or getattr(body, "symbol", None) or EVERY_ACCOUNT).encode()
        self._lane.sent += 1
        self._log.append(
            TOPIC_OF[type(body)], partition_of(key, self._partitions), key, self._codec.encode(body), None, self._lane.done
        )

    def _look(self, reader: Reading, now_ms: int) -> None:
        """Tell the people what was decided, each of it once: who comes back from a kill may say the end of what was said again."""
        for partition, said in self._new(reader, DECISIONS):
            if (said.offset, said.n) > self._heard.get(partition, (-1, -1)):
                self._heard[partition] = (said.offset, said.n)
                self._worlds.hear(said, now_ms)

    def _new(self, reader: Reading, topic: str) -> Iterator[tuple[int, Any]]:
        for partition in range(self._partitions):
            _, end = reader.bounds(topic, partition)
            for record in reader.between(topic, partition, self._read[topic, partition], end):
                yield partition, self._codec.decode(record.value or b"")
            self._read[topic, partition] = end
