"""What flows in while executors are killed: accounts that are opened, then orders and cancels, in a thread of their own.

Decides: how fast, that everything published is acknowledged before it counts, and that each partition has an account. Leaves to others: which orders
(simulation.approvals), marks and instruments (the market data worker), killing.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from types import TracebackType
from typing import Self

from connectors.kafka.following import Follower
from connectors.kafka.log import KafkaLog
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.messages import Control, OpenAccount
from streams.desk.outputs import Cancel, Order
from streams.pipeline.ports import Lane
from streams.simulation.approvals import Approvals

ORDERS, CONTROL, MARKS, INSTRUMENTS = "orders", "control", "marks", "instruments"
PAUSE_S = 0.05
FLUSH_S = 30.0
OPENING = Decimal(50_000_000)
"""So much that nothing is ever refused for want of money, and nobody is liquidated."""
FORGOTTEN = 70
"""Orders of an account that are over are forgotten 64 at a time."""


def accounts_for(partitions: int) -> list[str]:
    """Name an account for each partition."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        name = f"acc{number:03}"
        found.setdefault(partition_of(name.encode(), partitions), name)
        number += 1
    return [found[partition] for partition in range(partitions)]


class OrderFeed:
    """Publishes orders until it is told to stop."""

    def __init__(self, settings: KafkaSettings, approvals: Approvals, partitions: int) -> None:
        """Begin with nothing published."""
        self._settings, self._approvals, self._partitions = settings, approvals, partitions
        self._codec, self._lane = Codec(BundledRegistry()), Lane()
        self._log = KafkaLog(settings, "crash-orders")
        self._stop, self._flood = threading.Event(), threading.Event()
        self._executor = ThreadPoolExecutor(1, "orders")
        self._running: Future[None] | None = None
        self._broken = False
        self.published = 0
        """Orders that are out."""

    def open_accounts(self, accounts: Sequence[str]) -> None:
        """Make accounts known, and wait until that is durable."""
        for account in accounts:
            command = OpenAccount("sim", account, Decimal(5), OPENING)
            self._append(CONTROL, account, Control(f"open-{account}", account, "crash", "proof", _now_ms(), command))
        self._log.flush(FLUSH_S)
        self._lane.check()

    def start(self) -> None:
        """Begin to publish."""
        self._running = self._executor.submit(self._run)

    def flood(self) -> None:
        """Have so many orders come of each account that orders which are over are forgotten."""
        self._flood.set()

    def check(self) -> None:
        """Say so if it broke."""
        if self._running is not None and self._running.done():
            self._running.result()

    def finish(self) -> None:
        """Take back what may still rest, and make sure that everything is acknowledged."""
        self._stop.set()
        if self._running is not None:
            self._running.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """Stop where that was not done in order: a run that broke must not wait for a thread that goes on."""
        self._broken = not self._stop.is_set()
        self._stop.set()

    def _run(self) -> None:
        starts = {(topic, partition): 0 for topic in (MARKS, INSTRUMENTS) for partition in range(self._partitions)}
        with Follower(self._settings, starts, "crash-market") as market:
            while not self._stop.is_set():
                for seen in market.poll(PAUSE_S):
                    self._approvals.take(self._codec.decode(seen.value or b""))
                self._publish(self._approvals.advance(_now_ms()))
                if self._flood.is_set() and self._approvals.ready:
                    self._flood.clear()
                    self._publish(self._approvals.out_of_reach(_now_ms(), FORGOTTEN))
                self._log.poll()
                self._lane.check()
        if self._broken:
            return
        self._publish(self._approvals.take_all_back(_now_ms()))
        self._log.flush(FLUSH_S)
        self._lane.check()

    def _publish(self, said: Iterable[Order | Cancel]) -> None:
        for one in said:
            self._append(ORDERS, one.account, one)
            self.published += isinstance(one, Order)

    def _append(self, topic: str, key: str, body: Order | Cancel | Control) -> None:
        self._lane.sent += 1
        partition = partition_of(key.encode(), self._partitions)
        self._log.append(topic, partition, key.encode(), self._codec.encode(body), None, self._lane.done)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
