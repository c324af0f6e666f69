"""Coming back: with which state a partition goes on, at which offset, and what of its outputs is on the topics already.

Decides: whether the tape is the one the snapshot was taken from. A record that is missing, different or out of range means that it is
not, and nothing is stepped. Leaves to others: reading the tape (a port), snapshots in a table (stored_snapshots).
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from streams.desk.desk import WrongReign, assume_reign
from streams.desk.state import DESK_VERSION, State, new_state
from streams.pipeline.ports import Headers, Read
from streams.pipeline.snapshots import RecordCodec
from streams.pipeline.stored_snapshots import newest

PLACE_HEADER = "qts-place"
"""The header that tells where on the tape an output was made: epoch/offset/n."""


class TapeBroken(Exception):
    """The tape is not the one the snapshot was taken from, or a part of it is gone. Nothing may be stepped on it."""


class ReignEnded(WrongReign):
    """This desk version has nothing left to step of a partition. Others may have some left for it."""


class TapeLog(Protocol):
    """The tape partition, for looking at single records."""

    def bounds(self) -> tuple[int, int]:
        """Give the first offset there is, and the one the next record will get."""

    def read(self, offset: int) -> Read | None:
        """Read the record at an offset, or nothing where there is none."""


class Resumed(NamedTuple):
    """A partition ready to go on."""

    state: State
    next_offset: int
    sent: Mapping[str, tuple[int, int]]
    """By topic, the last output (offset, n) that is on it already."""
    passed_over: tuple[str, ...]
    """Snapshots that were not whole."""


def tape_hash(raw: bytes) -> str:
    """Name a tape record by its bytes."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def resume(
    epoch: int, partition: int, partitions: int, items: Iterable[tuple[bytes, bytes]], codec: RecordCodec, tape: TapeLog,
    sent: Mapping[str, tuple[int, int]], begun_by: str = DESK_VERSION,
) -> Resumed:  # fmt: skip
    """Load the newest whole snapshot and make sure that the tape goes on from it."""
    passed_over: list[str] = []
    restored = newest(items, partition, epoch, codec, passed_over)
    start, end = tape.bounds()
    if restored is None:
        if start > 0:
            raise TapeBroken(f"tape partition {partition} begins at offset {start}, and there is no snapshot to begin with")
        if epoch > 1:
            raise TapeBroken(
                f"tape partition {partition} has no whole snapshot of epoch {epoch}, which began with one: {passed_over}"
            )
        state = new_state(epoch, partition, partitions)
        state.version = begun_by  # without a snapshot only the version that began the tape may step its first records
    else:
        state = restored.state
        _compare(state, restored.marker.tape_hash, partitions, tape, start, end)
    for topic, (offset, _) in sent.items():
        if offset >= end:
            raise TapeBroken(
                f"tape partition {partition} ends before offset {end}, {topic} has what was made at {offset}: this is another tape"
            )
    return Resumed(in_reign(state), state.offset + 1, sent, tuple(passed_over))


def in_reign(state: State) -> State:
    """Take the state over where its reign has ended in favour of this desk version, and refuse it where another one reigns."""
    if state.next_version == DESK_VERSION:
        return assume_reign(state)
    if state.version != DESK_VERSION or state.next_version:
        raise (ReignEnded if state.version == DESK_VERSION or is_later(state.version) else WrongReign)(
            f"tape partition {state.partition} from offset {state.offset + 1} on is for desk version "
            f"{state.next_version or state.version}, this is {DESK_VERSION}"
        )
    return state


def is_later(version: str) -> bool:
    """Tell whether a desk version comes after this one: its reign has begun, so this one's is over."""
    return version.isascii() and version.isdigit() and int(version) > int(DESK_VERSION)


def _compare(state: State, named: str, partitions: int, tape: TapeLog, start: int, end: int) -> None:
    where = f"tape partition {state.partition}"
    if state.partitions != partitions:
        raise TapeBroken(f"{where}: the snapshot is of {state.partitions} partitions, the tape has {partitions}")
    offset = state.offset
    if offset < 0:
        if start > 0:
            raise TapeBroken(f"{where} begins at offset {start}, the epoch at 0")
        return
    if offset >= end:
        raise TapeBroken(f"{where} ends before offset {end}, the snapshot stands at {offset}: this is another tape")
    if offset < start:
        raise TapeBroken(f"{where} begins at offset {start}, the snapshot stands at {offset}: what lies between is gone")
    record = tape.read(offset)
    if record is None:
        raise TapeBroken(f"{where} has no record at offset {offset}, where the snapshot stands")
    found = tape_hash(record.value or b"")
    if found != named:
        raise TapeBroken(f"{where} has another record at offset {offset} ({found}) than the snapshot ends with ({named})")


def place_header(epoch: int, offset: int, n: int) -> Headers:
    """Tell where an output was made."""
    return ((PLACE_HEADER, f"{epoch}/{offset}/{n}".encode()),)


def place_in(headers: Iterable[tuple[str, bytes | None]] | None, epoch: int) -> tuple[int, int] | None:
    """Read where an output of an epoch was made; None for what is no output of the desk or of another epoch."""
    for name, value in headers or ():
        if name == PLACE_HEADER and value is not None:
            try:
                made_in, offset, n = map(int, value.split(b"/"))
            except ValueError:
                return None
            return (offset, n) if made_in == epoch else None
    return None
