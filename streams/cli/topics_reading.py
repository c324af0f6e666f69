"""Records of topics, decoded for the eyes of people and programs.

Decides: how a record of each topic reads, also one that cannot be read: its error and its bytes in hex. Leaves to others: fetching
(connectors.kafka.reading), bytes (schemas), who asks (tail, dlq, account).
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from connectors.kafka.reading import Seen
from schemas.codec import Codec, Undecodable
from schemas.registry import Registry
from streams.cli.output import json_line
from streams.cli.plain import to_plain
from streams.desk.messages import Unreadable
from streams.flow import INPUTS, OUTPUTS, TAPE
from streams.pipeline.snapshots import BadSnapshot
from streams.pipeline.stored_snapshots import joined, parse_key
from streams.pipeline.write_pipeline import CHANGELOG

HEX_SHOWN_MAX = 400
"""Characters of hex in a line for people; programs get all of it."""
_OF_THE_FLOW = {topic.name for topic in (*INPUTS, TAPE, *OUTPUTS)}


class Decoded(NamedTuple):
    """A record, and what it says."""

    seen: Seen
    kind: str
    """The message's class; `Unreadable`, `Removed`, `Json`, `Bytes`, or `SnapshotChunk`."""
    record: Mapping[str, Any]
    message: Any = None
    """The message itself, where it is one."""

    def plain(self) -> dict[str, Any]:
        """Give the record for JSON."""
        seen = self.seen
        return {
            "topic": seen.topic, "partition": seen.partition, "offset": seen.offset, "timestamp_ms": seen.timestamp_ms,
            "key": None if seen.key is None else seen.key.decode(errors="replace"), "kind": self.kind, "record": self.record,
        }  # fmt: skip

    def line(self) -> str:
        """Give the record in one line for people."""
        seen = self.seen
        key = one_line(None if seen.key is None else seen.key.decode(errors="replace"))
        said = " ".join(f"{name}={one_line(value)}" for name, value in self.record.items())
        return f"{when(seen.timestamp_ms)} {seen.topic}/{seen.partition}/{seen.offset} {key} {self.kind} {said}".rstrip()


class Decoder:
    """Decodes records by the topic they are on."""

    def __init__(self, registry: Registry) -> None:
        """Read with a registry's schemas."""
        self._codec = Codec(registry)

    def decode(self, seen: Seen) -> Decoded:
        """Read a record. Whatever its bytes are, this gives something to show."""
        if seen.value is None:
            return Decoded(seen, "Removed", {})
        if seen.topic == CHANGELOG:
            return _chunk(seen, seen.value)
        if seen.topic not in _OF_THE_FLOW and not is_tape(seen.topic):
            return self._other(seen, seen.value)
        return self._soundly(seen, self._event if is_tape(seen.topic) else self._message)

    def _soundly(self, seen: Seen, read: Callable[[Seen, bytes], Decoded]) -> Decoded:
        assert seen.value is not None
        try:
            return read(seen, seen.value)
        except Undecodable as bad:
            return Decoded(seen, "Unreadable", _unreadable(bad.error, bad.detail, bad.schema_id, seen.value))

    def _message(self, seen: Seen, value: bytes) -> Decoded:
        message = self._codec.decode(value)
        return Decoded(seen, type(message).__name__, to_plain(message), message)

    def _event(self, seen: Seen, value: bytes) -> Decoded:
        event = self._codec.decode_event(value, seen.offset)
        body = event.body
        inner = _unreadable(body.error, body.detail, body.schema_id, body.raw) if isinstance(body, Unreadable) else to_plain(body)
        record = {
            "stamp_ms": event.stamp_ms, "topic": event.topic, "partition": event.partition, "source_offset": event.source_offset,
            "kind": type(body).__name__, "body": inner,
        }  # fmt: skip
        return Decoded(seen, "TapeEvent", record, event)

    def _other(self, seen: Seen, value: bytes) -> Decoded:
        """Show what is on a topic that is none of the flow's: a message of ours, JSON, or bytes."""
        found = self._soundly(seen, self._message)
        if found.kind != "Unreadable":
            return found
        try:
            read = json.loads(value, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            return Decoded(seen, "Bytes", {"bytes": len(value), "hex": value.hex()})
        return Decoded(seen, "Json", read if isinstance(read, dict) else {"value": read})


def _chunk(seen: Seen, value: bytes) -> Decoded:
    """Sum up a piece of a snapshot: where it stands, and how much is in it."""
    name = parse_key(seen.key or b"")
    if name is None:
        return Decoded(seen, "Unreadable", _unreadable("NO_CHUNK", "its key does not name a place of the tape", None, value))
    partition, place, index = name
    try:
        records = sum(1 for _ in joined([value]))
    except BadSnapshot as bad:
        return Decoded(seen, "Unreadable", _unreadable("BAD_SNAPSHOT", str(bad), None, value))
    about = {"partition": partition, "epoch": place.epoch, "tape_offset": place.offset, "chunk": index, "records": records}
    return Decoded(seen, "SnapshotChunk", {**about, "bytes": len(value)})


def _unreadable(error: str, detail: str, schema_id: int | None, raw: bytes) -> dict[str, Any]:
    return {"error": error, "detail": detail, "schema_id": schema_id, "bytes": len(raw), "hex": raw.hex()}


def one_line(value: object) -> str:
    """Write a value in one line, or as JSON; long ones are cut, and no sign in it moves the cursor."""
    written = json_line({"": value})[5:-1] if isinstance(value, Mapping | list) else str(value)
    written = "-" if value is None else "".join(sign if sign.isprintable() else "?" for sign in written)
    return written if len(written) <= HEX_SHOWN_MAX else f"{written[:HEX_SHOWN_MAX]}… ({len(written):,} characters)"


def when(stamp_ms: int) -> str:
    """Write a time for people, in UTC."""
    try:
        return f"{datetime.fromtimestamp(stamp_ms / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    except (ValueError, OverflowError, OSError):
        return str(stamp_ms)  # a producer can say anything


def is_tape(topic: str) -> bool:
    """Tell whether a topic is the tape, of whichever epoch."""
    return topic == TAPE.name or (topic.startswith(f"{TAPE.name}-") and topic.removeprefix(f"{TAPE.name}-").isdigit())
