"""Hundreds of runs of chaos: crashes at any call, lost suffixes, others still at work; and in the end the answers of an uninterrupted run.

Decides: how many seeds. Leaves to others: what happens (tests.pipeline_chaos, tests.sequencer_chaos), what is lost (tests.sequencer_checks).
"""

import pytest

from connectors.kafka.partitioner import partition_of
from streams.replay.proof import Findings, Tape, prove
from tests.log_kit import Cluster, Eager
from tests.pipeline_chaos import Chaos
from tests.pipeline_kit import CODEC, Desk
from tests.sequencer_chaos import PARTITIONS, SequencerChaos
from tests.sequencer_checks import check_tape

DESK_SEEDS, SEQUENCER_SEEDS, IN_ONE = 240, 40, 20


@pytest.mark.parametrize("first", range(0, DESK_SEEDS, IN_ONE))
def test_desks_that_crash_and_wake_up_again_answer_as_if_nothing_had_happened(first: int) -> None:
    crashes = moves = 0
    for seed in range(first, first + IN_ONE):
        chaos = Chaos(seed)
        assert chaos.run() == chaos.expected, f"seed {seed}"
        crashes, moves = crashes + chaos.crashes, moves + chaos.moves

    assert crashes > IN_ONE
    assert moves > IN_ONE


@pytest.mark.parametrize("zombies", [False, True])
@pytest.mark.parametrize("first", range(0, SEQUENCER_SEEDS, IN_ONE))
def test_sequencers_that_crash_and_wake_up_again_lose_nothing(first: int, zombies: bool) -> None:
    for seed in range(first, first + IN_ONE):
        chaos = SequencerChaos(seed, zombies)
        chaos.run()
        try:
            check_tape(chaos.cluster, PARTITIONS)
        except AssertionError as lost:
            pytest.fail(f"seed {seed}: {lost}")
        assert chaos.crashes > 0


def proven(cluster: Cluster, partitions: int) -> Findings:
    """Hold what is on the topics against an uninterrupted run, as `./qts crash` does."""
    tape = Tape(1, partitions, "tape", lambda key: partition_of(key, partitions))
    return prove(tape, cluster.read, CODEC)


@pytest.mark.parametrize("seed", range(6))
def test_the_proof_of_the_crash_command_says_the_same_of_both_together(seed: int) -> None:
    sequencers = SequencerChaos(seed, zombies=False)
    sequencers.run()
    cluster = sequencers.cluster
    for partition in range(PARTITIONS):
        Desk(cluster, Eager(cluster), partition=partition, partitions=PARTITIONS).finish()
    cluster.logs["portfolio", 0], cluster.logs["portfolio", 1] = [], []

    findings = proven(cluster, PARTITIONS)

    wrong = (findings.sources_missing, findings.outputs_missing, findings.outputs_contradicting, findings.outputs_unexpected)
    assert wrong == (0, 0, 0, 0), findings.examples
    assert findings.orders_missing == findings.orders_contradicting == findings.applied_twice == 0
    assert findings.tape_events > 500
