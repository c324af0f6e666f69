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
STILL_S, LEAVE_AFTER_S = 0.2, 6.0
"""A peer commits every second; ours take a snapshot at fixed points, and the last may have been passed over while one was under way."""
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
    first_done, ends, left_ns = 0, bench.ends(race.watched), 0
    with program:
        while True:
            timer.sleep(LOOK_EVERY_S)
            program.check()
            now, found = timer.now_ns(), bench.ends(race.watched)
            if found != ends:
                last, ends = now, found
                if not first_done and total(found, race.sinks):
                    first, first_done = now, bench.committed(race.group, race.source) or 1
            elif now - last > STILL_S * 1e9 and first_done:
                if bench.committed(race.group, race.source) >= race.records:
                    break
                if now - last > LEAVE_AFTER_S * 1e9:
                    left_ns = _leaving(program, timer)
                    break
            if now - began > RUN_S_MAX * 1e9:
                raise NotDone(f"{race.group} did not get through {race.records:,} records: {program.last_words()}")
    if bench.committed(race.group, race.source) < race.records:
        raise NotDone(f"{race.group} did not commit all of {race.records:,} records: {program.last_words()}")
    return (race.records - first_done) / (last - first + left_ns) * 1e9


def _leaving(program: Program, timer: Timer) -> int:
    """Have a worker leave, which writes down what no snapshot holds yet; that time counts too."""
    began = timer.now_ns()
    program.end()
    return timer.now_ns() - began
