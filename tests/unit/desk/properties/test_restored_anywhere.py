"""A desk that was restored from its records anywhere on the way, any number of times, cannot be told from one that never stopped."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.desk import step
from streams.desk.messages import TapeEvent, Tick
from streams.desk.state import new_state
from streams.pipeline.snapshots import SnapshotWriter, read_snapshot
from streams.replay.generate import generate
from tests.acts import ACTS, Act, random_acts
from tests.twins import Said, assert_same, recorded, restored, run, written


def assert_restarts_leave_no_trace(tape: list[TapeEvent], cuts: list[int], why: str) -> None:
    state, said, start = new_state(1, 0), list[Said](), 0
    for cut in [*sorted(cut % (len(tape) + 1) for cut in cuts), len(tape)]:
        state, more = run(tape[start:cut], state)
        said += more
        before = written(state)
        state, start = restored(state), cut
        assert written(state) == before, f"{why}: reading a state changed it"
    assert_same(run(tape), (state, said), why)


@settings(max_examples=60, deadline=None)
@given(acts=ACTS, cuts=st.lists(st.integers(0, 10_000), min_size=1, max_size=4))
def test_a_restart_anywhere_leaves_no_trace(acts: list[Act], cuts: list[int]) -> None:
    assert_restarts_leave_no_trace(recorded(acts), cuts, f"restored at {cuts}")


@pytest.mark.parametrize("every", [1, 7, 50])
@pytest.mark.parametrize("seed", range(4))
def test_restarts_one_after_the_other_leave_no_trace(seed: int, every: int) -> None:
    tape = recorded(random_acts(seed, 200))

    assert_restarts_leave_no_trace(tape, list(range(0, len(tape), every)), f"seed {seed}, restored every {every}")


def test_restarts_in_a_generated_market_leave_no_trace() -> None:
    tape = [event for event, _ in generate(seed=5, events=4_000, accounts=8, symbols=6)]

    assert_restarts_leave_no_trace(tape, [111, 999, 1_500, 2_222, 3_998], "generated")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_is_written_again_only_when_it_changed_is_what_a_full_snapshot_says(seed: int) -> None:
    codec = Codec(BundledRegistry())
    state = new_state(1, 0)
    reusing = SnapshotWriter(codec)

    for event in recorded(random_acts(seed, 150, but_for="junk")):
        step(state, event)
        if event.offset % 3 == 0 or isinstance(event.body, Tick):
            assert reusing.write(state) == SnapshotWriter(codec).write(state), (
                f"an account changed without a new version at {event.offset}"
            )


@pytest.mark.parametrize("seed", [3, 4])
def test_a_state_read_from_bytes_goes_on_as_before(seed: int) -> None:
    codec = Codec(BundledRegistry())
    tape = recorded(random_acts(seed, 200, but_for="junk"))
    state, said = new_state(1, 0), list[Said]()

    for start in range(0, len(tape), 25):
        state, more = run(tape[start : start + 25], state)
        said += more
        state, _ = read_snapshot(codec, SnapshotWriter(codec).write(state))

    assert_same(run(tape), (state, said), f"seed {seed}, through bytes")
