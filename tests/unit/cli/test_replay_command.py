"""`./qts replay` replays, compares, explains, and ends with a code that says which it was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli.main import main
from streams.desk.policy_check import canonical
from streams.simulation.policies import document
from tests.tape_kit import HEADER, decision_number, one_byte_altered, rewritten, small_tape, without_decisions

PHASES = Path(__file__).parents[3] / "infra" / "phases"
SYMBOLS = [f"{coin}USDT" for coin in ("BTC", "ETH", "BNB", "SOL", "XRP")]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tape(tmp_path_factory.mktemp("tapes") / "small.tape")


@pytest.fixture(scope="module")
def altered(tape: Path) -> Path:
    return rewritten(tape, decision_number(50, one_byte_altered(40)))


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    answer: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def test_a_replay_tells_its_figures(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tape), "--json"]) == 0

    told = said(capsys)
    assert {"events", "decisions", "orders", "decisions_hash", "state_hash", "events_per_s", "refused"} <= told.keys()
    assert told["events"] == 1_500
    assert len(str(told["decisions_hash"])) == len(str(told["state_hash"])) == 32


def test_a_replay_reads_well_for_people(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tape)]) == 0

    words = capsys.readouterr().out
    assert "decisions_hash" in words
    assert "CONFIDENCE_LOW" in words


def test_until_ends_the_replay(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tape), "--until", "99", "--json"]) == 0

    told = said(capsys)
    assert (told["events"], told["last_offset"]) == (100, 99)


def test_the_same_decisions_are_exit_code_0(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tape), "--diff"]) == 0
    assert "identical" in capsys.readouterr().out


def test_one_altered_byte_is_exit_code_1_with_offset_field_and_both_values(
    altered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(altered), "--diff", "--json"]) == 1

    told = said(capsys)
    divergence = told["divergence"]
    assert told["identical"] is False
    assert isinstance(divergence, dict)
    assert divergence.keys() == {"offset", "n", "field", "recorded", "replayed"}
    assert divergence["recorded"] != divergence["replayed"]

    assert main(["replay", str(altered), "--diff"]) == 1
    words = capsys.readouterr().out
    assert f"offset {divergence['offset']}" in words
    assert divergence["field"] in words


def test_no_decisions_to_compare_with_is_exit_code_2(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = str(rewritten(tape, without_decisions))

    assert main(["replay", bare, "--diff"]) == 2
    assert main(["replay", bare, "--explain"]) == 2
    assert "no decisions" in capsys.readouterr().err
    assert main(["replay", bare]) == 0


@pytest.mark.parametrize("share", [0.01, 0.4, 0.8, 0.999])
def test_a_damaged_tape_is_exit_code_2_and_tells_how_far_it_was_good(
    tape: Path, tmp_path: Path, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tape.read_bytes()
    damaged = tmp_path / "damaged.tape"
    damaged.write_bytes(raw[: int(len(raw) * share)])

    assert main(["replay", str(damaged), "--json"]) == 2
    told = said(capsys)
    assert {"error", "exit_code", "good_until", "good_entries", "detail"} <= told.keys()
    assert main(["replay", str(damaged), "--diff"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_tape_of_another_version_is_exit_code_2_with_the_command_for_it(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = rewritten(tape, lambda entry: [entry], HEADER._replace(desk_version="0"))

    assert main(["replay", str(other), "--json"]) == 2
    told = said(capsys)
    assert told["desk_version"] == "0"
    assert "desk-0/qts replay" in str(told["run"])
    assert str(told["run"]) in str(told["error"])


def test_an_explanation_of_the_same_is_exit_code_0(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tape), "--explain"]) == 0
    assert "identical" in capsys.readouterr().out


def test_an_explanation_tells_what_changed_and_why(tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strict = tmp_path / "strict.json"
    strict.write_text(canonical(document(SYMBOLS, entry={"confidence_min": "0.95"})))

    assert main(["replay", str(tape), "--explain", "--policy", str(strict), "--limit", "3"]) == 1
    words = capsys.readouterr().out
    assert "confidence_min 0.45 → 0.95" in words
    assert "more" in words
    assert "only follow" in words

    assert main(["replay", str(tape), "--explain", "--policy", str(strict), "--limit", "3", "--json"]) == 1
    told = said(capsys)
    changes = told["changes"]
    assert isinstance(changes, list)
    assert len(changes) == 3
    assert changes[0].keys() == {"offset", "account", "kind", "subject", "before", "after", "figures"}
    assert int(str(told["changed"])) > 3


def test_an_altered_decision_is_explained(altered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(altered), "--explain"]) == 1
    assert "before" in capsys.readouterr().out


def test_a_folder_of_phases_is_a_policy(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tape), "--policy", str(PHASES), "--json"]) == 0
    assert said(capsys)["events"] == 1_500


def test_a_policy_that_is_none_is_exit_code_2(tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, bad = tmp_path / "phases", tmp_path / "bad.json"
    empty.mkdir()
    bad.write_text('{"crash": {}}')

    for wrong in (empty, bad):
        assert main(["replay", str(tape), "--policy", str(wrong)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    bad.write_bytes(b"\xff\xfe")
    assert main(["replay", str(tape), "--policy", str(bad)]) == 2
    assert main(["replay", str(tape), "--policy", str(tmp_path / "missing")]) == 2


def test_diff_and_explain_are_one_or_the_other(tape: Path) -> None:
    assert main(["replay", str(tape), "--diff", "--explain"]) == 2


def test_a_replay_is_the_same_in_another_process_under_another_hash_seed(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tape), "--json"]) == 0
    here = said(capsys)

    for seed in ("0", "4242"):
        ended = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", "replay", str(tape), "--diff", "--json"],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        there = json.loads(ended.stdout.splitlines()[-1])
        assert (there["decisions_hash"], there["state_hash"]) == (here["decisions_hash"], here["state_hash"])
