"""Readers of values without parts: what a record comes down to.

Decides: how strings, numbers, decimals and choices are read, and what is wrong with bytes that are none. Leaves to others: records, lists and
unions (schemas.reading), whole numbers (schemas.varint).
"""

from collections.abc import Callable
from decimal import Decimal
from struct import Struct
from typing import Any

from schemas.errors import BAD_VALUE, NOT_AVRO, TRUNCATED, Undecodable
from schemas.model import DecimalType, Fixed, Primitive, Type
from schemas.numbers import BadDecimal, decimals_of
from schemas.straight import Read
from schemas.varint import read_int, read_long, read_span
from schemas.words import words


def _read_bytes(raw: bytes, at: int) -> tuple[bytes, int]:
    start, end = read_span(raw, at)
    return raw[start:end], end


def _string(decode: Callable[[bytes], str]) -> Read:
    def read_text(raw: bytes, at: int) -> tuple[str, int]:
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

    return read_text


read_string = _string(lambda raw: str(raw, "utf-8"))
read_word = _string(words.__getitem__)


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
    "string": read_string,
}


def leaf_reader(writer: Type, reader: Type) -> Read:
    """Give the reader of a fixed, a decimal or a primitive that the two agree on."""
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
        return marked(read, lambda value: Decimal(repr(float(value))))
    promoted = reader.kind in ("float", "double") and writer.kind in ("int", "long")
    return marked(read, float) if promoted else read


def marked(read: Read, mark: Callable[[Any], Any] | None) -> Read:
    """Give a reader whose value is passed on to `mark`, where there is one."""
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


def chosen(values: list[Any], what: str) -> Read:
    """Give the reader of a choice by its number: the value at that place."""
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


def _cut_or(raw: bytes, end: int, error: str, detail: str) -> Undecodable:
    return Undecodable(TRUNCATED, "ends within a value") if end > len(raw) else Undecodable(error, detail)
