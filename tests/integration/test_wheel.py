"""The built wheel, installed without extras into an environment of its own: whole, importable, and every command explains itself.

Leaves to others: what the commands do (tests/unit/cli).
"""

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.architecture.repository import PRODUCT, ROOT, committed_files

pytestmark = pytest.mark.wheel

OF_THE_EXTRA = {"connectors.kafka.bench_quix": "quixstreams", "streams.bench.peer": "quixstreams"}
"""Modules that need the extra `bench`, and the library they need. These two only: they run in an environment of their own, which wants another
version of librdkafka's client than the product does (streams.bench.peers)."""

IMPORT_ALL = """
import importlib, json, pkgutil, sys, warnings
ours, extra = (words.split(",") for words in sys.argv[1:])
warnings.filterwarnings("error", module=rf"({'|'.join(ours)})(\\.|$)")
class Asked:
    names = set()
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.names.add(name)
sys.meta_path.insert(0, Asked)
found = [name for top in ours for name in [top, *(m.name for m in pkgutil.walk_packages(importlib.import_module(top).__path__, top + "."))]]
for name in found:
    if name not in extra:
        importlib.import_module(name)
asked_by_others = sorted(Asked.names.intersection(extra))
ends = []
for name in extra:
    try:
        importlib.import_module(name)
        ends.append("imported")
    except Exception as error:
        ends.append(f"{type(error).__name__} {getattr(error, 'name', None)}")
print(json.dumps([found, asked_by_others, ends]))
"""

ALL_COMMANDS = """
import click, json
from streams.cli.main import commands
def below(command, path):
    yield path
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                yield from below(command.get_command(context, name), [*path, name])
print(json.dumps(list(below(commands, []))))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    asked = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(asked, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, and nothing but what it asks for, into a fresh environment. Gives the environment's folder of programs."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / "bin"
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    asked = [*pip, "--constraint", str(ROOT / "constraints.txt"), str(wheel)]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return programs


def said_by(programs: Path, script: str, *arguments: str) -> list[list[str]]:
    """Run a script in the clean environment, away from the checkout, and read the JSON it prints."""
    asked: list[str | Path] = [programs / "python", "-I", "-c", script, *arguments]
    done = subprocess.run(asked, cwd=programs, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_committed_file_of_the_product_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())

    ours = {path.relative_to(ROOT).as_posix() for path in committed_files() if path.relative_to(ROOT).parts[0] in PRODUCT}
    assert ours - held == set()


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name.partition("/")[0] for name in archive.namelist()}

    assert {name for name in held if not name.endswith(".dist-info")} == set(PRODUCT)


def test_every_module_is_imported_without_a_warning_of_ours(installed: Path) -> None:
    found, asked_by_others, ends = said_by(installed, IMPORT_ALL, ",".join(PRODUCT), ",".join(OF_THE_EXTRA))

    assert {"streams.desk.messages", "streams.cli.main", *OF_THE_EXTRA} <= set(found)
    assert asked_by_others == [], "without the extra, whoever imports these is of no use"
    assert ends == [f"ModuleNotFoundError {library}" for library in OF_THE_EXTRA.values()]


def test_the_tools_of_the_tests_are_not_needed(installed: Path) -> None:
    absent = "import importlib.util, json; print(json.dumps([n for n in ('hypothesis', 'mypy', 'ruff') if importlib.util.find_spec(n)]))"

    assert said_by(installed, absent) == []


def test_every_command_and_subcommand_has_help_with_an_example(installed: Path) -> None:
    paths = said_by(installed, ALL_COMMANDS)

    assert len(paths) > 1
    for path in paths:
        asked: list[str | Path] = [installed / "qts", *path, "--help"]
        done = subprocess.run(asked, cwd=installed, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), path
        assert "\n  Example:\n    ./qts" in done.stdout, path
        assert "--json" in done.stdout or "COMMAND" in done.stdout, path


def test_the_installed_program_answers_with_one_json_object(installed: Path) -> None:
    done = subprocess.run([installed / "qts", "version", "--json"], cwd=installed, capture_output=True, text=True, check=True)

    (line,) = done.stdout.splitlines()
    assert json.loads(line)["name"] == "quantum-trader-streams"


def test_an_installed_program_says_that_its_tests_stayed_behind(installed: Path) -> None:
    done = subprocess.run([installed / "qts", "test"], cwd=installed, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert "checkout" in done.stderr
