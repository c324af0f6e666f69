"""The registry that the environment names is asked, and its silence is told in one line."""

import json
from pathlib import Path

import pytest

from streams.cli.main import main
from streams.services.phases import load_phases
from streams.services.policy_source import PHASES_FOLDER
from tests.tapes.build import path_of


def test_a_registry_that_does_not_answer_ends_a_replay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QTS_SCHEMA_REGISTRY_URL", "http://127.0.0.1:9")
    assert main(["replay", str(path_of("quiet-day")), "--diff", "--json"]) == 3
    assert "does not answer" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]


def test_a_policy_is_the_same_however_it_is_laid_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = load_phases(PHASES_FOLDER)
    assert isinstance(document, dict)
    laid_out = tmp_path / "policy.json"
    laid_out.write_text(json.dumps(document, indent=4))
    hashes = []
    for policy in (PHASES_FOLDER, laid_out):
        assert main(["replay", str(path_of("quiet-day")), "--policy", str(policy), "--json"]) == 0
        hashes.append(json.loads(capsys.readouterr().out.splitlines()[-1])["decisions_hash"])
    assert hashes[0] == hashes[1]
