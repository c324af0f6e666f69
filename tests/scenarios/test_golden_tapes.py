"""The golden tapes are answered as they were when their decisions were checked by hand.

What changed where one of these fails: `./qts replay tests/tapes/NAME.tape --explain`. How to pin anew: tests/tapes/build.py.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.registry import BundledRegistry
from streams.cli.main import main
from streams.replay.inspect import Inspector
from streams.replay.tape_file import TapeReader
from tests.tapes.build import FOLDER, STORIES, path_of, read_pins
from tests.tapes_fixture import ReplayByName, decisions_of

PINS = read_pins()
BYTES_MAX = 200_000
"""A golden tape is carried by every clone for ever."""
_ROW = re.compile(r"^\| (\d+) \| (\S+) \| `([^`]+)` \|")


class Checked(NamedTuple):
    """A decision that somebody worked out by hand."""

    tape: str
    offset: int
    account: str
    words: str


def checked_by_hand() -> list[Checked]:
    """Read the tables beside the tapes: offset, account, the decision's first words."""
    found = []
    for name in STORIES:
        for line in (FOLDER / f"{name}.md").read_text(encoding="utf-8").splitlines():
            row = _ROW.match(line)
            if row is not None:
                found.append(Checked(name, int(row[1]), row[2], row[3]))
    return found


def test_every_story_is_pinned_and_nothing_else() -> None:
    assert list(PINS) == list(STORIES)
    assert sorted(path.stem for path in FOLDER.glob("*.tape")) == sorted(STORIES)


@pytest.mark.parametrize("name", STORIES)
def test_a_golden_tape_is_answered_as_recorded(name: str, replay: ReplayByName) -> None:
    assert replay(name).divergence is None


@pytest.mark.parametrize("name", STORIES)
def test_a_golden_tape_has_its_pinned_hashes_and_counts(name: str, replay: ReplayByName) -> None:
    result = replay(name)

    assert {
        "events": result.events,
        "decisions": result.decisions,
        "orders": result.orders,
        "fates": dict(result.fates),
        "verdicts": dict(result.verdicts),
        "refused": dict(result.refused),
        "decisions_hash": result.decisions_hash,
        "state_hash": result.state_hash,
    } == PINS[name]


@pytest.mark.parametrize("name", STORIES)
def test_a_golden_tape_hangs_together(name: str) -> None:
    with TapeReader(path_of(name)) as tape:
        assert Inspector(tape, BundledRegistry()).run().problems == []


@pytest.mark.parametrize("name", STORIES)
def test_a_golden_tape_is_small(name: str) -> None:
    assert path_of(name).stat().st_size < BYTES_MAX


@pytest.mark.parametrize("one", checked_by_hand(), ids=lambda one: f"{one.tape}-{one.offset}")
def test_what_was_checked_by_hand_is_what_the_tape_says(one: Checked) -> None:
    said = [
        f"{decision.verdict} {decision.reason}"
        for decision in decisions_of(one.tape)
        if (decision.offset, decision.account) == (one.offset, one.account)
    ]

    assert any(words.startswith(one.words) for words in said), said


@pytest.mark.parametrize("name", STORIES)
def test_every_tape_has_decisions_checked_by_hand(name: str) -> None:
    assert sum(one.tape == name for one in checked_by_hand()) >= 3


@pytest.mark.parametrize("name", STORIES)
def test_the_command_agrees(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(path_of(name)), "--diff"]) == 0
    assert PINS[name]["decisions_hash"] in capsys.readouterr().out


def test_the_tapes_are_where_the_readme_says() -> None:
    assert Path("tests/tapes") == FOLDER.relative_to(Path(__file__).parents[2])
