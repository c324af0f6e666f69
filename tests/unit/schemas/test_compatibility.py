"""The promise that old tapes replay: every rule both ways, and what is promised really happens."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.bundled import Bundle, Version, altered, bundled, fingerprint, load_bundle, same_meaning
from schemas.compatibility import check
from schemas.model import SchemaError, parse_record, parse_schema
from schemas.publishing import publish
from schemas.reading import compile_reader
from schemas.resolution import mismatches
from schemas.shapes import Records
from tests.schema_kit import fastavro_bytes, fastavro_value

MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 10}


def named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, **more}


def field(type_: Any, **more: Any) -> dict[str, Any]:
    return {"name": "a", "type": type_, **more}


def record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "qts.Thing", "fields": list(fields), **more}


AB = named("enum", "E", symbols=["A", "B"])
ABC = named("enum", "E", symbols=["A", "B", "C"])
INNER = named("record", "I", fields=[{"name": "x", "type": "long"}])

ALLOWED: list[tuple[str, dict[str, Any], dict[str, Any], Any, Any]] = [
    ("nothing changed", record(field("long")), record(field("long")), {"a": 5}, {"a": 5}),
    ("a field removed", record(field("long"), {"name": "b", "type": "string"}), record(field("long")), {"a": 5, "b": "x"}, {"a": 5}),
    ("a field added with a default", record(), record(field("long", default=7)), {}, {"a": 7}),
    ("an optional field added", record(), record(field(["null", "string"], default=None)), {}, {"a": None}),
    ("a list added", record(), record(field({"type": "array", "items": "long"}, default=[1])), {}, {"a": [1]}),
    ("a map added", record(), record(field({"type": "map", "values": "long"}, default={"k": 1})), {}, {"a": {"k": 1}}),
    ("a record added", record(), record(field(INNER, default={"x": 3})), {}, {"a": {"x": 3}}),
    ("fields in another order", record(field("long"), {"name": "b", "type": "string"}),
     record({"name": "b", "type": "string"}, field("long")), {"a": 5, "b": "x"}, {"b": "x", "a": 5}),
    ("a field renamed with an alias", record({"name": "old", "type": "long"}), record(field("long", aliases=["old"])), {"old": 5}, {"a": 5}),
    ("a record renamed with an alias", record(field("long")) | {"name": "qts.Old"}, record(field("long"), aliases=["qts.Old"]), {"a": 5}, {"a": 5}),
    ("int to long", record(field("int")), record(field("long")), {"a": 5}, {"a": 5}),
    ("int to float", record(field("int")), record(field("float")), {"a": 5}, {"a": 5.0}),
    ("int to double", record(field("int")), record(field("double")), {"a": 5}, {"a": 5.0}),
    ("long to float", record(field("long")), record(field("float")), {"a": 5}, {"a": 5.0}),
    ("long to double", record(field("long")), record(field("double")), {"a": 5}, {"a": 5.0}),
    ("float to double", record(field("float")), record(field("double")), {"a": 0.5}, {"a": 0.5}),
    ("string to bytes", record(field("string")), record(field("bytes")), {"a": "x"}, {"a": b"x"}),
    ("bytes to string", record(field("bytes")), record(field("string")), {"a": b"x"}, {"a": "x"}),
    ("a decimal kept", record(field(MONEY)), record(field(MONEY)), {"a": Decimal("1.5")}, {"a": Decimal("1.5")}),
    ("a symbol added", record(field(AB)), record(field(ABC)), {"a": "B"}, {"a": "B"}),
    ("a symbol removed, with a default", record(field(ABC)), record(field(AB | {"default": "A"})), {"a": "C"}, {"a": "A"}),
    ("a branch added", record(field(["null", "long"])), record(field(["null", "long", "string"])), {"a": 5}, {"a": 5}),
    ("a value made optional", record(field("long")), record(field(["null", "long"])), {"a": 5}, {"a": 5}),
    ("a value made optional and wider", record(field("int")), record(field(["null", "double"])), {"a": 5}, {"a": 5.0}),
    ("items promoted", record(field({"type": "array", "items": "int"})), record(field({"type": "array", "items": "long"})), {"a": [1]}, {"a": [1]}),
    ("values promoted", record(field({"type": "map", "values": "int"})), record(field({"type": "map", "values": "double"})),
     {"a": {"k": 1}}, {"a": {"k": 1.0}}),
    ("a fixed kept", record(field(named("fixed", "F", size=2))), record(field(named("fixed", "F", size=2))), {"a": b"xy"}, {"a": b"xy"}),
    ("a nested record grown", record(field(INNER)),
     record(field(INNER | {"fields": [*INNER["fields"], {"name": "y", "type": "long", "default": 1}]})), {"a": {"x": 2}}, {"a": {"x": 2, "y": 1}}),
]  # fmt: skip

REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("a field added without a default", record(), record(field("long")), "a", "DEFAULT"),
    ("a field renamed without an alias", record({"name": "old", "type": "long"}), record(field("long")), "a", "DEFAULT"),
    ("two fields out of one", record({"name": "b", "type": "long"}),
     record(field("long", aliases=["b"]), {"name": "b", "type": "long"}), "b", "ALIAS"),
    ("a record renamed without an alias", record() | {"name": "qts.Old"}, record(), "", "NAME"),
    ("long to int", record(field("long")), record(field("int")), "a", "TYPE"),
    ("double to float", record(field("double")), record(field("float")), "a", "TYPE"),
    ("float to long", record(field("float")), record(field("long")), "a", "TYPE"),
    ("string to long", record(field("string")), record(field("long")), "a", "TYPE"),
    ("boolean to int", record(field("boolean")), record(field("int")), "a", "TYPE"),
    ("another scale", record(field(MONEY)), record(field(MONEY | {"scale": 9})), "a", "DECIMAL"),
    ("another precision", record(field(MONEY)), record(field(MONEY | {"precision": 31})), "a", "DECIMAL"),
    ("decimal to bytes", record(field(MONEY)), record(field("bytes")), "a", "DECIMAL"),
    ("bytes to decimal", record(field("bytes")), record(field(MONEY)), "a", "DECIMAL"),
    ("a symbol removed", record(field(ABC)), record(field(AB)), "a", "ENUM"),
    ("an enum renamed", record(field(AB)), record(field(AB | {"name": "G"})), "a", "NAME"),
    ("an enum made a string", record(field(AB)), record(field("string")), "a", "TYPE"),
    ("a branch removed", record(field(["null", "long", "string"])), record(field(["null", "long"])), "a", "UNION"),
    ("a value no longer optional", record(field(["null", "long"])), record(field("long")), "a", "TYPE"),
    ("items of another type", record(field({"type": "array", "items": "long"})), record(field({"type": "array", "items": "string"})), "a[]", "TYPE"),
    ("values of another type", record(field({"type": "map", "values": "long"})), record(field({"type": "map", "values": "string"})), "a{}", "TYPE"),
    ("an array made a map", record(field({"type": "array", "items": "long"})), record(field({"type": "map", "values": "long"})), "a", "TYPE"),
    ("a fixed of another size", record(field(named("fixed", "F", size=2))), record(field(named("fixed", "F", size=3))), "a", "FIXED"),
    ("a nested field added without a default", record(field(INNER)),
     record(field(INNER | {"fields": [*INNER["fields"], {"name": "y", "type": "long"}]})), "a.y", "DEFAULT"),
    ("a nested record made another", record(field(INNER)), record(field(INNER | {"name": "J"})), "a", "NAME"),
    ("a nested record in a union made another", record(field(["null", INNER])), record(field(["null", INNER | {"name": "J"}])), "a", "UNION"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "wrote", "reads"), [case[1:] for case in ALLOWED], ids=[case[0] for case in ALLOWED])
def test_an_allowed_change_reads_old_records(old: dict[str, Any], new: dict[str, Any], wrote: Any, reads: Any) -> None:
    writer, reader = parse_schema(json.dumps(old)), parse_schema(json.dumps(new))
    raw = fastavro_bytes(old, wrote)

    assert mismatches(writer, reader) == []
    assert compile_reader(writer, reader, Records())(raw, 0) == (reads, len(raw))
    assert fastavro_value(old, raw, new) == reads


@pytest.mark.parametrize(("old", "new", "path", "rule"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_change_that_loses_old_records_is_refused(old: dict[str, Any], new: dict[str, Any], path: str, rule: str) -> None:
    found = mismatches(parse_schema(json.dumps(old)), parse_schema(json.dumps(new)))

    assert [(one.path, one.rule) for one in found] == [(path, rule)]


def bundle(current: dict[str, Any] | None, *versions: dict[str, Any]) -> Bundle:
    texts = [json.dumps(one) for one in versions]
    history = {place: Version(place, "Thing", place, fingerprint(text), text) for place, text in enumerate(texts, 1)}
    return Bundle({} if current is None else {"Thing": json.dumps(current)}, history)


def test_the_schemas_of_this_tree_may_be_released() -> None:
    assert check(bundled()) == []


def test_every_published_version_is_compared_not_only_the_newest() -> None:
    first, second = record(field("string")), record()
    third = record(field("long", default=0))

    problems = check(bundle(third, first, second, third))

    assert [(one.schema, one.version, one.path, one.rule) for one in problems] == [("Thing", 1, "a", "TYPE")]


def test_a_changed_history_file_is_told() -> None:
    was = bundle(record(), record())
    changed = Bundle(was.current, {1: was.history[1]._replace(text=json.dumps(record(doc="other")))})

    assert [(one.version, one.rule) for one in check(changed)] == [(1, "HISTORY")]
    assert altered(changed) == [changed.history[1]]


def test_a_published_schema_that_is_gone_is_told() -> None:
    assert [one.rule for one in check(bundle(None, record()))] == ["REMOVED"]


def test_a_change_that_was_not_published_is_told() -> None:
    assert [one.rule for one in check(bundle(record(field("long", default=1)), record()))] == ["UNPUBLISHED"]
    assert [one.rule for one in check(bundle(record()))] == ["UNPUBLISHED"]


def test_documentation_may_change_without_a_new_version() -> None:
    assert check(bundle(record(doc="better said"), record())) == []


def test_a_default_is_not_documentation() -> None:
    assert not same_meaning(
        json.dumps(record(field("string", default="doc"))), json.dumps(record(field("string", default="other")))
    )


@pytest.mark.parametrize(
    ("type_", "default"),
    [("long", "x"), ("string", 5), (["null", "string"], "x"), (MONEY, "\u0001" * 14), (AB, "C"),
     ({"type": "array", "items": "long"}, 1), (INNER, {}), ("double", "x")],
)  # fmt: skip
def test_a_default_that_is_no_value_of_its_type_is_told(type_: Any, default: Any) -> None:
    now = record(field(type_, default=default))

    assert [(one.path, one.rule) for one in check(bundle(now, now))] == [("a", "DEFAULT")]


def test_a_default_deep_inside_is_looked_at_too() -> None:
    inner = named("record", "I", fields=[{"name": "x", "type": "long", "default": "no"}])
    now = record(field({"type": "array", "items": ["null", inner]}))

    assert [(one.path, one.rule) for one in check(bundle(now, now))] == [("a[].x", "DEFAULT")]


def test_a_schema_nobody_understands_is_told_with_the_place() -> None:
    problems = check(bundle(record(field("strnig")), record()))

    assert [(one.path, one.rule) for one in problems] == [("a", "SCHEMA")]


def test_a_file_that_holds_another_record_is_told() -> None:
    assert [one.rule for one in check(bundle(record() | {"name": "qts.Other"}, record()))] == ["NAME"]


def test_publishing_writes_the_next_version_once(tmp_path: Path) -> None:
    avro = tmp_path / "avro"
    avro.mkdir()
    (avro / "Thing.avsc").write_text(json.dumps(record()), encoding="utf-8")
    assert publish(tmp_path) == ["Thing"]
    (avro / "Thing.avsc").write_text(json.dumps(record(field("long", default=1))), encoding="utf-8")
    assert publish(tmp_path) == ["Thing"]
    assert publish(tmp_path) == []

    made = load_bundle(tmp_path)

    assert [(one.id, one.version) for one in made.history.values()] == [(1, 1), (2, 2)]
    assert check(made) == []


@pytest.mark.parametrize(
    "schema",
    [
        record(field("long"), field("string")),
        record(field(["long", ["null"]])),
        record(field([])),
        record(field({"type": "bytes", "logicalType": "decimal", "precision": 500, "scale": 1})),
        record(field({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 6})),
        record(field(named("enum", "E", symbols=["A", "A"]))),
        record(field(named("enum", "E", symbols=["A"], default="B"))),
        record(field(named("fixed", "F", size=-1))),
        record(field(named("record", "qts.Thing", fields=[]))),
        record({"type": "long"}),
        {"type": "array", "items": "long"},
    ],
)  # fmt: skip
def test_a_schema_outside_what_is_supported_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaError):
        parse_record(json.dumps(schema))
