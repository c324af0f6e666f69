"""The launcher, with a stand-in for Python that makes environments in no time: when it installs, how often, and what it says when it cannot.

The stand-in does what the launcher asks of a Python (tell its version, make an environment, install into it, run a module), and writes down
each installation.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT

TOOLS = ("sh", "cat", "chmod", "cksum", "cp", "dirname", "find", "ln", "mkdir", "readlink", "rm", "rmdir", "sleep")

STAND_IN = """#!/bin/sh
# $HERE/slow makes an installation wait until that file is gone; $HERE/fails makes it fail.
case "$1 $2" in
    "-c "*) exit 0 ;;
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo venv >>"$HERE/did" ;;
    "-m pip")
        echo "pip $*" >>"$HERE/did"
        echo "pip begins" >&2
        while [ -e "$HERE/slow" ]; do sleep 0.05; done
        [ ! -e "$HERE/fails" ] || { echo "no way to the index" >&2; exit 1; } ;;
    "-P -m") shift 2; echo "ran $*" ;;
esac
"""


class Tree:
    """A checkout with the launcher in it, and a machine with few programs."""

    def __init__(self, folder: Path) -> None:
        """Lay it out."""
        self.folder = folder / "a tree"
        self.folder.mkdir()
        for name in ("qts", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.folder / name)
        self.programs = folder / "programs"
        self.programs.mkdir()
        for tool in TOOLS:
            (self.programs / tool).symlink_to(str(shutil.which(tool)))
        self.python = self.programs / "python3"
        self.python.write_text(STAND_IN)
        self.python.chmod(0o755)

    @property
    def did(self) -> list[str]:
        """Tell what was made and installed, in order."""
        diary = self.folder / "did"
        return [line.split()[0] for line in diary.read_text().splitlines()] if diary.exists() else []

    def start(self, *arguments: str, launcher: Path | None = None) -> subprocess.Popen[str]:
        """Call the launcher from somewhere else."""
        environment = {"PATH": str(self.programs), "HERE": str(self.folder)}
        asked = [str(launcher or self.folder / "qts"), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(asked, cwd="/", env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def call(self, *arguments: str, launcher: Path | None = None) -> tuple[int, str, str]:
        """Call it and wait. Gives exit code, stdout and stderr."""
        process = self.start(*arguments, launcher=launcher)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_the_first_call_installs_and_every_call_hands_its_words_over(tree: Tree) -> None:
    code, out, err = tree.call("tape", "info", "a file")

    assert (code, out) == (0, "ran streams.cli.main tape info a file\n")
    assert "setting up" in err
    assert tree.call("demo") == (0, "ran streams.cli.main demo\n", "")
    assert tree.did == ["venv", "pip"]


def test_changed_pins_are_installed_into_the_same_environment(tree: Tree) -> None:
    tree.call()
    with (tree.folder / "constraints.txt").open("a") as pins:
        pins.write("another==1.0\n")

    tree.call()
    tree.call()

    assert tree.did == ["venv", "pip", "pip"]


def test_the_tests_bring_their_tools_once_and_the_rest_does_without(tree: Tree) -> None:
    for word in ("demo", "test", "test", "demo"):
        assert tree.call(word)[0] == 0

    assert tree.did == ["venv", "pip", "pip"]
    assert (tree.folder / "did").read_text().splitlines()[-1].endswith(".[dev]")


def test_it_finds_its_tree_through_symbolic_links(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "link").symlink_to("../a tree/qts")
    (tmp_path / "two").symlink_to("one/link")

    assert tree.call("demo", launcher=tmp_path / "two")[0] == 0
    assert (tree.folder / ".venv").is_dir()


def test_first_calls_at_the_same_time_install_once(tree: Tree) -> None:
    calls = [tree.start("demo") for _ in range(5)]

    assert [(call.communicate(timeout=60)[0], call.returncode) for call in calls] == [("ran streams.cli.main demo\n", 0)] * 5
    assert tree.did == ["venv", "pip"]
    assert list(tree.folder.glob(".qts*")) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_install_cut_short_is_made_again_from_nothing(tree: Tree, how: signal.Signals) -> None:
    (tree.folder / "slow").touch()
    process = tree.start("demo")
    assert process.stderr is not None
    assert "setting up" in process.stderr.readline()
    assert process.stderr.readline() == "pip begins\n"
    os.killpg(process.pid, how)
    process.communicate(timeout=60)
    (tree.folder / "slow").unlink()

    assert tree.call("demo")[0] == 0
    assert tree.did == ["venv", "pip", "venv", "pip"]
    assert list(tree.folder.glob(".qts*")) == []


def test_a_failed_install_says_so_and_the_next_call_tries_again(tree: Tree) -> None:
    (tree.folder / "fails").touch()
    code, out, err = tree.call("demo")
    assert (code, out) == (3, "")
    assert "no way to the index" in err
    assert "could not be installed" in err

    (tree.folder / "fails").unlink()

    assert tree.call("demo")[0] == 0


def test_without_a_python_it_says_which_is_needed(tree: Tree) -> None:
    tree.python.unlink()

    code, out, err = tree.call("demo")

    assert (code, out) == (3, "")
    assert "Python 3.11 or newer is needed" in err
    assert "found: none" in err


def test_a_python_too_old_is_named(tree: Tree) -> None:
    tree.python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')

    code, _, err = tree.call("demo")

    assert code == 3
    assert "found: Python 3.9.2" in err


def test_a_moved_tree_gets_a_new_install_because_environments_do_not_survive_it(tree: Tree) -> None:
    tree.call()
    tree.folder = tree.folder.rename(tree.folder.with_name("moved"))

    assert "setting up" in tree.call()[2]
