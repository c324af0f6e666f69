"""One run of the proof of execution: executors, orders flowing in, an exchange that misbehaves, kills, pauses; then all is settled and compared.

Decides: how a run goes and what its answer is. Leaves to others: the moments (crash_execution_plan), the processes (crash_fleet), the input
(crash_execution_feed), what counts as sent twice or lost (replay.exchange_proof).
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL
from typing import Any, NamedTuple

from connectors.exchange.simulator.process import SimulatorProcess
from connectors.kafka.local_node import free_ports
from connectors.kafka.log_reader import LogReader
from connectors.kafka.settings import KafkaSettings
from connectors.steps import ask_to_die
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.crash_execution_feed import OPENING, ORDERS, OrderFeed, accounts_for
from streams.cli.crash_execution_plan import Strike
from streams.cli.crash_fleet import Fleet, Member
from streams.cli.crash_run import PARTITIONS, READY_S_MAX, WORKERS, page, wait_ready
from streams.cli.output import Output, Unavailable
from streams.desk.outputs import Order
from streams.pipeline.steps import Step
from streams.replay.exchange_proof import Findings, Said, compare
from streams.simulation.approvals import Approvals

SYMBOLS = ("BTCUSDT", "ETHUSDT", "ARBUSDT")
"""Two deep markets, and the thinnest."""
STRIKE_S = 16.0
"""How long one takes on the average: until it comes, and until the step does."""
EVERY_MS = (150, 700)
"""Between two orders: as many as two processors bear beside everything else, and as few as still keep each worker busy."""
STEP_S_MAX = 45.0
"""A step that does not come is not waited for longer; it has another turn."""
TRIES_MAX = 4
LOOK_S = 0.05
SETTLE_S_MAX = 240.0
"""An order in doubt is asked for until 13 s after it was sent, and a worker may have to come back first; accounts are compared twice a minute."""
SETTLE_LOOK_S = 2.0
EVENTS, FILLS, ACCOUNT_EVENTS = "order-events", "fills", "account-events"


class _Aim(NamedTuple):
    """A worker that is to die at a step."""

    member: Member
    strike: Strike
    step: Step
    until_s: float


class ExecutionRun:
    """One run of the proof."""

    def __init__(self, out: Output, settings: KafkaSettings, folder: Path, seed: int, exchange: SimulatorProcess) -> None:
        """Begin with nothing running. The topics have been made."""
        self._out, self._settings, self._folder, self._seed, self._exchange = out, settings, folder, seed, exchange
        self._environ = {
            "QTS_KAFKA_SERVERS": settings.servers, "QTS_HOME": str(folder / "home"), "QTS_MODE": "tests",
            "QTS_EXCHANGE_MODE": "sim", "QTS_EXCHANGE_URL": exchange.url, "QTS_MARKET_SYMBOLS": ",".join(SYMBOLS),
        }  # fmt: skip
        self._accounts = accounts_for(PARTITIONS)
        self._codec = Codec(BundledRegistry())
        self._aim: _Aim | None = None
        self._calm_since_s = 0.0
        self._woken: list[tuple[float, Member]] = []
        self._missed: list[Step] = []
        self.steps_hit: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.ended_by_themselves = 0
        self.published = 0
        self._settled_s = 0.0

    def trouble(self, orders: int, planned: list[Strike]) -> Findings:
        """Let orders flow and do to the executors what is planned; then let everything settle, have all leave, and compare."""
        every_ms = int(1_000 * (STRIKE_S * len(planned) + STRIKE_S) / orders)
        approvals = Approvals(self._seed, self._accounts, SYMBOLS, max(EVERY_MS[0], min(EVERY_MS[1], every_ms)))
        self._open_accounts()
        ports = free_ports(WORKERS + 1)
        with Fleet(self._folder, self._environ) as fleet, OrderFeed(self._settings, approvals, PARTITIONS) as feed:
            feed.open_accounts(self._accounts)
            fleet.add("marketdata", "marketdata-0", ports.pop())
            for number in range(WORKERS):
                fleet.add("execution", f"execution-{number}", ports.pop())
            wait_ready(fleet)
            self._wait_served(fleet)
            feed.start()
            self._strike_all(fleet, feed, orders, list(planned))
            feed.finish()
            self.published = feed.published
            self._exchange.ask("PUT", "/sim/faults", "faults: []")
            self._settle(fleet)
            for member in reversed(fleet.members):
                member.leave()
        return self._compared()

    def _open_accounts(self) -> None:
        for account in self._accounts:
            keys = {"key": f"sim-{account}", "secret": f"sim-secret-{account}"}
            self._exchange.ask("POST", "/sim/accounts", {"account": account, **keys, "balances": {"USDT": str(OPENING)}})

    def _wait_served(self, fleet: Fleet) -> None:
        """Wait until every account was compared with the exchange: before, orders that add risk are refused."""
        until_s = time.monotonic() + READY_S_MAX
        while sum(map(_reconciled, fleet.of("execution"))) < len(self._accounts):
            self._tend(fleet)
            if time.monotonic() > until_s:
                raise Unavailable(f"the accounts were not compared within {READY_S_MAX:.0f} s")
            time.sleep(SETTLE_LOOK_S)

    def _strike_all(self, fleet: Fleet, feed: OrderFeed, orders: int, pending: list[Strike]) -> None:
        told, self._calm_since_s = 0, time.monotonic()
        with self._out.progress("crashing", orders) as advance:
            while feed.published < orders or pending or self._aim or self._woken:
                feed.check()
                advance(feed.published - told)
                told = feed.published
                if self._aim is not None:
                    self._follow_aim(self._aim, pending)
                elif pending and time.monotonic() >= self._calm_since_s + pending[0].after_s:
                    self._strike(fleet, feed, pending.pop(0))
                self._tend(fleet)
                time.sleep(LOOK_S)

    def _strike(self, fleet: Fleet, feed: OrderFeed, strike: Strike) -> None:
        member = fleet.of("execution")[strike.worker]
        self._wake(member)
        if strike.kind == "pause":
            self.done["pause"] += 1
            self._calm_since_s = time.monotonic()
            member.pause()
            self._woken.append((time.monotonic() + strike.pause_s, member))
        elif strike.step is None:
            self._fell(member, member.kill())
        else:
            self._aim = _Aim(member, strike, strike.step, time.monotonic() + STEP_S_MAX)
            if strike.step is Step.LEDGER_FORGETS:
                feed.flood()

    def _follow_aim(self, aim: _Aim, pending: list[Strike]) -> None:
        """Ask a worker to die at a step until it has. Where the step does not come, it has another turn at the end."""
        member = aim.member
        if member.code == -SIGKILL:
            self._aim = None
            self._fell(member, member.step())
        elif time.monotonic() > aim.until_s:
            self._aim = None
            again = aim.strike._replace(tries=aim.strike.tries + 1)
            if again.tries < TRIES_MAX:
                pending.append(again)
            else:
                self._missed.append(aim.step)
            ask_to_die(member.steps_file, Step.IDLE.value)
        elif member.steps_file.exists():
            ask_to_die(member.steps_file, aim.step.value)

    def _fell(self, member: Member, step: Step) -> None:
        self.done["kill"] += 1
        self._calm_since_s = time.monotonic()
        self.steps_hit[step.name] += 1
        member.start()

    def _wake(self, member: Member) -> None:
        if member.paused:
            member.wake()
            self._woken = [one for one in self._woken if one[1] is not member]

    def _tend(self, fleet: Fleet) -> None:
        """Wake whose time has come, and start again what ended for a reason outside; an exchange that breaks ends the run."""
        self._exchange.check()
        for until_s, member in tuple(self._woken):
            if until_s <= time.monotonic():
                self._wake(member)
        for member in fleet.members:
            if self._aim is None or member is not self._aim.member or member.code != -SIGKILL:
                self.ended_by_themselves += member.check()

    def _settle(self, fleet: Fleet) -> None:
        """Wait until there is nothing to be found wrong any more, or for as long as that may take."""
        began_s = time.monotonic()
        while time.monotonic() < began_s + SETTLE_S_MAX and not self._compared().ok:
            self._tend(fleet)
            time.sleep(SETTLE_LOOK_S)
        self._settled_s = time.monotonic() - began_s

    def _compared(self) -> Findings:
        """Hold everything that is on the topics now against the exchange's books. These are read last: what we say cannot be ahead of them."""
        with LogReader(self._settings, "crash-books") as reader:
            orders = [one for one in self._read(reader, ORDERS) if isinstance(one, Order)]
            events, fills, moved = (list(self._read(reader, topic)) for topic in (EVENTS, FILLS, ACCOUNT_EVENTS))
        opening = {account: {"USDT": OPENING} for account in self._accounts}
        return compare(Said(orders, events, fills, moved, opening), self._exchange.ask("GET", "/sim/books"))

    def _read(self, reader: LogReader, topic: str) -> Iterator[Any]:
        for partition in range(PARTITIONS):
            for record in reader.between(topic, partition, *reader.bounds(topic, partition)):
                yield self._codec.decode(record.value or b"")

    def answer(self, found: Findings) -> dict[str, object]:
        """Say how it went."""
        told = self._exchange.ask("GET", "/sim/books")
        refused = sum(kept["requests"].get("refused_429", 0) for kept in told["accounts"].values())
        return {
            "ok": found.ok and not self._missed and found.trades > 0,
            "orders": found.orders,
            "attempts": found.attempts,
            "trades": found.trades,
            "filled_in_parts": found.filled_in_parts,
            "doubted": found.doubted,
            **found.wrong,
            "killed": self.done["kill"],
            "paused": self.done["pause"],
            "ended_by_themselves": self.ended_by_themselves,
            "steps_hit": dict(self.steps_hit.most_common()),
            "steps_missed": [step.name for step in self._missed],
            "settled_s": round(self._settled_s, 1),
            "refused_429": refused,
            "faults": self._exchange.ask("GET", "/sim/faults"),
            "ends": dict(found.ends.most_common()),
            "examples": found.examples,
        }


def _reconciled(member: Member) -> int:
    """Count the accounts a worker has compared."""
    lines = (page(member, "/metrics") or "").splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("qts_accounts_reconciled{"))
