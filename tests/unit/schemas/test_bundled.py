"""The schemas themselves: complete, documented, the same as the messages they carry."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from schemas.bundled import bundled, load_bundle, same_meaning
from schemas.errors import RegistryRefused
from schemas.model import DecimalType, Primitive, Record, Union, parse_record
from schemas.shapes import CLASSES
from streams.desk import messages, outputs

SCHEMAS = {name: json.loads(text) for name, text in bundled().current.items()}


def records_in(type_: Any) -> Iterator[dict[str, Any]]:
    if isinstance(type_, list):
        for branch in type_:
            yield from records_in(branch)
    elif isinstance(type_, dict) and type_["type"] == "record":
        yield type_
        for field in type_["fields"]:
            yield from records_in(field["type"])
    elif isinstance(type_, dict):
        yield from records_in(type_.get("items") or type_.get("values") or [])


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_record_and_field_says_what_it_means(name: str) -> None:
    for record in records_in(SCHEMAS[name]):
        assert record.get("doc"), record["name"]
        for field in record["fields"]:
            assert field.get("doc"), f"{record['name']}.{field['name']}"


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_current_schema_is_the_newest_version_of_its_history(name: str) -> None:
    newest = bundled().newest(name)

    assert newest is not None
    assert same_meaning(newest.text, bundled().current[name])


def test_every_message_has_a_schema() -> None:
    wanted = {kind.__name__ for kind in (*get_args(messages.Body), *get_args(outputs.Output)) if kind is not messages.Unreadable}

    assert wanted | {"TapeEvent", "TapeEntry", "Snapshot", "Liquidity", "LedgerStep", "LedgerCursor"} == set(SCHEMAS)


def test_the_fields_of_a_message_are_the_fields_of_its_schema_in_order() -> None:
    found = {
        f"qts.{record['name']}": [field["name"] for field in record["fields"]]
        for raw in SCHEMAS.values()
        for record in records_in(raw)
    }

    assert {name: list(kind._fields) for name, kind in CLASSES.items()} == {name: found[name] for name in CLASSES}


def test_everything_is_in_our_namespace() -> None:
    assert {raw["namespace"] for raw in SCHEMAS.values()} == {"qts"}


def test_every_amount_is_an_exact_decimal_wherever_the_message_has_one() -> None:
    for name in SCHEMAS.keys() & {kind.__name__ for kind in (*get_args(messages.Body), *get_args(outputs.Output))}:
        schema = parse_record(bundled().current[name])
        hints = CLASSES[schema.name].__annotations__
        decimals = {field for field, hint in hints.items() if "Decimal" in str(hint)}
        assert decimals == {field.name for field in schema.fields if _is_exact(field.type)}, name


def _is_exact(type_: Any) -> bool:
    if isinstance(type_, Union):
        return any(_is_exact(branch) for branch in type_.branches)
    return isinstance(type_, DecimalType) or (isinstance(type_, Primitive) and type_.shortest)


def test_a_record_within_a_record_is_never_itself() -> None:
    assert all(isinstance(parse_record(text), Record) for text in bundled().current.values())


def test_an_id_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "avro").mkdir()
    (tmp_path / "history" / "Tick").mkdir(parents=True)
    (tmp_path / "history" / "Tick" / "1.avsc").write_text(bundled().current["Tick"], encoding="utf-8")
    row = {"id": 1, "name": "Tick", "version": 1, "fingerprint": ""}
    (tmp_path / "history" / "ids.json").write_text(json.dumps({"schemas": [row, row]}), encoding="utf-8")

    with pytest.raises(RegistryRefused):
        load_bundle(tmp_path)
