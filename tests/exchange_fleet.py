"""An execution worker with all it needs, for tests: a broker, a simulated exchange as a process, prices that are said, orders that are approved.

Decides: one account with much money, prices that are those of the exchange, orders without any stop behind them. Leaves to others: the worker's
lives (streams.cli.crash_fleet), what has to come of it (the tests).
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from connectors.exchange.simulator.process import SimulatorProcess
from connectors.exchange.simulator.process import running as running_exchange
from connectors.exchange.simulator.setting_up import Options
from connectors.exchange.simulator.truth import sent_twice
from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.local_node import free_ports
from connectors.kafka.log import KafkaLog
from connectors.kafka.log_reader import LogReader
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from infra.kafka.topics import catalogue
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.crash_fleet import Member
from streams.desk.messages import Control, Mark, OpenAccount, OrderSide, Trip
from streams.desk.outputs import Cancel, Order
from streams.desk.turn import order_id
from streams.flow import TOPIC_OF
from tests.fleet_kit import Broken, figures, page, until

PRICES: Final = {"BTCUSDT": Decimal(60_000), "ETHUSDT": Decimal(3_000)}
MARK_EVERY_S: Final = 0.25
READY_S_MAX: Final = 60.0


class Fleet:
    """The broker, the exchange, and workers."""

    def __init__(
        self, servers: str, folder: Path, partitions: int, exchange: SimulatorProcess, account: str = "main", **environ: str
    ) -> None:
        """Know where everything is; nothing of ours runs yet."""
        self.settings, self.folder, self.partitions, self.exchange = KafkaSettings(servers), folder, partitions, exchange
        self.environ = {
            "QTS_KAFKA_SERVERS": servers, "QTS_HOME": str(folder / "home"), "QTS_MODE": "tests", "QTS_EXCHANGE_URL": exchange.url,
            **environ,
        }  # fmt: skip
        self.account = account
        self.codec = Codec(BundledRegistry())
        self.partition = partition_of(self.account.encode(), partitions)
        self.members: list[Member] = []
        self._writer = Writer(self.settings)
        self._offset = 0
        self._over = threading.Event()
        self._marks = threading.Thread(target=self._say_marks, daemon=True)

    def begin(self) -> None:
        """Open the account at the exchange and on `control`, and let prices be said until `end`."""
        keys = {"account": self.account, "key": f"sim-{self.account}", "secret": f"sim-secret-{self.account}"}
        self.exchange.ask("POST", "/sim/accounts", {**keys, "balances": {"USDT": "1000000"}})
        now_ms = _now_ms()
        self.say(
            Control(
                "open-1", self.account, "test", "test", now_ms, OpenAccount("sim", self.account, Decimal(5), Decimal(1_000_000))
            )
        )
        self._marks.start()

    def worker(self, name: str = "execution-0", **more: str) -> Member:
        """Start a worker; the same name is the same worker again."""
        member = Member("execution", name, free_ports(1)[0], self.folder, {**self.environ, **more})
        self.members.append(member)
        member.start()
        return member

    def ready(self, member: Member, *, reconciled: bool = True) -> None:
        """Wait until a worker has taken over, and has compared the account with the exchange."""

        def is_ready() -> bool:
            assert member.code is None, f"it ended with {member.code}: {self.said(member)[-2_000:]}"
            said = page(member, "/health/ready")
            compared = sum(figures(member, "qts_accounts_reconciled").values())
            return said is not None and said.status == 200 and (compared > 0 or not reconciled)

        try:
            until(is_ready, f"{member.name} is ready", READY_S_MAX)
        except Broken as late:
            raise Broken(f"{late}; it said: {self.said(member)[-3_000:]}") from late

    def settled(self, member: Member) -> bool:
        """Tell whether a worker answers, and has no order that is not over."""
        open_orders = figures(member, "qts_open_orders")
        return bool(open_orders) and sum(open_orders.values()) == 0

    def said(self, member: Member) -> str:
        """Give what a worker has logged, in all its lives."""
        return (self.folder / f"{member.name}.log").read_text(errors="replace")

    def order(
        self, side: OrderSide, quantity: str, symbol: str = "BTCUSDT", *, limit: str | None = None, control: int = 2**40
    ) -> Order:
        """Have the desk approve an order. `control`: up to where it has applied commands."""
        self._offset += 1
        now_ms, price = _now_ms(), PRICES[symbol]
        order = Order(
            order_id(1, self.account, self._offset, 0), self.account, self._offset, 0, symbol, side, "MARKET" if limit is None else "LIMIT",
            Decimal(quantity), None if limit is None else Decimal(limit), False, None, "signal", 0, 1,
            0 if limit is None else now_ms + 600_000, price * Decimal("0.9"), price * Decimal("1.1"), control, control, now_ms,
        )  # fmt: skip
        self.append("orders", self.partition, self.account.encode(), self.codec.encode(order))
        return order

    def cancel(self, order: Order) -> None:
        """Have the desk wish an order back."""
        self._offset += 1
        wish = Cancel(order.order_id, self.account, self._offset, 0, order.symbol, "TEST", _now_ms())
        self.append("orders", self.partition, self.account.encode(), self.codec.encode(wish))

    def say(self, *bodies: Any) -> None:
        """Publish messages where they belong."""
        self._writer.write(*map(self._placed, bodies))

    def append(self, topic: str, partition: int, key: bytes, *values: bytes) -> None:
        """Put bytes on a topic."""
        self._writer.write(*((topic, partition, key, value) for value in values))

    def _placed(self, body: Any) -> "Record":
        key = str(getattr(body, "account", None) or body.symbol).encode()
        return TOPIC_OF[type(body)], partition_of(key, self.partitions), key, self.codec.encode(body)

    def read(self, topic: str) -> list[Any]:
        """Read everything on a topic about the account."""
        with LogReader(self.settings, "test-reads") as reader:
            found = reader.between(topic, self.partition, *reader.bounds(topic, self.partition))
            return [self.codec.decode(record.value) for record in found if record.value is not None]

    def kinds(self, order: Order) -> list[str]:
        """Give what was said of an order, in its order."""
        return [event.kind for event in self.read("order-events") if event.order_id == order.order_id]

    def filled(self, order: Order) -> Decimal:
        """Give how much of an order was said to be filled, each trade once."""
        fills = {fill.trade_id: fill.quantity for fill in self.read("fills") if fill.order_id == order.order_id}
        return sum(fills.values(), Decimal(0))

    def at_exchange(self) -> list[dict[str, Any]]:
        """Give the orders the exchange has accepted; none of them twice."""
        books = self.exchange.ask("GET", "/sim/books")
        assert sent_twice(books) == []
        found: list[dict[str, Any]] = books["accounts"][self.account]["orders"]
        return found

    def end(self) -> None:
        """End what was started here."""
        self._over.set()
        for member in self.members:
            member.end()
        self._marks.join(10)
        del self._writer  # or it says that the broker has gone

    def _say_marks(self) -> None:
        writer = Writer(self.settings)
        while not self._over.wait(MARK_EVERY_S):
            now_ms = _now_ms()
            writer.write(
                *(
                    self._placed(
                        Mark(f"{symbol}-{now_ms}", symbol, price, price, price, price, price, Decimal(10**7), Decimal(0), now_ms)
                    )
                    for symbol, price in PRICES.items()
                )
            )


Record = tuple[str, int, bytes, bytes]


class Writer:
    """Writes records and waits until they are there. One for each thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connect with the first record."""
        self._log = KafkaLog(settings, "test")

    def write(self, *records: Record) -> None:
        """Write."""
        failures: list[object] = []
        for topic, partition, key, value in records:
            self._log.append(topic, partition, key, value, None, lambda failure, _: failures.append(failure) if failure else None)
        assert self._log.flush(30.0) == 0
        assert failures == []


def trip_behind(fleet: Fleet, backlog: int, *, away: Member | None = None) -> tuple[float, Order]:
    """Trip the stop of an account with an order at the exchange while much waits on `orders`, put there while a worker is away if one is named.

    Gives how many seconds passed until the order was cancelled, and an order that came behind all that.
    """
    order = fleet.order("BUY", "0.010", limit="59000", control=-1)
    until(lambda: fleet.kinds(order) == ["ACKNOWLEDGED"], "it rests at the exchange")
    junk = fleet.codec.encode(Cancel("q1-0000000000-1-0", fleet.account, 1, 0, "BTCUSDT", "TEST", 0))
    if away is not None:
        os.kill(away.pid, signal.SIGSTOP)
    fleet.append("orders", fleet.partition, fleet.account.encode(), *[junk] * backlog)
    late = fleet.order("BUY", "0.010", limit="58000", control=-1)
    if away is not None:
        os.kill(away.pid, signal.SIGCONT)
    began_s = time.monotonic()
    fleet.say(Control("trip-1", fleet.account, "test", "enough", _now_ms(), Trip()))
    until(lambda: fleet.at_exchange()[0]["status"] == "CANCELED", "it is cancelled")
    return time.monotonic() - began_s, late


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def simulated(folder: Path) -> Iterator[SimulatorProcess]:
    """Run an exchange whose prices stand still."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "marks.csv"
    file.write_text(
        "\n".join(["ts_ms,symbol,mark", *(f"0,{symbol},{price}" for symbol, price in PRICES.items()), "0,BNBUSDT,600", ""])
    )
    with running_exchange(Options(prices_file=file)) as exchange:
        yield exchange


@contextmanager
def embedded_fleet(folder: Path, partitions: int = 2) -> Iterator[Fleet]:
    """Have a fleet on the embedded broker while a block runs."""
    with EmbeddedBroker() as broker, simulated(folder) as exchange:
        for topic in catalogue(partitions):
            broker.create(topic.name, topic.partitions)
        fleet = Fleet(broker.servers, folder, partitions, exchange, QTS_EMBEDDED_PARTITIONS=str(partitions))
        fleet.begin()
        try:
            yield fleet
        finally:
            fleet.end()
