"""What flows in while workers are killed: a market, signals and an exchange, in a thread of their own.

Decides: how fast, and that everything published is acknowledged before it counts. Leaves to others: what is published (simulation.live).
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from connectors.kafka.log import KafkaLog
from connectors.kafka.log_reader import LogReader
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.messages import EVERY_ACCOUNT, Body, Control, Instrument, Mark
from streams.desk.outputs import Decision, Order
from streams.flow import TOPIC_OF
from streams.pipeline.ports import Lane
from streams.simulation.live import LiveWorld
from streams.simulation.policies import generated_policy

PAUSE_S = 0.01
POLICY_EVERY_MS = 30_000
ORDERS, DECISIONS = "orders", "decisions"


class Feed:
    """Publishes what a live world gives until so many records are acknowledged, and answers the orders that come back."""

    def __init__(self, settings: KafkaSettings, worlds: Sequence[LiveWorld], partitions: int, events: int) -> None:
        """Begin with nothing published. The market is the first world's; the others have the same prices, and accounts of their own."""
        self._settings, self._worlds, self._partitions, self._events = settings, worlds, partitions, events
        self._of = {account: world for world in worlds for account in world.accounts}
        self._codec, self._lane = Codec(BundledRegistry()), Lane()
        self._log = KafkaLog(settings, "crash-feed")
        self._stop = threading.Event()
        self._executor = ThreadPoolExecutor(1, "feed")
        self._running: Future[None] | None = None
        self._policy_ms = 0
        self._read: dict[tuple[str, int], int] = {}
        self._without_phase = set(self._of)

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
            # What was ordered before this market began was another one's to fill.
            places = [(topic, partition) for topic in (ORDERS, DECISIONS) for partition in range(self._partitions)]
            self._read = {place: reader.bounds(*place)[1] for place in places}
            while not self._stop.is_set():
                now_ms = time.time_ns() // 1_000_000
                for said in self._new(reader, ORDERS):
                    world = self._of[said.account]
                    answer: Callable[..., None] = world.on_order if isinstance(said, Order) else world.on_cancel
                    answer(said, now_ms)
                self._see_to_phases(reader, now_ms)
                for body in (*self._policy(now_ms), *self._happened(now_ms)):
                    self._publish(body)
                self._log.poll()
                self._lane.check()
                time.sleep(PAUSE_S)
        self._log.flush(30.0)
        self._lane.check()

    def _happened(self, now_ms: int) -> Iterator[Body]:
        for number, world in enumerate(self._worlds):
            for body in world.advance(now_ms):
                if number == 0 or not isinstance(body, Mark | Instrument):
                    yield body

    def _policy(self, now_ms: int) -> Iterator[Control]:
        """Publish the limits every so often, as somebody in charge does."""
        if now_ms - self._policy_ms >= POLICY_EVERY_MS:
            self._policy_ms = now_ms
            update = generated_policy([market.symbol for market in self._worlds[0].markets])
            yield Control(f"policy-{now_ms}", EVERY_ACCOUNT, "crash", "crash", now_ms, update)

    def _publish(self, body: Body) -> None:
        key = str(getattr(body, "account", None) or getattr(body, "symbol", None) or EVERY_ACCOUNT).encode()
        self._lane.sent += 1
        self._log.append(
            TOPIC_OF[type(body)], partition_of(key, self._partitions), key, self._codec.encode(body), None, self._lane.done
        )

    def _see_to_phases(self, reader: LogReader, now_ms: int) -> None:
        """Have those ask again who got no phase because the policy, from another partition, came after them; without one nothing is traded."""
        if not self._without_phase:
            return
        for said in self._new(reader, DECISIONS):
            if isinstance(said, Decision) and said.kind == "COMMAND" and said.account in self._of:
                if said.code == "PHASE":
                    self._without_phase.discard(said.account)
                elif said.code in ("POLICY_MISSING", "PHASE_UNKNOWN"):
                    self._of[said.account].on_decision(said, now_ms)

    def _new(self, reader: LogReader, topic: str) -> Iterator[Any]:
        for partition in range(self._partitions):
            _, end = reader.bounds(topic, partition)
            for record in reader.between(topic, partition, self._read[topic, partition], end):
                yield self._codec.decode(record.value or b"")
            self._read[topic, partition] = end
