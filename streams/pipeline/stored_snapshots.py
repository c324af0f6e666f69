"""Snapshots in a table: cut into chunks under names that say where on the tape they stand.

Decides: the names, the size of a chunk, which snapshot is the newest whole one, and which are old enough to go. A name holds the epoch and
the tape offset, so whoever writes a snapshot of that place writes the same bytes under the same names: a writer that was paused and woke up
cannot damage what others wrote since. Leaves to others: the records (pipeline.snapshots), making them durable (the log).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from streams.desk.state import State
from streams.pipeline.snapshots import BadSnapshot, Marker, RecordCodec, read_snapshot

CHUNK_BYTES = 512 * 1024
"""Half of what Kafka takes by default: an account of thousands of orders still fits beside what is there already."""
KEPT = 3
"""Whole snapshots kept: the newest, and two in case it is damaged."""
_LENGTH = Struct(">I")


class Place(NamedTuple):
    """Where on which tape a snapshot stands."""

    epoch: int
    offset: int


class Chunk(NamedTuple):
    """A piece of a snapshot."""

    key: bytes
    value: bytes


class Restored(NamedTuple):
    """A state read back, and the end of the snapshot it was in."""

    state: State
    marker: Marker


def chunk_key(partition: int, place: Place, index: int) -> bytes:
    """Name a chunk."""
    return f"{partition}/{place.epoch}/{place.offset}/{index}".encode()


def cut(partition: int, place: Place, records: Iterable[bytes], chunk_bytes: int = CHUNK_BYTES) -> list[Chunk]:
    """Cut the records of a snapshot into chunks."""
    chunks: list[Chunk] = []
    piece = bytearray()
    for record in records:
        if piece and len(piece) + len(record) > chunk_bytes:
            chunks.append(Chunk(chunk_key(partition, place, len(chunks)), bytes(piece)))
            piece.clear()
        piece += _LENGTH.pack(len(record))
        piece += record
    chunks.append(Chunk(chunk_key(partition, place, len(chunks)), bytes(piece)))
    return chunks


def joined(chunks: Sequence[bytes]) -> Iterator[bytes]:
    """Give the records in some chunks."""
    for chunk in chunks:
        at = 0
        while at < len(chunk):
            if at + _LENGTH.size > len(chunk):
                raise BadSnapshot("a chunk ends within a length")
            (length,) = _LENGTH.unpack_from(chunk, at)
            at += _LENGTH.size
            if at + length > len(chunk):
                raise BadSnapshot("a chunk ends within a record")
            yield chunk[at : at + length]
            at += length


def places(items: Iterable[tuple[bytes, bytes]], partition: int) -> dict[Place, dict[int, bytes]]:
    """Sort what a table holds of a partition by the place it stands for."""
    found: dict[Place, dict[int, bytes]] = defaultdict(dict)
    for key, value in items:
        named = parse_key(key)
        if named is not None and named[0] == partition:
            found[named[1]][named[2]] = value
    return found


def parse_key(key: bytes) -> tuple[int, Place, int] | None:
    """Read a chunk's name; None for what is none of ours."""
    try:
        partition, epoch, offset, index = map(int, key.split(b"/"))
    except ValueError:
        return None
    return partition, Place(epoch, offset), index


def newest(
    items: Iterable[tuple[bytes, bytes]], partition: int, epoch: int, codec: RecordCodec, passed_over: list[str]
) -> Restored | None:
    """Read the newest whole snapshot of an epoch. One that is not whole is passed over: its writer may have died on it."""
    found = places(items, partition)
    for place in sorted((place for place in found if place.epoch == epoch), reverse=True):
        chunks = found[place]
        try:
            if sorted(chunks) != list(range(len(chunks))):
                raise BadSnapshot("a chunk is missing")  # noqa: TRY301  # told like any other damage
            state, marker = read_snapshot(codec, joined([chunks[index] for index in range(len(chunks))]))
            if (state.epoch, state.partition, marker.offset) != (epoch, partition, place.offset):
                raise BadSnapshot(f"it is of epoch {state.epoch}, partition {state.partition}, offset {marker.offset}")  # noqa: TRY301
        except BadSnapshot as bad:
            passed_over.append(f"the snapshot at {place.epoch}/{place.offset}: {bad}")
            continue
        return Restored(state, marker)
    return None


def outdated(items: Iterable[tuple[bytes, bytes]], partition: int, written: Place, kept: int = KEPT) -> list[bytes]:
    """Name the chunks that may go once a snapshot has been written: all but those of the newest few, and of what comes after it."""
    found = places(items, partition)
    before = sorted((place for place in found if place < written), reverse=True)
    return [chunk_key(partition, place, index) for place in before[kept - 1 :] for index in sorted(found[place])]
