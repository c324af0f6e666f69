"""The policy: nothing missing, nothing infinite, nothing unknown; every error with its path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from streams.desk import policy
from streams.desk.policy import Phase, Policy
from streams.desk.policy_check import PolicyError, canonical, check_policy, document_hash, parse_policy
from streams.desk.values import exact
from streams.simulation.policies import PHASE, document
from tests.desk_kit import SYMBOLS, dec

Path = tuple[str, ...]


def leaves(table: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """Give the path of every figure of a document."""
    for key, value in table.items():
        yield from leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]


def tables(table: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """Give the path of every table of a document but the outermost."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield (*path, key)
            yield from tables(value, (*path, key))


def put(table: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Give a document with one value replaced."""
    return {**table, path[0]: value if len(path) == 1 else put(table[path[0]], path[1:], value)}


def without(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """Give a document with one key left out."""
    if len(path) == 1:
        return {key: value for key, value in table.items() if key != path[0]}
    return {**table, path[0]: without(table[path[0]], path[1:])}


def errors(written: Any) -> list[PolicyError]:
    with exact():  # the arithmetic of the desk must not turn an error into a crash
        found = check_policy(1, written, "")
    return found if isinstance(found, list) else []


GOOD = document(SYMBOLS)
EVERY_LEAF = list(leaves(GOOD))
EVERY_TABLE = list(tables(GOOD))
NUMBERS = [
    path
    for path in EVERY_LEAF
    if path[-1] not in ("symbols", "trading_mode", "monitoring_frequency", "allow_degraded", "on_trip")
]


def test_a_good_one_has_no_errors_and_reads_as_written() -> None:
    text = canonical(GOOD)
    read = parse_policy(7, text)
    assert isinstance(read, Policy)
    assert (read.version, read.hash, list(read.phases)) == (7, document_hash(text), [PHASE])
    phase = read.phases[PHASE]
    assert (phase.symbols, phase.min_days, phase.ess.drawdown_pct) == (SYMBOLS, None, dec(5))
    assert (phase.throttle.signals_per_cycle, phase.entry.allow_degraded) == (10, False)


@pytest.mark.parametrize("path", EVERY_LEAF + EVERY_TABLE, ids=".".join)
def test_anything_that_is_left_out_is_missed_by_its_path(path: Path) -> None:
    if path[:1] == ("phases",) and len(path) == 2:
        assert errors(without(GOOD, path)) == [PolicyError(("phases",), "is not a table of phases")]
    else:
        assert errors(without(GOOD, path)) == [PolicyError(path, "is missing")]


@pytest.mark.parametrize("path", EVERY_TABLE, ids=".".join)
@pytest.mark.parametrize("value", [None, [], "x", 5, True])
def test_a_table_that_is_none_is_named(path: Path, value: Any) -> None:
    (error,) = errors(put(GOOD, path, value))
    assert error.path == path
    assert error.problem.startswith("is not a table")


@pytest.mark.parametrize("path", [path for path in EVERY_TABLE if path != ("phases",)], ids=".".join)
def test_a_key_nobody_knows_is_named(path: Path) -> None:
    assert errors(put(GOOD, (*path, "colour"), "red")) == [PolicyError((*path, "colour"), "is not known")]


@pytest.mark.parametrize("path", NUMBERS, ids=".".join)
@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "inf", float("inf"), "1e400", "-1", "", "abc", True, [], {}, "1e-30"]
)
def test_a_number_that_is_infinite_negative_or_none_is_refused(path: Path, value: Any) -> None:
    assert [error.path for error in errors(put(GOOD, path, value))] == [path]


@pytest.mark.parametrize("path", EVERY_LEAF, ids=".".join)
def test_nothing_may_be_empty(path: Path) -> None:
    expected = [] if path[-1] == "min_days" else [path]
    assert [error.path for error in errors(put(GOOD, path, None))] == expected


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("crash", "fall_pct"), "100.1", "100.1 is not above 0 and up to 100"),
        (("crash", "fall_pct"), "0", "0 is not above 0 and up to 100"),
        (("phases", PHASE, "entry", "confidence_min"), "1.01", "1.01 is not from 0 to 1"),
        (("phases", PHASE, "entry", "confidence_min"), "0.1234567", "0.1234567 has more than 6 decimal places"),
        (("phases", PHASE, "throttle", "queue_max"), "1.5", "'1.5' is not a whole number"),
        (("phases", PHASE, "throttle", "queue_max"), "0", "0 is not from 1 to 100000"),
        (("phases", PHASE, "ess", "on_trip"), "pray", "'pray' is not one of hold, flatten"),
        (("phases", PHASE, "entry", "allow_degraded"), "perhaps", "'perhaps' is not true or false"),
        (("phases", PHASE, "symbols"), [], "is not a list of names"),
        (("phases", PHASE, "symbols"), ["A", "A"], "names something twice"),
        (("phases", PHASE, "symbols"), ["A", 5], "is not a list of names"),
        (("phases", PHASE, "min_days"), "-1", "'-1' is neither none nor a number of days"),
        (("phases", PHASE, "size", "risk_per_trade_pct"), "10.01", "10.01 is not above 0 and up to 10.00"),
        (("phases", PHASE, "size", "max_position_usd"), "24000.01", "is above max_exposure_usd"),
        (("phases", PHASE, "ess", "stale_mark_s"), "4", "is below age.mark_s_max: it would trip before a signal is refused"),
    ],
)
def test_the_problem_is_said(path: Path, value: Any, problem: str) -> None:
    assert errors(put(GOOD, path, value)) == [PolicyError(path, problem)]


def test_every_error_is_said_not_only_the_first() -> None:
    spoilt = put(put(without(GOOD, ("total",)), ("crash", "window_s"), "0"), ("phases", PHASE, "ess", "cooldown_s"), "x")
    assert {error.path for error in errors(spoilt)} == {("total",), ("crash", "window_s"), ("phases", PHASE, "ess", "cooldown_s")}


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[" * 50_000])
def test_what_is_not_json_is_one_error(text: str) -> None:
    found = parse_policy(1, text)
    assert isinstance(found, list)
    assert [error.path for error in found] == [()]


@pytest.mark.parametrize("raw", [[], "x", 5, None])
def test_what_is_no_table_is_no_policy(raw: Any) -> None:
    found = check_policy(1, raw, "")
    assert isinstance(found, list)
    assert found[0] == PolicyError((), "is not a table")


def test_keys_that_came_later_may_be_left_out_and_then_change_nothing() -> None:
    read = parse_policy(1, canonical(GOOD))
    assert isinstance(read, Policy)
    assert (read.phases[PHASE].market.depth_cut, read.phases[PHASE].market.volume_24h_usd_min) == (False, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("depth_cut", "perhaps"), ("depth_cut", None), ("volume_24h_usd_min", "0"), ("volume_24h_usd_min", None),
        ("volume_24h_usd_min", "NaN"),
    ],
)  # fmt: skip
def test_keys_that_came_later_are_checked_where_they_are_there(key: str, value: Any) -> None:
    path = ("phases", PHASE, "market", key)
    assert [error.path for error in errors(put(GOOD, path, value))] == [path]


def test_risk_per_trade_is_ten_per_cent_unless_a_phase_sets_less() -> None:
    assert Decimal("10.00") == policy.RISK_PER_TRADE_PCT
    assert errors(put(GOOD, ("phases", PHASE, "size", "risk_per_trade_pct"), "10.00")) == []


def test_the_hash_is_of_the_content_not_of_how_it_was_written() -> None:
    turned = dict(reversed(list(GOOD.items())))
    assert canonical(turned) == canonical(GOOD)
    assert document_hash(canonical(put(GOOD, ("crash", "fall_pct"), "21"))) != document_hash(canonical(GOOD))


def test_every_limit_of_a_phase_is_in_the_document_of_these_tests() -> None:
    assert {slot.name for slot in fields(Phase)} == set(GOOD["phases"][PHASE])
