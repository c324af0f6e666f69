"""Avro schemas as typed trees.

Decides: which Avro schemas this pipeline understands, and refuses the rest with the path of what it does not. Refused on purpose: records
that contain themselves and arrays or maps of items that take no bytes. Without them a record's depth is the schema's and its items are at most its
bytes, so no record can make a reader run long or allocate without bound. Leaves to others: bytes (schemas.reading, schemas.writing) and which
schema can be read as which (schemas.resolution).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCHEMA_CHARS_MAX = 256 * 1024
"""A schema's text may be this long; the longest of ours has 40,000. A longer one is refused before it is parsed."""
PRECISION_MAX = 120
"""Digits a decimal may have: what desk arithmetic keeps exact."""

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class SchemaError(ValueError):
    """A schema this pipeline does not understand, and where."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'schema'}: {problem}")
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Primitive:
    """A value without parts. `shortest` marks a double that is read as the shortest Decimal that writes it."""

    kind: str
    shortest: bool = False


@dataclass(frozen=True, slots=True)
class DecimalType:
    """An exact number: an integer of `precision` digits, times ten to the minus `scale`, in bytes."""

    precision: int
    scale: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """A named run of bytes of one length."""

    name: str
    aliases: frozenset[str]
    size: int


@dataclass(frozen=True, slots=True)
class Enumeration:
    """A named list of words; `default` stands for words a writer knew and the reader does not."""

    name: str
    aliases: frozenset[str]
    symbols: tuple[str, ...]
    default: str | None


@dataclass(frozen=True, slots=True)
class Array:
    """Any number of items."""

    items: "Type"


@dataclass(frozen=True, slots=True)
class MapType:
    """Any number of named values."""

    values: "Type"


@dataclass(frozen=True, slots=True)
class Union:
    """One of several."""

    branches: tuple["Type", ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of a record. `default` is JSON and only means something where `has_default`."""

    name: str
    aliases: frozenset[str]
    type: "Type"
    has_default: bool
    default: Any


@dataclass(frozen=True, slots=True)
class Record:
    """A named list of fields."""

    name: str
    aliases: frozenset[str]
    fields: tuple[Field, ...]


Named = Fixed | Enumeration | Record
Type = Primitive | DecimalType | Array | MapType | Union | Named


def parse_schema(text: str) -> Type:
    """Read a schema's JSON; SchemaError names what is not understood."""
    if len(text) > SCHEMA_CHARS_MAX:
        raise SchemaError("", f"longer than {SCHEMA_CHARS_MAX} characters")
    try:
        return _Parser().type(json.loads(text), "", "")
    except RecursionError:
        raise SchemaError("", "nested too deep") from None
    except ValueError as error:
        if isinstance(error, SchemaError):
            raise
        raise SchemaError("", f"not JSON: {error}") from None


def parse_record(text: str) -> Record:
    """Read the schema of a record, which is what a topic carries."""
    parsed = parse_schema(text)
    if not isinstance(parsed, Record):
        raise SchemaError("", "not a record")
    return parsed


def describe(type_: Type) -> str:
    """Name a type in a message to people."""
    if isinstance(type_, Primitive):
        return type_.kind
    if isinstance(type_, DecimalType):
        return f"decimal({type_.precision}, {type_.scale})"
    if isinstance(type_, Array):
        return f"array of {describe(type_.items)}"
    if isinstance(type_, MapType):
        return f"map of {describe(type_.values)}"
    if isinstance(type_, Union):
        return f"union of {', '.join(describe(branch) for branch in type_.branches)}"
    return f"{type(type_).__name__.lower()} {type_.name}"


class _Parser:
    def __init__(self) -> None:
        self._names: dict[str, Named | None] = {}  # None while the type is being read: met then, it contains itself

    def type(self, raw: Any, space: str, path: str) -> Type:
        if isinstance(raw, str):
            return Primitive(raw) if raw in PRIMITIVES else self._known(raw, space, path)
        if isinstance(raw, list):
            return self._union(raw, space, path)
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), (str, list, dict)):
            raise SchemaError(path, "not a type")
        kind = raw["type"]
        if not isinstance(kind, str):
            return self.type(kind, space, path)
        if kind in PRIMITIVES:
            return _logical(raw, kind, path)
        if kind == "array":
            return Array(self._item(raw.get("items"), space, f"{path}[]"))
        if kind == "map":
            return MapType(self._item(raw.get("values"), space, f"{path}{{}}"))
        if kind in ("record", "enum", "fixed"):
            return self._named(raw, kind, space, path)
        return self._known(kind, space, path)

    def _item(self, raw: Any, space: str, path: str) -> Type:
        item = self.type(raw, space, path)
        if not _takes_bytes(item):
            raise SchemaError(path, "items that take no bytes")
        return item

    def _known(self, name: str, space: str, path: str) -> Named:
        full = name if "." in name or not space else f"{space}.{name}"
        if full not in self._names:
            raise SchemaError(path, f"unknown type {name!r}")
        found = self._names[full]
        if found is None:
            raise SchemaError(path, f"{full} contains itself")
        return found

    def _union(self, raw: list[Any], space: str, path: str) -> Union:
        branches = tuple(self.type(branch, space, path) for branch in raw)
        if not branches or any(isinstance(branch, Union) for branch in branches):
            raise SchemaError(path, "an empty union, or one inside another")
        return Union(branches)

    def _named(self, raw: Mapping[str, Any], kind: str, space: str, path: str) -> Named:
        name = _word(raw.get("name"), path, "name")
        space = raw.get("namespace", space) if "." not in name else name.rpartition(".")[0]
        full = _full(name, space)
        if full in self._names:
            raise SchemaError(path, f"{full} is defined twice")
        aliases = frozenset(_full(_word(alias, path, "alias"), space) for alias in _list(raw.get("aliases", []), path, "aliases"))
        self._names[full] = None
        made = self._body(raw, kind, full, aliases, space, path)
        self._names[full] = made
        return made

    def _body(self, raw: Mapping[str, Any], kind: str, full: str, aliases: frozenset[str], space: str, path: str) -> Named:
        if kind == "record":
            fields = tuple(self._field(field, space, path) for field in _list(raw.get("fields"), path, "fields"))
            if len({field.name for field in fields}) != len(fields):
                raise SchemaError(path, f"{full} has a field twice")
            return Record(full, aliases, fields)
        if kind == "enum":
            symbols = tuple(_word(symbol, path, "symbol") for symbol in _list(raw.get("symbols"), path, "symbols"))
            default = raw.get("default")
            if len(set(symbols)) != len(symbols) or not symbols or (default is not None and default not in symbols):
                raise SchemaError(path, f"{full} has no symbols, one twice, or a default that is none of them")
            return Enumeration(full, aliases, symbols, default)
        size = raw.get("size")
        if raw.get("logicalType") == "decimal" or not isinstance(size, int) or not 0 <= size <= SCHEMA_CHARS_MAX:
            raise SchemaError(path, f"{full} is a fixed of no usable size, or a decimal, which is bytes here")
        return Fixed(full, aliases, size)

    def _field(self, raw: Any, space: str, path: str) -> Field:
        if not isinstance(raw, dict):
            raise SchemaError(path, "a field that is no object")
        name = _word(raw.get("name"), path, "name of a field")
        aliases = frozenset(_word(alias, path, "alias") for alias in _list(raw.get("aliases", []), path, "aliases"))
        inner = f"{path}.{name}" if path else name
        return Field(name, aliases, self.type(raw.get("type"), space, inner), "default" in raw, raw.get("default"))


def _logical(raw: Mapping[str, Any], kind: str, path: str) -> Type:
    logical = raw.get("logicalType")
    if kind == "double" and logical == "shortest-decimal":
        return Primitive(kind, shortest=True)
    if kind != "bytes" or logical != "decimal":
        return Primitive(kind)
    precision, scale = raw.get("precision"), raw.get("scale", 0)
    if (
        not isinstance(precision, int)
        or not isinstance(scale, int)
        or not 0 < precision <= PRECISION_MAX
        or not 0 <= scale <= precision
    ):
        raise SchemaError(path, f"a decimal of {precision} digits, {scale} of them behind the point")
    return DecimalType(precision, scale)


def _takes_bytes(type_: Type) -> bool:
    if isinstance(type_, Record):
        return any(_takes_bytes(field.type) for field in type_.fields)
    if isinstance(type_, Fixed):
        return type_.size > 0
    return type_ != Primitive("null")


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _word(raw: Any, path: str, what: str) -> str:
    if not isinstance(raw, str) or not raw:
        raise SchemaError(path, f"the {what} is no word")
    return raw


def _list(raw: Any, path: str, what: str) -> list[Any]:
    if not isinstance(raw, list):
        raise SchemaError(path, f"the {what} are no list")
    return raw
