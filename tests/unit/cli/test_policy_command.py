"""`./qts policy`: what it says, and with which exit code it ends."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from streams.cli.main import main
from streams.cli.output import BAD_INPUT, UNAVAILABLE
from streams.services.policy_source import PHASES_FOLDER


@pytest.fixture(autouse=True)
def _no_variables_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("QT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def phases(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PHASES_FOLDER, tmp_path / "phases"))


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, ends: int = 0) -> dict[str, Any]:
    """Run `policy … --json` and give its object, which must be all of stdout."""
    assert main(["policy", *arguments, "--json"]) == ends
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def save(capsys: pytest.CaptureFixture[str], store: str, reason: str) -> dict[str, Any]:
    return answer(capsys, "save", "--user", "ana", "--reason", reason, "--store", store)


def test_the_committed_phases_are_good(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "check")
    assert found["ok"] is True
    assert found["phases"] == ["phase1", "phase2", "phase3"]


def test_a_check_names_every_error_with_its_line_and_ends_with_two(capsys: pytest.CaptureFixture[str], phases: Path) -> None:
    text = (phases / "phase1.yaml").read_text()
    (phases / "phase1.yaml").write_text(
        text.replace("positions_max: 3", "positions_max: x").replace("on_trip: flatten", "on_trip: run")
    )
    assert main(["policy", "check", str(phases)]) == BAD_INPUT
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith(f"{phases}/phase1.yaml:") for line in lines] == [True, True, False]
    assert lines[-1] == "2 errors"
    found = answer(capsys, "check", str(phases), ends=BAD_INPUT)
    assert [(error["path"], error["line"] > 1) for error in found["errors"]] == [
        ("size.positions_max", True),
        ("ess.on_trip", True),
    ]


def test_a_check_names_wrong_variables_beside_wrong_files(
    capsys: pytest.CaptureFixture[str], phases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (phases / "shared.yaml").write_text("")
    monkeypatch.setenv("QT_RISK_PCT", "5")
    found = answer(capsys, "check", str(phases), ends=BAD_INPUT)
    assert [error.get("variable", "file") for error in found["errors"]] == ["file", "QT_RISK_PCT"]


def test_show_has_the_environment_in_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = answer(capsys, "show")
    monkeypatch.setenv("QT_RISK_PER_TRADE_PCT", "2.5")
    after = answer(capsys, "show")
    assert after["document"]["phases"]["phase1"]["size"]["risk_per_trade_pct"] == "2.5"
    assert after["hash"] != before["hash"]
    assert after["environment"][0] == {
        "variable": "QT_RISK_PER_TRADE_PCT", "path": "phases.phase1.size.risk_per_trade_pct", "before": "10.00", "after": "2.5"
    }  # fmt: skip


def test_show_says_it_to_people_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show"]) == 0
    out = capsys.readouterr().out
    assert "ess.drawdown_pct" in out
    assert "phase3" in out


def test_show_of_wrong_phases_says_the_first_error_and_where_the_others_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["policy", "show", str(tmp_path)]) == BAD_INPUT
    error = capsys.readouterr().err
    assert "phase1.yaml:1: is missing" in error
    assert "./qts policy check" in error


def test_what_is_saved_is_in_the_history_and_shown(
    capsys: pytest.CaptureFixture[str], store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save(capsys, store, "first day")
    assert (first["version"], first["changed"]) == (1, True)
    assert save(capsys, store, "again")["changed"] is False
    monkeypatch.setenv("QT_SIGNAL_QUEUE_MAX", "50")
    assert save(capsys, store, "shorter queue")["version"] == 2
    kept = answer(capsys, "history", "--store", store)
    assert [(row["version"], row["user"], row["reason"]) for row in kept["versions"]] == [
        (2, "ana", "shorter queue"),
        (1, "ana", "first day"),
    ]
    shown = answer(capsys, "show", "--saved", "--store", store)
    assert (shown["version"], shown["document"]["phases"]["phase2"]["throttle"]["queue_max"]) == (2, "50")


def test_the_history_tells_of_damage(capsys: pytest.CaptureFixture[str], store: str) -> None:
    save(capsys, store, "first day")
    (Path(store) / "current.json").write_bytes(b"")
    found = answer(capsys, "history", "--store", store)
    assert found["in_force"] == 1
    assert "current.json is empty" in found["alert"]
    assert main(["policy", "history", "--store", store]) == 0
    assert "current.json is empty" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["history"], ["show", "--saved"]])
def test_a_store_nobody_saved_to_is_bad_input(capsys: pytest.CaptureFixture[str], store: str, arguments: list[str]) -> None:
    assert "no policy was ever saved" in answer(capsys, *arguments, "--store", store, ends=BAD_INPUT)["error"]


@pytest.mark.parametrize("arguments", [["--reason", "why"], ["--user", "ana"], ["--user", " ", "--reason", "why"]])
def test_nobody_saves_without_a_name_and_a_reason(store: str, arguments: list[str]) -> None:
    assert main(["policy", "save", *arguments, "--store", store]) == BAD_INPUT
    assert not Path(store).exists()


def test_a_store_that_cannot_be_written_is_said_to_be_unavailable(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    inside = str(tmp_path / "file" / "store")
    assert "ana" not in answer(capsys, "save", "--user", "ana", "--reason", "why", "--store", inside, ends=UNAVAILABLE)["error"]
