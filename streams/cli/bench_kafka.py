"""`./qts bench kafka`: our workers on real Kafka, each figure beside that of a peer in the same run.

Decides: the broker (one of its own, in a folder that goes with it), which rows are run and in which order, reach and aim. Leaves to others:
what is measured (streams.bench).
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click
from rich.table import Table

from connectors.kafka.bench_ends import Bench, NotDone
from connectors.kafka.local_cluster import LocalCluster
from connectors.kafka.local_jars import KafkaMissing, resolved_jars
from connectors.kafka.local_node import KafkaFailed
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.system_clock import SystemClock
from infra.kafka.topics import catalogue
from streams.bench.live import PARTITIONS, Live
from streams.bench.memory import memory
from streams.bench.peers import ROOT, PeerMissing, install_peer, peer_python
from streams.bench.programs import ProgramDied
from streams.bench.racing import Ring, desk_worker, write_pipeline
from streams.bench.rates import Timer
from streams.cli.command import Group
from streams.cli.output import Answer, Output, Unavailable
from streams.cli.topics import make_topics
from streams.replay.bench import Row

PARTS = ("write", "desk", "live", "memory", "publisher")
ACCOUNTS, POSITIONS = 1_000, 20
VALUE_BYTES = 200
REACH_AND_AIM = {
    "write pipeline beside Quix Streams, simple work": ("≥ 1.3", "≥ 1.8"),
    "desk worker beside Quix Streams, the same step": ("≥ 1.0", "≥ 1.5"),
    "signal to order, p99, at 1,000 tape events/s": ("≤ 1.6", "≤ 1.25"),
    "kill -9 of the only desk worker to its next order": ("≤ 15 s", "≤ 5 s"),
    f"memory of a desk worker, {ACCOUNTS:,} accounts × {POSITIONS} positions": ("≤ 300 MB", "≤ 150 MB"),
    "publisher, acknowledged": ("≥ 0.7", "≥ 0.9"),
    "draining the spool": ("≥ 0.7", "≥ 0.9"),
}


class Sizes(NamedTuple):
    """How much is done."""

    fills: int
    events: int
    accounts: int
    positions: int
    records: int
    seconds: float
    rounds: int


class Ground(NamedTuple):
    """A broker of the benchmark's own, and how its deployment is made anew."""

    settings: KafkaSettings
    bench: Bench
    folder: Path
    new_topics: Callable[[int], None]


def add_to(group: Group) -> None:
    """Add the command to `./qts bench`."""
    group.add("kafka", example="./qts bench kafka\n./qts bench kafka --only write --only live --json")(kafka)


@click.option("--only", "only", multiple=True, type=click.Choice(PARTS), help="Run this part only; may be given several times.")
@click.option(
    "--fills", default=200_000, show_default=True, type=click.IntRange(min=1_000), help="Fills of the write pipeline's race."
)
@click.option(
    "--events", default=150_000, show_default=True, type=click.IntRange(min=1_000), help="Tape events of the desk's race."
)
@click.option("--accounts", default=ACCOUNTS, show_default=True, type=click.IntRange(min=10), help="Accounts of the deployment.")
@click.option(
    "--records", default=200_000, show_default=True, type=click.IntRange(min=100), help="Records of the publisher's race."
)
@click.option(
    "--seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(1, 600),
    help="Length of a side's turn in the latency row.",
)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 50), help="How often the sides take turns.")
@click.option(
    "--install-peer", "install", is_flag=True, help="Install Quix Streams into an environment of its own, if it is not there."
)
def kafka(out: Output, only: Sequence[str], install: bool, **sizes: int | float) -> Answer:
    """Measure our workers on a Kafka of this benchmark's own, beside Quix Streams, a bare chain and bare librdkafka.

    Needs Java and Maven for Kafka, and for the parts `write` and `desk` Quix Streams (--install-peer). Only ratios count: both sides ran in
    turn on the same broker.
    """
    wanted = tuple(only) or PARTS
    chosen = Sizes(positions=POSITIONS, **sizes)  # type: ignore[arg-type]  # click has made numbers of them
    peer = _peer(install) if {"write", "desk"} & set(wanted) else None
    rows: list[Row] = []
    with _ground() as ground, out.progress("measuring", total=len(wanted)) as advance:
        for part in PARTS:
            if part in wanted:
                try:
                    rows += _measured(part, ground, chosen, peer)
                except (NotDone, ProgramDied, TimeoutError) as failed:
                    out.console.print(_table(rows))
                    raise Unavailable(f"part {part} could not be measured: {failed}", rows=_listed(rows)) from failed
                advance(1)
    out.console.print(_table(rows))
    return Answer({"rows": _listed(rows)})


def _listed(rows: list[Row]) -> list[dict[str, object]]:
    return [row._asdict() for row in rows]


def _measured(part: str, ground: Ground, sizes: Sizes, peer: Path | None) -> list[Row]:
    timer, wall = Timer(time.monotonic_ns, time.sleep), Timer(time.time_ns, time.sleep)
    folder = ground.folder / part
    folder.mkdir()
    if part in ("write", "desk"):
        assert peer is not None, "looked for above"
        ring = Ring(ground.bench, ground.settings, folder, peer, timer, sizes.rounds)
        return (
            write_pipeline(ring, sizes.fills)
            if part == "write"
            else desk_worker(ring, sizes.events, sizes.accounts, ground.new_topics)
        )
    if part == "publisher":
        from connectors.kafka.publisher_bench import measure  # noqa: PLC0415 - only this part needs the publisher

        ground.bench.fresh({"publisher-bench": PARTITIONS})
        found = measure(ground.settings, sizes.records, VALUE_BYTES, folder, SystemClock(), time.monotonic_ns)
        return [Row(*row) for row in found]
    ground.new_topics(PARTITIONS)
    if part == "memory":
        ground.bench.forget("qts-desk")
        return [memory(ground.bench, ground.settings, folder, sizes.accounts, sizes.positions, timer)]
    for group in ("qts-sequencer", "qts-desk"):
        ground.bench.forget(group)  # a part before may have left members of these names, with other partitions
    with Live(ground.bench, ground.settings, folder, sizes.accounts, timer, wall) as live:
        return [*live.latency(sizes.rounds, sizes.seconds), live.recovery(sizes.rounds)]


def _peer(install: bool) -> Path:
    try:
        return peer_python()
    except PeerMissing as missing:
        if not install:
            raise Unavailable(str(missing)) from missing
    try:
        install_peer()
        return peer_python()
    except PeerMissing as missing:
        raise Unavailable(str(missing)) from missing


@contextmanager
def _ground() -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="qts-bench-") as name:
        folder = Path(name)
        try:
            jars = resolved_jars((ROOT / "infra" / "kafka" / "pom.xml").read_bytes(), ROOT / "build" / "kafka-jars")
            cluster = LocalCluster(jars, folder / "kafka")
            cluster.start()
        except (KafkaMissing, KafkaFailed) as missing:
            raise Unavailable(str(missing)) from missing
        try:
            settings = KafkaSettings(cluster.servers)
            bench = Bench(settings)

            def new_topics(partitions: int) -> None:
                bench.drop([topic.name for topic in catalogue(partitions)])
                _, problems, _ = make_topics(settings, partitions, None)
                if problems:
                    raise NotDone(problems[0])

            yield Ground(settings, bench, folder, new_topics)
        finally:
            cluster.stop()


def _table(rows: list[Row]) -> Table:
    table = Table("what", "figure", "unit", "ratio", "reach", "aim")
    for row in rows:
        reach, aim = REACH_AND_AIM.get(row.name, ("", ""))
        table.add_row(row.name, f"{row.figure:,.1f}", row.unit, "" if row.ratio is None else f"{row.ratio:.2f}", reach, aim)
    return table
