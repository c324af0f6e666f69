"""`./qts schemas` refuses what would make an old tape unreadable, and publishes what is new."""

import json
import shutil
from pathlib import Path

import pytest

from streams.cli.main import main

OURS = Path(__file__).parents[3] / "schemas"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for part in ("avro", "history"):
        shutil.copytree(OURS / part, tmp_path / "schemas" / part)
    return tmp_path / "schemas"


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    answer: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def field_added(folder: Path, field: dict[str, object]) -> None:
    path = folder / "avro" / "Tick.avsc"
    schema = json.loads(path.read_text(encoding="utf-8"))
    schema["fields"].append(field)
    path.write_text(json.dumps(schema), encoding="utf-8")


def test_our_schemas_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", "check"]) == 0
    assert "all readable" in capsys.readouterr().out


def test_a_field_without_a_default_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    field_added(copy, {"name": "added", "type": "long"})

    assert main(["schemas", "check", "--folder", str(copy), "--json"]) == 1
    told = said(capsys)
    problems = told["problems"]
    assert isinstance(problems, list)
    assert {"Tick"} == {problem["schema"] for problem in problems}
    assert main(["schemas", "check", "--folder", str(copy)]) == 1
    assert "Tick against version 1" in capsys.readouterr().out


def test_a_schema_that_is_gone_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "avro" / "Mark.avsc").unlink()

    assert main(["schemas", "check", "--folder", str(copy)]) == 1
    assert "REMOVED" in capsys.readouterr().out


def test_history_cannot_be_rewritten(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = copy / "history" / "Tick" / "1.avsc"
    published.write_text(published.read_text(encoding="utf-8").replace("long", "int", 1), encoding="utf-8")

    assert main(["schemas", "check", "--folder", str(copy)]) == 1
    assert "HISTORY" in capsys.readouterr().out


def test_a_new_version_is_published_once_and_then_in_order(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    field_added(copy, {"name": "added", "type": "long", "default": 0})
    assert main(["schemas", "check", "--folder", str(copy)]) == 1
    assert "./qts schemas publish" in capsys.readouterr().out

    assert main(["schemas", "publish", "--folder", str(copy), "--json"]) == 0
    assert said(capsys)["published"] == ["Tick"]
    assert main(["schemas", "check", "--folder", str(copy)]) == 0
    assert main(["schemas", "publish", "--folder", str(copy), "--json"]) == 0
    capsys.readouterr()

    assert main(["schemas", "list", "--folder", str(copy), "--json"]) == 0
    rows = said(capsys)["schemas"]
    assert isinstance(rows, list)
    (tick,) = (row for row in rows if row["name"] == "Tick")
    assert [version["version"] for version in tick["versions"]] == [1, 2]


def test_nothing_is_published_that_breaks_a_tape(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    field_added(copy, {"name": "added", "type": "long"})
    before = sorted(path.name for path in (copy / "history").rglob("*"))

    assert main(["schemas", "publish", "--folder", str(copy)]) == 2
    assert "nothing published" in capsys.readouterr().err
    assert sorted(path.name for path in (copy / "history").rglob("*")) == before


def test_list_names_every_schema_with_its_ids(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", "list"]) == 0
    words = capsys.readouterr().out
    assert all(path.stem in words for path in (OURS / "avro").glob("*.avsc"))


def test_a_folder_without_schemas_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", "check", "--folder", str(tmp_path)]) == 2
    assert "no set of schemas" in capsys.readouterr().err
