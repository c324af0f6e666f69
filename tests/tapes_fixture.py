"""The fixture `replay`: a golden tape by its name, replayed and compared with its record."""

from collections.abc import Callable
from functools import cache

import pytest

from schemas.registry import BundledRegistry
from streams.desk.outputs import Decision
from streams.replay.replay import Replay, Replayed
from streams.replay.tape_file import EntryKind, TapeReader
from tests.tapes.build import path_of

ReplayByName = Callable[[str], Replayed]


@cache
def replayed(name: str) -> Replayed:
    """Replay a golden tape, once a test run: nobody may change what comes back."""
    with TapeReader(path_of(name)) as tape:
        return Replay(tape, BundledRegistry()).run(compare=True)


@cache
def decisions_of(name: str) -> tuple[Decision, ...]:
    """Read what was decided when a golden tape was recorded."""
    with TapeReader(path_of(name)) as tape:
        codec = tape.codec(BundledRegistry())
        return tuple(codec.decode(entry.value) for entry in tape if entry.kind is EntryKind.DECISION)


@pytest.fixture
def replay() -> ReplayByName:
    """Replay the tape tests/tapes/NAME.tape."""
    return replayed
