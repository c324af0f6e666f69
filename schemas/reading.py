"""Readers: Avro bytes to values.

Decides: how a schema pair (the writer's and ours) becomes one function from bytes to a value, put together once and then only called; and that
whatever the bytes are, it ends soon with a value or an error. It never reads by a count or a length without having the bytes for it: every
item of an array takes at least one byte (schemas.model sees to that), and a slice beyond the end shows in the position returned. Leaves to
others: whether all bytes were used (schemas.codec), whether the pair fits (schemas.resolution, asked before).
"""

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from decimal import Decimal
from struct import Struct
from typing import Any, Protocol

from schemas.errors import BAD_VALUE, NOT_AVRO, TRUNCATED, Undecodable
from schemas.model import Array, DecimalType, Enumeration, Fixed, MapType, Primitive, Record, Type, Union
from schemas.numbers import BadDecimal, decimals_of
from schemas.resolution import branch_for, written_field
from schemas.straight import Read, compile_straight
from schemas.varint import read_int, read_long, read_span
from schemas.words import WORD_FIELDS, words

_STRING = Primitive("string")


class Shape(Protocol):
    """What records, arrays and unions of records become."""

    sequence: Callable[[list[Any]], Any]

    def record(self, type_: Record) -> Callable[[Sequence[Any]], Any]:
        """Give what makes a record from its values, in the order of the fields."""

    def mark(self, union: Union, type_: Type) -> Callable[[Any], Any] | None:
        """Give what marks a value with the branch of the union it is of, or None where it shows by itself."""


def compile_reader(writer: Type, reader: Type, shape: Shape) -> Read:
    """Make the function that reads what `writer` wrote as `reader` has it. The two must have no mismatches."""
    if isinstance(writer, Union):
        return _union([compile_reader(branch, reader, shape) for branch in writer.branches])
    if isinstance(reader, Union):
        branch = branch_for(writer, reader)
        assert branch is not None  # there are no mismatches
        return _marked(compile_reader(writer, branch, shape), shape.mark(reader, branch))
    if isinstance(writer, Record) and isinstance(reader, Record):
        return _record(writer, reader, shape)
    if isinstance(writer, Enumeration) and isinstance(reader, Enumeration):
        return _enumeration([symbol if symbol in reader.symbols else reader.default for symbol in writer.symbols])
    if isinstance(writer, Array) and isinstance(reader, Array):
        return _array(compile_reader(writer.items, reader.items, shape), shape.sequence)
    if isinstance(writer, MapType) and isinstance(reader, MapType):
        return _map(compile_reader(writer.values, reader.values, shape))
    return _leaf(writer, reader)


def default_value(type_: Type, raw: Any, shape: Shape) -> Any:
    """Make a field's value from the JSON of its default."""
    if isinstance(type_, Union):
        return default_value(type_.branches[0], raw, shape)
    if isinstance(type_, Record):
        values = [default_value(field.type, raw.get(field.name, field.default), shape) for field in type_.fields]
        return shape.record(type_)(values)
    if isinstance(type_, Array):
        return shape.sequence([default_value(type_.items, item, shape) for item in raw])
    if isinstance(type_, MapType):
        return {name: default_value(type_.values, value, shape) for name, value in raw.items()}
    if isinstance(type_, DecimalType):
        return decimals_of(type_)[raw.encode("latin-1")]
    if isinstance(type_, Fixed) or type_ == Primitive("bytes"):
        return raw.encode("latin-1")
    if isinstance(type_, Primitive) and type_.kind in ("float", "double"):
        return Decimal(repr(float(raw))) if type_.shortest else float(raw)
    if type_ == Primitive("null") and raw is not None:
        raise TypeError("the default of a union is one of its first branch, null")
    return raw


def _read_bytes(raw: bytes, at: int) -> tuple[bytes, int]:
    start, end = read_span(raw, at)
    return raw[start:end], end


def _string(decode: Callable[[bytes], str]) -> Read:
    def read_string(raw: bytes, at: int) -> tuple[str, int]:
        first = raw[at]
        if first & 0x81:  # a length of more than one byte, or a negative one
            start, end = read_span(raw, at)
        else:
            start = at + 1
            end = start + (first >> 1)
        try:
            return decode(raw[start:end]), end
        except UnicodeDecodeError:
            raise _cut_or(raw, end, NOT_AVRO, "a string that is not UTF-8") from None

    return read_string


_read_string = _string(lambda raw: str(raw, "utf-8"))
_read_word = _string(words.__getitem__)


def _read_null(_raw: bytes, at: int) -> tuple[None, int]:
    return None, at


def _read_boolean(raw: bytes, at: int) -> tuple[bool, int]:
    value = raw[at]
    if value > 1:
        raise Undecodable(NOT_AVRO, "a boolean that is neither true nor false")
    return value == 1, at + 1


def _floating(struct: Struct) -> Read:
    unpack, size = struct.unpack_from, struct.size
    return lambda raw, at: (unpack(raw, at)[0], at + size)


_READERS: dict[str, Read] = {
    "null": _read_null,
    "boolean": _read_boolean,
    "int": read_int,
    "long": read_long,
    "float": _floating(Struct("<f")),
    "double": _floating(Struct("<d")),
    "bytes": _read_bytes,
    "string": _read_string,
}


def _leaf(writer: Type, reader: Type) -> Read:
    if isinstance(writer, Fixed):
        return _fixed(writer.size)
    if isinstance(writer, DecimalType):
        return _decimal(writer)
    assert isinstance(writer, Primitive)
    assert isinstance(reader, Primitive)
    if reader.kind in ("string", "bytes"):
        return _READERS[reader.kind]  # the two are the same on the wire
    read = _READERS[writer.kind]
    if reader.shortest:
        return _marked(read, lambda value: Decimal(repr(float(value))))
    promoted = reader.kind in ("float", "double") and writer.kind in ("int", "long")
    return _marked(read, float) if promoted else read


def _marked(read: Read, mark: Callable[[Any], Any] | None) -> Read:
    if mark is None:
        return read

    def read_marked(raw: bytes, at: int) -> tuple[Any, int]:
        value, at = read(raw, at)
        return mark(value), at

    return read_marked


def _decimal(type_: DecimalType) -> Read:
    decimals = decimals_of(type_)

    def read_decimal(raw: bytes, at: int) -> tuple[Decimal, int]:
        first = raw[at]
        if first & 0x81:
            start, end = read_span(raw, at)
        else:
            start = at + 1
            end = start + (first >> 1)
        try:
            return decimals[raw[start:end]], end
        except BadDecimal as error:
            raise _cut_or(raw, end, BAD_VALUE, str(error)) from None

    return read_decimal


def _fixed(size: int) -> Read:
    def read_fixed(raw: bytes, at: int) -> tuple[bytes, int]:
        end = at + size
        if end > len(raw):  # here already: nothing else would end an array of them
            raise Undecodable(TRUNCATED, "ends within a value")
        return raw[at:end], end

    return read_fixed


def _enumeration(symbols: list[str | None]) -> Read:
    return _chosen(symbols, "an enum")


def _chosen(values: list[Any], what: str) -> Read:
    by_byte = {place << 1: value for place, value in enumerate(values[:64])}  # the choices whose number is one byte

    def read_chosen(raw: bytes, at: int) -> tuple[Any, int]:
        first = raw[at]
        if first in by_byte:
            return by_byte[first], at + 1
        index, at = read_long(raw, at)
        if not 0 <= index < len(values):
            raise Undecodable(NOT_AVRO, f"{what} of {len(values)} choices has no choice {index}")
        return values[index], at

    return read_chosen


def _union(branches: list[Read]) -> Read:
    choose = _chosen(branches, "a union")

    def read_union(raw: bytes, at: int) -> tuple[Any, int]:
        read: Read
        read, at = choose(raw, at)
        return read(raw, at)

    return read_union


def _array(item: Read, sequence: Callable[[list[Any]], Any]) -> Read:
    def read_array(raw: bytes, at: int) -> tuple[Any, int]:
        values: list[Any] = []
        count, at = _block(raw, at)
        while count:
            for _ in range(count):  # an item takes a byte at least: past the end it raises
                value, at = item(raw, at)
                values.append(value)
            count, at = _block(raw, at)
        return sequence(values), at

    return read_array


def _map(item: Read) -> Read:
    def read_map(raw: bytes, at: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        count, at = _block(raw, at)
        while count:
            for _ in range(count):
                name, at = _read_string(raw, at)
                values[name], at = item(raw, at)
            count, at = _block(raw, at)
        return values, at

    return read_map


def _block(raw: bytes, at: int) -> tuple[int, int]:
    """Read how many items follow. A negative count is followed by their size in bytes, which nobody here needs."""
    count, at = read_long(raw, at)
    if count < 0:
        at, _ = read_span(raw, at)
    return abs(count), at


def _record(writer: Record, reader: Record, shape: Shape) -> Read:
    places = {id(written_field(field, writer)): place for place, field in enumerate(reader.fields)}
    reads, slots = [], []
    for written in writer.fields:
        slot = places.get(id(written))
        wanted = written if slot is None else reader.fields[slot]  # what we no longer have is read as it was written, and dropped
        word = wanted.name in WORD_FIELDS and written.type == wanted.type == _STRING
        reads.append(_read_word if word else compile_reader(written.type, wanted.type, shape))
        slots.append(slot)
    make = shape.record(reader)
    if slots == list(range(len(reader.fields))):
        plain = _same_record(reads, make)
        return compile_straight(writer, reads, make, plain) if writer == reader else plain
    added = {
        place: default_value(field.type, field.default, shape)
        for place, field in enumerate(reader.fields)
        if written_field(field, writer) is None
    }
    template = [added.get(place) for place in range(len(reader.fields))]
    return _resolved_record(list(zip(reads, slots, strict=True)), template, make)


def _same_record(reads: list[Read], make: Callable[[Sequence[Any]], Any]) -> Read:
    def read_record(raw: bytes, at: int) -> tuple[Any, int]:
        values = []
        for read in reads:
            value, at = read(raw, at)
            values.append(value)
        return make(values), at

    return read_record


def _resolved_record(reads: list[tuple[Read, int | None]], template: list[Any], make: Callable[[Sequence[Any]], Any]) -> Read:
    fresh = deepcopy if any(isinstance(value, (list, dict)) for value in template) else copy

    def read_record(raw: bytes, at: int) -> tuple[Any, int]:
        values = fresh(template)
        for read, slot in reads:
            value, at = read(raw, at)
            if slot is not None:
                values[slot] = value
        return make(values), at

    return read_record


def _cut_or(raw: bytes, end: int, error: str, detail: str) -> Undecodable:
    return Undecodable(TRUNCATED, "ends within a value") if end > len(raw) else Undecodable(error, detail)
