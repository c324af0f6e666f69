"""The environment variables that decide anything, put into the policy before it is hashed.

Decides: which QT_* variables exist, where in a policy document each one goes, and which way it may move a limit. A limit on
risk can only be tightened from the environment: loosening takes a change of a phase file, which is reviewed, and a save, which
names who and why. A variable that cannot be read, is out of range or looks misspelt is an error, never ignored. Leaves to others:
reading the environment (it is an argument) and the limits themselves (desk.policy). The desk sees only the outcome, on the tape.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import fields
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from streams.desk.policy import Phase, Policy, TotalRule
from streams.desk.policy_check import check_policy
from streams.services.strict_yaml import number_problem

EACH = "*"
"""Stands for every phase in a variable's path."""


class Variable(NamedTuple):
    """An environment variable: the limit it moves, which way it may, and why there is such a variable."""

    name: str
    path: tuple[str, ...]
    may: Literal["set", "lower", "raise"]
    reason: str


def _of_phases(table: str, key: str) -> tuple[str, ...]:
    return ("phases", EACH, table, key)


VARIABLES = (
    Variable("QT_MAX_SIGNALS_PER_CYCLE", _of_phases("throttle", "signals_per_cycle"), "set", "the pace a machine can keep"),
    Variable("QT_SIGNAL_QUEUE_MAX", _of_phases("throttle", "queue_max"), "set", "how long signals may wait"),
    Variable("QT_RISK_PER_TRADE_PCT", _of_phases("size", "risk_per_trade_pct"), "lower", "a cautious start of one deployment"),
    Variable("QT_MAX_POSITION_USD", _of_phases("size", "max_position_usd"), "lower", "a deployment with small accounts"),
    Variable("QT_MAX_EXPOSURE_USD", _of_phases("size", "max_exposure_usd"), "lower", "a deployment with small accounts"),
    Variable("QT_POSITIONS_MAX", _of_phases("size", "positions_max"), "lower", "fewer positions where fewer people watch"),
    Variable("QT_LEVERAGE_MAX", _of_phases("size", "leverage_max"), "lower", "what a jurisdiction or a sub-account allows"),
    Variable("QT_CONFIDENCE_MIN", _of_phases("entry", "confidence_min"), "raise", "trading less without a new phase"),
    Variable("QT_SIGNAL_MAX_AGE_S", _of_phases("age", "signal_s_max"), "lower", "strategies faster than the phase expects"),
    Variable("QT_MARK_MAX_AGE_S", _of_phases("age", "mark_s_max"), "lower", "a feed faster than the phase expects"),
    Variable("QT_POLICY_MAX_AGE_S", _of_phases("age", "policy_s_max"), "lower", "noticing a dead publisher sooner"),
    Variable("QT_FUNDING_PAY_PCT_MAX", _of_phases("market", "funding_pay_pct_max"), "lower", "paying less funding"),
    Variable("QT_ORDERS_PER_10S_MAX", _of_phases("orders", "per_10s_max"), "lower", "sharing an exchange account's order limit"),
    Variable("QT_ESS_DRAWDOWN_PCT", _of_phases("ess", "drawdown_pct"), "lower", "an earlier emergency stop of one deployment"),
    Variable("QT_ESS_COOLDOWN_S", _of_phases("ess", "cooldown_s"), "raise", "more time where people are slower to arrive"),
    Variable("QT_TOTAL_DRAWDOWN_PCT", ("total", "drawdown_pct"), "lower", "an earlier stop over all accounts"),
    Variable("QT_TOTAL_COOLDOWN_S", ("total", "cooldown_s"), "raise", "more time where people are slower to arrive"),
)
_NAMES = {variable.name for variable in VARIABLES}

LIKENESS_MIN = 0.8
"""Above it a name counts as a misspelling: a letter or two wrong. The QT_* variables of the Qt toolkit stay below."""


class EnvironmentProblem(NamedTuple):
    """What is wrong with a variable."""

    variable: str
    problem: str

    def __str__(self) -> str:
        """Write it with the variable's name first."""
        return f"{self.variable}: {self.problem}"


class Change(NamedTuple):
    """What a variable did to one limit; before and after are the same where the limit was as tight already."""

    variable: str
    path: tuple[str, ...]
    before: str
    after: str


class Applied(NamedTuple):
    """A document with the environment in it, and what each variable did."""

    document: dict[str, Any]
    changes: tuple[Change, ...]

    @property
    def changed(self) -> tuple[Change, ...]:
        """The changes that moved a limit."""
        return tuple(change for change in self.changes if change.before != change.after)


def apply_environment(document: Mapping[str, Any], environ: Mapping[str, str]) -> Applied | list[EnvironmentProblem]:
    """Put the variables of an environment into a checked document: a new document, or everything that is wrong with them.

    Applying the same environment again changes nothing.
    """
    problems = environment_problems(environ)
    if problems:
        return problems
    after, changes = deepcopy(dict(document)), []
    for variable in VARIABLES:
        if variable.name in environ:
            changes += [_move(after, path, variable, environ[variable.name]) for path in _places(after, variable.path)]
    checked = check_policy(0, after, "")
    if isinstance(checked, Policy):
        return Applied(after, tuple(changes))
    movers = ", ".join(dict.fromkeys(change.variable for change in changes if change.before != change.after)) or "the environment"
    return [EnvironmentProblem(movers, f"then {'.'.join(error.path)} {error.problem}") for error in checked]


def environment_problems(environ: Mapping[str, str]) -> list[EnvironmentProblem]:
    """Give what is wrong with the variables themselves, whatever document they meet."""
    problems = _misspellings(environ)
    for variable in VARIABLES:
        try:
            _check_value(variable, environ.get(variable.name))
        except ValueError as error:
            problems.append(EnvironmentProblem(variable.name, str(error)))
    return problems


def _misspellings(environ: Mapping[str, str]) -> list[EnvironmentProblem]:
    unread = [name for name in sorted(environ) if name not in _NAMES and name.upper().startswith(("QT_", "QTS_"))]
    return [
        EnvironmentProblem(name, f"is not known: did you mean {meant}? Nobody reads it as it is")
        for name in unread
        if (meant := _meant(name))
    ]


def _meant(name: str) -> str | None:
    ours = {known.removeprefix("QT_"): known for known in sorted(_NAMES)}
    rest = name.upper().partition("_")[2]
    near = difflib.get_close_matches(rest, ours, n=1, cutoff=LIKENESS_MIN)
    words = set(rest.split("_"))
    part_of = [known for stem, known in ours.items() if len(words) > 1 and words <= set(stem.split("_"))]
    return ours[near[0]] if near else next(iter(part_of), None)


def _check_value(variable: Variable, text: str | None) -> None:
    """Check a variable's text as the desk checks the limit it moves."""
    if text is None:
        return
    if not text.strip() or text != text.strip():
        raise ValueError(f"{text!r} is empty or has spaces around it: set a value or remove the variable")
    if problem := number_problem(text):
        raise ValueError(problem)
    _parser(variable.path)(text)


def _parser(path: tuple[str, ...]) -> Callable[[Any], Any]:
    kind: Any = TotalRule if path[0] == "total" else Phase
    parse: Any = None
    for key in path[1:] if path[0] == "total" else path[2:]:
        slot = next(slot for slot in fields(kind) if slot.name == key)
        kind, parse = slot.type, slot.metadata.get("parse")
    return parse  # type: ignore[no-any-return]  # a parser by the vocabulary's construction; a test walks every path


def _places(document: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if EACH not in path:
        yield path
        return
    for name in sorted(document["phases"]):
        yield tuple(name if part == EACH else part for part in path)


def _move(document: dict[str, Any], path: tuple[str, ...], variable: Variable, wanted: str) -> Change:
    table: Any = document
    for key in path[:-1]:
        table = table[key]
    before = str(table[path[-1]])
    new, old = Decimal(wanted), Decimal(before)
    if (new < old and variable.may != "raise") or (new > old and variable.may != "lower"):
        table[path[-1]] = wanted
    return Change(variable.name, path, before, str(table[path[-1]]))
