"""Hostile bytes: whatever comes, the codec ends soon with a value or with Undecodable."""

import struct
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.bundled import bundled
from schemas.codec import Codec, Undecodable
from schemas.errors import BAD_VALUE, NOT_AVRO, TOO_LARGE, TRAILING_BYTES, TRUNCATED, UNKNOWN_SCHEMA
from schemas.registry import BundledRegistry, LayeredRegistry
from schemas.writing import write_long
from streams.desk.messages import TapeEvent, Tick, Unreadable
from streams.desk.outputs import Check, Decision
from tests.schema_kit import MARK, SIGNAL, changed, make_codec, messages, tape_event

CODEC = make_codec()
CODES = {NOT_AVRO, TRUNCATED, TRAILING_BYTES, UNKNOWN_SCHEMA, TOO_LARGE, BAD_VALUE}
DECISION = Decision("a", 1, 0, 1, "SIGNAL", "s-1", "REFUSED", "STALE", (Check("fresh", "STALE", "age_s=9"),), "", 1, "", "", "")


def refusal(raw: bytes) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        CODEC.decode(raw)
    return caught.value


def head(name: str) -> bytes:
    newest = bundled().newest(name)
    assert newest is not None
    return b"\0" + newest.id.to_bytes(4, "big")


def varint(value: int) -> bytes:
    out = bytearray()
    write_long(out, value)
    return bytes(out)


def read_or_refuse(raw: bytes) -> Any:
    try:
        return CODEC.decode(raw)
    except Undecodable as error:
        return error.error if error.error in CODES else pytest.fail(f"{error.error} is no code of the codec")


@given(messages, st.data())
def test_a_truncated_record_is_never_a_record(message: Any, data: st.DataObject) -> None:
    raw = CODEC.encode(message)
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]

    assert refusal(cut).error in {TRUNCATED, NOT_AVRO}


@given(messages, st.binary(min_size=1, max_size=20))
def test_bytes_after_a_record_are_refused(message: Any, more: bytes) -> None:
    assert refusal(CODEC.encode(message) + more).error == TRAILING_BYTES


@given(messages, st.data())
def test_flipped_bits_end_in_a_value_or_a_refusal(message: Any, data: st.DataObject) -> None:
    raw = bytearray(CODEC.encode(message))
    for place in data.draw(st.lists(st.integers(0, len(raw) * 8 - 1), min_size=1, max_size=6)):
        raw[place // 8] ^= 1 << place % 8

    read_or_refuse(bytes(raw))


@given(st.sampled_from(sorted(bundled().history)), st.binary(max_size=300))
def test_random_bytes_under_any_schema_end_in_a_value_or_a_refusal(number: int, rubbish: bytes) -> None:
    read_or_refuse(b"\0" + number.to_bytes(4, "big") + rubbish)


@given(st.binary(max_size=300))
def test_random_bytes_end_in_a_refusal_that_keeps_them(rubbish: bytes) -> None:
    body = CODEC.decode_event(CODEC.wrap(1, "signals", 0, 0, rubbish), 1).body

    assert isinstance(body, Unreadable) or CODEC.encode(body) == rubbish


@given(messages, st.data())
def test_the_fast_reader_and_the_plain_one_agree_on_damaged_records(message: Any, data: st.DataObject) -> None:
    raw = bytearray(CODEC.encode(message))
    raw[data.draw(st.integers(5, len(raw) - 1)) if len(raw) > 5 else 0] ^= 1 << data.draw(st.integers(0, 7))
    whole = CODEC.wrap(1, "signals", 0, 0, bytes(raw))

    body = CODEC.decode_event(whole, 1).body

    if isinstance(body, Unreadable) and body.error in CODES:
        assert refusal(bytes(raw)).error == body.error
    elif not isinstance(body, Unreadable):
        assert repr(CODEC.decode(bytes(raw))) == repr(body)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", NOT_AVRO),
        (b"{}", NOT_AVRO),
        (b"\0", TRUNCATED),
        (b"\0\0\0\0", TRUNCATED),
        (head("Tick"), TRUNCATED),
        (head("Tick") + b"\xff" * 20, NOT_AVRO),
        (head("Tick") + b"\xff" * 9 + b"\x02", NOT_AVRO),
        (head("Tick") + b"\x80" * 5, TRUNCATED),
        (head("Mark") + varint(-1), NOT_AVRO),
        (head("Mark") + varint(2**62), TRUNCATED),
        (head("Mark") + varint(2) + b"\xff\xfe", NOT_AVRO),
        (head("Mark") + varint(2) + b"\xc3", TRUNCATED),
        (head("Mark") + b"\x02m\x02B" + varint(0), BAD_VALUE),
        (head("Mark") + b"\x02m\x02B" + varint(13) + b"\x7f" * 13, BAD_VALUE),
        (head("Mark") + b"\x02m\x02B" + varint(500_000) + b"\x7f" * 500_000, BAD_VALUE),
        (head("Control") + b"\0\0\0\0\0" + varint(12), NOT_AVRO),
        (head("Control") + b"\0\0\0\0\0" + varint(-1), NOT_AVRO),
        (head("Signal") + b"\0" * 4 + struct.pack("<d", 0.5) + varint(2**62), TRUNCATED),
        (b"\0" + (2**32 - 1).to_bytes(4, "big"), UNKNOWN_SCHEMA),
    ],
)
def test_each_kind_of_broken_record_has_its_code(raw: bytes, error: str) -> None:
    assert refusal(raw).error == error


def test_a_refusal_names_the_schema_id_where_there_is_one() -> None:
    assert refusal(head("Tick")).schema_id == int.from_bytes(head("Tick")[1:], "big")
    assert refusal(b"\0").schema_id is None


def test_a_boolean_of_two_is_none() -> None:
    control = bytearray(head("Control") + b"\0\0\0\0\0" + varint(3) + b"\x02")

    assert refusal(bytes(control)).error == NOT_AVRO


def test_an_int_beyond_32_bits_is_refused() -> None:
    raw = CODEC.encode(DECISION).replace(b"\x02a\x02\0\x02", b"\x02a\x02" + varint(2**31) + b"\x02", 1)

    assert refusal(raw).error == NOT_AVRO


def test_a_record_of_five_megabytes_is_too_large() -> None:
    assert refusal(head("Signal") + bytes(5_000_000)).error == TOO_LARGE


def test_a_count_of_items_that_are_not_there_allocates_nothing() -> None:
    start = CODEC.encode(DECISION._replace(checks=()))
    place = start.index(b"STALE") + 5
    raw = start[:place] + varint(2**62) + start[place + 1 :]
    tracemalloc.start()
    try:
        read_or_refuse(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 100_000


def test_an_unreadable_envelope_is_no_event() -> None:
    raw = CODEC.encode_event(tape_event(MARK))

    for broken in (raw[:-1], raw + b"x", b"", CODEC.encode(Tick(1))):
        with pytest.raises(Undecodable):
            CODEC.decode_event(broken, 1)


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[" * 100_000,
        '{"type": "record", "name": "qts.Mark", "fields": [' + " " * 300_000 + "]}",
        '"string"',
        '{"type": "record", "name": "qts.Stranger", "fields": []}',
        '{"type": "record", "name": "qts.Mark", "fields": []}',
        '{"type": "record", "name": "qts.Mark", "fields": [{"name": "again", "type": "qts.Mark"}]}',
        '{"type": "record", "name": "qts.Mark", "fields": [{"name": "many", "type": {"type": "array", "items": "null"}}]}',
    ],
)
def test_a_hostile_schema_is_an_unknown_one(text: str) -> None:
    codec = Codec(LayeredRegistry({99: text}, BundledRegistry()))

    with pytest.raises(Undecodable) as caught:
        codec.decode(b"\0\0\0\0\x63" + b"\0" * 50)

    assert caught.value.error == UNKNOWN_SCHEMA
    assert caught.value.schema_id == 99


def test_a_decimal_of_another_scale_is_not_taken_for_ours() -> None:
    text = bundled().current["Mark"].replace('"scale": 10', '"scale": 8')
    codec = Codec(LayeredRegistry({99: text}, BundledRegistry()))

    with pytest.raises(Undecodable, match=r"decimal\(30, 8\) cannot be read as decimal\(30, 10\)"):
        codec.decode(b"\0\0\0\0\x63" + CODEC.encode(MARK)[5:])


def test_figures_out_of_all_range_are_read_for_the_desk_to_refuse() -> None:
    wild = MARK._replace(mark=Decimal("-99999999999999999999.9999999999"), ts=-(2**63))
    event = TapeEvent(1, 2**62, "marks", 0, -5, wild)

    assert CODEC.decode_event(CODEC.encode_event(event), 1).body == wild


def test_words_outside_a_vocabulary_are_read_for_the_desk_to_refuse() -> None:
    odd = changed(SIGNAL, side="SIDEWAYS", symbol="")

    assert CODEC.decode(CODEC.encode(odd)) == odd
