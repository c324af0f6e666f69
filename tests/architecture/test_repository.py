"""What is committed names no place of one machine and no package index, pins exactly, and nothing that tools made is in it."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, committed_files

PLACES = re.compile(r"(?<![\w.~}])/(?:work|root|home|tmp|Users|mnt)/\w")
INDEXES = re.compile(
    r"py(?:pi)\.org|python(?:hosted)\.org|repo1?\.(?:maven)\.|registry\.(?:npmjs)|(?:index-ur[l]|find-link[s]|trusted-hos[t])",
    re.IGNORECASE,
)
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.!+]*")


def text_of(path: Path) -> str:
    """Read a committed file; one that is no text has nothing to find."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("pattern", [PLACES, INDEXES], ids=["place of a machine", "package index"])
def test_no_committed_file_names_a(pattern: re.Pattern[str]) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{at}: {line.strip()[:80]}"
        for path in committed_files()
        for at, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(line)
    }

    assert found == set()


def pins() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    assert [line for line in pins() if not PIN.fullmatch(line)] == []


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    direct = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    pinned = {normal(line.partition("==")[0]) for line in pins()}

    assert {name for name in direct if normal(name) not in pinned} == set()


def test_the_tool_that_builds_is_the_pinned_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert set(project["build-system"]["requires"]) <= set(pins())


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_launcher_and_the_ci_script_can_be_run() -> None:
    for name in ("qts", ".ci/run"):
        assert (ROOT / name).stat().st_mode & 0o111, f"{name} is not executable"
        assert "\r" not in (ROOT / name).read_text()
