"""`./qts day`: a generated day through the desk, drawn live in the terminal.

Decides: for how long, what is said without a terminal, and the summary at the end; Ctrl-C is one of the ways a day ends and not an error.
Leaves to others: the day and what is counted of it (day_story), the picture (day_view).
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.command import single
from streams.cli.day_story import DAY_MS, MIDNIGHT_MS, Clock, Noted, Pace, Tally, accounts_of, day_plan, pass_day
from streams.cli.day_view import HONEST, Figures, Screen
from streams.cli.files import refuse_existing, written_to
from streams.cli.output import Answer, Output
from streams.cli.records import registry
from streams.cli.view_words import money, stop, total_equity
from streams.desk.outputs import Decision
from streams.desk.state import State
from streams.pipeline.snapshots import SnapshotWriter
from streams.replay.hashes import decisions_hash
from streams.replay.recording import record
from streams.simulation.world import World

FRAME_S = 0.1
"""Ten pictures a second: fluent, and the desk keeps most of the machine."""
LINE_S = 2.0
"""Without a terminal: a line every two seconds."""
PICK_S = 0.25
"""A decision picked to be shown every so often: as fast as a list can be followed."""
RECENT_MAX = 60
"""Picked decisions kept: as many as a tall terminal shows."""
CLOCK = Clock(time.monotonic, time.sleep)


@single("day", example="./qts day\n./qts day --seconds 60 --seed 3\n./qts day --events 20000 --json")
@click.option("--seconds", type=click.FloatRange(0.5, 86_400), default=30.0, show_default=True, help="How long the day may take.")
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed is another day.")
@click.option("--accounts", type=click.IntRange(1, 200), default=4, show_default=True, help="How many accounts trade.")
@click.option(
    "--events", type=click.IntRange(1), help="Stop after so many events: the same seed then gives the same decisions_hash."
)
@click.option(
    "--record", "out_file", type=click.Path(dir_okay=False, path_type=Path), help="Write a tape of the day, to replay it."
)
def command(out: Output, seconds: float, seed: int, accounts: int, events: int | None, out_file: Path | None) -> Answer:
    """Run a generated day through the desk and watch it live.

    The market, its signals and the exchange are made up from the seed; every decision is the real desk's. Twenty-four hours pass in
    --seconds where the machine can; without a terminal they pass as fast as they can.
    """
    world = World(day_plan(seed, accounts))
    watched = out.console.is_terminal and not out.console.is_dumb_terminal and not out.as_json
    if out_file is not None:
        refuse_existing(out_file)
    shown = Shown(out.console, world, seed, Pace(CLOCK, seconds, watched))
    with _until_interrupted() as interrupted:
        show = shown.live() if watched else nullcontext(shown.say_line)
        with show as draw:
            day = pass_day(world, shown.pace, shown.tally, events, lambda: _look(draw, interrupted))
            if out_file is None:
                deque(day, maxlen=0)
            else:
                with written_to(out_file), registry() as schemas:
                    record(out_file, schemas, world.state, day, f"generated day, seed {seed}, {accounts} accounts")
    ended = "interrupted" if interrupted else _how_it_ended(world, shown.tally, events)
    answer = _answer(world.state, shown.tally, seed, ended)
    _summary(out.console, shown, answer)
    return Answer(answer)


def _look(draw: Callable[[], None], interrupted: list[int]) -> bool:
    draw()
    return not interrupted


def _how_it_ended(world: World, tally: Tally, events: int | None) -> str:
    if tally.events == events:
        return "events"
    return "day" if world.now_ms >= MIDNIGHT_MS + DAY_MS - 2_000 else "seconds"


@contextmanager
def _until_interrupted() -> Iterator[list[int]]:
    """Note Ctrl-C and SIGTERM instead of breaking off within a step, so that what was counted fits together; the second one breaks off."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Shown:
    """Draws the day, or tells it in lines."""

    def __init__(self, console: Console, world: World, seed: int, pace: Pace) -> None:
        """Begin with nothing drawn."""
        self.console, self.world, self.seed, self.pace = console, world, seed, pace
        self.tally = Tally()
        self.recent: deque[Decision] = deque(maxlen=RECENT_MAX)
        self._drawn_s = self._picked_s = -1_000.0

    @contextmanager
    def live(self) -> Iterator[Callable[[], None]]:
        """Take the whole terminal, and give it back as it was."""
        with Live(console=self.console, screen=True, auto_refresh=False) as live:

            def draw() -> None:
                passed_s = self.pace.passed_s
                if passed_s - self._drawn_s >= FRAME_S:
                    self._drawn_s = passed_s
                    self._pick(passed_s)
                    live.update(self.picture(passed_s), refresh=True)

            draw()
            yield draw

    def picture(self, passed_s: float) -> Screen:
        """Give the picture of this moment."""
        return Screen(self.world.state, self.world.now_ms, Figures(self.tally, self.recent, self.seed, passed_s))

    def say_line(self) -> None:
        """Tell in a line how far the day is."""
        passed_s = self.pace.passed_s
        if passed_s - self._drawn_s < LINE_S:
            return
        if self._drawn_s < 0:
            self.console.print(f"A day through the desk: {HONEST}. Seed {self.seed}.", soft_wrap=True)
        self._drawn_s = passed_s
        tally, now_ms = self.tally, self.world.now_ms
        when = datetime.fromtimestamp(now_ms / 1000, UTC)
        self.console.print(
            f"{when:%H:%M} UTC {(now_ms - MIDNIGHT_MS) / DAY_MS:4.0%}  events {tally.events:,}  signals {tally.signals:,}  "
            f"orders {tally.orders:,}  fills {tally.fills:,}  refused {sum(tally.refused.values()):,}  "
            f"equity {money(total_equity(accounts_of(self.world.state)))}",
            soft_wrap=True,
        )

    def _pick(self, passed_s: float) -> None:
        """Pick the weightiest of the decisions since the last pick; what is as weighty as a trip is never passed over."""
        if passed_s - self._picked_s < PICK_S or not self.tally.notable:
            return
        self._picked_s = passed_s
        best: Noted = max(self.tally.notable, key=lambda noted: noted.weight)
        self.recent.append(best.decision)
        kept = [noted for noted in self.tally.notable if noted.weight >= 5 and noted is not best]  # trips and cooldowns
        self.tally.notable.clear()
        self.tally.notable.extend(kept)


def _answer(state: State, tally: Tally, seed: int, ended: str) -> dict[str, object]:
    accounts = accounts_of(state)
    return {
        "seed": seed,
        "ended": ended,
        "tape_events": tally.events,
        "signals": tally.signals,
        "decisions": tally.decisions,
        "orders": tally.orders,
        "duplicate_orders": tally.duplicate_orders,
        "fills": tally.fills,
        "refused": dict(sorted(tally.refused.items())),
        "dead_letters": tally.fates["dead-letter"],
        "ess_trips": tally.trips,
        "positions": [
            {"account": one.account, "symbol": held.symbol, "quantity": held.quantity, "unrealised_pnl": held.unrealised_pnl}
            for one in accounts for held in one.positions
        ],
        "equity": total_equity(accounts),
        "realised_pnl": sum(one.realised_pnl for one in accounts),
        "decisions_hash": decisions_hash(state),
        "state_hash": SnapshotWriter(Codec(BundledRegistry())).state_hash(state),
    }  # fmt: skip


def _summary(console: Console, shown: Shown, answer: dict[str, object]) -> None:
    """Say what came of it."""
    tally, accounts = shown.tally, accounts_of(shown.world.state)
    passed_h = (shown.world.now_ms - MIDNIGHT_MS) / 3_600_000
    why = _ENDED[str(answer["ended"])]
    console.print(f"{passed_h:.1f} of 24 hours in {shown.pace.passed_s:.1f} s ({why}). {HONEST.capitalize()}.")
    table = Table("account", "equity", "realised", "drawdown", "ESS", "resets", "positions", box=None, padding=(0, 2, 0, 0))
    for one in accounts[:20]:
        fallen = "unknown" if one.drawdown_pct is None else f"{one.drawdown_pct:.2f} %"
        table.add_row(
            one.account,
            money(one.equity),
            money(one.realised_pnl),
            fallen,
            stop(one),
            str(one.ess_reset_count),
            str(len(one.positions)),
        )
    console.print(table)
    if len(accounts) > 20:
        console.print(f"and {len(accounts) - 20} more accounts")
    console.print(
        f"{tally.events:,} events: {tally.signals:,} signals, {tally.fills:,} fills, {tally.fates['dead-letter']:,} dead letters, "
        f"{tally.fates['duplicate']:,} duplicates dropped\n"
        f"{tally.decisions:,} decisions: {tally.orders:,} orders, {sum(tally.refused.values()):,} refused, {tally.trips} emergency stops"
    )
    codes = sorted(tally.refused.items(), key=lambda one: (-one[1], one[0]))
    if codes:
        console.print("refused: " + ", ".join(f"{code} {count:,}" for code, count in codes))
    again = f"./qts day --seed {shown.seed} --accounts {len(accounts)} --events {tally.events}"
    console.print(f"decisions_hash {answer['decisions_hash']}\nThe same again: {again}", soft_wrap=True)


_ENDED = {
    "interrupted": "ended by hand",
    "events": "as many events as asked for",
    "day": "the whole day",
    "seconds": "then the time was up",
}
