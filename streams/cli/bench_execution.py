"""`./qts bench execution`: how fast an order gets to the exchange, for how many accounts at once, with how much of the allowance, and how soon again.

Decides: the broker of each part (real Kafka where it can be started, else the embedded one), which rows are run and in which order, reach. Leaves to
others: what is measured (streams.bench.execution_*).
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import click
from rich.table import Table

from connectors.exchange.simulator.process import SimulatorFailed
from connectors.exchange.simulator.weights import Limits
from connectors.kafka.bench_ends import NotDone
from connectors.kafka.embedded import EmbeddedBroker, EmbeddedBrokerFailed
from connectors.kafka.local_cluster import LocalCluster
from connectors.kafka.local_jars import KafkaMissing, resolved_jars
from connectors.kafka.local_node import KafkaFailed
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.system_clock import SystemClock
from infra.kafka.topics import catalogue
from streams.bench.execution_accounts import WIDE, accounts
from streams.bench.execution_latency import BARE, latency
from streams.bench.execution_recovery import recovery
from streams.bench.execution_stage import Ground
from streams.bench.peers import ROOT
from streams.bench.programs import ProgramDied
from streams.bench.rates import Timer
from streams.cli.command import Group
from streams.cli.output import Answer, Output, Unavailable
from streams.cli.topics import make_topics
from streams.replay.bench import Row

PARTS = ("latency", "path", "accounts", "allowance", "recovery")
"""`path` is `latency` where nothing waits for the allowance: what the way costs by itself."""
LIMITS_OF: dict[str, Limits | None] = {"latency": None, "path": WIDE}
PARTITIONS = 4
ORDERS, ACCOUNTS, RECOVERED = 600, 200, 100_000
REACH = {
    "order on `orders` to its request at the exchange, p99": "ratio ≤ 1.5",
    "accounts served at once, answers after 200 ms": f"{ACCOUNTS}",
    "orders that waited for as long as an answer takes": "0",
    "weight used of the allowance, the worst minute": "ratio ≥ 0.95",
    "refused for asking too often": "0",
    f"ledger recovery with {RECOVERED:,} orders, to the first request": "≤ 20 s",
}


class Sizes(NamedTuple):
    """How much is done."""

    orders: int
    accounts: int
    seconds: float
    minutes: int
    recovered: int


def add_to(group: Group) -> None:
    """Add the command to `./qts bench`."""
    group.add("execution", example="./qts bench execution\n./qts bench execution --only latency --only allowance --json")(
        execution
    )


@click.option("--only", "only", multiple=True, type=click.Choice(PARTS), help="Run this part only; may be given several times.")
@click.option(
    "--orders", default=ORDERS, show_default=True, type=click.IntRange(min=10), help="Orders of each side that are timed."
)
@click.option("--accounts", default=ACCOUNTS, show_default=True, type=click.IntRange(2, 500), help="Accounts served at once.")
@click.option(
    "--seconds",
    default=15.0,
    show_default=True,
    type=click.FloatRange(1, 600),
    help="Length of a turn of the part about accounts.",
)
@click.option(
    "--minutes",
    default=2,
    show_default=True,
    type=click.IntRange(1, 30),
    help="Whole minutes of the allowance, after a first one.",
)
@click.option(
    "--recovered",
    default=RECOVERED,
    show_default=True,
    type=click.IntRange(min=4),
    help="Orders in the ledger that is recovered.",
)
def execution(out: Output, only: Sequence[str], **sizes: int | float) -> Answer:
    """Measure execution on the simulated exchange, each figure beside something bare, or its bound.

    On a Kafka of this benchmark's own where Java and Maven are, else on the embedded broker, whose figures say nothing of Kafka.
    """
    wanted = tuple(only) or PARTS
    chosen = Sizes(**sizes)  # type: ignore[arg-type]  # click has made numbers of them
    rows: list[Row] = []
    with out.progress("measuring", total=len(wanted)) as advance:
        for part in PARTS:
            if part in wanted:
                try:
                    rows += _measured(part, chosen)
                except (NotDone, ProgramDied, SimulatorFailed, EmbeddedBrokerFailed, TimeoutError) as failed:
                    out.console.print(_table(rows))
                    raise Unavailable(f"part {part} could not be measured: {failed}", rows=_listed(rows)) from failed
                advance(1)
    out.console.print(_table(rows))
    return Answer({"rows": _listed(rows)})


def _measured(part: str, sizes: Sizes) -> list[Row]:
    wall = Timer(time.time_ns, time.sleep)
    if part == "allowance":
        from streams.bench.execution_allowance import allowance  # noqa: PLC0415 - ccxt is slow to import, and only this part needs it

        with tempfile.TemporaryDirectory(prefix="qts-bench-") as name:
            return allowance(Path(name), sizes.minutes, SystemClock(), asyncio.sleep)
    with _ground() as ground:
        if part in LIMITS_OF:
            return latency(ground, sizes.orders, wall, LIMITS_OF[part])
        if part == "accounts":
            return accounts(ground, sizes.accounts, sizes.seconds, wall)
        return recovery(ground, sizes.recovered, wall)


@contextmanager
def _ground() -> Iterator[Ground]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qts-bench-")))
        try:
            jars = resolved_jars((ROOT / "infra" / "kafka" / "pom.xml").read_bytes(), ROOT / "build" / "kafka-jars")
        except KafkaMissing:
            yield Ground(KafkaSettings(_embedded(stack)), PARTITIONS, embedded=True, folder=folder)
            return
        cluster = LocalCluster(jars, folder / "kafka")
        try:
            cluster.start()
        except KafkaFailed as failed:
            raise Unavailable(str(failed)) from failed
        stack.callback(cluster.stop)
        settings = KafkaSettings(cluster.servers)
        _, problems, _ = make_topics(settings, PARTITIONS, None)
        if problems:
            raise NotDone(problems[0])
        yield Ground(settings, PARTITIONS, embedded=False, folder=folder)


def _embedded(stack: ExitStack) -> str:
    broker = stack.enter_context(EmbeddedBroker())
    for topic in catalogue(PARTITIONS):
        broker.create(topic.name, topic.partitions)
    broker.create(BARE, PARTITIONS)
    return broker.servers


def _listed(rows: list[Row]) -> list[dict[str, object]]:
    return [row._asdict() for row in rows]


def _table(rows: list[Row]) -> Table:
    table = Table("what", "figure", "unit", "ratio", "reach")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        table.add_row(row.name, f"{row.figure:,.1f}", row.unit, ratio, REACH.get(row.name, ""))
    return table
