"""Lines to records: what is filled in, what is refused, and that a bad line is named."""

import json
from typing import Any

import pytest

from schemas.registry import BundledRegistry
from streams.cli.inputs import KINDS, PROBLEMS_MAX, Line, Prepared, prepared
from streams.cli.plain import to_plain
from streams.desk.messages import Control, Disable
from tests.schema_kit import MARK, SIGNAL, make_codec

NOW_MS = 1_700_000_000_500
DISABLE: dict[str, Any] = {"account": "alpha", "user": "ana", "reason": "why", "command": "Disable"}


def made(kind: str, *contents: dict[str, Any] | bytes, run: str = "r1") -> Prepared:
    lines = [Line(number, content) for number, content in enumerate(contents, start=1)]
    return prepared(BundledRegistry(), kind, lines, NOW_MS, run)


def problem(kind: str, content: dict[str, Any] | bytes) -> tuple[str, str]:
    (found,) = made(kind, content).problems
    return found.field, found.problem


def test_an_id_and_a_time_are_filled_in() -> None:
    done = made("control", DISABLE, DISABLE)

    assert done.problems == []
    assert done.ids == ["cli-r1-1", "cli-r1-2"]
    assert make_codec().decode(done.records[0].value) == Control("cli-r1-1", "alpha", "ana", "why", NOW_MS, Disable())


def test_the_same_line_is_a_new_record_in_another_run_and_a_repeat_with_an_id_of_its_own() -> None:
    assert made("control", DISABLE, run="r1").ids != made("control", DISABLE, run="r2").ids
    own = {**DISABLE, "control_id": "mine"}
    assert made("control", own, run="r1").ids == made("control", own, run="r2").ids == ["mine"]


def test_each_kind_goes_to_its_topic_under_its_key() -> None:
    signal, mark = made("signal", to_plain(SIGNAL)).records[0], made("mark", to_plain(MARK)).records[0]

    assert (signal.topic, signal.key) == ("signals", "acc-1")
    assert (mark.topic, mark.key) == ("marks", "BTCUSDT")
    assert {kind.topic for kind in KINDS.values()} == {
        "signals", "marks", "instruments", "control", "order-events", "fills", "account-events",
    }  # fmt: skip


def test_a_command_for_every_account_is_one_and_a_signal_for_every_account_is_none() -> None:
    assert made("control", {**DISABLE, "account": "*"}).records[0].key == "*"
    assert problem("signal", {**to_plain(SIGNAL), "account": "*"})[0] == "account"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"{", "the line"),
        (b"[]", "the line"),
        (b'"signal"', "the line"),
        (b"\xff\xfe\x00", "the line"),
        (b'{"confidence": NaN}', "the line"),
        (b'{"account": "a", "account": "b"}', "account"),
        (b'{"account": {"a": 1, "a": 2}}', "a"),
        (b"[" * 200_000, "the line"),
        (b'{"ts": ' + b"9" * 10_000 + b"}", "ts"),
    ],
)
def test_a_line_that_is_no_record_is_named(line: bytes, field: str) -> None:
    base = {name: value for name, value in to_plain(SIGNAL).items() if name not in {"account", "ts"}}
    if line.startswith(b'{"ts'):
        line = json.dumps({**base, "account": "a"}, default=str).encode()[:-1] + b"," + line[1:]

    assert problem("signal", line)[0] == field


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"confidence": "1.5"}, "confidence"),
        ({"symbol": "btc usdt"}, "symbol"),
        ({"signal_id": "x" * 200}, "signal_id"),
        ({"account": "two words"}, "account"),
        ({"atr": "0"}, "atr"),
        ({"confidence": "0.123456789012345678901234567890"}, "confidence"),
        ({"atr": "1e999999"}, "atr"),
    ],
)
def test_what_the_desk_would_call_impossible_is_not_sent(changed: dict[str, Any], field: str) -> None:
    found, told = problem("signal", {**to_plain(SIGNAL), **changed})

    assert found == field
    assert len(told) < 300


def test_every_bad_line_is_told_and_good_ones_beside_them_do_not_hide_it() -> None:
    done = made("control", DISABLE, {**DISABLE, "user": 3}, DISABLE, {**DISABLE, "command": "Explode"})

    assert [(one.line, one.field) for one in done.problems] == [(2, "user"), (4, "command")]


def test_a_file_of_another_kind_is_given_up_early() -> None:
    assert len(made("signal", *[b"?"] * (PROBLEMS_MAX * 2)).problems) == PROBLEMS_MAX
