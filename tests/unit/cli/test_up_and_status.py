"""`./qts up` and `./qts status`: what they are given, and what counts as not well. With real processes: tests/integration/test_up.py."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from streams.cli.deployment import specs
from streams.cli.main import main
from streams.cli.output import BadInput
from streams.cli.status import LAG_RECORDS_MAX, Seen
from streams.cli.up import DEFAULT_WORKERS, parse_workers
from streams.services.worker_health import Health

NOTE = {"role": "desk", "name": "desk-0", "pid": 7, "port": 8, "started_ms": 0, "restarts": 0, "state": "running", "why": ""}
READY = Health(True, {"qts_tape_offset": {"0": 9.0, "2": 19.0}})


def seen(note: Mapping[str, object] | None = None, alive: bool = True, said: Health | None = READY, lag: int = 0) -> Seen:
    return Seen({**NOTE, **(note or {})}, alive, said, 1_000_000, {"0": lag, "2": 0})


def test_workers_are_named_by_role_and_number() -> None:
    assert [spec.name for spec in specs(parse_workers("sequencer=1,desk=2"))] == ["sequencer-0", "desk-0", "desk-1"]
    assert parse_workers(DEFAULT_WORKERS) == {"sequencer": 1, "desk": 2, "execution": 1, "views": 1, "policy": 1}
    assert parse_workers(" desk=1 , views=0 ") == {"desk": 1, "views": 0}


@pytest.mark.parametrize(
    "text",
    ["", "desk", "desk=", "desk=-1", "desk=1.5", "desk=65", "desk=9999", "chief=1", "desk=1,desk=2", "desk=0", "policy=2", "=1"],
)
def test_workers_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--workers"):
        parse_workers(text)


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_broker_that_is_no_address_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--broker", "remote"]) == 2
    assert "local, embedded or HOST:PORT" in capsys.readouterr().err


def test_several_workers_of_a_role_are_refused_on_the_embedded_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--broker", "embedded", "--workers", "sequencer=1,desk=2"]) == 2
    assert "one worker of a role" in capsys.readouterr().err


def test_status_of_nothing_is_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QTS_HOME", str(tmp_path))

    assert main(["status"]) == 3
    assert "./qts up starts them" in capsys.readouterr().err


def test_status_of_workers_whose_supervisor_was_killed_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "desk-0.json").write_text(json.dumps({**NOTE, "pid": 2**22 + 1}))

    assert main(["status", "--home", str(tmp_path)]) == 3
    assert "was killed" in capsys.readouterr().err


def test_a_worker_that_lives_is_ready_and_keeps_up_is_well() -> None:
    assert seen().problems() == []
    assert seen().partitions == 2
    assert seen().data()["tape_offsets"] == {"0": 9, "2": 19}


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            seen({"state": "ended", "why": "exit code 68: too many records cannot be used"}, alive=False),
            "ended for good: exit code 68",
        ),
        (seen({"state": "waiting", "why": "signal 9"}, alive=False), "does not run (signal 9), it is started again soon"),
        (seen(alive=False), "does not run"),
        (seen(said=None), "does not answer"),
        (seen(said=Health(False, {})), "is not ready"),
        (seen(lag=LAG_RECORDS_MAX + 1), "10,001 records behind on tape partition 0"),
    ],
)
def test_what_is_not_well_is_said(one: Seen, words: str) -> None:
    assert any(words in problem for problem in one.problems())
