"""The stage of the rows about execution: a simulated exchange whose prices stand still, open accounts, approved orders, and what arrives when.

Decides: what an order is, and that whoever waits says prices meanwhile, in one thread: what is timed never waits for a lock. Arrivals are those of
the exchange's journal, to the millisecond. Leaves to others: the broker (the command), the worker, what is measured.
"""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from connectors.exchange.simulator.journal import entries
from connectors.exchange.simulator.process import SimulatorProcess
from connectors.exchange.simulator.process import running as running_exchange
from connectors.exchange.simulator.setting_up import Options
from connectors.exchange.simulator.weights import Limits
from connectors.kafka.bench_ends import NotDone
from connectors.kafka.bench_probe import percentile
from connectors.kafka.log import KafkaLog
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.bench.rates import Timer
from streams.bench.workers import BenchWorker
from streams.desk.messages import Control, Mark, OpenAccount, OrderSide
from streams.desk.outputs import Order
from streams.desk.turn import order_id
from streams.pipeline.ports import Lane

PRICES: Final = {"BTCUSDT": Decimal(60_000), "ETHUSDT": Decimal(3_000)}
SYMBOL: Final = "BTCUSDT"
QUANTITY: Final = Decimal("0.010")
BALANCE: Final = Decimal(100_000_000)
EPOCH: Final = 1
MARK_EVERY_NS: Final = 250_000_000
SETTLE_S: Final = 2.0
"""After the last order: an answer takes milliseconds, and the journal is on the disk a tenth of a second later."""
READY_S_MAX: Final = 120.0
LOOK_S: Final = 0.1
SIDES: Final[tuple[OrderSide, OrderSide]] = ("BUY", "SELL")
NS_PER_MS: Final = 1_000_000


class Ground(NamedTuple):
    """A broker of the benchmark's own, its topics made and empty."""

    settings: KafkaSettings
    partitions: int
    embedded: bool
    folder: Path


class Arrival(NamedTuple):
    """A request as the exchange saw it. Its time is cut to the millisecond, which is made up for by half of one."""

    at_ns: int
    took_ms: int
    account: str


class Stage:
    """Everything around a worker."""

    def __init__(self, ground: Ground, exchange: SimulatorProcess, journal: Path, timer: Timer) -> None:
        """Begin. `timer` tells the time of day: the exchange's journal has it from the same clock of this machine."""
        self.ground, self.exchange, self.timer = ground, exchange, timer
        self.codec = Codec(BundledRegistry())
        self._journal = journal
        self._log, self._lane = KafkaLog(ground.settings, "bench-stage"), Lane()
        self._offset = 0
        self._marked_ns = 0
        self.sent_ns: dict[str, int] = {}
        """By client id of the first attempt, when its order was put on its topic."""

    def open(self, *accounts: str, known: bool = True) -> None:
        """Open accounts at the exchange, and on `control` unless nobody here is to know of them."""
        for account in accounts:
            keys = {"account": account, "key": f"sim-{account}", "secret": f"sim-secret-{account}"}
            self.exchange.ask("POST", "/sim/accounts", {**keys, "balances": {"USDT": str(BALANCE)}})
            if known:
                command = OpenAccount("sim", account, Decimal(5), BALANCE)
                self._say("control", account, Control(f"open-{account}", account, "bench", "bench", self.now_ms(), command))
        self.flush()

    def worker(self) -> BenchWorker:
        """Give a worker, which is not started yet."""
        ground = self.ground
        environ = {"QTS_EXCHANGE_MODE": "sim", "QTS_EXCHANGE_URL": self.exchange.url}
        if ground.embedded:
            environ["QTS_EMBEDDED_PARTITIONS"] = str(ground.partitions)
        return BenchWorker("execution", ground.settings, ground.folder, environ)

    def wait_until_served(self, worker: BenchWorker, accounts: int, within_s: float = READY_S_MAX) -> None:
        """Wait until a worker has taken over and has compared so many accounts with the exchange."""

        def served() -> bool:
            worker.check()
            return reconciled(worker.port) >= accounts

        self.until(served, lambda: f"the worker serves {accounts} accounts: {worker.last_words()}", within_s)

    def order(self, account: str, side: OrderSide, *, limit: Decimal | None = None) -> Order:
        """Approve an order: at the market, or at a limit."""
        self._offset += 1
        now_ms, price = self.now_ms(), PRICES[SYMBOL]
        return Order(
            order_id(EPOCH, account, self._offset, 0), account, self._offset, 0, SYMBOL, side, "MARKET" if limit is None else "LIMIT", QUANTITY,
            limit, False, None, "signal", 0, 1, 0 if limit is None else now_ms + 3_600_000, price * Decimal("0.9"), price * Decimal("1.1"), 2**40,
            2**40, now_ms,
        )  # fmt: skip

    def send(self, order: Order, topic: str = "orders") -> str:
        """Put an order on a topic, note when, and give the name it will have at the exchange."""
        name, value = f"{order.order_id}-a0", self.codec.encode(order)
        self.sent_ns[name] = self.timer.now_ns()
        self._append(topic, order.account, value)
        return name

    def pause(self, for_s: float) -> None:
        """Let time pass."""
        self.pause_until(self.timer.now_ns() + int(for_s * 1e9))

    def pause_until(self, at_ns: int) -> None:
        """Let time pass until then, saying prices."""
        while (left_ns := at_ns - self.timer.now_ns()) > 0:
            self._say_marks()
            self._log.poll()
            self._lane.check()
            due_ns = self._marked_ns + MARK_EVERY_NS - self.timer.now_ns()
            self.timer.sleep(max(0, min(left_ns, due_ns)) / 1e9)

    def until(self, true: Callable[[], bool], what: Callable[[], str], within_s: float) -> None:
        """Wait until something is so, saying prices."""
        give_up_ns = self.timer.now_ns() + int(within_s * 1e9)
        while not true():
            if self.timer.now_ns() > give_up_ns:
                raise NotDone(f"not within {within_s:.0f} s: {what()}")
            self.pause(LOOK_S)

    def arrivals(self, since_ms: int = 0) -> dict[str, Arrival]:
        """Give when the orders that have arrived did, by their names."""
        return arrivals_in(entries(self._journal, path="/fapi/v1/order", since_ms=since_ms))

    def waits_ms(self, names: Sequence[str], wanted: float = 0.98) -> list[float]:
        """Give how long orders took to arrive; so many of them have to."""
        arrived = self.arrivals()
        took = [(arrived[name].at_ns - self.sent_ns[name]) / NS_PER_MS for name in names if name in arrived]
        if len(took) < wanted * len(names):
            raise NotDone(f"{len(took)} of {len(names)} orders arrived at the exchange")
        return took

    def flush(self) -> None:
        """Wait until everything said is acknowledged."""
        if self._log.flush(30.0):
            raise NotDone("the broker takes nothing")
        self._lane.check()

    def now_ms(self) -> int:
        """Tell the time."""
        return self.timer.now_ns() // NS_PER_MS

    def _say_marks(self) -> None:
        if self.timer.now_ns() < self._marked_ns + MARK_EVERY_NS:
            return
        self._marked_ns, now_ms = self.timer.now_ns(), self.now_ms()
        for symbol, price in PRICES.items():
            self._say(
                "marks",
                symbol,
                Mark(f"{symbol}-{now_ms}", symbol, price, price, price, price, price, Decimal(10**7), Decimal(0), now_ms),
            )

    def _say(self, topic: str, key: str, body: Any) -> None:
        self._append(topic, key, self.codec.encode(body))

    def _append(self, topic: str, key: str, value: bytes) -> None:
        raw = key.encode()
        self._lane.sent += 1
        self._log.append(topic, partition_of(raw, self.ground.partitions), raw, value, None, self._lane.done)


def percentile_ms(waits_ms: Sequence[float], share: float) -> float:
    """Give the wait that this share of them does not exceed."""
    return percentile([int(wait * NS_PER_MS) for wait in waits_ms], share) / NS_PER_MS


@contextmanager
def staged(ground: Ground, timer: Timer, limits: Limits | None = None) -> Iterator[Stage]:
    """Have a stage while a block runs."""
    file, journal = ground.folder / "marks.csv", ground.folder / "journal" / "journal.jsonl"
    lines = ["ts_ms,symbol,mark", *(f"0,{symbol},{price}" for symbol, price in PRICES.items()), "0,BNBUSDT,600", ""]
    file.write_text("\n".join(lines), encoding="utf-8")
    with running_exchange(Options(prices_file=file, journal=journal, limits=limits or Limits())) as exchange:
        yield Stage(ground, exchange, journal, timer)


def arrivals_in(found: Iterable[Mapping[str, Any]]) -> dict[str, Arrival]:
    """Find in a journal's entries the orders that were sent, by their names."""
    return {
        told["parameters"]["newClientOrderId"]: Arrival(
            int(told["ts"]) * NS_PER_MS + NS_PER_MS // 2, int(told["took_ms"]), str(told["account"])
        )
        for told in found
        if told["kind"] == "request" and told["method"] == "POST"
    }


def reconciled(port: int) -> int:
    """Count the accounts a worker has compared; none while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2.0) as answer:
            lines = answer.read().decode().splitlines()
    except (urllib.error.URLError, OSError):
        return 0
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("qts_accounts_reconciled{"))
