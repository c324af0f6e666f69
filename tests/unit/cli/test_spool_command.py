"""`./qts spool status`: what waits, and when the answer is no."""

import json
from pathlib import Path

import pytest

from connectors.kafka.set_aside import Entry
from connectors.kafka.spool import Spool
from connectors.kafka.spool_format import Item
from streams.cli.main import main


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(answer, dict)
    return answer


def test_an_empty_folder_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "status", "--folder", str(tmp_path), "--json"]) == 0
    assert told(capsys)["spools"] == []


def test_records_that_wait_are_a_no_with_their_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Spool(tmp_path / "gateway", 1 << 20) as spool:
        spool.append([Item(0, 1_000, "signals", "a", b"x", (), None)] * 3)
        assert main(["spool", "status", "--folder", str(tmp_path), "--json"]) == 1
        one = told(capsys)["spools"][0]  # type: ignore[index]
        assert (one["records"], one["set_aside"], one["owner"] is None) == (3, 0, False)
        assert one["oldest_age_s"] > 1_000_000
    assert main(["spool", "status", "--folder", str(tmp_path)]) == 1
    assert "no publisher runs" in " ".join(capsys.readouterr().out.split())


def test_a_spool_that_was_sent_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Spool(tmp_path, 1 << 20) as spool:
        spool.append([Item(0, 1_000, "signals", "a", b"x", (), None)] * 3)
        chunk = spool.read(10)
        assert chunk is not None
        spool.note(chunk.after)
    assert main(["spool", "status", "--folder", str(tmp_path), "--json"]) == 0
    assert told(capsys)["green"] is True


def test_a_folder_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    assert main(["spool", "status", "--folder", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize(
    ("free", "said"), [(1 << 20, "nearly full"), (300 << 20, "before the bound is reached"), (1 << 40, "")], ids=str
)
def test_little_free_disk_space_is_a_warning_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], free: int, said: str
) -> None:
    Spool(tmp_path, 1 << 20).close()
    monkeypatch.setattr("streams.cli.spool.free_bytes", lambda _: free)
    assert main(["spool", "status", "--folder", str(tmp_path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert ("yellow" in shown) == bool(said)
    assert said in shown
    assert main(["spool", "status", "--folder", str(tmp_path), "--json"]) == 0
    assert len(told(capsys)["spools"][0]["warnings"]) == bool(said)  # type: ignore[index]


def test_what_was_set_aside_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Spool(tmp_path, 1 << 20) as spool:
        spool.set_aside.add(*(Entry(number, 1, "the broker has no topic mistypd", b"x", "mistypd", "k") for number in range(3)))
        spool.set_aside.add(Entry(9, 2, "damaged in 0.spool, byte 7", b"x"))
    assert main(["spool", "status", "--folder", str(tmp_path)]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "3 records were set aside in set-aside.jsonl: the broker has no topic mistypd" in shown
    assert "2 records were set aside in set-aside.jsonl: damaged" in shown
