"""Readers: Avro bytes to values.

Decides: how a schema pair (the writer's and ours) becomes one function from bytes to a value, put together once and then only called; and that
whatever the bytes are, it ends soon with a value or an error. It never reads by a count or a length without having the bytes for it: every
item of an array takes at least one byte (schemas.model sees to that), and a slice beyond the end shows in the position returned. Leaves to
others: whether all bytes were used (schemas.codec), whether the pair fits (schemas.resolution, asked before).
"""

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from decimal import Decimal
from typing import Any, Protocol

from schemas.leaves import chosen, leaf_reader, marked, read_string, read_word
from schemas.model import Array, DecimalType, Enumeration, Fixed, MapType, Primitive, Record, Type, Union
from schemas.numbers import decimals_of
from schemas.resolution import branch_for, written_field
from schemas.straight import Read, compile_straight
from schemas.varint import read_long, read_span
from schemas.words import WORD_FIELDS

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
        return marked(compile_reader(writer, branch, shape), shape.mark(reader, branch))
    if isinstance(writer, Record) and isinstance(reader, Record):
        return _record(writer, reader, shape)
    if isinstance(writer, Enumeration) and isinstance(reader, Enumeration):
        return _enumeration([symbol if symbol in reader.symbols else reader.default for symbol in writer.symbols])
    if isinstance(writer, Array) and isinstance(reader, Array):
        return _array(compile_reader(writer.items, reader.items, shape), shape.sequence)
    if isinstance(writer, MapType) and isinstance(reader, MapType):
        return _map(compile_reader(writer.values, reader.values, shape))
    return leaf_reader(writer, reader)


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


def _enumeration(symbols: list[str | None]) -> Read:
    return chosen(symbols, "an enum")


def _union(branches: list[Read]) -> Read:
    choose = chosen(branches, "a union")

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
                name, at = read_string(raw, at)
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
        reads.append(read_word if word else compile_reader(written.type, wanted.type, shape))
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
