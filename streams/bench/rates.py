"""How many records a second a worker gets through, all of it durable.

Decides: how that is measured, the same way for us and for a peer: from outside, by how far the output topics and the changelogs are written and
committed. The time from starting to the first output does not count, the time to the last commit does. Leaves to others: the workers, the topics.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from connectors.kafka.bench_ends import Bench, NotDone, total
from streams.bench.programs import Program

LOOK_EVERY_S = 0.02
"""A look costs the broker a millisecond, and a run takes seconds."""
RUN_S_MAX = 300.0


class Timer(NamedTuple):
    """The time, as an argument."""

    now_ns: Callable[[], int]
    sleep: Callable[[float], None]


class Race(NamedTuple):
    """What one side has to get through."""

    group: str
    source: str
    records: int
    sinks: tuple[str, ...]
    watched: Mapping[str, int]
    """Every topic that has to stand still before all is durable, with its partitions."""


def rate(bench: Bench, program: Program, race: Race, timer: Timer) -> float:
    """Run a worker over a topic that is full, and give the records a second of the source."""
    began = first = last = timer.now_ns()
    first_done, ends, looks = 0, bench.ends(race.watched), 0
    with program:
        while True:
            timer.sleep(LOOK_EVERY_S)
            program.check()
            now, found = timer.now_ns(), bench.ends(race.watched)
            looks += 1
            if found != ends:
                last = now
                if not first_done and total(found, race.sinks):
                    first, first_done = now, bench.committed(race.group, race.source) or 1
                ends = found
            elif now - last > 200_000_000 and bench.committed(race.group, race.source) >= race.records:
                break
            if now - began > RUN_S_MAX * 1e9:
                raise NotDone(f"{race.group} did not get through {race.records:,} records: {program.last_words()}")
    return (race.records - first_done) / (last - first) * 1e9
