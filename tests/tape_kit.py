"""Tapes to test with: short generated ones, and copies in which one thing is different."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from pathlib import Path

from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.desk import step
from streams.desk.messages import TapeEvent
from streams.desk.state import DESK_VERSION, State, new_state
from streams.pipeline.snapshots import SnapshotWriter
from streams.replay.generate import generated_world
from streams.replay.recording import record
from streams.replay.tape_file import Entry, EntryKind, TapeHeader, TapeReader, TapeWriter

REGISTRY = BundledRegistry()
HEADER = TapeHeader(1, 0, DESK_VERSION, "test")

Rewrite = Callable[[Entry], Iterable[Entry]]


def small_tape(path: Path, seed: int = 1, events: int = 1_500, accounts: int = 3) -> Path:
    """Write a generated tape."""
    world = generated_world(seed, accounts, symbols=5)
    record(path, REGISTRY, world.state, islice(world.run(), events), f"small, seed {seed}")
    return path


def entries(path: Path) -> list[Entry]:
    """Give everything a tape holds."""
    with TapeReader(path) as tape:
        return list(tape)


def write(path: Path, written: Iterable[Entry], header: TapeHeader = HEADER) -> Path:
    """Write entries as a tape, whatever they say."""
    with TapeWriter(path, header, REGISTRY) as tape:
        put = {EntryKind.SNAPSHOT: tape.snapshot, EntryKind.EVENT: tape.event, EntryKind.DECISION: tape.decision}
        for entry in written:
            put[entry.kind](entry.offset, entry.value)
    return path


def rewritten(path: Path, change: Rewrite, header: TapeHeader = HEADER) -> Path:
    """Copy a tape beside itself, each entry replaced by what `change` makes of it."""
    return write(beside(path), [new for entry in entries(path) for new in change(entry)], header)


def beside(path: Path) -> Path:
    """Give a name in the same folder that is still free."""
    return next(free for number in count(1) if not (free := path.with_name(f"{number}-{path.name}")).exists())


def without_decisions(entry: Entry) -> Iterator[Entry]:
    """Leave out what was decided."""
    if entry.kind is not EntryKind.DECISION:
        yield entry


def decision_number(wanted: int, change: Callable[[Entry], Iterable[Entry]]) -> Rewrite:
    """Change one decision, counted from 0."""
    seen = -1

    def rewrite(entry: Entry) -> Iterable[Entry]:
        nonlocal seen
        seen += entry.kind is EntryKind.DECISION
        return change(entry) if entry.kind is EntryKind.DECISION and seen == wanted else [entry]

    return rewrite


def one_byte_altered(place: int) -> Callable[[Entry], list[Entry]]:
    """Alter one byte of a value, counted from its end where negative."""

    def alter(entry: Entry) -> list[Entry]:
        value = bytearray(entry.value)
        value[place] ^= 1
        return [entry._replace(value=bytes(value))]

    return alter


def continued(path: Path, from_offset: int) -> Path:
    """Cut a tape in two and give the second part, starting from a snapshot."""
    codec, state = Codec(REGISTRY), new_state(1, 0)
    kept = [entry for entry in entries(path) if entry.offset >= from_offset and entry.kind is not EntryKind.SNAPSHOT]
    for event in events_of(path):
        if event.offset < from_offset:
            step(state, event)
    snapshot = [Entry(EntryKind.SNAPSHOT, state.offset, raw) for raw in SnapshotWriter(codec).write(state)]
    return write(beside(path), [*snapshot, *kept])


def events_of(path: Path) -> Iterator[TapeEvent]:
    """Decode a tape's events."""
    with TapeReader(path) as tape:
        codec = tape.codec(REGISTRY)
        for entry in tape:
            if entry.kind is EntryKind.EVENT:
                yield codec.decode_event(entry.value, entry.offset)


def stepped(path: Path) -> State:
    """Step a tape from its beginning by hand."""
    state = new_state(1, 0)
    for event in events_of(path):
        step(state, event)
    return state
