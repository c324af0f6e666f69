"""Two desks that have to say the same: one lived through a tape, the other was stopped, copied, shaken or started elsewhere.

Decides: what is compared (every output, every fate, every record of a snapshot) and how a state goes through its records. Leaves to others: tapes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from streams.desk.desk import Outcome, step
from streams.desk.messages import TapeEvent
from streams.desk.outputs import Decision, Fate, Output
from streams.desk.snapshot import account_record, load_state, shared_record, sources_record
from streams.desk.state import State, new_state
from tests.acts import Act
from tests.adversary import Adversary


class Said(NamedTuple):
    """What a desk answered to one event."""

    offset: int
    fate: Fate
    outputs: list[Output]


def written(state: State) -> dict[str, Any]:
    """Write down a whole state but for its place on the tape."""
    accounts = {name: account_record(account) for name, account in sorted(state.accounts.items())}
    return {"shared": shared_record(state), "accounts": accounts}


def restored(state: State) -> State:
    """Take a state through its records, as a restart does."""
    marker = {
        "epoch": state.epoch, "partition": state.partition, "partitions": state.partitions, "offset": state.offset, "sources": sources_record(state),
    }  # fmt: skip
    return load_state(marker, shared_record(state), [account_record(account) for _, account in sorted(state.accounts.items())])


def recorded(acts: Sequence[Act]) -> list[TapeEvent]:
    """Play acts once and keep the tape."""
    adversary = Adversary()
    adversary.play(list(acts))
    return adversary.tape


def run(tape: Iterable[TapeEvent], state: State | None = None) -> tuple[State, list[Said]]:
    """Step a tape through a desk, new or given."""
    state = state or new_state(1, 0)
    said = []
    for event in tape:
        outcome = step(state, event)
        state = outcome.state
        said.append(Said(event.offset, outcome.fate, outcome.outputs))
    return state, said


def differences(one: object, other: object, path: str = "") -> list[str]:
    """Name what differs, deepest first found, for people."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [found for key in one for found in differences(one[key], other[key], f"{path}.{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other) and type(one) is type(other):
        return [
            found for number, pair in enumerate(zip(one, other, strict=True)) for found in differences(*pair, f"{path}[{number}]")
        ]
    return [] if one == other else [f"{path}: {one} != {other}"]


def assert_same(one: tuple[State, Sequence[Said]], other: tuple[State, Sequence[Said]], why: str) -> None:
    """Compare answers first, since the first one that differs says most; then everything remembered."""
    assert len(one[1]) == len(other[1]), f"{why}: {len(one[1])} answers against {len(other[1])}"
    for here, there in zip(one[1], other[1], strict=True):
        assert here == there, f"{why}: offset {here.offset}: {differences(here, there)[:6]}"
    assert written(one[0]) == written(other[0]), f"{why}: {differences(written(one[0]), written(other[0]))[:6]}"


def chain_hash(said: Iterable[Said]) -> str:
    """Hash every decision's hash, in the order they were made."""
    digest = hashlib.blake2b(digest_size=16)
    for answer in said:
        for output in answer.outputs:
            if isinstance(output, Decision):
                digest.update(output.hash.encode())
    return digest.hexdigest()


def outcomes(tape: Iterable[TapeEvent], state: State | None = None) -> Iterator[tuple[TapeEvent, Outcome]]:
    """Step a tape lazily, event by event, as a recording wants it."""
    state = state or new_state(1, 0)
    for event in tape:
        yield event, step(state, event)
