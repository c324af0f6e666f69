"""The execution role, put together: table `ledger`, agent on `orders`, the exchange, and what is read past the tape.

Decides: which figures execution goes by on which broker, and that the exchange is opened in Faust's own loop. Leaves to others: everything each part
does.
"""

import asyncio
import logging
import os
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from fractions import Fraction
from typing import Any, Final

from faust.types import TP

from connectors.exchange.allowance import Allowance
from connectors.exchange.allowance_sharing import BadRecord, Shares
from connectors.exchange.ccxt_exchange import CcxtExchange
from connectors.exchange.clock import ExchangeClock
from connectors.kafka.faust_app import BatchedApp, BatchSchema
from connectors.kafka.lease import Lease
from connectors.kafka.partitioner import partition_of
from connectors.kafka.prompt_log import PromptLog
from connectors.kafka.system_clock import SystemClock, boottime_s
from schemas.codec import Codec, Undecodable
from streams.agents.executing import ExecutorPorts, Executors, Held, Source
from streams.app.feeds import ALLOWANCES, Feeds, Known
from streams.app.parts import Parts, committed, take_batches, tend_for_ever
from streams.app.tables import OwnTable, PartitionOfTable, forget_others, own_table
from streams.app.venue import venue_settings
from streams.desk.outputs import Cancel, Order
from streams.exchange.port import Exchange
from streams.pipeline.execution.brakes import Brakes
from streams.pipeline.execution.executor import Executor
from streams.pipeline.execution.ledger import CHANGELOG, Ledger
from streams.pipeline.execution.mark_board import MarkBoard
from streams.pipeline.execution.means import Limits, Means
from streams.pipeline.execution.takeover import Takeover
from streams.pipeline.execution.tasks import Tasks
from streams.pipeline.execution.writing import Writing
from streams.pipeline.ports import AppendFailed, RecordIn

LOGGER = logging.getLogger(__name__)

ORDERS: Final = "orders"
EMBEDDED_LIMITS: Final = Limits(window_ms=1_000, margin_s=0.5)
"""A session there is three seconds: half of it has to be left for an order, and a heartbeat comes twice a second."""
PART: Final = Fraction(3, 4)
"""Of the allowance of an IP, for all executors together: the rest is for market data, which does not share."""
CLOSE_S_MAX: Final = 2.0
"""Closing connections takes as long as a round trip; nothing is lost where it takes longer."""


class Alerts:
    """Tells a person, and counts."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0

    def __call__(self, text: str) -> None:
        """Tell."""
        self.count += 1
        LOGGER.error("%s", text)


class Counted(Allowance):
    """An allowance that counts what was taken of it."""

    weight = 0

    async def take(self, weight: int, *, orders: int = 0, account: str = "", urgent: bool = False) -> None:
        """Wait until there is that much."""
        await super().take(weight, orders=orders, account=account, urgent=urgent)
        self.weight += weight


class Execution:
    """What all partitions of a worker share."""

    def __init__(self, app: BatchedApp, parts: Parts, table: OwnTable) -> None:
        """Put it together; nothing is opened yet."""
        settings, partitions = parts.settings, parts.identity.partitions
        self.where = venue_settings(os.environ)
        self.alerts, self.log = Alerts(), PromptLog(parts.log)
        self.lease = app.lease = Lease(app.conf.broker_session_timeout, boottime_s)
        self._token, clock = secrets.token_hex(8), SystemClock()
        self.allowance = Counted(ExchangeClock(clock), asyncio.sleep, Shares(self._token), self._tell)
        self.known = Known(Brakes(boottime_s, self.partition_of), MarkBoard(), {}, self._hear)
        self.exchange = CcxtExchange(
            self.where.venue, lambda ref: self.where.keys_of(ref, os.environ), self.allowance, clock, asyncio.sleep, _chance(),
            broken=parts.ending.because,
        )  # fmt: skip
        self.allowance.follow(self.exchange.clock)
        self._feeds = Feeds(
            settings.kafka, parts.registry, partitions, self.known, boottime_s, parts.ending.because, f"qts-{settings.name}"
        )
        self._app, self._parts, self._table = app, parts, table
        self._limits = Limits() if settings.embedded_partitions is None else EMBEDDED_LIMITS
        self._open = AsyncExitStack()
        self._is_open = False
        self._codec = Codec(parts.registry)

    def partition_of(self, key: str) -> int:
        """Tell where a key belongs in any topic."""
        return partition_of(key.encode(), self._parts.identity.partitions)

    async def opened(self) -> None:
        """Open the exchange, and begin to read past the tape; once."""
        if not self._is_open:
            self._is_open = True
            self.log.start()
            self._open.callback(self.log.stop)
            await self._open.enter_async_context(self.exchange)
            self._feeds.start()
            self._open.callback(self._feeds.stop)
            sharing = Tasks(self._parts.ending.because)
            sharing.spawn(self.allowance.run())
            self._open.callback(sharing.close)

    async def closed(self) -> None:
        """Close all of it."""
        try:
            async with asyncio.timeout(CLOSE_S_MAX):
                await self._open.aclose()
        except TimeoutError:
            LOGGER.warning("connections to the exchange are left behind")

    def holds(self, partitions: int) -> None:
        """Take that share of the allowance which goes with so many partitions."""
        self.allowance.hold(PART * Fraction(partitions, self._parts.identity.partitions))
        self.exchange.compare_soon()  # its answer tells what whoever had that share has used of it: else nothing goes before the minute is over

    def _tell(self, record: bytes) -> None:
        """Tell the other workers. A record that is lost costs nobody anything; one that cannot be written is the broker's trouble, as any other."""
        self.log.append(ALLOWANCES, 0, self._token.encode(), record, None, self._told)

    def _told(self, failure: object, _receipt: object) -> None:
        if failure is not None:
            self._parts.ending.because(AppendFailed(str(failure)))

    def _hear(self, record: bytes) -> None:
        try:
            self.allowance.heard(record)
        except BadRecord as bad:
            LOGGER.warning("a record of %s is passed over: %s", ALLOWANCES, bad)

    def read(self, record: RecordIn) -> Order | Cancel | None:
        """Read a record of `orders`. One that nobody can read is no order: only the desk writes there."""
        try:
            said = None if record.value is None else self._codec.decode(record.value)
        except Undecodable as bad:
            said = bad
        if isinstance(said, Order | Cancel):
            return said
        self.alerts(f"a record of orders at offset {record.offset} is no order and is passed over: {said}")
        return None

    async def made(self, partition: int) -> Held:
        """Put a partition together."""
        parts, codec = self._parts, Codec(self._parts.registry)
        table = PartitionOfTable(self._table, partition)
        items, tail = list(table.items()), self._tail(partition)
        ledger = await asyncio.to_thread(Ledger, partition, codec, items)
        writing = Writing(self.log, table, ledger, codec.encode, self.partition_of)
        exchange: Exchange = self.exchange
        means = Means(
            ledger, writing, exchange, self.known.brakes, self.known.board, self.known.instruments, self.lease, boottime_s,
            asyncio.sleep, _chance(), parts.watcher, self.alerts, self._limits,
        )  # fmt: skip
        executor = Executor(means, Tasks(parts.ending.because), lambda account: self.partition_of(account) == partition)
        takeover = Takeover(ledger, writing, table, self.lease, tail, boottime_s, asyncio.sleep, self._token)
        return Held(ledger, executor, writing, takeover)

    def start(self, source: Source) -> int:
        """Give where to go on with a partition of `orders`."""
        known, (low, _) = committed(self._app, source), self._parts.look.bounds(*source)
        if known is not None and known < low:
            self.alerts(
                f"{source[0]}/{source[1]} begins at offset {low}, read was up to {known}: orders between were deleted unread"
            )
        return low if known is None else max(known, low)

    def _tail(self, partition: int) -> Callable[[], Awaitable[list[tuple[bytes, bytes | None]]]]:
        """Give what reads the changelog from where the recovery of the table has come to."""
        tables: Any = self._app.tables
        recovered: int | None = tables.recovery.active_offsets.get(TP(CHANGELOG, partition))
        start = 0 if recovered is None else recovered + 1

        async def tail() -> list[tuple[bytes, bytes | None]]:
            found = await asyncio.to_thread(self._parts.look.records, CHANGELOG, partition, start)
            return [(record.key, record.value) for record in found if record.key is not None]

        return tail


def add_execution(app: BatchedApp, parts: Parts) -> tuple[Executors, Execution]:
    """Make an app execute orders."""
    identity = parts.identity
    table = own_table(app, "ledger", CHANGELOG, identity.partitions)
    execution = Execution(app, parts, table)
    executors = Executors(
        ExecutorPorts(
            execution.log,
            execution.read,
            execution.made,
            execution,
            execution.opened,
            execution.closed,
            parts.ending,
            lambda: app.consumer_generation_id or 0,
            boottime_s,
            execution.holds,
        )
    )

    class From:
        async def positions(self, assigned: frozenset[Source]) -> Mapping[Source, int]:
            forget_others(table, [partition for _, partition in assigned])
            return await executors.positions(assigned)

    app.positions_from = From()
    orders = app.topic(ORDERS, schema=BatchSchema(), partitions=identity.partitions)

    @app.agent(orders, name="qts-execution", concurrency=1)
    async def executing(stream: Any) -> None:
        await take_batches(stream, executors.take)

    tend_for_ever(app, executors)
    execution.where.say()
    return executors, execution


def _chance() -> random.Random:
    return random.Random(secrets.randbits(64))  # noqa: S311 - spreads retries, keeps no secret
