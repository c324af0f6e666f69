"""Avro object containers, read in bounds: the header, then block after block.

Decides: how far a file can be trusted: no length in it is believed before it is bounded, no block is unpacked beyond its bound, and whatever does
not fit ends in BadContainer. The format is Avro's own and any Avro tool reads the files; this reader is ours because a damaged file must
say where it is damaged, and must not take the machine's memory (docs/adr/0003-tape-file.md). Leaves to others: entries (tape_file).
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from schemas.errors import Undecodable
from schemas.varint import read_long, read_span

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
HEADER_BYTES_MAX = 4 * 1024 * 1024
"""The schemas of a tape are some 50 KB. A header that goes on beyond this is refused."""
BLOCK_BYTES_MAX = 40 * 1024 * 1024
"""A block is closed at 64 KiB, by an entry of 17 MiB at most. One that says it is larger than this, packed or unpacked, is refused."""
_NUMBER_BYTES_MAX = 10


class BadContainer(ValueError):
    """What is wrong with the file, at or before this place in it."""


class Header(NamedTuple):
    """What stands before the blocks."""

    metadata: dict[str, bytes]
    sync: bytes
    bytes_: int


class SummedFile:
    """A file that sums up what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.length = 0
        self.crc = 0

    def read(self, size: int) -> bytes:
        """Read some bytes, fewer only at the end."""
        raw = self._file.read(size)
        self.length += len(raw)
        self.crc = zlib.crc32(raw, self.crc)
        return raw


def read_header(file: BinaryIO) -> Header:
    """Read the header and leave the file at the first block."""
    file.seek(0)
    raw = file.read(HEADER_BYTES_MAX)
    if raw[: len(MAGIC)] != MAGIC:
        raise BadContainer("no Avro object container" if raw else "an empty file")
    try:
        metadata, at = _metadata(raw, len(MAGIC))
    except (Undecodable, IndexError, UnicodeDecodeError) as error:
        raise BadContainer("the header cannot be read") from error
    sync = raw[at : at + SYNC_BYTES]
    if len(sync) < SYNC_BYTES:
        raise BadContainer("ends within the header")
    file.seek(at + SYNC_BYTES)
    return Header(metadata, sync, at + SYNC_BYTES)


def read_blocks(file: SummedFile, sync: bytes, codec: str) -> Iterator[tuple[int, bytes]]:
    """Give each block's number of entries and its bytes, unpacked, from where the file stands to its end."""
    if codec not in ("null", "deflate"):
        raise BadContainer(f"packed by {codec!r}")
    while (count := _number(file, at_start=True)) is not None:
        size = _number(file, at_start=False)
        if size is None or not 0 <= size <= BLOCK_BYTES_MAX or count < 0:
            raise BadContainer("a block's length makes no sense")
        packed = file.read(size)
        if len(packed) < size:
            raise BadContainer("ends within a block")
        yield count, _unpack(packed) if codec == "deflate" else packed
        mark = file.read(SYNC_BYTES)
        if mark != sync:
            raise BadContainer("ends within a block" if len(mark) < SYNC_BYTES else "a block does not end where it says")


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        raw = unpacker.decompress(packed, BLOCK_BYTES_MAX)
    except zlib.error as error:
        raise BadContainer(f"a block cannot be unpacked: {error}") from error
    if not unpacker.eof:
        raise BadContainer("a block cannot be unpacked to its end")
    return raw


def _metadata(raw: bytes, at: int) -> tuple[dict[str, bytes], int]:
    metadata: dict[str, bytes] = {}
    count, at = read_long(raw, at)
    while count:
        if count < 0:  # followed by the size of the entries
            count = -count
            at, _ = read_span(raw, at)
        for _ in range(count):  # an entry takes two bytes at least: past the end it raises
            start, end = read_span(raw, at)
            name = str(raw[start:end], "utf-8")
            start, at = read_span(raw, end)
            metadata[name] = raw[start:at]
        count, at = read_long(raw, at)
    return metadata, at


def _number(file: SummedFile, *, at_start: bool) -> int | None:
    """Read a varint; None at the very end of the file, where a block may begin."""
    raw = b""
    while len(raw) < _NUMBER_BYTES_MAX:
        byte = file.read(1)
        if not byte:
            if at_start and not raw:
                return None
            raise BadContainer("ends within a block")
        raw += byte
        if byte[0] < 128:
            break
    try:
        return read_long(raw, 0)[0]
    except (Undecodable, IndexError) as error:
        raise BadContainer("a block's length makes no sense") from error
