"""The promise that an old tape always replays: BACKWARD_TRANSITIVE, checked against every version that was ever published.

Decides: whether the schemas of this tree may be released: each current one reads every version of its history, is itself the newest version,
and its defaults are values of their types; no published file was changed and no published schema is gone. Leaves to others: Avro's rules
(schemas.resolution), writing new versions (schemas.publishing), showing the problems (streams.cli).
"""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.bundled import Bundle, altered, same_meaning
from schemas.errors import Unencodable
from schemas.model import Array, Field, MapType, Record, SchemaError, Type, Union, parse_record
from schemas.numbers import BadDecimal
from schemas.reading import default_value
from schemas.resolution import mismatches
from schemas.shapes import Records
from schemas.writing import compile_writer


class Problem(NamedTuple):
    """What is wrong, with which schema, against which published version (None: with the current one alone), where in it, by which rule."""

    schema: str
    version: int | None
    path: str
    rule: str
    detail: str


def check(bundle: Bundle) -> list[Problem]:
    """Tell everything that keeps these schemas from being released; nothing when all is well."""
    problems = [
        Problem(entry.name, entry.version, "", "HISTORY", "was changed after it was published") for entry in altered(bundle)
    ]
    gone = {entry.name for entry in bundle.history.values()} - bundle.current.keys()
    problems += [
        Problem(name, None, "", "REMOVED", "has been published and is gone: its records can no longer be read")
        for name in sorted(gone)
    ]
    for name, text in bundle.current.items():
        try:
            own = parse_record(text)
        except SchemaError as error:
            problems.append(Problem(name, None, error.path, "SCHEMA", error.problem))
            continue
        problems += [Problem(name, None, path, "DEFAULT", f"the default {why}") for path, why in bad_defaults(own)]
        problems += _against_history(bundle, name, text, own)
    return problems


def bad_defaults(type_: Type, path: str = "") -> Iterator[tuple[str, str]]:
    """Give the path of every default that is no value of its field's type, and why."""
    if isinstance(type_, Record):
        for field in type_.fields:
            inner = f"{path}.{field.name}" if path else field.name
            why = _bad_default(field) if field.has_default else None
            if why is not None:
                yield inner, why
            yield from bad_defaults(field.type, inner)
    elif isinstance(type_, Union):
        for branch in type_.branches:
            yield from bad_defaults(branch, path)
    elif isinstance(type_, (Array, MapType)):
        yield from bad_defaults(type_.items if isinstance(type_, Array) else type_.values, f"{path}[]")


def _against_history(bundle: Bundle, name: str, text: str, own: Record) -> list[Problem]:
    if own.name.rpartition(".")[2] != name:
        return [Problem(name, None, "", "NAME", f"the file is called {name}, the record {own.name}")]
    newest = bundle.newest(name)
    problems = []
    if newest is None or not same_meaning(newest.text, text):
        what = "never" if newest is None else f"since version {newest.version} changed and not"
        problems.append(Problem(name, None, "", "UNPUBLISHED", f"was {what} published: it has no id to be written with"))
    for entry in sorted(entry for entry in bundle.history.values() if entry.name == name):
        try:
            found = mismatches(parse_record(entry.text), own)
        except SchemaError as error:
            problems.append(Problem(name, entry.version, error.path, "SCHEMA", error.problem))
            continue
        problems += [Problem(name, entry.version, one.path, one.rule, one.detail) for one in found]
    return problems


def _bad_default(field: Field) -> str | None:
    shape = Records()
    try:
        value = default_value(field.type, field.default, shape)
        compile_writer(field.type, shape)(bytearray(), value)
    except (Unencodable, BadDecimal) as error:
        return str(error)
    except (TypeError, ValueError, AttributeError):  # JSON of another kind altogether
        return f"{field.default!r} is of another kind"
    return None
