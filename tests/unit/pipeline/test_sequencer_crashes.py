"""A sequencer may die at any step, and others may be at work at the same time: nothing is lost, and the order of each source holds."""

from pathlib import Path
from random import Random

import pytest

from streams.pipeline.conflation import WINDOW_MS
from streams.pipeline.steps import Step
from streams.replay.inspect import Inspection, Inspector
from streams.replay.tape_file import Entry, EntryKind, TapeReader
from tests.log_kit import Cluster, Crash, CrashAt, Producer
from tests.pipeline_kit import CODEC
from tests.schema_kit import MARK
from tests.sequencer_chaos import PARTITIONS, SequencerChaos
from tests.sequencer_checks import check_tape
from tests.sequencer_kit import Clock, Worker, fill_sources, offsets_on, taken_by_desk
from tests.tape_kit import REGISTRY, write

MARKS = "marks", 0


def looked_into(cluster: Cluster, partition: int, path: Path) -> Inspection:
    """Look into a tape partition as `./qts tape verify` does."""
    records = cluster.logs["tape", partition]
    with TapeReader(write(path, [Entry(EntryKind.EVENT, one.offset, one.value or b"") for one in records])) as tape:
        return Inspector(tape, REGISTRY).run()


class FirstFew(Random):
    """A chance by which so many records of each partition get through before a crash."""

    def __init__(self, records: int) -> None:
        super().__init__(0)
        self._records = records

    def randint(self, _a: int, b: int) -> int:
        return min(self._records, b)


def torn(window: str, through: int) -> Cluster:
    """Kill a sequencer when so many records of a window have got through and nothing is committed; let another one go on."""
    cluster, clock = Cluster(), Clock()
    killed = Worker(cluster, Producer(cluster, FirstFew(1 + through)), clock, 1)
    for number, symbol in enumerate(f"F{window}"):
        wicks = {"high": MARK.high + number % 3, "low": MARK.low - number % 4}
        mark = MARK._replace(mark_id=f"m-{number}", symbol=symbol, ts=MARK.ts + number, **wicks)
        cluster.put(*MARKS, symbol.encode(), CODEC.encode(mark))
    killed.take(MARKS, 1)  # the first after a quiet time goes at once, and begins the window of the others
    killed.take(MARKS, len(window))
    clock.now_ms += WINDOW_MS
    killed.sequencer.progress()
    killed.log.die()

    Worker(cluster, Producer(cluster), clock, 1).finish(clock)
    return cluster


@pytest.mark.parametrize("kept", ["nothing", "a prefix", "everything"])
@pytest.mark.parametrize("times", [1, 7, 60])
@pytest.mark.parametrize("step", [Step.FORWARDED, Step.FORWARD_ACKNOWLEDGED], ids=lambda step: step.name.lower())
def test_a_crash_at_a_step_loses_nothing(step: Step, times: int, kept: str, tmp_path: Path) -> None:
    cluster, clock = Cluster(), Clock()
    first = Producer(cluster, Random(times) if kept == "a prefix" else None)
    worker = Worker(cluster, first, clock, PARTITIONS, CrashAt(step, times))
    fill_sources(cluster, PARTITIONS, 1, 300)  # after it has come, so that it merges marks
    with pytest.raises(Crash):
        worker.finish(clock, most=3)
    if kept == "everything":
        first.deliver()
    first.die()

    Worker(cluster, Producer(cluster), clock, PARTITIONS).finish(clock)

    check_tape(cluster, PARTITIONS)
    for partition in range(PARTITIONS):
        assert looked_into(cluster, partition, tmp_path / f"{partition}.tape").problems == []


@pytest.mark.parametrize("zombies", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_nothing_is_lost(seed: int, zombies: bool, tmp_path: Path) -> None:
    chaos = SequencerChaos(seed, zombies)
    chaos.run()

    check_tape(chaos.cluster, PARTITIONS)
    for partition in range(PARTITIONS):
        assert looked_into(chaos.cluster, partition, tmp_path / f"{partition}.tape").problems == []
    assert chaos.crashes + chaos.moves > 0, f"seed {seed}"


@pytest.mark.parametrize(
    ("window", "through", "places"),
    [
        ("BEBESB", 0, [0, 0, 1, 2, 3, 4, 5, 6]),
        ("BEBESB", 1, [0, 1, 0, 1, 2, 3, 4, 5, 6]),
        ("BEBESB", 2, [0, 1, 2, 0, 1, 2, 3, 4, 5, 6]),
        ("BEBESB", 3, [0, 1, 2, 6, 0, 1, 2, 3, 4, 5, 6]),
        ("BBBB", 1, [0, 4, 0, 1, 2, 3, 4]),
    ],
)
def test_a_tape_hangs_together_wherever_in_a_window_the_sequencer_was_killed(
    window: str, through: int, places: list[int], tmp_path: Path
) -> None:
    cluster = torn(window, through)

    assert offsets_on(cluster, 0, MARKS) == places
    check_tape(cluster, 1)
    found = looked_into(cluster, 0, tmp_path / "torn.tape")
    assert found.problems == []
    assert found.repeats == len(places) - len(taken_by_desk(places))


def test_a_mark_of_a_window_that_only_seems_to_have_left_is_found(tmp_path: Path) -> None:
    cluster = torn("BEBESB", 3)
    logs = cluster.logs["tape", 0]
    assert CODEC.unwrap(logs[2].value or b"").source_offset == 2
    whole = looked_into(cluster, 0, tmp_path / "whole.tape")
    # The two marks that E's merged one stands for come again, too late to be taken: without it they are lost.
    logs[2] = logs[2]._replace(value=logs[0].value)

    found = looked_into(cluster, 0, tmp_path / "torn.tape")

    assert whole.problems == []
    assert found.problems == [
        "offset 6: marks/0@2 comes after 6 and never came before",
        "offset 8: marks/0@4 comes after 6 and never came before",
    ]
