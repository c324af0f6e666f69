"""A sequencer may die at any step, and others may be at work at the same time: nothing is lost, and the order of each source holds."""

from random import Random

import pytest

from streams.pipeline.steps import Step
from tests.log_kit import Cluster, Crash, CrashAt, Producer
from tests.sequencer_chaos import PARTITIONS, SequencerChaos
from tests.sequencer_checks import check_tape
from tests.sequencer_kit import Clock, Worker, fill_sources


@pytest.mark.parametrize("kept", ["nothing", "a prefix", "everything"])
@pytest.mark.parametrize("times", [1, 7, 60])
@pytest.mark.parametrize("step", [Step.FORWARDED, Step.FORWARD_ACKNOWLEDGED], ids=lambda step: step.name.lower())
def test_a_crash_at_a_step_loses_nothing(step: Step, times: int, kept: str) -> None:
    cluster, clock = Cluster(), Clock()
    fill_sources(cluster, PARTITIONS, 1, 300)
    first = Producer(cluster, Random(times) if kept == "a prefix" else None)
    with pytest.raises(Crash):
        Worker(cluster, first, clock, PARTITIONS, CrashAt(step, times)).finish(clock, most=3)
    if kept == "everything":
        first.deliver()
    first.die()

    Worker(cluster, Producer(cluster), clock, PARTITIONS).finish(clock)

    check_tape(cluster, PARTITIONS)


@pytest.mark.parametrize("zombies", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_nothing_is_lost(seed: int, zombies: bool) -> None:
    chaos = SequencerChaos(seed, zombies)
    chaos.run()

    check_tape(chaos.cluster, PARTITIONS)
    assert chaos.crashes + chaos.moves > 0, f"seed {seed}"
