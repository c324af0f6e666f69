"""Sending records of the spool straight from the bytes of a segment: no object is made for any of them.

Decides: how far one goes at a time: to the first record that is damaged, or that needs more care than this gives (its topic is not known, or
librdkafka does not take it). Leaves to others: that care (draining.py), reading (spool.py).
"""

import struct
import zlib
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaException

from connectors.kafka.lanes import KEYS_MAX, Lanes
from connectors.kafka.spool import Passed
from connectors.kafka.spool_format import CHECKED_FROM, HEADER_BYTES, NO_PARTITION, ROUTE_FROM, parsed_headers, seed
from connectors.kafka.under_way import Tail

_NEEDED = struct.Struct("<8xII8xqiHII")
"""The header without what is not needed to send a record: its mark, its own checksum and its number."""

Route = tuple[str, str, int]
"""Topic, key and partition."""


_ROUTE = struct.Struct("<iHII")


class Routes(dict[bytes, Route]):
    """Where a record goes, by the bytes that say so. For one link: on another, a topic may have other partitions."""

    def __init__(self, lanes: Mapping[str, Lanes]) -> None:
        """Begin with none."""
        super().__init__()
        self._lanes = lanes

    def __missing__(self, said: bytes) -> Route:
        """Work it out. KeyError for a topic that is not known."""
        partition, topic_bytes, key_bytes, _ = _ROUTE.unpack_from(said)
        key_at = _ROUTE.size + topic_bytes
        topic, key = said[_ROUTE.size : key_at].decode(), said[key_at : key_at + key_bytes].decode()
        lanes = self._lanes[topic]
        if len(self) >= KEYS_MAX:
            self.clear()
        self[said] = found = topic, key, lanes[key] if partition == NO_PARTITION else partition
        return found


def sent(
    data: bytes, at: int, base: int, offset: int, *, count: int, produce: Callable[..., None], routes: Routes, tail: Tail
) -> Passed:
    """Send up to `count` records that lie one behind the other. Each is checked: its checksum starts from its place."""
    records, size, unpack, crc32 = 0, len(data), _NEEDED.unpack_from, zlib.crc32
    place = seed(base, offset)
    enough = False
    try:
        while records < count and at + HEADER_BYTES <= size:
            whole, length, ts_ms, _, topic_bytes, key_bytes, header_bytes = unpack(data, at)
            body = at + HEADER_BYTES
            end = body + length
            # A copy of a small record costs less than a view of it.
            if end > size or crc32(data[at + CHECKED_FROM : end], (place + at) & 0xFFFFFFFF) != whole:
                break
            value = body + topic_bytes + key_bytes
            topic, key, partition = routes[data[at + ROUTE_FROM : value]]
            if header_bytes:
                headers = parsed_headers(data[value : value + header_bytes])
                produce(topic, data[value + header_bytes : end], key, partition, tail, None, ts_ms, headers)
            else:
                produce(topic, data[value:end], key, partition, tail, None, ts_ms)
            records, at = records + 1, end
    except (KeyError, BufferError, KafkaException):
        enough = True  # told apart by who sends it with care
    return Passed(records, at, enough)
