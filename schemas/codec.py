"""The codec: messages and records to bytes and back, in the Confluent wire format (a zero byte, the schema id in four, the Avro bytes).

Decides: which bytes are a record of ours, and with which code the rest is refused. A record written by an older schema is read by the current
one. Nothing but Undecodable leaves it whatever the bytes are (and RegistryUnavailable or RegistryRefused, where the registry is remote: then
the record is not to blame). Leaves to others: ids (schemas.registry), values (schemas.reading, schemas.writing), ranges (desk.validation).
"""

from collections.abc import Mapping
from struct import error as StructError  # noqa: N812  # it is a class
from typing import Any, NamedTuple

from schemas.bundled import NAMESPACE, Bundle, bundled
from schemas.errors import (
    NOT_AN_INPUT,
    NOT_AVRO,
    TOO_LARGE,
    TRAILING_BYTES,
    TRUNCATED,
    UNKNOWN_SCHEMA,
    Undecodable,
    Unencodable,
    UnknownSchema,
)
from schemas.model import Record, SchemaError, parse_record
from schemas.reading import compile_reader
from schemas.registry import Registry
from schemas.resolution import mismatches
from schemas.shapes import CLASSES, INPUTS, Envelope, Messages, Records
from schemas.straight import Read
from schemas.writing import Write, compile_writer
from streams.desk.messages import TapeEvent, Unreadable

__all__ = ["Codec", "Undecodable", "Unencodable", "schema_id"]

INPUT_BYTES_MAX = 1024 * 1024
"""An input is a few hundred bytes, a policy some thousands. Kafka's own limit for a record is this as well, so nothing larger can be meant."""
RECORD_BYTES_MAX = 16 * 1024 * 1024
"""What we wrap and write may be larger: a tape event holds an input that was too large, a snapshot record an account of thousands of orders."""
_HEADER_BYTES = 5
_PLANS_MAX = 1_000
"""Schema ids a codec keeps readers for; we have some dozens. When it is full it starts anew: slower, never wrong."""

_ENVELOPES: frozenset[type] = frozenset({Envelope})
_new: Any = tuple.__new__  # a NamedTuple's own way takes twice as long


class _Plan(NamedTuple):
    """How records of one schema id are read."""

    schema_id: int
    name: str
    read: Read
    bytes_max: int
    kind: type | None


class _Opener:
    """Makes plans: fetches the writer's schema, finds our own of that name, and compiles the pair. Keeps them by the record's first five bytes."""

    def __init__(self, registry: Registry, current: Mapping[str, Record], shape: Messages | Records) -> None:
        self._registry = registry
        self._current = current
        self._shape = shape
        self._plans: dict[bytes, _Plan] = {}
        self.known = self._plans.get

    def open(self, raw: bytes) -> _Plan:
        """Give the plan for a record, or say why there is none."""
        if raw[:1] != b"\0":
            raise Undecodable(NOT_AVRO, "does not begin with a zero byte" if raw else "is empty")
        if len(raw) < _HEADER_BYTES:
            raise Undecodable(TRUNCATED, "ends before its schema id")
        plan = self._plans.get(raw[:_HEADER_BYTES])
        if plan is None:
            plan = self._compile(schema_id(raw))
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()
            self._plans[raw[:_HEADER_BYTES]] = plan
        if len(raw) > plan.bytes_max:
            raise Undecodable(TOO_LARGE, f"{len(raw)} bytes, more than {plan.bytes_max}", plan.schema_id)
        return plan

    def _compile(self, number: int) -> _Plan:
        try:
            written = parse_record(self._registry.schema(number))
        except (UnknownSchema, SchemaError) as error:
            raise Undecodable(UNKNOWN_SCHEMA, str(error), number) from error
        own = self._current.get(written.name)
        if own is None:
            raise Undecodable(UNKNOWN_SCHEMA, f"{written.name} is no record of ours", number)
        found = mismatches(written, own)
        if found:
            raise Undecodable(UNKNOWN_SCHEMA, f"{written.name} cannot be read: {found[0].path}: {found[0].detail}", number)
        kind = CLASSES.get(written.name)
        read = compile_reader(written, own, self._shape)
        return _Plan(number, written.name, read, INPUT_BYTES_MAX if kind in INPUTS else RECORD_BYTES_MAX, kind)


class Codec:
    """Encodes with our current schemas, decodes what any known schema wrote. Not shared between threads."""

    def __init__(self, registry: Registry, bundle: Bundle | None = None) -> None:
        own = {f"{NAMESPACE}{name}": parse_record(text) for name, text in (bundle or bundled()).current.items()}
        self._current: Mapping[str, Record] = own
        self._registry = registry
        self._messages = _Opener(registry, {name: record for name, record in own.items() if name in CLASSES}, Messages())
        self._records = _Opener(registry, own, Records())
        self._writers: dict[tuple[str, bool], tuple[bytes, Write]] = {}  # two for each schema of ours at most

    def encode(self, message: NamedTuple) -> bytes:
        """Write a message, exactly or not at all."""
        return self._write(type(message).__name__, message, as_message=True)

    def decode(self, raw: bytes) -> Any:
        """Read a message."""
        return _finish(self._messages.open(raw), raw)

    def wrap(self, stamp_ms: int, topic: str, partition: int, source_offset: int, payload: bytes) -> bytes:
        """Write a tape event around an input's own bytes."""
        return self._write("TapeEvent", Envelope(stamp_ms, topic, partition, source_offset, payload), as_message=True)

    def encode_event(self, event: TapeEvent) -> bytes:
        """Write a tape event; its offset is where it will stand, and not part of it."""
        payload = event.body.raw if isinstance(event.body, Unreadable) else self.encode(event.body)
        return self.wrap(event.stamp_ms, event.topic, event.partition, event.source_offset, payload)

    def unwrap(self, raw: bytes) -> Envelope:
        """Read a tape event, what it wraps still in bytes."""
        message = self.decode(raw)
        if not isinstance(message, Envelope):
            raise Undecodable(NOT_AVRO, f"{type(message).__name__} is no tape event", schema_id(raw))
        return message

    def decode_event(self, raw: bytes, offset: int) -> TapeEvent:
        """Read the tape event at an offset. What it wraps may be unreadable; if it is unreadable itself it is no event of the tape."""
        stamp_ms, topic, partition, source_offset, payload = self._soundly(raw, _ENVELOPES) or self.unwrap(raw)
        body = self._soundly(payload, INPUTS) or self._input(payload)
        event: TapeEvent = _new(TapeEvent, (offset, stamp_ms, topic, partition, source_offset, body, payload))
        return event

    def encode_record(self, name: str, record: Mapping[str, Any]) -> bytes:
        """Write a record given as a dict."""
        return self._write(name, record, as_message=False)

    def decode_record(self, name: str, raw: bytes) -> dict[str, Any]:
        """Read a record of that name as a dict."""
        plan = self._records.open(raw)
        if plan.name != NAMESPACE + name:
            raise Undecodable(NOT_AVRO, f"{plan.name} is no {name}", plan.schema_id)
        record: dict[str, Any] = _finish(plan, raw)
        return record

    def _soundly(self, raw: bytes, kinds: frozenset[type]) -> Any:
        """Read a message of some kinds the short way, as nearly all of them can be; None where anything is odd about it."""
        plan = self._messages.known(raw[:_HEADER_BYTES])
        if plan is None or plan.kind not in kinds or len(raw) > plan.bytes_max:
            return None
        try:
            message, end = plan.read(raw, _HEADER_BYTES)
        except (Undecodable, IndexError, StructError):
            return None
        return message if end == len(raw) else None

    def _input(self, payload: bytes) -> Any:
        try:
            body = self.decode(payload)
        except Undecodable as error:
            return Unreadable(error.error, error.detail, error.schema_id, payload)
        if type(body) in INPUTS:
            return body
        return Unreadable(NOT_AN_INPUT, f"{type(body).__name__} is no input", schema_id(payload), payload)

    def _write(self, name: str, value: Any, *, as_message: bool) -> bytes:
        made = self._writers.get((name, as_message))
        if made is None:
            made = self._writers[name, as_message] = self._writer(name, as_message=as_message)
        header, write = made
        out = bytearray(header)
        try:
            write(out, value)
        except Unencodable as error:
            raise error.within(name) from None
        return bytes(out)

    def _writer(self, name: str, *, as_message: bool) -> tuple[bytes, Write]:
        own = self._current.get(NAMESPACE + name)
        if own is None or (as_message and own.name not in CLASSES):
            raise Unencodable(f"there is no schema of {name}")
        header = b"\0" + self._registry.id_of(name).to_bytes(4, "big")
        return header, compile_writer(own, Messages() if as_message else Records())


def schema_id(raw: bytes) -> int:
    """Give the schema id a record names; it must be five bytes long at least."""
    return int.from_bytes(raw[1:_HEADER_BYTES], "big")


def _finish(plan: _Plan, raw: bytes) -> Any:
    """Read all of a record, neither more nor less."""
    try:
        value, end = plan.read(raw, _HEADER_BYTES)
    except Undecodable as error:
        raise Undecodable(error.error, error.detail, plan.schema_id) from None
    except (IndexError, StructError):
        raise Undecodable(TRUNCATED, "ends within a value", plan.schema_id) from None
    if end > len(raw):
        raise Undecodable(TRUNCATED, "ends within a value", plan.schema_id)
    if end < len(raw):
        raise Undecodable(TRAILING_BYTES, f"{len(raw) - end} bytes after its end", plan.schema_id)
    return value
