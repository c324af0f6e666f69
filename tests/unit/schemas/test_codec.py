"""The codec: every message comes back as it went, exactly, or does not go at all."""

import json
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.bundled import bundled
from schemas.codec import Unencodable
from schemas.errors import NOT_AN_INPUT, TOO_LARGE, UNKNOWN_SCHEMA
from streams.desk.messages import (
    ClosePosition,
    Control,
    Enable,
    ManualOrder,
    Mark,
    OpenAccount,
    Reset,
    TapeEvent,
    Tick,
    Unreadable,
)
from streams.desk.outputs import Check, Decision
from tests.schema_kit import (
    MARK,
    MESSAGE_KINDS,
    SIGNAL,
    changed,
    fastavro_bytes,
    fastavro_value,
    inputs,
    make_codec,
    messages,
    tape_event,
)

CODEC = make_codec()
CONTROL = Control("c-1", "*", "anna", "test", 1, Enable())


@given(messages)
def test_every_message_comes_back_as_it_went(message: Any) -> None:
    assert CODEC.decode(CODEC.encode(message)) == message


@given(inputs, st.integers(0, 2**62))
def test_every_input_comes_back_from_the_tape_as_it_went(body: Any, offset: int) -> None:
    event = tape_event(body, offset)

    back = CODEC.decode_event(CODEC.encode_event(event), offset)

    assert back._replace(raw=b"") == event
    assert back.raw == CODEC.unwrap(CODEC.encode_event(event)).payload


@pytest.mark.parametrize(
    "command",
    [Enable(), Reset(True), ManualOrder("BTCUSDT", "BUY", "LIMIT", Decimal(1), Decimal("2.5"), None, False), ClosePosition(None)],
)
def test_a_command_comes_back_as_the_class_it_was(command: Any) -> None:
    control = Control("c-1", "*", "anna", "test", 1, command)

    read = CODEC.decode(CODEC.encode(control))

    assert read == control
    assert type(read.command) is type(command)


@given(messages)
def test_what_is_written_is_avro_to_another_implementation_too(message: Any) -> None:
    times_as_numbers = json.dumps(json.loads(bundled().current[type(message).__name__])).replace("timestamp-millis", "number")

    read = fastavro_value(json.loads(times_as_numbers), CODEC.encode(message)[5:])

    parts = {"command", "checks", "positions", "venues", "confidence", "model_agreement"}  # of other classes there
    assert {name: read[name] for name in read.keys() - parts} == {name: getattr(message, name) for name in read.keys() - parts}


def test_a_record_of_another_implementation_is_read() -> None:
    stamp = datetime.fromtimestamp(MARK.ts / 1000, UTC)
    raw = fastavro_bytes(json.loads(bundled().current["Mark"]), {**MARK._asdict(), "ts": stamp})

    assert CODEC.decode(CODEC.encode(MARK)[:5] + raw) == MARK


def test_the_wire_format_is_a_zero_byte_and_the_schema_id_before_the_record() -> None:
    raw = CODEC.encode(Tick(1))

    assert raw[:1] == b"\0"
    assert bundled().history[int.from_bytes(raw[1:5], "big")].name == "Tick"


def test_times_are_whole_milliseconds() -> None:
    assert CODEC.decode(CODEC.encode(MARK)).ts == 1_700_000_000_000


@pytest.mark.parametrize("context", [Context(prec=3), Context(prec=28, Emax=5, Emin=-5)])
def test_decimals_do_not_depend_on_the_context_they_are_read_in(context: Context) -> None:
    exact = MARK._replace(mark=Decimal("12345678901234567890.0123456789"), bid=Decimal("1E-10"))
    with localcontext(context):
        raw = CODEC.encode(exact)
        read = make_codec().decode(raw)

    assert read == exact


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_confidence_is_the_shortest_decimal_that_writes_its_double(confidence: float) -> None:
    signal = SIGNAL._replace(confidence=Decimal(repr(confidence)))

    assert CODEC.decode(CODEC.encode(signal)).confidence == Decimal(repr(confidence))


def test_six_tenths_are_exactly_six_tenths() -> None:
    assert CODEC.decode(CODEC.encode(SIGNAL)).confidence == Decimal("0.6")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_confidence_that_is_no_number_reaches_the_desk_to_be_refused_there(word: str) -> None:
    assert str(CODEC.decode(CODEC.encode(SIGNAL._replace(confidence=Decimal(word)))).confidence) == word


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        (Decimal("0.12345678901"), "behind the point"),
        (Decimal("1E-999999"), "behind the point"),
        (Decimal("1e20"), "before the point"),
        (Decimal("1e999999"), "before the point"),
        (Decimal("NaN"), "no finite"),
        (Decimal("Infinity"), "no finite"),
        (1.5, "no finite Decimal"),
        (None, "no finite Decimal"),
    ],
)
def test_an_amount_that_does_not_fit_exactly_is_not_written(mark: Any, why: str) -> None:
    with pytest.raises(Unencodable, match=why) as caught:
        CODEC.encode(MARK._replace(mark=mark))

    assert caught.value.path == "Mark.mark"


@pytest.mark.parametrize("zero", ["0", "-0", "0E+999999", "0E-999999"])
def test_zero_is_written_however_it_is_put_down(zero: str) -> None:
    assert CODEC.decode(CODEC.encode(MARK._replace(mark=Decimal(zero)))).mark == 0


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (Tick(2**63), "Tick.second"),
        (Tick(True), "Tick.second"),
        (changed(MARK, symbol=None), "Mark.symbol"),
        (MARK._replace(symbol="\ud800"), "Mark.symbol"),
        (changed(SIGNAL, degraded=1), "Signal.degraded"),
        (SIGNAL._replace(confidence=Decimal("0.1234567890123456789")), "Signal.confidence"),
        (changed(SIGNAL, model_scores={"lstm": "high"}), "Signal.model_scores['lstm']"),
        (changed(CONTROL, command=Tick(1)), "Control.command"),
        (CONTROL._replace(command=OpenAccount("v", "k", Decimal(1), Decimal("NaN"))), "Control.command.opening_balance"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_path(message: Any, path: str) -> None:
    with pytest.raises(Unencodable) as caught:
        CODEC.encode(message)

    assert caught.value.path == path


def test_a_message_that_is_no_record_of_ours_is_not_written() -> None:
    with pytest.raises(Unencodable, match="no schema of Check"):
        CODEC.encode(Check("gate", "", ""))


def test_the_tape_keeps_the_payload_byte_for_byte() -> None:
    payload = CODEC.encode(MARK)

    raw = CODEC.wrap(5, "marks", 1, 2, payload)

    assert CODEC.unwrap(raw).payload == payload
    assert CODEC.decode_event(raw, 9) == TapeEvent(9, 5, "marks", 1, 2, MARK, payload)


def test_an_output_on_the_tape_is_no_input() -> None:
    decision = Decision(
        "a", 1, 0, 1, "SIGNAL", "s-1", "REFUSED", "STALE", (Check("fresh", "STALE", "age_s=9"),), "", 1, "", "", ""
    )
    payload = CODEC.encode(decision)

    body = CODEC.decode_event(CODEC.wrap(5, "signals", 1, 2, payload), 9).body

    assert body == Unreadable(NOT_AN_INPUT, "Decision is no input", int.from_bytes(payload[1:5], "big"), payload)


def test_a_tape_event_within_a_tape_event_is_no_input() -> None:
    body = CODEC.decode_event(CODEC.wrap(5, "signals", 1, 2, CODEC.encode_event(tape_event(MARK))), 9).body

    assert isinstance(body, Unreadable)
    assert body.error == NOT_AN_INPUT


def test_an_unreadable_input_is_kept_with_its_bytes_and_goes_back_to_them() -> None:
    raw = CODEC.wrap(5, "signals", 1, 2, b"\0\xff\xff\xff\xffrubbish")

    event = CODEC.decode_event(raw, 9)

    assert event.body == Unreadable(
        UNKNOWN_SCHEMA, "no bundled schema has the id 4294967295", 4294967295, b"\0\xff\xff\xff\xffrubbish"
    )
    assert CODEC.encode_event(event) == raw


def test_an_input_of_five_megabytes_is_too_large_but_keeps_its_bytes() -> None:
    payload = CODEC.encode(SIGNAL._replace(source="x" * 5_000_000))

    body = CODEC.decode_event(CODEC.wrap(5, "signals", 1, 2, payload), 9).body

    assert isinstance(body, Unreadable)
    assert body.error == TOO_LARGE
    assert body.raw == payload


def test_words_that_come_again_are_one_object() -> None:
    once, again = (CODEC.decode(CODEC.encode(MARK)) for _ in range(2))

    assert once.symbol is again.symbol


def test_every_input_but_the_unreadable_one_has_a_schema() -> None:
    assert all(isinstance(kind, type) for kind in MESSAGE_KINDS.values())
    assert Mark in MESSAGE_KINDS.values()
