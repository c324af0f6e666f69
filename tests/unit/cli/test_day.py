"""`./qts day` is a day anybody can watch, in any terminal or none, and the same day again from the same seed."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest
from rich.console import Console

from streams.cli.day import Shown
from streams.cli.day_story import DAY_MS, MIDNIGHT_MS, Clock, Pace, Tally, day_plan, pass_day
from streams.cli.day_view import HONEST, Figures, Screen
from streams.cli.main import main
from streams.cli.view_words import price_text, spark
from streams.desk.values import ZERO
from streams.simulation.world import World
from tests.desk_kit import dec

DAY = [sys.executable, "-m", "streams.cli.main", "day"]
WANTED = {
    "signals", "orders", "fills", "refused", "dead_letters", "duplicate_orders", "positions", "equity", "realised_pnl", "tape_events",
    "decisions_hash", "state_hash", "seed",
}  # fmt: skip


class Wall:
    """A clock that only goes on when somebody waits or looks."""

    def __init__(self, look_s: float = 0.0) -> None:
        self.now_s, self.waited_s, self.look_s = 100.0, 0.0, look_s

    def clock(self) -> Clock:
        return Clock(self.look, self.wait)

    def look(self) -> float:
        self.now_s += self.look_s
        return self.now_s

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.waited_s += seconds
        self.now_s += seconds


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    answer: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def passed(events: int, pace: Pace, seed: int = 7) -> tuple[World, Tally]:
    world, tally = World(day_plan(seed, 3)), Tally()
    deque(pass_day(world, pace, tally, events, lambda: True), maxlen=0)
    return world, tally


def test_the_same_seed_gives_the_same_decisions_for_the_same_number_of_events(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for seed, events in ((3, 4_000), (3, 4_000), (4, 4_000), (3, 3_000)):
        assert main(["day", "--seed", str(seed), "--events", str(events), "--json"]) == 0
        told.append(said(capsys))

    assert told[0] == told[1]
    assert len({str(one["decisions_hash"]) for one in told}) == 3
    assert told[0].keys() >= WANTED
    assert (told[0]["tape_events"], told[0]["ended"], told[0]["seed"], told[0]["duplicate_orders"]) == (4_000, "events", 3, 0)


def test_the_time_ends_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["day", "--seconds", "0.5", "--json"]) == 0

    told = said(capsys)
    assert told["ended"] == "seconds"
    assert int(str(told["tape_events"])) > 0


def test_without_a_terminal_it_tells_lines_and_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["day", "--events", "4000", "--seed", "5"]) == 0

    words = capsys.readouterr().out
    assert HONEST in words
    assert "\x1b" not in words
    assert "decisions_hash" in words
    assert "./qts day --seed 5 --accounts 4 --events 4000" in words


def test_a_recorded_day_replays_to_the_same_decisions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "day.tape"
    assert main(["day", "--events", "5000", "--record", str(path), "--json"]) == 0
    told = said(capsys)

    assert main(["tape", "verify", str(path)]) == 0
    capsys.readouterr()
    assert main(["replay", str(path), "--diff", "--json"]) == 0
    again = said(capsys)
    assert (again["decisions_hash"], again["state_hash"]) == (told["decisions_hash"], told["state_hash"])
    assert main(["day", "--events", "50", "--record", str(path)]) == 2


def test_a_watched_day_waits_for_the_clock() -> None:
    wall = Wall()
    world, _ = passed(2_000, Pace(wall.clock(), 3_600, watched=True))

    assert wall.waited_s == pytest.approx((world.now_ms - MIDNIGHT_MS) / DAY_MS * 3_600, rel=0.05)


def test_a_day_nobody_watches_waits_for_nothing() -> None:
    wall = Wall()
    passed(2_000, Pace(wall.clock(), 3_600, watched=False))

    assert wall.waited_s == 0


def test_a_slow_machine_ends_in_time_and_not_with_the_day() -> None:
    wall = Wall(look_s=0.5)
    world, tally = passed(1_000_000, Pace(wall.clock(), 10, watched=True))

    assert wall.now_s < 100 + 12
    assert 0 < tally.events < 10_000
    assert world.now_ms < MIDNIGHT_MS + DAY_MS


def test_the_pace_changes_no_decision() -> None:
    slow, fast = (
        passed(1_500, Pace(Wall().clock(), 9_000, watched=True)),
        passed(1_500, Pace(Wall().clock(), 9_000, watched=False)),
    )

    assert slow[0].state.accounts["acc00000"].chain == fast[0].state.accounts["acc00000"].chain
    assert slow[1].refused == fast[1].refused


def test_looking_away_ends_the_day() -> None:
    world, tally = World(day_plan(7, 2)), Tally()
    deque(pass_day(world, Pace(Wall().clock(), 60, watched=True), tally, None, lambda: tally.events < 500), maxlen=0)

    assert 500 <= tally.events < 600


@pytest.fixture(scope="module")
def watched() -> tuple[World, Tally]:
    return passed(12_000, Pace(Wall().clock(), 60, watched=False))


def drawn(watched: tuple[World, Tally], width: int, height: int, encoding: str = "utf-8") -> list[str]:
    world, tally = watched
    raw = io.BytesIO()
    console = Console(
        file=io.TextIOWrapper(raw, encoding=encoding, errors="replace", write_through=True), width=width, height=height, force_terminal=True,
        color_system=None, legacy_windows=False,
    )  # fmt: skip
    recent = [noted.decision for noted in tally.notable]
    console.print(Screen(world.state, world.now_ms, Figures(tally, recent, 7, 3.0)))
    return raw.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 40), (100, 30), (120, 24), (140, 40), (200, 60)])
def test_the_picture_fits_its_terminal(watched: tuple[World, Tally], width: int, height: int) -> None:
    lines = drawn(watched, width, height)

    assert len(lines) <= height
    assert max(len(line.rstrip()) for line in lines) <= width
    words = "\n".join(lines)
    for heading in (
        "Quantum Trader Streams",
        HONEST,
        "ACCOUNT",
        "DRAWDOWN",
        "ESS",
        "MARKET",
        "REFUSED BY REASON",
        "HOLDS",
        "DECISIONS",
    ):
        assert heading in words
    assert "acc00000" in words
    assert "BTCUSDT" in words


def test_a_smaller_terminal_gets_what_fits(watched: tuple[World, Tally]) -> None:
    for width, height in ((60, 16), (40, 10), (20, 5)):
        assert max(len(line.rstrip()) for line in drawn(watched, width, height)) <= width


def test_a_terminal_without_unicode_gets_ascii(watched: tuple[World, Tally]) -> None:
    words = "\n".join(drawn(watched, 80, 24, "ascii"))

    assert "DRAWDOWN" in words
    assert "#####" in words
    assert "EQUITY OF ALL" in "\n".join(drawn(watched, 140, 40, "ascii"))


def test_the_first_picture_needs_no_event() -> None:
    world = World(day_plan(7, 2))

    assert drawn((world, Tally()), 80, 24)
    shown = Shown(Console(file=io.StringIO()), world, 7, Pace(Wall().clock(), 10, watched=True))
    assert isinstance(shown.picture(0.0), Screen)


def test_curves_and_prices_are_written_for_people() -> None:
    assert spark([dec(1), dec(2), dec(3)], 10, plain=False) == "▁▄█"
    assert spark([dec(5)] * 3, 2, plain=True) == "=="
    assert spark([], 4, plain=False) == ""
    assert [price_text(dec(price)) for price in ("63210.55", "5.21304", "0.128401")] == ["63,210.55", "5.2130", "0.128401"]
    assert price_text(None) == "-"
    assert price_text(ZERO) == "0.000000"


def test_ctrl_c_ends_it_with_a_summary() -> None:
    with subprocess.Popen([*DAY, "--seconds", "120"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert HONEST in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=30)

    assert running.returncode == 0
    assert "ended by hand" in rest
    assert "decisions_hash" in rest
    assert errors == ""


def test_a_terminal_is_taken_and_given_back() -> None:
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(
        [*DAY, "--seconds", "60"], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as running:
        os.close(terminal)
        seen = read_until(controller, b"DECISIONS")
        running.send_signal(signal.SIGINT)
        seen += read_until(controller, b"--events")
        running.wait(timeout=30)
    os.close(controller)

    assert running.returncode == 0
    assert seen.count(b"\x1b[?1049h") == seen.count(b"\x1b[?1049l") == 1
    assert seen.index(b"decisions_hash") > seen.index(b"\x1b[?1049l")


def read_until(controller: int, mark: bytes) -> bytes:
    """Read a terminal until a word has come; nothing for ten seconds is a failure."""
    seen = b""
    while mark not in seen:
        ready, _, _ = select.select([controller], [], [], 10)
        assert ready, seen[-500:]
        seen += os.read(controller, 65_536)
    return seen
