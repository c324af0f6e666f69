"""How a running demo looks in a terminal.

Decides: what its head tells: time, counts, workers. Leaves to others: the tables and where they stand (view_tables), the figures (demo_tally),
when to draw (demo).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from streams.cli.demo_tally import Tally
from streams.cli.view_tables import Market, Pictured, Size, counted, laid_out, size_of, title
from streams.cli.view_words import DIM, money, total_equity
from streams.simulation.market import market_for

HONEST = "made-up market, heuristic signals, simulated exchange"
MIB = 1024 * 1024
ROOMY = 100
"""Columns from which on the head tells the less important things too."""
_COLOURS = {"ready": "green", "starting": "yellow", "restarting": "yellow", "ended": "bold white on red"}


class WorkerState(NamedTuple):
    """A worker, in a word."""

    name: str
    state: str
    memory_bytes: float | None
    restarts: int


class Moment(NamedTuple):
    """What the head tells."""

    now_ms: int
    passed_s: float
    seconds: float | None
    """How long it lasts; None: until Ctrl-C."""
    said: str
    """What is going on."""
    about: str
    """Seed and broker: said where there is room."""
    workers: Sequence[WorkerState]


class Screen:
    """One picture of a running demo; rich asks it to fit whatever size the terminal has."""

    def __init__(self, tally: Tally, moment: Moment, limit_of: Callable[[str], Decimal | None]) -> None:
        """Look at the figures as they are when drawn."""
        self._tally, self._moment, self._limit_of = tally, moment, limit_of

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the tables out for this size."""
        size, tally = size_of(console, options), self._tally
        markets = [
            Market(symbol, price.quantize(market_for(symbol).tick), tally.opening.get(symbol), tally.curves.get(symbol, ()))
            for symbol, price in sorted(tally.prices.items())
        ]
        pictured = Pictured(
            tally.accounts, self._limit_of, tally.total_stop, markets, tally.refused, tally.worth, tally.recent, "newest first"
        )
        yield laid_out(_head(tally, self._moment, size), pictured, size)


def _head(tally: Tally, moment: Moment, size: Size) -> Text:
    lines = (title(HONEST, size.width, size.plain), _clock(moment, size), _counts(tally), _workers(moment.workers, size.width))
    for line in lines:
        line.truncate(size.width)
    return Text("\n").join(lines)


def _clock(moment: Moment, size: Size) -> Text:
    when = datetime.fromtimestamp(moment.now_ms / 1000, UTC)
    roomy = size.width >= ROOMY
    left, right = f" {when:%H:%M:%S} UTC ", f"  {moment.said}  {moment.about if roomy else ''}".rstrip()
    line = Text(left, style="bold")
    if moment.seconds is None:
        said = f"{_span(moment.passed_s)} so far, Ctrl-C ends"
        return line.append(said, "dodger_blue1").append(
            " " * max(1, size.width - len(left) - len(said) - len(right)) + right, DIM
        )
    right = f" {_span(moment.passed_s)} of {_span(moment.seconds)}{right}"
    room = max(4, size.width - len(left) - len(right))
    done = min(room, round(moment.passed_s / moment.seconds * room))
    line.append(("=" if size.plain else "━") * done, "dodger_blue1").append(
        ("-" if size.plain else "━") * (room - done), "grey30"
    )
    return line.append(right, DIM)


def _counts(tally: Tally) -> Text:
    said = [
        ("signals", f"{tally.signals:,}"), ("orders", f"{tally.orders:,}"), ("fills", f"{tally.fills:,}"),
        ("refused", f"{sum(tally.refused.values()):,}"), ("equity", money(total_equity(tally.accounts)) if tally.accounts else "-"),
    ]  # fmt: skip
    if tally.dead_letters:
        said.append(("dead letters", f"{tally.dead_letters:,}"))
    return counted(said)


def _workers(workers: Sequence[WorkerState], width: int) -> Text:
    """Tell how each worker is, in as many words as there is room for."""
    for memory in (True, False):
        line = Text(" ")
        for one in workers:
            line.append(f"{one.name} ", DIM).append(one.state, _COLOURS.get(one.state, "white"))
            if one.memory_bytes is not None and memory:
                line.append(f" {one.memory_bytes / MIB:.0f} MiB", DIM)
            if one.restarts:
                line.append(f" restarted {one.restarts}", "yellow")
            line.append("  ")
        if line.cell_len <= width + 2:
            return line
    return _by_state(workers)


def _by_state(workers: Sequence[WorkerState]) -> Text:
    """Name the workers that are not ready, then those that are."""
    line = Text(" ")
    for state in sorted({one.state for one in workers}, key=lambda state: (state == "ready", state)):
        line.append(state, _COLOURS.get(state, "white"))
        line.append(f" {' '.join(one.name for one in workers if one.state == state)}  ", DIM)
    return line


def _span(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
