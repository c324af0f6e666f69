"""Messages of every kind that is on the wire, to test what carries them.

Decides: one plain example of each, and hypothesis's way to any other: values made from the schema, so that a new field is drawn without being
told of. Leaves to others: what is done with them.
"""

import io
from decimal import Decimal
from typing import Any

import fastavro
from hypothesis import strategies as st

from schemas.bundled import bundled
from schemas.codec import Codec
from schemas.model import DecimalType, MapType, Primitive, Record, Type, Union, parse_record
from schemas.registry import BundledRegistry
from schemas.shapes import CLASSES, INPUTS, Envelope
from streams.desk.messages import Mark, Signal, TapeEvent

MESSAGE_KINDS = {
    name: kind for name, kind in CLASSES.items() if name.removeprefix("qts.") in bundled().current and kind is not Envelope
}
"""The messages that are records of their own, by full name."""
INPUT_NAMES = sorted(name for name, kind in MESSAGE_KINDS.items() if kind in INPUTS)

MARK = Mark(
    "m-1", "BTCUSDT", Decimal("64123.1"), Decimal("64123.5"), Decimal(64120), Decimal(64123), Decimal("64123.2"), Decimal("1234567.5"),
    Decimal("-0.0001"), 1_700_000_000_000, Decimal("9876543210.25"),
)  # fmt: skip
SIGNAL = Signal(
    "s-1", "acc-1", "BTCUSDT", "LONG", Decimal("0.6"), {"lstm": 0.7, "trees": 0.5}, Decimal("0.5"), "engine", False, "TREND", Decimal("120.5"),
    1_700_000_000_000,
)  # fmt: skip


def make_codec() -> Codec:
    """Give a codec over the bundled schemas."""
    return Codec(BundledRegistry())


def tape_event(body: Any, offset: int = 7) -> TapeEvent:
    """Put an input on the tape."""
    return TapeEvent(offset, 1_700_000_000_123, "marks", 3, 1_234_567, body)


def changed(message: Any, **fields: Any) -> Any:
    """Give a message with fields that may be of a wrong type."""
    return message._replace(**fields)


def schema_of(name: str) -> Record:
    """Give our current schema of a record, by its full name."""
    return parse_record(bundled().current[name.removeprefix("qts.")])


def values(type_: Type) -> st.SearchStrategy[Any]:
    """Draw what a field of a type may hold."""
    if isinstance(type_, DecimalType):
        limit = 10**type_.precision - 1
        return st.integers(-limit, limit).map(lambda unscaled: Decimal(f"{unscaled}E-{type_.scale}"))
    if isinstance(type_, Union):
        return st.one_of([values(branch) for branch in type_.branches])
    if isinstance(type_, MapType):
        return st.dictionaries(st.text(max_size=8), values(type_.values), max_size=3)
    if isinstance(type_, Record):
        fields = [values(field.type) for field in type_.fields]
        return st.tuples(*fields).map(lambda drawn: tuple.__new__(CLASSES[type_.name], drawn))
    if isinstance(type_, Primitive):
        return _primitives(type_)
    return st.lists(values(type_.items), max_size=3).map(tuple)  # type: ignore[union-attr]  # no schema of a message has another kind


def _primitives(type_: Primitive) -> st.SearchStrategy[Any]:
    if type_.shortest:
        return st.floats(allow_nan=False).map(lambda drawn: Decimal(repr(drawn)))
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "double": st.floats(allow_nan=False),
        "bytes": st.binary(max_size=80),
        "string": st.text(max_size=80),
    }[type_.kind]


messages = st.sampled_from(sorted(MESSAGE_KINDS)).flatmap(lambda name: values(schema_of(name)))
"""Any message, with any values its schema has room for."""
inputs = st.sampled_from(INPUT_NAMES).flatmap(lambda name: values(schema_of(name)))
"""Any input."""


def fastavro_bytes(schema: dict[str, Any], record: Any) -> bytes:
    """Write a record with another implementation of Avro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return out.getvalue()


def fastavro_value(writer: dict[str, Any], raw: bytes, reader: dict[str, Any] | None = None) -> Any:
    """Read a record with another implementation of Avro."""
    ours = None if reader is None else fastavro.parse_schema(reader)
    return fastavro.schemaless_reader(io.BytesIO(raw), fastavro.parse_schema(writer), ours)
