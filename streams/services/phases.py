"""The phases of going live, read from a folder of YAML files.

Decides: which files make a policy document, and tells everything that is wrong with them, each as file:line: path: problem. Every
phase file is whole: nothing is inherited, and the only limit with a value of its own is risk_per_trade_pct. Leaves to
others: how YAML is read (strict_yaml), which limits there are (desk.policy), environment variables (policy_environment).
"""

import re
from pathlib import Path
from typing import Any

from streams.desk.policy import RISK_PER_TRADE_PCT
from streams.desk.policy_check import check_policy
from streams.services.strict_yaml import Problem, Reading, read_strictly

Document = dict[str, Any]
"""A policy document as the desk reads it: {"crash": …, "total": …, "phases": {name: …}}, every number a text."""

SHARED = "shared.yaml"
SHARED_KEYS = ("crash", "total")
_PHASE_FILE = re.compile(r"phase[1-9]\.yaml")
_SYMBOL = re.compile(r"[A-Z0-9]{5,20}")


def load_phases(folder: Path) -> Document | list[Problem]:
    """Read a folder of phases: the document, or everything that is wrong with it."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return [Problem(str(folder), 1, (), f"cannot be read: {error.strerror}")]
    phase_names = [name for name in names if _PHASE_FILE.fullmatch(name)]
    problems = _strangers(folder, names) + _gaps(folder, phase_names)
    shared = _read(folder / SHARED)
    phases = {name.removesuffix(".yaml"): _read(folder / name) for name in phase_names}
    problems += _shared_key_problems(shared)
    for reading in phases.values():
        _complete(reading)
    for reading in (shared, *phases.values()):
        problems += reading.problems
    document = _document(shared, phases)
    problems += _policy_problems(document, shared, phases)
    return sorted(problems, key=lambda problem: (problem.file, problem.line)) or document


def _read(path: Path) -> Reading:
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Reading(str(path), problems=[Problem(str(path), 1, (), f"cannot be read: {error.strerror}")])
    reading = read_strictly(str(path), raw)
    if not reading.problems and not isinstance(reading.value, dict):
        reading.refuse(1, (), "is not a table")
    return reading


def _strangers(folder: Path, names: list[str]) -> list[Problem]:
    """Name the YAML files nobody would read: a misspelt name would silently be a phase less."""
    known = [name for name in names if name == SHARED or _PHASE_FILE.fullmatch(name)]
    strange = [name for name in names if name not in known and name.lower().endswith((".yaml", ".yml"))]
    return [Problem(str(folder / name), 1, (), f"is neither {SHARED} nor phase1.yaml to phase9.yaml") for name in strange]


def _gaps(folder: Path, phase_names: list[str]) -> list[Problem]:
    """Name the phases missing below the highest: the desk goes from one to the next by their names."""
    highest = max((int(name[5]) for name in phase_names), default=1)
    wanted = [f"phase{number}.yaml" for number in range(1, highest + 1)]
    return [Problem(str(folder / name), 1, (), "is missing") for name in wanted if name not in phase_names]


def _shared_key_problems(shared: Reading) -> list[Problem]:
    if not isinstance(shared.value, dict) or shared.problems:
        return []
    strange = [key for key in shared.value if key not in SHARED_KEYS]
    return [Problem(shared.file, shared.line_of((key,)), (key,), "is not known") for key in strange]


def _complete(reading: Reading) -> None:
    """Fill in the one limit that may be left out, and refuse symbols no exchange has."""
    if not isinstance(reading.value, dict):
        return
    size, symbols, refused = reading.value.get("size"), reading.value.get("symbols"), reading.refused_paths()
    if isinstance(size, dict):
        size.setdefault("risk_per_trade_pct", str(RISK_PER_TRADE_PCT))
    for number, symbol in enumerate(symbols if isinstance(symbols, list) else [], start=1):
        place = ("symbols", str(number))
        if isinstance(symbol, str) and not _SYMBOL.fullmatch(symbol) and place not in refused:
            reading.refuse(reading.line_of(place), place, f"{symbol!r} is not a symbol: 5 to 20 capital letters and digits")


def _document(shared: Reading, phases: dict[str, Reading]) -> Document:
    top = shared.value if isinstance(shared.value, dict) else {}
    document: Document = {key: top[key] for key in SHARED_KEYS if key in top}
    return document | {"phases": {name: reading.value for name, reading in phases.items()}}


def _policy_problems(document: Document, shared: Reading, phases: dict[str, Reading]) -> list[Problem]:
    """Give every error of the desk's own check its file and line; what the reading refused already is not said twice."""
    checked = check_policy(0, document, "")
    refused = {reading.file: reading.refused_paths() for reading in (shared, *phases.values())}
    found = []
    for error in checked if isinstance(checked, list) else []:
        if error.path[:1] == ("phases",):
            reading, path = phases.get(error.path[1] if len(error.path) > 1 else ""), error.path[2:]
        else:
            reading, path = shared, error.path
        if reading is None or not isinstance(reading.value, dict):
            continue
        if not any(path[:length] in refused[reading.file] for length in range(1, len(path) + 1)):
            found.append(Problem(reading.file, reading.line_of(path), path, error.problem))
    return found
