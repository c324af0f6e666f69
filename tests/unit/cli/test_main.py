"""How a run of a command ends: exit codes, what is said, and that --json is always one object on the last line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from streams.cli import main as entry
from streams.cli.command import group, single
from streams.cli.main import COMMANDS, Entry, main
from streams.cli.output import NEGATIVE, Answer, BadInput, Output, Unavailable

Run = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parent.parent.parent.parent


@single("probe", example="./qts probe")
@click.argument("how")
def command(out: Output, how: str) -> Answer:
    """End in the way that is asked for."""
    out.console.print("for people [bold]")
    if how == "bad":
        raise BadInput("the file is damaged\nafter 7 records", good_records=7)
    if how == "unavailable":
        raise Unavailable("there is no broker")
    if how == "defect":
        raise ZeroDivisionError("never meant to happen")
    if how == "interrupt":
        raise KeyboardInterrupt
    return Answer({"how": how}, exit_code=NEGATIVE if how == "no" else 0)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the commands with `probe` among them. Gives the exit code, stdout and stderr."""
    monkeypatch.setitem(COMMANDS, "probe", Entry(__name__, "End in the way that is asked for."))

    def running(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return running


def last_object(out: str) -> object:
    return json.loads(out.splitlines()[-1])


def test_yes_is_zero(run: Run) -> None:
    assert run("probe", "yes") == (0, "for people [bold]\n", "")


def test_no_is_one_and_says_nothing_on_stderr(run: Run) -> None:
    assert run("probe", "no") == (1, "for people [bold]\n", "")


def test_json_is_the_only_thing_on_stdout(run: Run) -> None:
    assert run("probe", "no", "--json") == (1, '{"how": "no"}\n', "")


def test_bad_input_is_two_and_one_line_without_a_traceback(run: Run) -> None:
    code, _, err = run("probe", "bad")

    assert (code, err) == (2, "qts: the file is damaged after 7 records\n")


def test_an_error_is_a_json_object_too_with_what_is_known(run: Run) -> None:
    code, out, _ = run("probe", "bad", "--json")

    assert code == 2
    assert last_object(out) == {"error": "the file is damaged\nafter 7 records", "exit_code": 2, "good_records": 7}


def test_what_is_missing_outside_is_three(run: Run) -> None:
    assert run("probe", "unavailable")[0] == 3


def test_a_defect_is_seventy_with_its_traceback_so_that_it_never_reads_as_a_no(run: Run) -> None:
    code, _, err = run("probe", "defect")

    assert code == 70
    assert "Traceback" in err
    assert "never meant to happen" in err


def test_an_interruption_is_a_hundred_and_thirty_without_a_traceback(run: Run) -> None:
    code, _, err = run("probe", "interrupt")

    assert (code, err) == (130, "qts: interrupted\n")


@pytest.mark.parametrize("arguments", [["nothing-like-it"], ["probe"], ["probe", "yes", "--unknown"], ["--unknown"]])
def test_wrong_usage_is_two_one_line_and_where_to_look(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments, "--json")

    assert code == 2
    assert err.count("\n") == 1
    assert "--help)" in err
    assert isinstance(last_object(out), dict)


def test_without_a_command_the_help_is_shown_as_an_error(run: Run) -> None:
    code, out, err = run()

    assert (code, out) == (2, "")
    assert "./qts demo" in err


def test_help_names_every_command_and_imports_none() -> None:
    code = "import sys; from streams.cli.main import main; main(['--help']); print(sorted(m for m in sys.modules if m.startswith('streams.')))"

    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert (
        shown.splitlines()[-1]
        == "['streams.cli', 'streams.cli.command', 'streams.cli.main', 'streams.cli.output', 'streams.logs']"
    )


def test_a_reader_that_has_gone_ends_the_command_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        asked = [sys.executable, "-m", "streams.cli.main", "--help"]
        done = subprocess.run(asked, cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (141, "")


def test_what_the_table_names_must_be_a_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "probe", Entry(entry.__name__ + ".", "Not there."))

    assert run("probe")[0] == 70


def test_a_group_shows_its_subcommands_and_each_has_its_example(capsys: pytest.CaptureFixture[str]) -> None:
    pair = group("pair", "Two of a kind.", example="./qts pair one")

    @pair.add("one", example="./qts pair one\n./qts pair one --json")
    def _one(_out: Output) -> Answer:
        """Do the first."""
        return Answer({})

    pair.main(["one", "--help"], prog_name="./qts pair", standalone_mode=False)

    assert "Example:\n    ./qts pair one\n    ./qts pair one --json\n" in capsys.readouterr().out
