"""The row about memory: a desk worker that holds 1,000 accounts with 20 positions each, after it has written snapshots.

Decides: what is put on the tape. Leaves to others: the worker.
"""

from collections.abc import Iterator
from pathlib import Path

from connectors.kafka.bench_ends import Bench, NotDone
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.bench.rates import Timer
from streams.bench.workers import BenchWorker
from streams.desk.messages import Body, Mark, TapeEvent, Tick
from streams.replay.bench import Row, held_bodies

PARTITIONS = 4
SNAPSHOTS = 6
"""More than are kept, so that the table has let some go."""
START_MS = 1_760_000_000_000
DONE_S_MAX = 240.0
GROUP = "qts-desk"
REST_S = 3.0
"""What was needed for the moment is given back."""


def memory(bench: Bench, settings: KafkaSettings, folder: Path, accounts: int, positions: int, timer: Timer) -> Row:
    """Give the resident memory of a worker that holds so much. The deployment's topics are there, and empty."""
    tape = _Tape()
    count = bench.fill("tape", tape.held(accounts, positions))
    with BenchWorker("desk", settings, folder) as worker:
        worker.wait_until_ready(timer)
        until = timer.now_ns() + int(DONE_S_MAX * 1e9)
        for number in range(1, SNAPSHOTS + 1):
            count += bench.fill("tape", tape.ticks(number))
            while bench.committed(GROUP, "tape") < count:
                worker.check()
                if timer.now_ns() > until:
                    raise NotDone(f"the desk did not get through {count:,} events: {worker.last_words()}")
                timer.sleep(0.2)
        timer.sleep(REST_S)
        resident = worker.resident_bytes()
    return Row(f"memory of a desk worker, {accounts:,} accounts × {positions} positions", resident / 1e6, "MB", None)


class _Tape:
    """Makes the events of all partitions."""

    def __init__(self) -> None:
        self._codec, self._offsets = Codec(BundledRegistry()), [0] * PARTITIONS

    def held(self, accounts: int, positions: int) -> Iterator[tuple[int, bytes | None, bytes]]:
        """Give what makes the accounts hold their positions."""
        for body in held_bodies(accounts, positions, START_MS):
            wanted = range(PARTITIONS) if isinstance(body, Mark) else [partition_of(body.account.encode(), PARTITIONS)]
            for partition in wanted:
                yield self._event(partition, START_MS, "bench", body)

    def ticks(self, number: int) -> Iterator[tuple[int, bytes | None, bytes]]:
        """Give the ticks at which the next snapshot is taken."""
        for partition in range(PARTITIONS):
            stamp_ms = START_MS + number * 10_000 + partition * 1_000  # each partition at another second
            yield self._event(partition, stamp_ms, "ticks", Tick(stamp_ms // 1_000))

    def _event(self, partition: int, stamp_ms: int, topic: str, body: Body) -> tuple[int, bytes | None, bytes]:
        offset = self._offsets[partition]
        self._offsets[partition] += 1
        return partition, None, self._codec.encode_event(TapeEvent(offset, stamp_ms, topic, partition, offset, body))
