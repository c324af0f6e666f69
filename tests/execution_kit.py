"""Executors to kill: the real execution on a Kafka in memory and the fake exchange, on virtual time.

    world = World(Random(3))
    world.order("main", "BTCUSDT", "BUY", "0.01")
    world.live()                      # until everything is settled, or the run is killed
    world.check()                     # the exchange's books and ours

Decides: how long writing takes, that what one producer has written reaches its partition in order and a kill leaves a prefix of it, and what is
compared at the end. Leaves to others: what goes wrong at the exchange (fake_exchange), when a run is killed (Kill).
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final

from connectors.exchange.simulator.engine import STEP_MS
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.messages import Fill, Instrument, Mark, OrderEvent, OrderSide, OrderType
from streams.desk.outputs import Cancel, Order
from streams.desk.turn import order_id
from streams.desk.values import ZERO
from streams.exchange.port import AccountRef
from streams.pipeline.execution.brakes import Brakes
from streams.pipeline.execution.executor import Executor
from streams.pipeline.execution.ledger import CHANGELOG, Ledger
from streams.pipeline.execution.mark_board import MarkBoard
from streams.pipeline.execution.means import Limits, Means
from streams.pipeline.execution.tasks import Tasks
from streams.pipeline.execution.writing import Writing
from streams.pipeline.ports import Done, Headers
from streams.pipeline.steps import NOBODY_WATCHES
from tests.fake_exchange import FakeExchange
from tests.log_kit import Cluster, MemoryTable
from tests.virtual_loop import Clock, Kill, run

CODEC: Final = Codec(BundledRegistry())
ORDERS: Final = "orders"
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")
WRITING_S: Final = 0.001
"""Each way to the log and back."""


class SlowLog:
    """One process's producer: records reach their partition in order, a moment after they were appended, and are acknowledged a moment later."""

    def __init__(self, cluster: Cluster, kill: Kill) -> None:
        """Begin with nothing under way."""
        self._cluster, self._kill = cluster, kill
        self._queue: list[tuple[str, int, bytes | None, bytes | None, Done]] = []
        self._stirred = asyncio.Event()

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None, done: Done, /
    ) -> None:  # fmt: skip
        """Append a record."""
        assert headers is None
        self._queue.append((topic, partition, key, value, done))
        self._stirred.set()

    async def pump(self) -> None:
        """Deliver for ever."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            batch, self._queue = self._queue, []
            await asyncio.sleep(WRITING_S)
            for topic, partition, key, value, _ in batch:
                await self._kill.at(f"log: {topic} reached")
                self._cluster.put(topic, partition, key, value)
            await asyncio.sleep(WRITING_S)
            for *_, done in batch:
                done(None, None)
            await self._kill.at("log: acknowledged")


@dataclass
class Lease:
    """A lease that is held."""

    session_s: float = 10.0
    assigned_s: float = 0.0
    held: bool = True

    def left_s(self) -> float:
        """Tell what is left of it."""
        return self.session_s if self.held else 0.0


class World:
    """A partition of orders, an exchange, and executors one after the other."""

    def __init__(
        self, chance: Random | None = None, *, accounts: Sequence[str] = ("main",), limits: Limits | None = None, step_ms: int = STEP_MS
    ) -> None:  # fmt: skip
        """Begin with nothing ordered."""
        self.chance = chance or Random(1)
        self.clock = Clock()
        self.exchange = FakeExchange(self.clock, step_ms=step_ms)
        self.cluster = Cluster()
        self.limits = limits or Limits()
        self.lease = Lease()
        self.alerts: list[str] = []
        self.accounts = tuple(accounts)
        self.committed = 0
        self.control_is_read = True
        """Somebody tells how far `control` was read."""
        self._offset = 100
        for account in accounts:
            self.exchange.open(account)
        self.brakes = Brakes(lambda: self.clock.now_s, lambda _: 0)
        for account in accounts:
            self.brakes.accounts[account] = AccountRef(account, account, Decimal(5))
        self.board = MarkBoard()
        self.prices = {"BTCUSDT": Decimal(60_000), "ETHUSDT": Decimal(3_000)}
        self.executor: Executor | None = None
        self._later: list[tuple[float, Callable[[], object]]] = []

    def order(
        self, account: str, symbol: str, side: OrderSide, quantity: str, *, type_: OrderType = "MARKET", limit: str | None = None,
        reduce_only: bool = False, stop: str | None = None,
    ) -> Order:  # fmt: skip
        """Have the desk approve an order."""
        self._offset += 1
        now_ms = self.clock.wall_ms()
        price = self.prices[symbol]
        order = Order(
            order_id(1, account, self._offset, 0), account, self._offset, 0, symbol, side, type_, Decimal(quantity),
            None if limit is None else Decimal(limit), reduce_only, None if stop is None else Decimal(stop), "signal", 0, 1,
            now_ms + 60_000 if type_ == "LIMIT" else 0, price * Decimal("0.9"), price * Decimal("1.1"), -1, -1, now_ms,
        )  # fmt: skip
        self.cluster.put(ORDERS, 0, account.encode(), CODEC.encode(order))
        return order

    def cancel(self, order: Order) -> None:
        """Have the desk wish an order back."""
        self._offset += 1
        wish = Cancel(order.order_id, order.account, self._offset, 0, order.symbol, "TEST", self.clock.wall_ms())
        self.cluster.put(ORDERS, 0, order.account.encode(), CODEC.encode(wish))

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Have something happen so much later, whoever lives then."""
        self._later.append((self.clock.now_s + seconds, call))
        self._later.sort(key=lambda one: one[0])

    def live(self, kill: Kill | None = None, story: "Callable[[World], Awaitable[None]] | None" = None) -> Kill:
        """Live until all is settled, or a story is told, or the run is killed, which is raised. Gives the points that were passed."""
        self.exchange.kill = kill or Kill()
        run(lambda: self._life(story), clock=self.clock)
        return self.exchange.kill

    def means(self, log: SlowLog) -> Means:
        """Put together what an executor works with, from what is durable."""
        table = MemoryTable(self.cluster.table(CHANGELOG, 0))
        ledger = Ledger(0, CODEC, table.items())
        writing = Writing(log, table, ledger, CODEC.encode, lambda _: 0)
        return Means(
            ledger, writing, self.exchange, self.brakes, self.board, {symbol: instrument(symbol) for symbol in SYMBOLS}, self.lease,
            lambda: self.clock.now_s, asyncio.sleep, self.chance, NOBODY_WATCHES, self.alerts.append, self.limits,
        )  # fmt: skip

    async def _life(self, story: "Callable[[World], Awaitable[None]] | None") -> None:
        loop = asyncio.get_running_loop()
        broken: asyncio.Future[None] = loop.create_future()
        log = SlowLog(self.cluster, self.exchange.kill)
        tasks = Tasks(lambda error: None if broken.done() else broken.set_exception(error))
        self.executor = Executor(self.means(log), tasks, lambda _: True)
        self.executor.start()
        ended: list[asyncio.Future[None]] = [
            loop.create_task(one)
            for one in (log.pump(), self.watching(), self._feed(), self._settled() if story is None else _told(story, self))
        ]
        try:
            await asyncio.wait((broken, *ended), return_when=asyncio.FIRST_COMPLETED)
            for one in (broken, *ended):
                if one.done():
                    one.result()
            await self.exchange.kill.at("settled")
        finally:
            self.executor.close()
            broken.cancel()

    async def _feed(self) -> None:
        """Read orders as a group does: what was not acknowledged comes again."""
        assert self.executor is not None
        at = self.committed
        while True:
            records = self.cluster.read(ORDERS, 0, at, 5)
            if records:
                at = records[-1].offset + 1
                raws = [record.value for record in records if record.value is not None]
                await self.executor.accept([CODEC.decode(raw) for raw in raws], raws)
                await self.exchange.kill.at("batch is durable")
                self.committed = at
            await asyncio.sleep(0.01 if records else 0.05)

    async def watching(self) -> None:
        """Keep brakes and prices read up to now."""
        while True:
            if self.control_is_read:
                self.brakes.read_up_to(self.clock.now_s)
            now_ms = self.clock.wall_ms()
            for symbol, price in self.prices.items():
                self.board.take(mark(symbol, price, now_ms), now_ms)
            while self._later and self._later[0][0] <= self.clock.now_s:
                self._later.pop(0)[1]()
            await asyncio.sleep(0.05)

    async def _settled(self) -> None:
        """Wait until every order that was read is over."""
        assert self.executor is not None
        while True:
            await asyncio.sleep(0.1)
            if not self._later and self.committed == self.cluster.ends[ORDERS, 0] and self.executor.settled:
                return

    @property
    def orders(self) -> list[Order]:
        """Give the orders of the desk, each once."""
        found = [CODEC.decode(record.value) for record in self.cluster.read(ORDERS, 0) if record.value is not None]
        return [one for one in found if isinstance(one, Order)]

    @property
    def events(self) -> list[OrderEvent]:
        """Give what was said of orders, each event once; the same id has to say the same."""
        said: dict[str, OrderEvent] = {}
        for record in self.cluster.read("order-events", 0):
            assert record.value is not None
            event: OrderEvent = CODEC.decode(record.value)
            assert said.setdefault(event.event_id, event) == event, "one id says two things"
        return list(said.values())

    @property
    def fills(self) -> list[Fill]:
        """Give the fills, each once; the same trade has to be the same."""
        said: dict[tuple[str, str, str], Fill] = {}
        for record in self.cluster.read("fills", 0):
            assert record.value is not None
            fill: Fill = CODEC.decode(record.value)
            assert said.setdefault((fill.account, fill.symbol, fill.trade_id), fill) == fill, "one trade is two things"
        return list(said.values())

    def ends(self, order: Order) -> list[str]:
        """Give the words for an order's end."""
        return [
            event.kind
            for event in self.events
            if event.order_id == order.order_id and event.kind in ("REJECTED", "CANCELLED", "EXPIRED")
        ]

    def filled(self, order: Order) -> Decimal:
        """Give what the desk knows of an order's fills."""
        return sum((fill.quantity for fill in self.fills if fill.order_id == order.order_id), ZERO)

    def sent(self, order: Order) -> list[str]:
        """Give the client ids under which an order was accepted, as often as it was."""
        return [
            report.client_id
            for report in self.exchange.books(order.account).orders
            if report.client_id.startswith(order.order_id)
        ]

    def check(self) -> None:
        """Compare: nothing sent twice, nothing lost, every trade said, nothing that is not a trade, every order at an end that is true."""
        fills, ends = self.fills, {order.order_id: self.ends(order) for order in self.orders}
        for account in self.accounts:
            books = self.exchange.books(account)
            names = Counter(report.client_id for report in books.orders)
            assert [name for name, times in names.items() if times > 1] == [], "sent twice"
            true = {
                (trade.symbol, trade.trade_id): (trade.side, trade.price, trade.quantity, trade.fee) for trade in books.trades
            }
            said = {
                (fill.symbol, fill.trade_id): (fill.side, fill.price, fill.quantity, fill.fee)
                for fill in fills
                if fill.account == account
            }
            assert said == true
        bought: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for trade, name in (
            (trade, trade.client_id) for account in self.accounts for trade in self.exchange.books(account).trades
        ):
            bought[name.rpartition("-")[0]] += trade.quantity
        for order in self.orders:
            name, said_ends = order.order_id, ends[order.order_id]
            filled = sum((fill.quantity for fill in fills if fill.order_id == name), ZERO)
            assert filled == bought[name], f"{name}: fills under its name are not its trades"
            assert filled <= order.quantity
            assert len(said_ends) <= 1, f"{name}: two ends, {said_ends}"
            assert (filled == order.quantity) == (not said_ends), f"{name}: {filled} of {order.quantity}, {said_ends}"


async def _told(story: Callable[[World], Awaitable[None]], world: World) -> None:
    await story(world)


def instrument(symbol: str) -> Instrument:
    """Give what the fake exchange demands."""
    step = Decimal("0.001")
    return Instrument(
        f"{symbol}-1", symbol, symbol[:-4], "USDT", Decimal("0.1"), step, step, Decimal(1_000), Decimal(100), Decimal(5), Decimal("1.05"),
        Decimal("0.95"), 200, Decimal("0.0002"), Decimal("0.0005"), 28_800, 0, 0,
    )  # fmt: skip


def mark(symbol: str, price: Decimal, now_ms: int) -> Mark:
    """Give a mark."""
    return Mark(f"{symbol}-{now_ms}", symbol, price, price, price, price, price, Decimal(1_000_000), ZERO, now_ms)
