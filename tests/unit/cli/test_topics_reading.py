"""Records as they are shown: of every topic, and of bytes nobody can read."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.reading import Seen
from schemas.registry import BundledRegistry
from streams.cli.output import json_line
from streams.cli.topics_reading import HEX_SHOWN_MAX, Decoded, Decoder
from streams.desk.messages import Unreadable
from streams.flow import INPUTS, OUTPUTS
from streams.pipeline.stored_snapshots import Place, cut
from streams.pipeline.write_pipeline import CHANGELOG
from tests.schema_kit import MARK, SIGNAL, inputs, make_codec, messages, tape_event

CODEC = make_codec()


def decoded(topic: str, value: bytes | None, key: bytes | None = b"k") -> Decoded:
    return Decoder(BundledRegistry()).decode(Seen(topic, 2, 17, 1_700_000_000_000, key, value))


def test_a_record_is_shown_with_its_place_and_its_fields() -> None:
    shown = decoded("signals", CODEC.encode(SIGNAL))

    assert shown.kind == "Signal"
    assert shown.line().startswith("2023-11-14 22:13:20.000 signals/2/17 k Signal signal_id=s-1 account=acc-1")
    plain = json.loads(json_line(shown.plain()))
    assert (plain["topic"], plain["partition"], plain["offset"], plain["key"]) == ("signals", 2, 17, "k")
    assert plain["record"]["atr"] == "120.5000000000"


def test_a_tape_record_is_unwrapped() -> None:
    shown = decoded("tape", CODEC.encode_event(tape_event(MARK)))

    assert shown.record["kind"] == "Mark"
    assert (shown.record["topic"], shown.record["partition"], shown.record["source_offset"]) == ("marks", 3, 1_234_567)
    assert shown.record["body"]["mark"] == Decimal("64123.1")


def test_what_is_unreadable_within_the_tape_shows_its_code_and_bytes() -> None:
    shown = decoded("tape", CODEC.encode_event(tape_event(Unreadable("NOT_AVRO", "", None, b"\x01\x02"))))

    assert shown.record["kind"] == "Unreadable"
    assert (shown.record["body"]["error"], shown.record["body"]["hex"]) == ("NOT_AVRO", "0102")


@pytest.mark.parametrize(
    ("value", "error"),
    [(b"", "NOT_AVRO"), (b"\x00\x00", "TRUNCATED"), (b"{}", "NOT_AVRO"), (b"\x00\x7f\xff\xff\xff\x01", "UNKNOWN_SCHEMA"),
     (CODEC.encode(SIGNAL) + b"\x00", "TRAILING_BYTES")],
)  # fmt: skip
@pytest.mark.parametrize("topic", ["signals", "tape", "dead-letters"])
def test_an_unreadable_record_shows_its_error_and_its_bytes(topic: str, value: bytes, error: str) -> None:
    shown = decoded(topic, value)

    assert shown.kind == "Unreadable"
    assert (shown.record["error"], shown.record["hex"], shown.record["bytes"]) == (error, value.hex(), len(value))
    assert error in shown.line()


def test_a_piece_of_a_snapshot_is_summed_up() -> None:
    (chunk,) = cut(2, Place(1, 4_711), [b"one", b"two", b"three"])

    shown = decoded(CHANGELOG, chunk.value, chunk.key)

    assert shown.kind == "SnapshotChunk"
    assert (shown.record["epoch"], shown.record["tape_offset"], shown.record["records"]) == (1, 4_711, 3)
    assert decoded(CHANGELOG, chunk.value[:-1], chunk.key).record["error"] == "BAD_SNAPSHOT"
    assert decoded(CHANGELOG, chunk.value, b"\xff").record["error"] == "NO_CHUNK"


def test_a_removed_record_and_topics_of_others_are_shown_too() -> None:
    assert decoded(CHANGELOG, None).kind == "Removed"
    assert decoded("elsewhere", b'{"a": 1}').record == {"a": 1}
    assert decoded("elsewhere", b"[1]").record == {"value": [1]}
    assert decoded("elsewhere", b'{"a": 1e999999999}').record == {"a": "1e999999999"}
    assert decoded("elsewhere", b"\xff\x00").record == {"bytes": 2, "hex": "ff00"}
    assert decoded("elsewhere", CODEC.encode(SIGNAL)).kind == "Signal"


def test_a_long_value_is_cut_for_people_and_whole_for_programs() -> None:
    shown = decoded("signals", b"\xff" * 5_000)

    assert len(shown.line()) < HEX_SHOWN_MAX + 200
    assert len(str(shown.plain()["record"])) > 10_000


def test_no_sign_of_a_record_reaches_the_terminal_as_a_command() -> None:
    shown = decoded("signals", CODEC.encode(SIGNAL._replace(account="\x1b[2J\r\nfake")), b"\x1b]0;title\x07")

    assert not any(sign < " " for sign in shown.line())


@given(message=messages)
def test_any_message_can_be_shown_on_its_topic(message: object) -> None:
    shown = decoded("decisions", CODEC.encode(message))  # type: ignore[arg-type]  # drawn by schema

    assert shown.kind == type(message).__name__
    assert json.loads(json_line(shown.plain()))["kind"] == shown.kind
    assert shown.line()


@given(body=inputs)
def test_any_input_can_be_shown_on_the_tape(body: object) -> None:
    shown = decoded("tape", CODEC.encode_event(tape_event(body)))

    assert json.loads(json_line(shown.plain()))["record"]["kind"] == type(body).__name__


@given(value=st.binary(max_size=60), topic=st.sampled_from([topic.name for topic in (*INPUTS, *OUTPUTS)] + ["tape", CHANGELOG, "other"]),
       key=st.none() | st.binary(max_size=20))  # fmt: skip
def test_no_bytes_are_too_odd_to_be_shown(value: bytes, topic: str, key: bytes | None) -> None:
    shown = decoded(topic, value, key)

    assert json.loads(json_line(shown.plain()))["offset"] == 17
    assert shown.line()


@pytest.mark.parametrize("stamp_ms", [-1, 0, 2**62, -(2**62)])
def test_a_time_no_calendar_has_is_shown_as_a_number(stamp_ms: int) -> None:
    shown = Decoder(BundledRegistry()).decode(Seen("signals", 0, 0, stamp_ms, None, CODEC.encode(SIGNAL)))

    assert "signals/0/0 - Signal" in shown.line()
