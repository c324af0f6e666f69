"""The rows about a running deployment: from signal to order, beside a bare chain; from kill -9 to the next order.

Decides: the load (a thousand tape events a second), how the sides take turns, and from when to when is measured. Leaves to others: the workers, the
market, sending and listening (bench_probe).
"""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from connectors.kafka.bench_ends import Bench, NotDone
from connectors.kafka.bench_probe import Probe, Sent, percentile
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.bench.market import BenchMarket
from streams.bench.programs import Program
from streams.bench.rates import Timer
from streams.bench.workers import BenchWorker
from streams.replay.bench import Row

PARTITIONS = 4
MARKS_PER_S, SIGNALS_PER_S = 200, 160
"""Marks go to each of four partitions, twenty symbols at most every 100 ms: 800 tape events a second; with signals, ticks and reports about 1,000."""
BARE_PER_S = 1_000
SIGNAL_BYTES = 200
NAME = re.compile(rb"bench-\d{8}")
HOPS = ("hop-0", "hop-1", "hop-2")
STILL_THE_OLD_S = 0.3
"""An order the killed worker had sent arrives within milliseconds; no new process decides anything so soon."""
AGAIN_S_MAX = 60.0
SETTLE_S = 12.0
"""Between two kills: a snapshot is taken every ten seconds."""
WARM_S = 10.0
"""Each side, before anything counts: a broker that has just started compiles itself under load, for both."""


class Live:
    """A deployment of one sequencer and one desk, with a bare chain beside it, under load."""

    def __init__(self, bench: Bench, settings: KafkaSettings, folder: Path, accounts: int, timer: Timer, wall_ms: Timer) -> None:
        """Know what to start. Topics of the deployment are there."""
        self._bench, self._settings, self._folder, self._timer, self._wall = bench, settings, folder, timer, wall_ms
        self._market = BenchMarket(Codec(BundledRegistry()), accounts, PARTITIONS, self._now_ms())
        self._signals = self._marks = 0
        self._stack = ExitStack()
        self._desk = BenchWorker("desk", settings, folder)

    def __enter__(self) -> "Live":
        """Start it, and open its market."""
        self._bench.fresh(dict.fromkeys(HOPS, PARTITIONS))
        sequencer = BenchWorker("sequencer", self._settings, self._folder)
        for program in (sequencer, self._desk, self._relay(0), self._relay(1)):
            self._stack.enter_context(program)
        sequencer.wait_until_ready(self._timer)
        self._desk.wait_until_ready(self._timer)
        self._orders = Probe(self._settings, "orders", PARTITIONS, _name_in, self._timer.now_ns)
        self._stack.callback(self._orders.close)
        self._bare = Probe(self._settings, HOPS[-1], PARTITIONS, _name_in, self._timer.now_ns)
        self._stack.callback(self._bare.close)
        opening = list(self._market.opening(self._now_ms()))
        for topic in dict.fromkeys(message.topic for message in opening):
            self._bench.fill(topic, [(one.partition, one.key, one.value) for one in opening if one.topic == topic])
        self._orders.run(self._ours(WARM_S, timed_from_s=WARM_S))
        self._bare.run(self._through_the_chain(WARM_S))
        return self

    def __exit__(self, *_: object) -> None:
        """End all of it."""
        self._stack.close()

    def latency(self, rounds: int, slice_s: float) -> list[Row]:
        """Time signals to orders, and records through the bare chain, in turn."""
        ours, bare = [], []
        for _ in range(rounds):
            ours.append(self._orders.run(self._ours(slice_s), wanted=0.98))
            bare.append(self._bare.run(self._through_the_chain(slice_s)))
        rows = []
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            mine, theirs = ([percentile(one, share) / 1e6 for one in side] for side in (ours, bare))
            ratio = median(mine) / median(theirs)
            rows.append(Row(f"signal to order, {name}, at 1,000 tape events/s", median(mine), "ms", ratio))
            rows.append(Row(f"bare three-hop chain, {name}", median(theirs), "ms", None))
        return rows

    def recovery(self, rounds: int) -> Row:
        """Kill the desk under load and start it again at once: time to the next order."""
        took = []
        for _ in range(rounds):
            self._orders.run(self._ours(SETTLE_S, timed_from_s=SETTLE_S))
            took.append(self._killed() / 1e9)
        return Row("kill -9 of the only desk worker to its next order", median(took), "s", None)

    def _killed(self) -> int:
        killed_at = 0

        def plan() -> Iterator[Sent]:
            nonlocal killed_at
            self._desk.kill()
            killed_at = self._timer.now_ns()
            self._desk.start()
            for sent in self._ours(AGAIN_S_MAX, timed_from_s=AGAIN_S_MAX):
                if self._orders.heard_at > killed_at + STILL_THE_OLD_S * 1e9:
                    return
                yield sent

        self._orders.run(plan())
        if self._orders.heard_at <= killed_at + STILL_THE_OLD_S * 1e9:
            raise NotDone(f"no order within {AGAIN_S_MAX:.0f} s of kill -9: {self._desk.last_words()}")
        return self._orders.again_at(killed_at + int(STILL_THE_OLD_S * 1e9)) - killed_at

    def _ours(self, for_s: float, timed_from_s: float = 0.0) -> Iterator[Sent]:
        """Give marks and signals, interleaved evenly."""
        per_s = MARKS_PER_S + SIGNALS_PER_S
        for number in range(int(for_s * per_s)):
            at_ns = number * 1_000_000_000 // per_s
            if number * SIGNALS_PER_S // per_s != (number + 1) * SIGNALS_PER_S // per_s:
                name, message = self._market.signal(self._signals, self._now_ms())
                self._signals += 1
                yield Sent(at_ns, *message[:3], message.value, name if at_ns >= timed_from_s * 1e9 else "")
            else:
                message = self._market.mark(self._marks, self._now_ms())
                self._marks += 1
                yield Sent(at_ns, *message[:3], message.value, "")

    def _through_the_chain(self, for_s: float) -> Iterator[Sent]:
        """As many records as the tape gets, as large as a signal, some of them timed as signals are."""
        timed_every = BARE_PER_S // SIGNALS_PER_S
        for number in range(int(for_s * BARE_PER_S)):
            self._signals += 1
            name = f"bench-{90_000_000 + self._signals:08}"
            value = name.encode().ljust(SIGNAL_BYTES, b".")
            yield Sent(number * 1_000_000, HOPS[0], number % PARTITIONS, b"k", value, "" if number % timed_every else name)

    def _relay(self, hop: int) -> Program:
        argv = [sys.executable, "-P", "-m", "connectors.kafka.bench_chain", self._settings.servers, HOPS[hop], HOPS[hop + 1]]
        return Program(argv, {}, self._folder / f"relay-{hop}.log")

    def _now_ms(self) -> int:
        return self._wall.now_ns() // 1_000_000


def _name_in(value: bytes) -> str | None:
    found = NAME.search(value)
    return None if found is None else found.group().decode()
