"""Every code the desk can refuse, drop, bury or warn with is in one list, each with the tape that leads to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import streams.desk
from streams.desk.outputs import DeadLetter, Decision, Output
from tests.refusal_cases import cases

CASES = cases()
WHERE_REASONS_STAND = {"refuse": 3, "alert": 2, "bury": 0, "drop": 3, "Check": 1}
"""The argument that says why, of each function that says no or raises an alert."""
CODE = re.compile(r"([A-Z][A-Z_]*[A-Z])(?: |$)")


def sources() -> Iterator[ast.Module]:
    for folder in streams.desk.__path__:
        for path in sorted(Path(folder).glob("*.py")):
            yield ast.parse(path.read_text())


def words(said: ast.expr, names: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Give what an expression can begin with, following names to what the function assigns them."""
    match said:
        case ast.Constant(value=str() as text):
            yield text
        case ast.JoinedStr(values=[ast.FormattedValue(value=inner), *_]):
            yield from words(inner, names)
        case ast.JoinedStr(values=[ast.Constant() as first, *_]):
            yield from words(first, names)
        case ast.BinOp(left=left):
            yield from words(left, names)
        case ast.IfExp(body=one, orelse=other):
            yield from words(one, names)
            yield from words(other, names)
        case ast.Subscript(value=ast.Tuple(elts=elements)):
            for element in elements:
                yield from words(element, names)
        case ast.Call(func=ast.Attribute(value=value, attr="rstrip")):
            yield from words(value, names)
        case ast.Name(id=name):
            for assigned in names.get(name, []):
                yield from words(assigned, {other: said for other, said in names.items() if other != name})


def reasons(function: ast.FunctionDef) -> Iterator[str]:
    """Give everything a function says no or warns with."""
    names: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    names.setdefault(target.id, []).append(node.value)
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None and function.name.endswith("refusal"):
            yield from words(node.value, names)
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in WHERE_REASONS_STAND and len(node.args) > WHERE_REASONS_STAND[name]:
                yield from words(node.args[WHERE_REASONS_STAND[name]], names)


def codes_in_the_source() -> set[str]:
    functions = [node for module in sources() for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    found = {CODE.match(reason) for function in functions for reason in reasons(function)}
    return {match[1] for match in found if match}


def codes_said(outputs: list[Output]) -> set[str]:
    said = {one.error for one in outputs if isinstance(one, DeadLetter)}
    return said | {one.code for one in outputs if isinstance(one, Decision) and one.verdict in ("REFUSED", "DROPPED", "ALERT")}


def test_the_scan_finds_codes_of_every_kind() -> None:
    found = codes_in_the_source()
    assert {
        "SIGNAL_STALE",
        "POSITION_USD",
        "QUEUE_FULL",
        "FILL_CONFLICT",
        "MARK_INVALID",
        "UNKNOWN_ACCOUNT",
        "PHASE_LEAP",
        "DUST",
    } <= found
    assert len(found) > 60


def test_every_code_has_a_tape_and_every_tape_a_code() -> None:
    assert codes_in_the_source() == set(CASES)


@pytest.mark.parametrize("code", sorted(CASES))
def test_the_tape_leads_to_its_code(code: str) -> None:
    assert code in codes_said(CASES[code]().said)
