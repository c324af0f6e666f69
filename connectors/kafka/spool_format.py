"""How a record lies in the spool: a header that names its length, its number and its checksums, then topic, key, headers and value.

Decides: that any damage ends where the next good header begins. A header has a checksum of its own, so that a record whose body is damaged
is stepped over by its length; where the header itself is damaged, the next one is looked for. Every checksum starts from the place of its
record, so that a record which happens to lie inside another's value is never taken for one of ours. Leaves to others: files (spool_segments.py).
"""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

MAGIC = b"\xf5QS\x9e"
HEADER = struct.Struct("<4sIIIQqiHII")
"""Mark, header's checksum, record's checksum, bytes after the header, number, time in ms, partition, bytes of topic, key and headers."""
HEADER_BYTES = HEADER.size
NO_PARTITION = -1
ROUTE_FROM = 32
"""From here to the end of the key all is the same for each record of a key with as many headers: looked up as it lies."""

_SEQ = struct.Struct("<Q")
_SEQ_AT = 16
_CHECK = struct.Struct("<8xII")

_NAME_AND_VALUE = struct.Struct("<II")
CHECKED_FROM = 12
"""The record's checksum covers what follows itself; the header's, what follows itself, the record's checksum included."""

Headers = Sequence[tuple[str, bytes]]


class Item(NamedTuple):
    """One record as it is read."""

    seq: int
    ts_ms: int
    topic: str
    key: str
    value: bytes
    headers: Headers
    partition: int | None


class Gap(NamedTuple):
    """Bytes that are no good record."""

    start: int
    end: int
    cut_short: bool
    """It ends where the file ends, before its own end: what a kill in the middle of a write leaves."""


def packed(item: Item, seq: int, base: int, at: int) -> bytes:
    """Give the bytes of a record, under its number, for one place: the segment that begins with number `base`, `at` bytes into it."""
    topic, key, headers = item.topic.encode(), item.key.encode(), _packed_headers(item.headers)
    body = b"".join((topic, key, headers, item.value))
    partition = NO_PARTITION if item.partition is None else item.partition
    place = seed(base, at)
    header = HEADER.pack(MAGIC, 0, 0, len(body), seq, item.ts_ms, partition, len(topic), len(key), len(headers))
    whole = zlib.crc32(body, zlib.crc32(header[CHECKED_FROM:], place))
    checked = whole.to_bytes(4, "little") + header[CHECKED_FROM:]
    return b"".join((MAGIC, zlib.crc32(checked, place).to_bytes(4, "little"), checked, body))


def packed_bytes(item: Item) -> int:
    """Tell how long a record will be, without packing it."""
    extra = sum(_NAME_AND_VALUE.size + len(name.encode()) + len(value) for name, value in item.headers)
    return HEADER_BYTES + len(item.topic.encode()) + len(item.key.encode()) + extra + len(item.value)


def seed(base: int, at: int) -> int:
    """Give what a checksum at this place starts from. A CRC from another start is another for the same bytes, always."""
    return (base * 0x9E3779B1 + at) & 0xFFFFFFFF


class Names:
    """Topics and keys by their bytes: the same few come again and again, and decoding each would cost more than the rest of reading."""

    KEPT_MAX = 100_000
    """About 20 MB. When it is full it is emptied, and fills again with what is in use."""

    def __init__(self) -> None:
        """Start with none."""
        self._kept: dict[tuple[bytes, int], tuple[str, str]] = {}

    def of(self, joined: bytes, topic_bytes: int) -> tuple[str, str]:
        """Give topic and key of the bytes in which both stand one after the other."""
        found = self._kept.get((joined, topic_bytes))
        if found is None:
            found = joined[:topic_bytes].decode(), joined[topic_bytes:].decode()
            if len(self._kept) >= self.KEPT_MAX:
                self._kept.clear()
            self._kept[joined, topic_bytes] = found
        return found


def parsed(data: bytes, at: int, base: int, offset: int, count: int, names: Names) -> tuple[list[Item], int]:
    """Read up to `count` records from `at`. Ends before the first that is not good; gives where. `data` begins `offset` bytes into its segment."""
    items: list[Item] = []
    view, size, unpack, crc32, made = memoryview(data), len(data), HEADER.unpack_from, zlib.crc32, tuple.__new__
    place = seed(base, offset)
    while len(items) < count and at + HEADER_BYTES <= size:
        _, _, whole, length, seq, ts_ms, partition, topic_bytes, key_bytes, header_bytes = unpack(data, at)
        body = at + HEADER_BYTES
        end = body + length
        if end > size or crc32(view[at + CHECKED_FROM : end], (place + at) & 0xFFFFFFFF) != whole:
            break
        value = body + topic_bytes + key_bytes
        topic, key = names.of(data[body:value], topic_bytes)
        headers: Headers = parsed_headers(data[value : value + header_bytes]) if header_bytes else ()
        held = data[value + header_bytes : end]
        explicit = None if partition == NO_PARTITION else partition
        # Item(…) itself would cost as much as all the rest of this loop.
        items.append(made(Item, (seq, ts_ms, topic, key, held, headers, explicit)))
        at = end
    return items, at


def good(data: bytes, at: int, base: int, offset: int) -> tuple[int, int]:
    """Count the good records from `at` on; gives how many, and where they end."""
    records, size, unpack, crc32, view = 0, len(data), _CHECK.unpack_from, zlib.crc32, memoryview(data)
    place = seed(base, offset)
    while at + HEADER_BYTES <= size:
        whole, length = unpack(data, at)
        end = at + HEADER_BYTES + length
        if end > size or crc32(view[at + CHECKED_FROM : end], (place + at) & 0xFFFFFFFF) != whole:
            break
        records, at = records + 1, end
    return records, at


def seq_at(data: bytes, at: int) -> int:
    """Give the number of the record at `at`, which is known to be good."""
    return int(_SEQ.unpack_from(data, at + _SEQ_AT)[0])


def gap_at(data: bytes, at: int, base: int, offset: int) -> Gap:
    """Tell how far the damage goes that begins at `at`."""
    size = len(data)
    length = _trusted_length(data, at, base, offset)
    if length is not None:
        return Gap(at, min(at + length, size), at + length > size)
    candidate = data.find(MAGIC, at + 1)
    while candidate >= 0:
        if _trusted_length(data, candidate, base, offset) is not None:
            return Gap(at, candidate, cut_short=False)
        candidate = data.find(MAGIC, candidate + 1)
    # A kill leaves the beginning of a record, a power failure zeros. Anything else was a record once.
    return Gap(at, size, size - at < HEADER_BYTES or not data[at:].strip(b"\0"))


def number_at(data: bytes, at: int, base: int, offset: int) -> int | None:
    """Give the number of the record at `at`; None where its header is damaged."""
    return None if _trusted_length(data, at, base, offset) is None else int(HEADER.unpack_from(data, at)[4])


def _trusted_length(data: bytes, at: int, base: int, offset: int) -> int | None:
    """Give the length of a whole record whose header is intact."""
    if at + HEADER_BYTES > len(data) or data[at : at + 4] != MAGIC:
        return None
    fields = HEADER.unpack_from(data, at)
    if zlib.crc32(data[at + 8 : at + HEADER_BYTES], seed(base, offset + at)) != fields[1]:
        return None
    return HEADER_BYTES + int(fields[3])


def _packed_headers(headers: Headers) -> bytes:
    parts = []
    for name, value in headers:
        encoded = name.encode()
        parts += [_NAME_AND_VALUE.pack(len(encoded), len(value)), encoded, value]
    return b"".join(parts)


def parsed_headers(data: bytes) -> Headers:
    """Read the headers of a record."""
    found, at = [], 0
    while at < len(data):
        name_bytes, value_bytes = _NAME_AND_VALUE.unpack_from(data, at)
        name = at + _NAME_AND_VALUE.size
        value = name + name_bytes
        at = value + value_bytes
        found.append((data[name:value].decode(), data[value:at]))
    return found
