"""How `./qts test` chooses what to run."""

from pathlib import Path

import pytest

from streams.cli.output import BadInput
from streams.cli.test import GROUPS, chosen, counted, split


def test_groups_come_first_and_the_rest_is_for_pytest() -> None:
    assert split(("unit", "checks", "-k", "unit")) == (["unit", "checks"], ["-k", "unit"])


def test_without_groups_everything_runs_in_order_and_nothing_twice(tmp_path: Path) -> None:
    for folder in ("tests/unit", "tests/architecture", "tests/integration"):
        (tmp_path / folder).mkdir(parents=True)

    assert chosen(tmp_path, []) == ["tests/unit", "tests/architecture", "tests/integration"]


def test_a_misspelt_group_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"unti is no group.*unit, contract, checks"):
        split(("unti",))


def test_a_group_without_tests_is_refused_instead_of_passing_with_none(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()

    with pytest.raises(BadInput, match="no scenarios tests"):
        chosen(tmp_path, ["scenarios"])


def test_an_installed_package_says_where_its_tests_are(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="checkout"):
        chosen(tmp_path, [])


def test_every_group_is_somewhere_under_tests() -> None:
    assert all(path.startswith("tests/") for path in GROUPS.values())


def test_counts_come_from_pytests_own_report_and_are_zero_without_one(tmp_path: Path) -> None:
    report = tmp_path / "results.xml"
    assert counted(report) == {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}

    report.write_text('<testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="9"/></testsuites>')

    assert counted(report) == {"tests": 9, "failures": 2, "errors": 1, "skipped": 3}
