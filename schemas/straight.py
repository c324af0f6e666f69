"""Straight-line readers: the fast way through a record that was written by the schema it is read by.

Decides: how such a record's fields become one Python function without loops or calls for strings, decimals and numbers, which halves the time
of the hot path (docs/adr/0002-schemas-and-codec.md). It only knows sound bytes: at the first doubt the plain reader reads the record again,
and what that says counts. Leaves to others: every rule (schemas.reading).
"""

from collections.abc import Callable
from struct import error as StructError  # noqa: N812  # it is a class
from typing import Any

from schemas.errors import TRUNCATED, Undecodable
from schemas.model import DecimalType, Primitive, Record, Type
from schemas.numbers import BadDecimal, decimals_of
from schemas.varint import read_long, read_span
from schemas.words import WORD_FIELDS, words

Read = Callable[[bytes, int], tuple[Any, int]]
"""Reads one value at a position: the value and the position after it. Past the end: IndexError, struct.error, Undecodable, or a position beyond."""

_START = """
def read_record(raw, start):
    at = start
    try:"""
_SPAN = """
        size = raw[at]
        if size & 129:
            at, end = read_span(raw, at)
        else:
            at += 1
            end = at + (size >> 1)
        {value} = {taken}
        at = end"""
_LONG = """
        {value} = raw[at]
        if {value} < 128:
            {value} = ({value} >> 1) ^ -({value} & 1)
            at += 1
        else:
            {value}, at = read_long(raw, at)"""
_OTHER = """
        {value}, at = {read}(raw, at)"""
_END = """
        return make(({values}{comma})), at
    except doubts:
        return again(raw, start)
"""
_DOUBTS = (IndexError, StructError, UnicodeDecodeError, BadDecimal)


def compile_straight(type_: Record, reads: list[Read], make: Callable[[Any], Any], plain: Read) -> Read:
    """Make a record's reader from the readers of its fields. `plain` reads the same and says what is wrong."""
    scope: dict[str, Any] = {"read_long": read_long, "read_span": read_span, "words": words, "make": make, "doubts": _DOUBTS}
    scope["again"] = _last_word(plain)
    lines = [_START]
    for place, (field, read) in enumerate(zip(type_.fields, reads, strict=True)):
        value, source = f"value{place}", f"source{place}"
        taken = _taken(field.type, source, word=field.name in WORD_FIELDS)
        if taken is not None:
            scope[source] = decimals_of(field.type) if isinstance(field.type, DecimalType) else None
            lines.append(_SPAN.format(value=value, taken=taken))
        elif field.type == Primitive("long"):
            lines.append(_LONG.format(value=value))
        else:
            scope[source] = read
            lines.append(_OTHER.format(value=value, read=source))
    lines.append(_END.format(values=", ".join(f"value{place}" for place in range(len(reads))), comma="," if reads else ""))
    exec("".join(lines), scope)  # noqa: S102  # made of the templates above and numbers: no text of a schema gets in
    made: Read = scope["read_record"]
    return made


def _taken(type_: Type, source: str, *, word: bool) -> str | None:
    """Give the expression that makes the value from its bytes, for types that have their length before them."""
    if isinstance(type_, DecimalType):
        return f"{source}[raw[at:end]]"
    if type_ == Primitive("string"):
        return "words[raw[at:end]]" if word else "str(raw[at:end], 'utf-8')"
    return "raw[at:end]" if type_ == Primitive("bytes") else None


def _last_word(plain: Read) -> Read:
    """Make the reader that says what is wrong. It ends in a value or in Undecodable, so that no record around this one tries again."""

    def again(raw: bytes, at: int) -> tuple[Any, int]:
        try:
            return plain(raw, at)
        except (IndexError, StructError):
            raise Undecodable(TRUNCATED, "ends within a value") from None

    return again
