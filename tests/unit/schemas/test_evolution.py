"""Old records under new schemas: what a tape of last year looks like to the codec of today."""

import json
from decimal import Decimal
from typing import Any

import pytest

from schemas.bundled import Bundle, Version, bundled, fingerprint
from schemas.codec import Codec, Undecodable
from schemas.registry import BundledRegistry, LayeredRegistry
from streams.desk.messages import Tick
from tests.schema_kit import MARK, SIGNAL, make_codec

MARKER = {
    "offset": 9, "tape_hash": "h", "epoch": 1, "partition": 0, "partitions": 4, "sources": [{"topic": "marks", "partition": 0, "offset": 3}],
    "records": 2, "state_hash": "s", "desk_version": "1",
}  # fmt: skip


def older(name: str, *without: str) -> str:
    """Give our current schema as if some fields had not been invented yet."""
    raw = json.loads(bundled().current[name])
    raw["fields"] = [field for field in raw["fields"] if field["name"] not in without]
    return json.dumps(raw)


def with_default(name: str, field_name: str, default: Any) -> Bundle:
    """Give the bundle as if a field had been added with a default."""
    raw = json.loads(bundled().current[name])
    for field in raw["fields"]:
        if field["name"] == field_name:
            field["default"] = default
    return Bundle({**bundled().current, name: json.dumps(raw)}, bundled().history)


def codec_of_then(name: str, text: str) -> Codec:
    """Give a codec that writes a record by an older schema under the id 99, in plain dicts."""
    then = Version(99, name, 1, fingerprint(text), text)
    bundle = Bundle({**bundled().current, name: text}, {**bundled().history, 99: then._replace(version=1_000)})
    return Codec(BundledRegistry(bundle), bundle)


def test_a_record_without_a_later_field_gets_its_default() -> None:
    text = older("Mark", "funding_rate")
    now = with_default("Mark", "funding_rate", "\u0000")
    record = {name: value for name, value in MARK._asdict().items() if name != "funding_rate"}
    raw = codec_of_then("Mark", text).encode_record("Mark", record)

    read = Codec(LayeredRegistry({99: text}, BundledRegistry()), now).decode(raw)

    assert read == MARK._replace(funding_rate=Decimal(0))


def test_a_field_that_was_dropped_is_read_past() -> None:
    raw = json.loads(bundled().current["Tick"])
    raw["fields"].insert(0, {"name": "gone", "type": {"type": "map", "values": ["null", "double"]}})
    text = json.dumps(raw)
    written = codec_of_then("Tick", text).encode_record("Tick", {"gone": {"x": 1.5, "y": None}, "second": 5})

    assert Codec(LayeredRegistry({99: text}, BundledRegistry())).decode(written) == Tick(5)


def test_an_old_event_replays_within_a_new_envelope() -> None:
    text = older("Signal", "degraded")
    now = with_default("Signal", "degraded", default=True)
    record = {name: value for name, value in SIGNAL._asdict().items() if name != "degraded"}
    payload = codec_of_then("Signal", text).encode_record("Signal", record)
    codec = Codec(LayeredRegistry({99: text}, BundledRegistry()), now)

    event = codec.decode_event(codec.wrap(1, "signals", 0, 0, payload), 7)

    assert event.body == SIGNAL._replace(degraded=True)


def test_a_default_list_is_not_shared_between_records() -> None:
    raw = json.loads(bundled().current["Tick"])
    raw["fields"].append({"name": "notes", "type": {"type": "array", "items": "string"}, "default": []})
    now = Bundle({**bundled().current, "Tick": json.dumps(raw)}, bundled().history)
    old = make_codec().encode(Tick(5))
    codec = Codec(BundledRegistry(), now)

    codec.decode_record("Tick", old)["notes"].append("mine")

    assert codec.decode_record("Tick", old) == {"second": 5, "notes": []}


def test_what_was_unknown_when_it_was_recorded_stays_unknown() -> None:
    raw = make_codec().encode(Tick(5))
    number = int.from_bytes(raw[1:5], "big")
    codec = Codec(LayeredRegistry({number: None}, BundledRegistry()))

    with pytest.raises(Undecodable, match="unknown when this was recorded"):
        codec.decode(raw)


def test_a_snapshot_record_keeps_its_branches_and_its_decimals() -> None:
    codec = make_codec()
    record = {"body": ("qts.SnapshotMarker", MARKER)}

    raw = codec.encode_record("Snapshot", record)

    assert codec.decode_record("Snapshot", raw) == record


@pytest.mark.parametrize("body", [{"offset": 9}, ("qts.Stranger", {}), None, ("qts.SnapshotMarker", {"offset": 9})])
def test_a_record_that_is_not_exactly_its_schema_is_not_written(body: Any) -> None:
    with pytest.raises(ValueError, match=r"Snapshot\.body"):
        make_codec().encode_record("Snapshot", {"body": body})


def test_a_record_of_another_name_is_refused() -> None:
    codec = make_codec()

    with pytest.raises(Undecodable, match="no Snapshot"):
        codec.decode_record("Snapshot", codec.encode(Tick(1)))


def test_a_snapshot_is_no_message() -> None:
    codec = make_codec()
    snapshot = codec.encode_record("Snapshot", {"body": ("qts.SnapshotMarker", MARKER)})

    with pytest.raises(Undecodable, match="no record of ours"):
        codec.decode(snapshot)
