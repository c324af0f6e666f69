"""`./qts tape` makes tapes, tells what is in them, and finds what is wrong with them."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli import tape as tape_command
from streams.cli.main import main
from tests.tape_kit import decision_number, rewritten, small_tape


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tape(tmp_path_factory.mktemp("tapes") / "small.tape")


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    answer: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def test_info_tells_what_a_tape_holds(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tape", "info", str(tape), "--json"]) == 0

    told = said(capsys)
    assert (told["events"], told["first_offset"], told["last_offset"], told["epoch"]) == (1_500, 0, 1_499, 1)
    assert told["description"] == "small, seed 1"
    assert told["bytes"] == tape.stat().st_size


def test_info_reads_well_for_people(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tape", "info", str(tape)]) == 0

    words = capsys.readouterr().out
    assert "1,500" in words
    assert "from the very beginning" in words
    assert "Mark" in words


def test_verify_says_that_a_sound_tape_hangs_together(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tape", "verify", str(tape)]) == 0
    assert "hangs together" in capsys.readouterr().out


def test_verify_says_no_with_every_problem(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = rewritten(tape, decision_number(50, lambda _entry: []))

    assert main(["tape", "verify", str(broken), "--json"]) == 1
    told = said(capsys)
    assert (told["ok"], told["problem_count"]) == (False, 1)
    assert main(["tape", "verify", str(broken)]) == 1
    assert "1 problem" in capsys.readouterr().out
    assert main(["tape", "info", str(broken)]) == 0
    assert "see ./qts tape verify" in capsys.readouterr().out


@pytest.mark.parametrize("share", [0.0, 0.005, 0.5, 0.9, 0.999])
def test_a_truncated_tape_tells_how_far_it_was_good(
    tape: Path, tmp_path: Path, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tape.read_bytes()
    damaged = tmp_path / "damaged.tape"
    damaged.write_bytes(raw[: int(len(raw) * share)])

    assert main(["tape", "verify", str(damaged), "--json"]) == 2

    told = said(capsys)
    assert told["exit_code"] == 2
    assert told["good_until"] is None or 0 <= int(str(told["good_until"])) < 1_500
    assert (told["good_until"] is None) <= (share <= 0.5)  # the header and the first block are about half of so small a file


@pytest.mark.parametrize("place", [2, 100, 0.3, 0.6, 0.95, -3])
def test_a_flipped_byte_is_found_wherever_it_is(
    tape: Path, tmp_path: Path, place: float, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = bytearray(tape.read_bytes())
    at = place if isinstance(place, int) else int(len(raw) * place)
    raw[at] ^= 0x55
    damaged = tmp_path / "damaged.tape"
    damaged.write_bytes(bytes(raw))

    assert main(["tape", "verify", str(damaged)]) == 2
    assert "damaged" in capsys.readouterr().err


def test_something_else_than_a_tape_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.tape"
    other.write_text("not a tape")

    assert main(["tape", "info", str(other)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["tape", "info", str(tmp_path / "missing.tape")]) == 2
    assert main(["tape", "info", str(tmp_path)]) == 2


def test_generate_makes_the_same_tape_of_the_same_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, three = (tmp_path / f"{name}.tape" for name in ("one", "two", "three"))
    wanted = ["--events", "1200", "--accounts", "4", "--json"]

    assert main(["tape", "generate", "--seed", "5", "--out", str(one), *wanted]) == 0
    first = said(capsys)
    assert main(["tape", "generate", "--seed", "5", "--out", str(two), *wanted]) == 0
    assert main(["tape", "generate", "--seed", "6", "--out", str(three), *wanted]) == 0

    assert one.read_bytes() == two.read_bytes() != three.read_bytes()
    assert (first["events"], first["seed"], first["accounts"]) == (1_200, 5, 4)


def test_a_generated_tape_verifies_and_replays_to_its_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "made.tape"
    assert main(["tape", "generate", "--seed", "9", "--events", "2000", "--out", str(path), "--json"]) == 0
    hashed = said(capsys)["decisions_hash"]

    assert main(["tape", "verify", str(path)]) == 0
    capsys.readouterr()
    assert main(["replay", str(path), "--diff", "--json"]) == 0
    told = said(capsys)
    assert (told["decisions_hash"], told["identical"], told["events"]) == (hashed, True, 2_000)


def test_generate_writes_over_nothing_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "made.tape"
    path.write_text("precious")
    wanted = ["tape", "generate", "--seed", "1", "--events", "200", "--out", str(path)]

    assert main(wanted) == 2
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == "precious"
    assert main([*wanted, "--force"]) == 0
    assert path.read_bytes()[:3] == b"Obj"


def test_a_folder_that_is_missing_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tape", "generate", "--seed", "1", "--events", "200", "--out", str(tmp_path / "no" / "where.tape")]) == 2

    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "cannot be written" in told


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from streams.cli.main import main
sys.exit(main(["tape", "generate", "--seed", "1", "--events", "4000", "--out", sys.argv[1]]))
"""


def test_a_tape_that_does_not_fit_leaves_one_line_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "large.tape"

    ended = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=False)

    assert ended.returncode in (2, 3)
    assert ended.stderr.count("\n") == 1
    assert "cannot be written" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_somebody_elses_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tape_command, "record", full)

    assert main(["tape", "generate", "--seed", "1", "--events", "200", "--out", str(tmp_path / "full.tape")]) == 3
    assert "No space left" in capsys.readouterr().err


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for sub in ("info", "verify", "generate"):
        assert main(["tape", sub, "--help"]) == 0
        assert "./qts tape" in capsys.readouterr().out
