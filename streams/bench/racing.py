"""The rows about speed: our worker and its peer over the same records, in turn, on the same broker.

Decides: what the records are, and that the sides take turns. Leaves to others: how a rate is measured (rates), the work (simple, the desk).
"""

import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from connectors.kafka.bench_ends import Bench
from connectors.kafka.local_node import free_ports
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.bench.programs import Program
from streams.bench.rates import Race, Timer, rate
from streams.bench.simple import SNAPSHOT_EVERY_OFFSETS
from streams.bench.workers import BenchWorker
from streams.desk.messages import Fill, Tick
from streams.pipeline.write_pipeline import CHANGELOG, LANES
from streams.replay.bench import Row
from streams.replay.generate import generate

PARTITIONS = 4
ACCOUNTS_A_PARTITION = 16
FILLS, OURS, PEERS = "bench-fills", "bench-ours", "bench-peer"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT")
TAPE, DESK_GROUP = "tape", "qts-desk"
DESK_TOPICS = dict.fromkeys((*LANES, CHANGELOG), 1)
SNAPSHOT_S = 10
WARM_ROUNDS = 1
"""Not counted: a broker that has just started compiles itself under load, and that falls to whoever comes first."""
ROOT = str(Path(__file__).parent.parent.parent)


class Ring(NamedTuple):
    """Where races are run."""

    bench: Bench
    settings: KafkaSettings
    folder: Path
    peer: Path
    """The peer's Python."""
    timer: Timer
    rounds: int


def fills(seed: int, per_partition: int) -> Iterator[tuple[int, bytes | None, bytes]]:
    """Make fills on the grids of a market: a tick of 0.01, a step of 0.001."""
    codec, chance = Codec(BundledRegistry()), Random(seed)
    names: dict[int, list[str]] = {partition: [] for partition in range(PARTITIONS)}
    for number in range(ACCOUNTS_A_PARTITION * PARTITIONS * 4):
        name = f"account-{number:05}"
        names[partition_of(name.encode(), PARTITIONS)].append(name)
    for number in range(per_partition):
        for partition in range(PARTITIONS):
            account = names[partition][chance.getrandbits(4)]
            price, quantity = (
                Decimal(6_400_000 + chance.getrandbits(16)).scaleb(-2),
                Decimal(1 + chance.getrandbits(11)).scaleb(-3),
            )
            fill = Fill(
                "sim", f"t{number}-{partition}", account, SYMBOLS[chance.getrandbits(2)], f"q1-{partition}-{number}-0",
                "BUY" if chance.getrandbits(1) else "SELL", price, quantity, (price * quantity / 2_000).quantize(Decimal("0.0001")), "USDT",
                1_760_000_000_000 + number,
            )  # fmt: skip
            yield partition, account.encode(), codec.encode(fill)


def write_pipeline(ring: Ring, records: int) -> list[Row]:
    """Race the write pipeline against the peer on the simple work."""
    snapshots = max(1, records // (PARTITIONS * SNAPSHOT_EVERY_OFFSETS))
    ring.bench.fresh({FILLS: PARTITIONS})
    count = ring.bench.fill(FILLS, fills(1, snapshots * SNAPSHOT_EVERY_OFFSETS + 1))  # the last one is where a snapshot is taken
    ours, peers = [], []
    for number in range(WARM_ROUNDS + ring.rounds):
        ring.bench.fresh({PEERS: PARTITIONS})
        race = Race(f"bench-peer-{number}", FILLS, count, (PEERS,), {PEERS: PARTITIONS})
        peers.append(rate(ring.bench, _peer(ring, "simple", race, PEERS), race, ring.timer))
        ring.bench.fresh({OURS: PARTITIONS, CHANGELOG: PARTITIONS})
        race = Race(f"bench-ours-{number}", FILLS, count, (OURS,), {OURS: PARTITIONS, CHANGELOG: PARTITIONS})
        ours.append(rate(ring.bench, _simple(ring, race), race, ring.timer))
    return _rows("write pipeline beside Quix Streams, simple work", "Quix Streams, simple work", ours, peers, "fills/s")


def desk_worker(ring: Ring, events: int, accounts: int, new_topics: Callable[[int], None]) -> list[Row]:
    """Race the desk worker against the peer calling the same `step`."""
    tape = list(_tape(events, accounts))
    ours, peers = [], []
    for number in range(WARM_ROUNDS + ring.rounds):
        new_topics(1)
        ring.bench.fill(TAPE, tape)
        race = Race(f"bench-step-{number}", TAPE, len(tape), LANES, dict.fromkeys(LANES, 1))
        peers.append(rate(ring.bench, _peer(ring, "stepping", race, "-"), race, ring.timer))
        new_topics(1)
        ring.bench.fill(TAPE, tape)
        ring.bench.forget(DESK_GROUP)
        race = Race(DESK_GROUP, TAPE, len(tape), LANES, DESK_TOPICS)
        ours.append(rate(ring.bench, BenchWorker("desk", ring.settings, ring.folder), race, ring.timer))
    return _rows("desk worker beside Quix Streams, the same step", "Quix Streams, the same step", ours, peers, "events/s")


def _tape(events: int, accounts: int) -> Iterator[tuple[int, bytes | None, bytes]]:
    """Give the bench tape, up to the next tick at which a snapshot is taken."""
    codec = Codec(BundledRegistry())
    for number, (event, _) in enumerate(generate(1, 2**62, accounts)):
        yield 0, None, codec.encode_event(event)
        if number >= events and isinstance(event.body, Tick) and event.body.second % SNAPSHOT_S == 0:
            return


def _peer(ring: Ring, kind: str, race: Race, sink: str) -> Program:
    folder = ring.folder / race.group
    argv = [
        str(ring.peer), "-P", "-W", "ignore", "-m", "streams.bench.peer", kind, ring.settings.servers, race.group, race.source, sink, str(folder),
    ]  # fmt: skip
    return Program(argv, {"PYTHONPATH": ROOT}, ring.folder / "peer.log")


def _simple(ring: Ring, race: Race) -> Program:
    argv = [
        sys.executable, "-P", "-m", "streams.bench.simple_worker", ring.settings.servers, race.group, race.source, OURS,
        str(ring.folder / race.group), str(PARTITIONS), str(free_ports(1)[0]),
    ]  # fmt: skip
    return Program(argv, {}, ring.folder / "ours.log")


def _rows(name: str, peer: str, ours: list[float], peers: list[float], unit: str) -> list[Row]:
    """Give the median of each side; the ratio is the median of the rounds' ratios, whose sides ran one after the other."""
    ours, peers = ours[WARM_ROUNDS:], peers[WARM_ROUNDS:]
    ratio = median(mine / theirs for mine, theirs in zip(ours, peers, strict=True))
    return [Row(name, median(ours), unit, ratio), Row(peer, median(peers), unit, None)]
