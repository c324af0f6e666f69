"""The answers are a function of the tape and of nothing else: not of how it comes, how often, under what arithmetic, in which process."""

import os
import subprocess
import sys
from decimal import ROUND_UP, Context, localcontext
from pathlib import Path

import pytest
from hypothesis import given, settings

from streams.desk.messages import TapeEvent
from streams.desk.outputs import Fate
from streams.desk.state import new_state
from streams.replay.recording import record
from streams.replay.replay import Replay
from streams.replay.tape_file import TapeReader
from tests.acts import ACTS, Act, random_acts
from tests.tape_kit import REGISTRY
from tests.twins import assert_same, outcomes, recorded, restored, run

ROOT = Path(__file__).parents[2]
HASHED = """
from tests.acts import random_acts
from tests.twins import chain_hash, recorded, run, written
from streams.replay.generate import generate
from hashlib import blake2b
tapes = [recorded(random_acts(seed, 250)) for seed in range(3)]
tapes.append([event for event, _ in generate(seed=1, events=3_000, accounts=6, symbols=5)])
for state, said in map(run, tapes):
    print(chain_hash(said), blake2b(repr(written(state)).encode()).hexdigest())
"""


def spaced(tape: list[TapeEvent]) -> list[TapeEvent]:
    """Leave an offset free after each."""
    return [event._replace(offset=2 * event.offset) for event in tape]


def rising(tape: list[TapeEvent]) -> list[TapeEvent]:
    """Leave out what a broker cannot do: give an offset twice."""
    return list({event.offset: event for event in tape}.values())


@settings(max_examples=40, deadline=None)
@given(acts=ACTS)
def test_an_event_stepped_twice_is_a_duplicate_and_changes_nothing(acts: list[Act]) -> None:
    tape = recorded(acts)

    state, said = run([event for event in tape for _ in range(2)])

    assert all(again.fate is Fate.DUPLICATE and not again.outputs for again in said[1::2])
    assert_same(run(tape), (state, said[::2]), "each stepped twice")


@settings(max_examples=40, deadline=None)
@given(acts=ACTS)
def test_a_record_forwarded_twice_is_a_duplicate_and_changes_nothing(acts: list[Act]) -> None:
    tape = spaced(recorded(acts))

    state, said = run([again for event in tape for again in (event, event._replace(offset=event.offset + 1))])

    assert all(again.fate is Fate.DUPLICATE and not again.outputs for again in said[1::2])
    assert_same(run(tape), (state, said[::2]), "each forwarded twice")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "context", [Context(prec=5, rounding=ROUND_UP), Context(prec=400, Emax=99, Emin=-99)], ids=["coarse", "fine"]
)
def test_the_arithmetic_of_whoever_calls_is_not_used(seed: int, context: Context) -> None:
    tape = recorded(random_acts(seed, 200))
    middle = len(tape) // 2

    with localcontext(context):
        state, said = run(tape[:middle])
        state, more = run(tape[middle:], restored(state))

    assert_same(run(tape), (state, said + more), f"seed {seed} under {context}")


@pytest.mark.parametrize("seed", range(4))
def test_how_often_indexes_are_swept_is_not_seen(seed: int) -> None:
    tape = recorded(random_acts(seed, 300))
    usual = run(tape)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.desk.watch._GARBAGE", 0)
        patch.setattr("streams.desk.timers._LEFT_OVER_MAX", 0)
        patch.setattr("streams.desk.throttle._SPARE", 0)
        assert_same(usual, run(tape), f"seed {seed}, swept all the time")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_recorded_tape_replays_to_the_same_hashes_in_batches_of_any_size(tmp_path: Path, seed: int) -> None:
    tape = rising(recorded(random_acts(seed, 250, but_for="junk")))
    path = tmp_path / "tape.avro"
    record(path, REGISTRY, new_state(1, 0), outcomes(tape), "bad day")
    hashes = set()

    for batch_events in (1, 7, 1_000):
        with TapeReader(path) as reader:
            replayed = Replay(reader, REGISTRY, batch_events=batch_events).run(compare=True)
        assert replayed.divergence is None
        assert replayed.events == len(tape)
        hashes.add((replayed.decisions_hash, replayed.state_hash))

    assert len(hashes) == 1


def test_another_hash_seed_gives_the_same_decisions_and_the_same_state() -> None:
    said = set()
    for seed in ("0", "1", "31337"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", HASHED], env=environment, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120
        )
        said.add(done.stdout)

    assert len(said) == 1
    assert len(said.pop().split()) == 8
