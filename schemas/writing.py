"""Writers: values to Avro bytes.

Decides: how a schema of ours becomes one function from a value to bytes, put together once; and that nothing is written that would read back as
something else: a number out of range, a Decimal with too many places or a name too many is an error that says where. Leaves to others: which
schema and which id (schemas.codec).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from struct import Struct
from typing import Any, Protocol

from schemas.errors import Unencodable
from schemas.model import Array, DecimalType, Enumeration, Fixed, MapType, Primitive, Record, Type, Union
from schemas.numbers import DecimalWriter

Write = Callable[[bytearray, Any], None]
"""Appends one value's bytes."""

_DOUBLE = Struct("<d")
_FLOAT = Struct("<f")


class Unshape(Protocol):
    """How records and branches of unions are taken apart: the other side of schemas.reading.Shape."""

    def values(self, type_: Record) -> Callable[[Any], list[Any] | tuple[Any, ...]]:
        """Give what lists a record's values in the order of the fields."""

    def finder(self, union: Union) -> Callable[[Any], tuple[int, Any]]:
        """Give what finds the branch a value is of, and the bare value."""


def compile_writer(type_: Type, unshape: Unshape) -> Write:
    """Make the function that writes values of a type."""
    if isinstance(type_, Record):
        return _record(type_, unshape)
    if isinstance(type_, Union):
        return _union([compile_writer(branch, unshape) for branch in type_.branches], unshape.finder(type_))
    if isinstance(type_, Array):
        return _array(compile_writer(type_.items, unshape))
    if isinstance(type_, MapType):
        return _map(compile_writer(type_.values, unshape))
    return _leaf(type_)


def _leaf(type_: Enumeration | Fixed | DecimalType | Primitive) -> Write:
    if isinstance(type_, Enumeration):
        return _enumeration(type_)
    if isinstance(type_, Fixed):
        return _fixed(type_)
    if isinstance(type_, DecimalType):
        return _decimal(type_)
    if type_.kind in ("int", "long"):
        return _whole(31 if type_.kind == "int" else 63)
    return _write_shortest if type_.shortest else _WRITERS[type_.kind]


def python_kinds(type_: Type) -> tuple[type, ...]:
    """Tell which classes of value a type without a name is written from: how a branch of a union is found."""
    if isinstance(type_, Primitive):
        return (Decimal,) if type_.shortest else _KINDS[type_.kind]
    if isinstance(type_, DecimalType):
        return (Decimal,)
    if isinstance(type_, Array):
        return (list, tuple)
    if isinstance(type_, Fixed):
        return (bytes,)
    return (str,) if isinstance(type_, Enumeration) else (dict,)


_KINDS: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (float,),
    "double": (float,),
    "bytes": (bytes,),
    "string": (str,),
}


def write_long(out: bytearray, value: int) -> None:
    """Append a whole number of at most 64 bits as a zigzag varint."""
    rest = (value << 1) ^ (value >> 63)
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)


def _whole(bits: int) -> Write:
    limit = 1 << bits

    def write_whole(out: bytearray, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not -limit <= value < limit:
            raise Unencodable(f"{value!r} is no whole number of {bits + 1} bits")
        write_long(out, value)

    return write_whole


def _write_null(_out: bytearray, value: Any) -> None:
    if value is not None:
        raise Unencodable(f"{value!r} is not None")


def _write_boolean(out: bytearray, value: Any) -> None:
    if not isinstance(value, bool):
        raise Unencodable(f"{value!r} is neither True nor False")
    out.append(value)


def _write_bytes(out: bytearray, value: Any) -> None:
    if not isinstance(value, bytes):
        raise Unencodable(f"{type(value).__name__} is not bytes")
    write_long(out, len(value))
    out += value


def _write_string(out: bytearray, value: Any) -> None:
    if not isinstance(value, str):
        raise Unencodable(f"{value!r} is no text")
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        raise Unencodable("a text that UTF-8 cannot write") from None
    write_long(out, len(raw))
    out += raw


def _write_double(out: bytearray, value: Any) -> None:
    if not isinstance(value, float):
        raise Unencodable(f"{value!r} is no float")
    out += _DOUBLE.pack(value)


def _write_float(out: bytearray, value: Any) -> None:
    if not isinstance(value, float):
        raise Unencodable(f"{value!r} is no float")
    try:
        raw = _FLOAT.pack(value)
    except OverflowError:
        raise Unencodable(f"{value!r} does not fit 32 bits") from None
    if value == value and _FLOAT.unpack(raw)[0] != value:  # noqa: PLR0124  # NaN is the one number that differs from itself
        raise Unencodable(f"{value!r} does not fit 32 bits")
    out += raw


def _write_shortest(out: bytearray, value: Any) -> None:
    if not isinstance(value, Decimal) or value.is_snan():
        raise Unencodable(f"{value!r} is no Decimal")
    nearest = float(value)
    if not value.is_nan() and Decimal(repr(nearest)) != value:
        raise Unencodable(f"{value} has more digits than a double keeps")
    out += _DOUBLE.pack(nearest)


_WRITERS: dict[str, Write] = {
    "null": _write_null,
    "boolean": _write_boolean,
    "float": _write_float,
    "double": _write_double,
    "bytes": _write_bytes,
    "string": _write_string,
}


def _decimal(type_: DecimalType) -> Write:
    to_bytes = DecimalWriter(type_)

    def write_decimal(out: bytearray, value: Any) -> None:
        raw = to_bytes(value)
        out.append(len(raw) << 1)  # PRECISION_MAX digits are 50 bytes: the length takes one byte
        out += raw

    return write_decimal


def _fixed(type_: Fixed) -> Write:
    def write_fixed(out: bytearray, value: Any) -> None:
        if not isinstance(value, bytes) or len(value) != type_.size:
            raise Unencodable(f"not {type_.size} bytes")
        out.extend(value)

    return write_fixed


def _enumeration(type_: Enumeration) -> Write:
    places = {symbol: place for place, symbol in enumerate(type_.symbols)}

    def write_enumeration(out: bytearray, value: Any) -> None:
        if not isinstance(value, str) or value not in places:
            raise Unencodable(f"{value!r} is none of {', '.join(type_.symbols)}")
        write_long(out, places[value])

    return write_enumeration


def _union(branches: list[Write], branch_of: Callable[[Any], tuple[int, Any]]) -> Write:
    def write_union(out: bytearray, value: Any) -> None:
        place, bare = branch_of(value)
        write_long(out, place)
        branches[place](out, bare)

    return write_union


def _array(item: Write) -> Write:
    def write_array(out: bytearray, values: Any) -> None:
        if not isinstance(values, (list, tuple)):
            raise Unencodable(f"{type(values).__name__} is no list")
        if values:
            write_long(out, len(values))
        for place, value in enumerate(values):
            try:
                item(out, value)
            except Unencodable as error:
                raise error.within(f"[{place}]") from None
        out.append(0)

    return write_array


def _map(item: Write) -> Write:
    def write_map(out: bytearray, values: Any) -> None:
        if not isinstance(values, Mapping):
            raise Unencodable(f"{type(values).__name__} is no mapping")
        if values:
            write_long(out, len(values))
        for name, value in values.items():
            try:
                _write_string(out, name)
                item(out, value)
            except Unencodable as error:
                raise error.within(f"[{name!r}]") from None
        out.append(0)

    return write_map


def _record(type_: Record, unshape: Unshape) -> Write:
    values_of = unshape.values(type_)
    writes = [compile_writer(field.type, unshape) for field in type_.fields]
    names = [field.name for field in type_.fields]

    def write_record(out: bytearray, record: Any) -> None:
        place = 0
        values = values_of(record)
        try:
            for place, write in enumerate(writes):
                write(out, values[place])
        except Unencodable as error:
            raise error.within(names[place]) from None

    return write_record
