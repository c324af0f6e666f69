"""`./qts test`: the checks and the tests, in one pytest run.

Decides: which groups there are, and that the quick ones go first. Leaves to others: what a test needs and when it is skipped (tests/conftest.py).
The last thing on the screen is pytest's own summary.
"""

import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import click

import streams
from streams.cli.command import single
from streams.cli.output import BAD_INPUT, INTERRUPTED, NEGATIVE, OK, Answer, BadInput, Output

GROUPS = {
    "unit": "tests/unit",
    "contract": "tests/contract",
    "checks": "tests/architecture/test_checks.py",
    "architecture": "tests/architecture",
    "scenarios": "tests/scenarios",
    "integration": "tests/integration",
}
"""The groups, quick ones first. `checks` (ruff, mypy, import-linter) is the slow part of `architecture` and can be run alone."""

COUNTED = ("tests", "failures", "errors", "skipped")
EXIT_CODES = {0: OK, 1: NEGATIVE, 2: INTERRUPTED, 4: BAD_INPUT, 5: BAD_INPUT}
"""Pytest's exit codes in ours: 2 is interrupted there, 4 wrong usage, 5 no test found. Any other is a defect and stays as it is."""

EXAMPLES = """
./qts test
./qts test unit architecture
./qts test unit -- -k "emergency and not slow" -x
./qts test --json
"""


@single("test", example=EXAMPLES)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[GROUP]... [-- PYTEST ARGS]")
def command(out: Output, words: tuple[str, ...]) -> Answer:
    """Run the checks and the tests: all of them, or the groups named.

    The groups are unit, contract, checks, architecture, scenarios, integration.

    The tests on real Kafka need Java and Maven. Without these they are skipped and say so; with CI=true they fail instead.
    """
    root = Path(streams.__file__).parent.parent
    groups, further = split(words)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        report = [f"--junitxml={results}"] if out.as_json else []
        code = ran([sys.executable, "-m", "pytest", *report, *chosen(root, groups), *further], root)
        counts = counted(results)
    return Answer(
        {"passed": code == 0, **counts, "groups": groups or list(GROUPS), "exit_code": code}, EXIT_CODES.get(code, code)
    )


def ran(asked: list[str], root: Path) -> int:
    """Run pytest to its end. An interruption is left to pytest, which ends what its tests have started; a request to end is handed on to it."""
    with subprocess.Popen(asked, cwd=root) as process:
        before = signal.signal(signal.SIGTERM, lambda _signal, _frame: process.terminate())
        try:
            return waited(process)
        finally:
            signal.signal(signal.SIGTERM, before)


def waited(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process that gets its own Ctrl-C from the terminal."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def split(words: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Tell groups from what is for pytest: groups come first."""
    count = next((at for at, word in enumerate(words) if word not in GROUPS), len(words))
    groups, further = list(words[:count]), list(words[count:])
    if further and not further[0].startswith("-") and not Path(further[0].split("::")[0]).exists():
        raise BadInput(f"{further[0]} is no group of tests; there are: {', '.join(GROUPS)}")
    return groups, further


def chosen(root: Path, groups: list[str]) -> list[str]:
    """Give the folders to run: all in the order of GROUPS, or those named."""
    if not (root / "tests").is_dir():
        raise BadInput("the tests are not part of an installed package: run ./qts test in a checkout")
    if absent := [group for group in groups if not (root / GROUPS[group]).exists()]:
        raise BadInput(f"there are no {absent[0]} tests yet")
    if groups:
        return [GROUPS[group] for group in groups]
    return [path for group, path in GROUPS.items() if group != "checks" and (root / path).exists()]


def counted(results: Path) -> dict[str, int]:
    """Read how many tests there were and how they ended; nothing where pytest got nowhere."""
    if not results.exists():
        return dict.fromkeys(COUNTED, 0)
    suites = ET.parse(results).getroot().iter("testsuite")  # noqa: S314 - written a moment ago by our own pytest
    totals = dict.fromkeys(COUNTED, 0)
    for suite in suites:
        for name in COUNTED:
            totals[name] += int(suite.get(name, 0))
    return totals
