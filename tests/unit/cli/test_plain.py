"""Messages as JSON and back: nothing is lost on the way, and what cannot be used is named."""

import json
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from streams.cli.output import json_line
from streams.cli.plain import BadField, from_plain, to_plain
from streams.desk.messages import (
    AccountEvent,
    ClosePosition,
    Control,
    Enable,
    EquityReport,
    ManualOrder,
    Mark,
    OpenAccount,
    Reset,
    Signal,
    Tick,
)
from streams.replay.generate import generated_world
from tests.schema_kit import MARK, SIGNAL

CONTROL = {"control_id": "c-1", "account": "alpha", "user": "ana", "reason": "why", "ts": 1_700_000_000_000}


def field_of(kind: type, data: dict[str, Any]) -> str:
    with pytest.raises(BadField) as bad:
        from_plain(kind, data)
    return bad.value.field


def test_whatever_the_generated_market_says_comes_back_as_it_was() -> None:
    bodies = [event.body for event, _ in islice(generated_world(5, 3).run(), 3_000)]
    kinds = {type(body) for body in bodies}

    for body in bodies:
        there = json.loads(json_line({"it": to_plain(body)}), parse_float=Decimal, parse_int=Decimal)["it"]
        assert from_plain(type(body), there) == body
    assert kinds >= {Signal, Mark, Control, Tick}, kinds
    assert EquityReport not in kinds or len(kinds) > 4


def test_a_command_is_named_with_its_fields_beside_or_within() -> None:
    beside = from_plain(Control, {**CONTROL, "command": "Reset", "override": "true"})
    within = from_plain(Control, {**CONTROL, "command": {"Reset": {"override": True}}})

    assert beside == within
    assert beside.command == Reset(override=True)


def test_what_allows_more_is_never_filled_in() -> None:
    assert from_plain(Control, {**CONTROL, "command": "Reset"}).command == Reset(override=False)
    assert from_plain(Control, {**CONTROL, "command": "Enable"}).command == Enable()
    assert from_plain(Control, {**CONTROL, "command": "ClosePosition"}).command == ClosePosition(None)
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    assert field_of(Control, {**CONTROL, "command": "ManualOrder", **order}) == "command.ManualOrder.reduce_only"
    made = from_plain(Control, {**CONTROL, "command": "ManualOrder", **order, "reduce_only": "false"}).command
    assert made == ManualOrder("BTCUSDT", "BUY", "MARKET", Decimal(1), None, None, False)


def test_texts_and_numbers_of_json_make_the_same_message() -> None:
    fields = to_plain(MARK)
    texts = {name: str(value) for name, value in fields.items()}

    assert from_plain(Mark, texts) == from_plain(Mark, fields) == MARK


def test_optional_fields_may_be_left_out_or_empty() -> None:
    event = {"event_id": "e", "account": "a", "kind": "DEPOSIT", "amount": "5", "quantity": "0", "price": "0", "ts": 1}

    made = from_plain(AccountEvent, {**event, "symbol": ""})

    assert (made.symbol, made.reverses, made.note) == (None, None, "")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"confidence": "NaN"}, "confidence"),
        ({"confidence": "Infinity"}, "confidence"),
        ({"confidence": "a lot"}, "confidence"),
        ({"confidence": True}, "confidence"),
        ({"confidence": None}, "confidence"),
        ({"confidence": [1]}, "confidence"),
        ({"confidence": ""}, "confidence"),
        ({"ts": "1.5"}, "ts"),
        ({"ts": "1e999999999"}, "ts"),
        ({"ts": Decimal("-1e30")}, "ts"),
        ({"degraded": "perhaps"}, "degraded"),
        ({"degraded": 1}, "degraded"),
        ({"account": 7}, "account"),
        ({"side": "UP"}, "side"),
        ({"side": None}, "side"),
        ({"regime": {}}, "regime"),
        ({"model_scores": "x"}, "model_scores"),
        ({"model_scores": {"lstm": "high"}}, "model_scores.lstm"),
        ({"model_scores": {"lstm": {}}}, "model_scores.lstm"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_the_first_field_that_cannot_be_used_is_named(changed: dict[str, Any], field: str) -> None:
    assert field_of(Signal, {**to_plain(SIGNAL), **changed}) == field


def test_a_missing_field_is_named() -> None:
    fields = to_plain(SIGNAL)
    del fields["atr"]

    assert field_of(Signal, fields) == "atr"


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (None, "command"),
        ("Destroy", "command"),
        (["Enable"], "command"),
        ({"Enable": {}, "Disable": {}}, "command"),
        ({"Enable": "now"}, "command.Enable"),
        ({"Enable": {"at": 1}}, "command.Enable.at"),
        ({"OpenAccount": {"venue": "x"}}, "command.OpenAccount.credentials"),
    ],
)
def test_a_command_that_is_none_is_named(command: Any, field: str) -> None:
    assert field_of(Control, {**CONTROL, "command": command}) == field


def test_what_json_cannot_hold_is_written_as_text() -> None:
    plain = to_plain(SIGNAL._replace(model_scores={"lstm": float("inf"), "trees": 0.5}))

    assert plain["model_scores"] == {"lstm": "inf", "trees": 0.5}
    assert to_plain(OpenAccount("v", "c", Decimal(1), Decimal(2)))["OpenAccount"]["venue"] == "v"
    assert to_plain({"raw": b"\x00\xff"}) == {"raw": "00ff"}
