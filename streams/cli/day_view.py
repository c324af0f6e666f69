"""How the generated day looks in a terminal.

Decides: what its head tells, and what of the desk's state is pictured. Leaves to others: the tables and where they stand (view_tables), the
figures (day_story, the desk's own views), when to draw (day).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from streams.cli.day_story import DAY_MS, MIDNIGHT_MS, Tally, accounts_of
from streams.cli.view_tables import Market, Pictured, Size, counted, laid_out, size_of, title
from streams.cli.view_words import DIM, money, total_equity
from streams.desk.outputs import Decision, Portfolio
from streams.desk.state import State

HONEST = "generated market · heuristic signals · no exchange"


class Figures(NamedTuple):
    """What the screen tells beside the state."""

    tally: Tally
    recent: Sequence[Decision]
    seed: int
    passed_s: float


class Screen:
    """One picture of the day; rich asks it to fit whatever size the terminal has."""

    def __init__(self, state: State, now_ms: int, figures: Figures) -> None:
        """Look at the state as it is when drawn."""
        self._state, self._now_ms, self._figures = state, now_ms, figures

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the tables out for this size."""
        size = size_of(console, options)
        accounts = accounts_of(self._state)
        yield laid_out(_head(self._now_ms, self._figures, accounts, size), _pictured(self._state, self._figures, accounts), size)


def _pictured(state: State, figures: Figures, accounts: list[Portfolio]) -> Pictured:
    tally = figures.tally

    def limit_of(account: str) -> Decimal | None:
        phase = state.phase_of(state.accounts[account])
        return phase.ess.drawdown_pct if phase else None

    stop = state.stop
    left_s = -(-stop.left_ms(state.now_ms, state.policy.total.cooldown_s) // 1000) if state.policy else 0
    markets = [
        Market(symbol, mark.mark, tally.opening.get(symbol), tally.curves.get(symbol, ())) for symbol, mark in state.marks.items()
    ]
    total = (stop.state.value, left_s)
    return Pictured(accounts, limit_of, total, markets, tally.refused, tally.worth, figures.recent, "a selection, newest first")


def _head(now_ms: int, figures: Figures, accounts: list[Portfolio], size: Size) -> Text:
    """Say what this is, where the day stands and what has been counted."""
    width, _, plain = size
    tally, share = figures.tally, min(1.0, (now_ms - MIDNIGHT_MS) / DAY_MS)
    when = datetime.fromtimestamp(now_ms / 1000, UTC)
    left, right = f" {when:%a %Y-%m-%d %H:%M:%S} UTC ", f" {share:4.0%}  {_speed(now_ms, figures.passed_s)}  seed {figures.seed}"
    room = max(4, width - len(left) - len(right))
    done = round(share * room)
    clock = Text(left, style="bold").append(("=" if plain else "━") * done, "dodger_blue1")
    clock.append(("-" if plain else "━") * (room - done), "grey30").append(right, DIM)
    worth, per_s = total_equity(accounts), tally.events / figures.passed_s if figures.passed_s > 0 else 0
    counts = counted(
        (
            ("signals", f"{tally.signals:,}"), ("orders", f"{tally.orders:,}"), ("fills", f"{tally.fills:,}"),
            ("refused", f"{sum(tally.refused.values()):,}"), ("equity", money(worth)), ("events/s", f"{per_s / 1000:.1f}k"),
        )
    )  # fmt: skip
    return Text("\n").join((title(HONEST, width, plain), clock, counts))


def _speed(now_ms: int, passed_s: float) -> str:
    return f"{(now_ms - MIDNIGHT_MS) / 1000 / passed_s:,.0f} x real time" if passed_s > 0.5 else "starting"
