"""Avro's rules of schema resolution: what was written by one schema, read by another.

Decides: whether every record of a writer's schema can be read by a reader's, and which parts stand for which. Stricter than Avro in three
places, because a tape must always replay: every branch of a writer's union must be readable, not only those that occur; names match with their
namespace; and a decimal must keep precision and scale, as other digits would mean another amount. Leaves to others: reading
(schemas.reading) and which schemas are compared (schemas.compatibility).
"""

from typing import NamedTuple

from schemas.model import Array, DecimalType, Enumeration, Field, Fixed, MapType, Named, Primitive, Record, Type, Union, describe

PROMOTIONS = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
"""What a written kind may be read as besides itself."""


class Mismatch(NamedTuple):
    """Where a reader cannot read what a writer wrote, and by which rule."""

    path: str
    rule: str
    detail: str


def mismatches(writer: Type, reader: Type, path: str = "") -> list[Mismatch]:
    """Tell everything that keeps `reader` from reading each record of `writer`."""
    if isinstance(writer, Union):
        return [found for branch in writer.branches for found in mismatches(branch, reader, path)]
    if isinstance(reader, Union):
        branch = branch_for(writer, reader)
        if branch is None:
            return [Mismatch(path, "UNION", f"{describe(writer)} is no branch of the {describe(reader)}")]
        return mismatches(writer, branch, path)
    if isinstance(writer, Named) and isinstance(reader, Named):
        return _named(writer, reader, path)
    if isinstance(writer, Array) and isinstance(reader, Array):
        return mismatches(writer.items, reader.items, f"{path}[]")
    if isinstance(writer, MapType) and isinstance(reader, MapType):
        return mismatches(writer.values, reader.values, f"{path}{{}}")
    if _same_kind(writer, reader) or _promotes(writer, reader):
        return []
    rule = "DECIMAL" if isinstance(writer, DecimalType) or isinstance(reader, DecimalType) else "TYPE"
    return [Mismatch(path, rule, f"{describe(writer)} cannot be read as {describe(reader)}")]


def _named(writer: Named, reader: Named, path: str) -> list[Mismatch]:
    if not _answers_to(writer, reader):
        return [Mismatch(path, "NAME", f"{describe(writer)} is neither the name nor an alias of {describe(reader)}")]
    if isinstance(writer, Record) and isinstance(reader, Record):
        return _fields(writer, reader, path)
    if isinstance(writer, Enumeration) and isinstance(reader, Enumeration):
        return _symbols(writer, reader, path)
    assert isinstance(writer, Fixed)
    assert isinstance(reader, Fixed)
    return [] if writer.size == reader.size else [Mismatch(path, "FIXED", f"{writer.size} bytes are not {reader.size}")]


def branch_for(writer: Type, reader: Union) -> Type | None:
    """Find the branch that reads what `writer` wrote: one of the same kind, else one it may be promoted to."""
    for matches in (_same_kind, _promotes):
        for branch in reader.branches:
            if matches(writer, branch):
                return branch
    return None


def written_field(field: Field, writer: Record) -> Field | None:
    """Find what a reader's field is called in the writer's record."""
    by_name = {written.name: written for written in writer.fields}
    if field.name in by_name:
        return by_name[field.name]
    return next((by_name[alias] for alias in sorted(field.aliases) if alias in by_name), None)


def _same_kind(writer: Type, reader: Type) -> bool:
    if isinstance(writer, Primitive) and isinstance(reader, Primitive):
        return writer.kind == reader.kind
    if isinstance(writer, DecimalType):
        return writer == reader
    if isinstance(writer, Named):
        return isinstance(reader, Named) and _answers_to(writer, reader)
    return type(reader) is type(writer)


def _promotes(writer: Type, reader: Type) -> bool:
    return isinstance(writer, Primitive) and isinstance(reader, Primitive) and reader.kind in PROMOTIONS.get(writer.kind, ())


def _answers_to(writer: Named, reader: Named) -> bool:
    return type(writer) is type(reader) and (writer.name == reader.name or writer.name in reader.aliases)


def _fields(writer: Record, reader: Record, path: str) -> list[Mismatch]:
    found: list[Mismatch] = []
    claimed: dict[str, str] = {}
    for field in reader.fields:
        inner = f"{path}.{field.name}" if path else field.name
        written = written_field(field, writer)
        if written is not None and claimed.setdefault(written.name, field.name) != field.name:
            found.append(Mismatch(inner, "ALIAS", f"{written.name} is already read as {claimed[written.name]}"))
        if written is not None:
            found += mismatches(written.type, field.type, inner)
        elif not field.has_default:
            found.append(Mismatch(inner, "DEFAULT", "is not in every old record and has no default"))
    return found


def _symbols(writer: Enumeration, reader: Enumeration, path: str) -> list[Mismatch]:
    lost = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
    if not lost or reader.default is not None:
        return []
    return [Mismatch(path, "ENUM", f"{', '.join(lost)} can no longer be read, and there is no default")]
