"""How the generated day looks in a terminal.

Decides: what stands where at which size, from 80 × 24 up, and in which colour. Nothing here changes anything. Leaves to others: the figures
(demo_day, the desk's own views) and when to draw (demo).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from rich.table import Table
from rich.text import Text

from streams.cli.demo_day import DAY_MS, MIDNIGHT_MS, Tally, accounts_of, total_equity
from streams.cli.demo_words import (
    BARS,
    DIM,
    PLAIN_BARS,
    STOPS,
    drawdown,
    levels_of,
    money,
    price_text,
    signed,
    spark,
    stop,
    stop_words,
)
from streams.desk.outputs import Decision, Portfolio
from streams.desk.state import State

HONEST = "generated market · heuristic signals · no exchange"
WIDE = 132
"""From this many columns on there are two side by side."""
_HEAD = Style(color="white", bgcolor="grey23", bold=True)
_VERDICTS = {"APPROVED": "green", "REFUSED": "yellow", "DROPPED": "yellow", "APPLIED": "cyan", "ALERT": "magenta"}
_MODES = {"NORMAL": "green", "REDUCING": "yellow", "HALTED": "red"}


class Figures(NamedTuple):
    """What the screen tells beside the state."""

    tally: Tally
    recent: Sequence[Decision]
    seed: int
    passed_s: float


class Size(NamedTuple):
    """The room there is, and whether only ASCII may be used."""

    width: int
    height: int
    plain: bool


class Screen:
    """One picture of the day; rich asks it to fit whatever size the terminal has."""

    def __init__(self, state: State, now_ms: int, figures: Figures) -> None:
        """Look at the state as it is when drawn."""
        self._state, self._now_ms, self._figures = state, now_ms, figures

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the tables out for this size."""
        size = Size(options.max_width, options.height or console.height, options.ascii_only)
        accounts = accounts_of(self._state)
        head = _head(self._now_ms, self._figures, accounts, size)
        body = self._wide(accounts, size) if size.width >= WIDE else self._narrow(accounts, size)
        yield _stack(head, *body)

    def _narrow(self, accounts: list[Portfolio], size: Size) -> Sequence[Table]:
        """Put everything one below the other: accounts, markets beside refusals, positions, decisions."""
        state, tally, (width, height, plain) = self._state, self._figures.tally, size
        markets = min(len(state.marks), max(3, height - 18))
        listed = min(len(accounts), max(2, height // 5))
        space = max(4, height - 3 - (listed + 2) - (markets + 1) - 2)
        held = max(1, min(space // 2, max(3, sum(len(account.positions) for account in accounts))))
        left, right = width // 2 - 1, width - width // 2 - 1
        return (
            _accounts(accounts, state, width, listed),
            _side_by_side(_markets(state, tally, markets, left, plain), _refusals(tally, markets, right, plain), left, right),
            _positions(accounts, held, width),
            _decisions(self._figures.recent, max(1, space - held), width),
        )

    def _wide(self, accounts: list[Portfolio], size: Size) -> Sequence[Table]:
        """Put what changes by account to the left, the market and what is counted to the right."""
        state, tally, (width, height, plain) = self._state, self._figures.tally, size
        right = width // 3 + 2
        left = width - right - 2
        curve = 5 if height >= 34 else 0
        listed = min(len(accounts), max(2, height // 3))
        space = height - 3 - (listed + 2) - 2
        held = max(2, min(sum(len(account.positions) for account in accounts) + 1, space // 2))
        stacked = _stack(
            _accounts(accounts, state, left, listed),
            _positions(accounts, held, left),
            _decisions(self._figures.recent, max(1, space - held), left),
        )
        beside = _stack(
            _markets(state, tally, len(state.marks), right, plain),
            _worth(tally.worth, right, curve, plain),
            _refusals(tally, max(3, height - 3 - len(state.marks) - 2 - (curve + 1 if curve else 0)), right, plain),
        )
        return (_side_by_side(stacked, beside, left, right),)


def _stack(*parts: Table | Text | None) -> Table:
    """Put parts one below the other."""
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True)
    for part in parts:
        if part is not None:
            grid.add_row(part)
    return grid


def _side_by_side(left: Table, right: Table, left_width: int, right_width: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=left_width, no_wrap=True)
    grid.add_column(width=right_width, no_wrap=True)
    grid.add_row(left, right)
    return grid


def _table(width: int, *columns: tuple[str, str, int | None]) -> Table:
    """Make a table whose header is a band; columns are (name, alignment, width), None for what is left."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style=_HEAD, width=width, pad_edge=False, collapse_padding=True)
    for name, side, fixed in columns:
        ratio = 1 if fixed is None else None
        table.add_column(
            name, justify="right" if side == ">" else "left", width=fixed, ratio=ratio, no_wrap=True, overflow="ellipsis"
        )
    return table


def _head(now_ms: int, figures: Figures, accounts: list[Portfolio], size: Size) -> Text:
    """Say what this is, where the day stands and what has been counted."""
    width, _, plain = size
    tally, share = figures.tally, min(1.0, (now_ms - MIDNIGHT_MS) / DAY_MS)
    title = Text(" Quantum Trader Streams", style="bold white on dark_blue")
    note = f"{HONEST.replace('·', '-') if plain else HONEST} "
    title.append(" " * max(1, width - len(title) - len(note)) + note, style="white on dark_blue")
    title.truncate(width)
    when = datetime.fromtimestamp(now_ms / 1000, UTC)
    left, right = f" {when:%a %Y-%m-%d %H:%M:%S} UTC ", f" {share:4.0%}  {_speed(now_ms, figures.passed_s)}  seed {figures.seed}"
    room = max(4, width - len(left) - len(right))
    done = round(share * room)
    clock = Text(left, style="bold").append(("=" if plain else "━") * done, "dodger_blue1")
    clock.append(("-" if plain else "━") * (room - done), "grey30").append(right, DIM)
    counts = Text(" ")
    worth, per_s = total_equity(accounts), tally.events / figures.passed_s if figures.passed_s > 0 else 0
    said = (
        ("signals", f"{tally.signals:,}"), ("orders", f"{tally.orders:,}"), ("fills", f"{tally.fills:,}"),
        ("refused", f"{sum(tally.refused.values()):,}"), ("equity", money(worth)), ("events/s", f"{per_s / 1000:.1f}k"),
    )  # fmt: skip
    for name, value in said:
        counts.append(f"{name} ", DIM).append(f"{value} ", "bold")
    return Text("\n").join((title, clock, counts))


def _speed(now_ms: int, passed_s: float) -> str:
    return f"{(now_ms - MIDNIGHT_MS) / 1000 / passed_s:,.0f} x real time" if passed_s > 0.5 else "starting"


def _accounts(accounts: list[Portfolio], state: State, width: int, rows: int) -> Table:
    table = _table(
        width, ("ACCOUNT", "<", 11), ("MODE", "<", 8), ("EQUITY", ">", 11), ("TODAY", ">", 10), ("DRAWDOWN", "<", None), ("ESS", "<", 14),
        ("HOLDS", ">", 5),
    )  # fmt: skip
    bar = min(20, max(4, width - 76))
    for account in accounts[: rows - 1] if len(accounts) > rows else accounts:
        today = None if account.equity is None else account.equity - account.day_start_equity
        phase = state.phase_of(state.accounts[account.account])
        table.add_row(
            account.account, Text(account.mode, _MODES[account.mode]), money(account.equity), signed(today),
            drawdown(account.drawdown_pct, phase.ess.drawdown_pct if phase else None, bar), stop(account), str(len(account.positions)),
        )  # fmt: skip
    if len(accounts) > rows:
        table.add_row(Text(f"+ {len(accounts) - rows + 1} more", DIM), "", "", "", "", "", "")
    every = state.stop
    left_s = -(-every.left_ms(state.now_ms, state.policy.total.cooldown_s) // 1000) if state.policy else 0
    together = total_equity(accounts)
    today_all = None if together is None else together - sum((account.day_start_equity for account in accounts), Decimal(0))
    word, held = every.state.value, sum(len(account.positions) for account in accounts)
    table.add_row(
        Text("all", "bold"), "", Text(money(together), "bold"), signed(today_all), "", Text(stop_words(word, left_s), STOPS[word]),
        Text(str(held), "bold"),
    )  # fmt: skip
    return table


def _markets(state: State, tally: Tally, rows: int, width: int, plain: bool) -> Table:
    table = _table(width, ("MARKET", "<", 8), ("PRICE", ">", 9), ("CHANGE", ">", 7), ("", "<", None))
    for symbol in list(state.marks)[:rows]:
        price, opening = state.marks[symbol].mark, tally.opening.get(symbol)
        change = float((price - opening) / opening * 100) if opening else 0.0
        curve = spark(tally.curves.get(symbol, ()), max(4, width - 28), plain)
        table.add_row(
            symbol, f"{price:,f}", Text(f"{change:+.2f}%", "green" if change >= 0 else "red"), Text(curve, "dodger_blue1")
        )
    return table


def _worth(worth: deque[Decimal], width: int, rows: int, plain: bool) -> Table | None:
    """Draw the equity of all accounts as an area, some rows high."""
    if not rows:
        return None
    table = _table(width, ("EQUITY OF ALL", "<", None))
    levels = levels_of(list(worth)[-(width - 1) :], rows * 8)
    bars = PLAIN_BARS if plain else BARS
    for row in range(rows - 1, -1, -1):
        cells = (level - row * 8 for level in levels)
        table.add_row(Text("".join(bars[min(8, cell) - 1] if cell > 0 else " " for cell in cells), "dodger_blue1"))
    return table


def _refusals(tally: Tally, rows: int, width: int, plain: bool) -> Table:
    table = _table(width, ("REFUSED BY REASON", "<", 19), ("", "<", None), ("", ">", 6))
    most = max(tally.refused.values(), default=1)
    room = max(3, width - 28)
    for code, count in sorted(tally.refused.items(), key=lambda one: (-one[1], one[0]))[:rows]:
        bar = max(1, round(count / most * room))
        table.add_row(code, Text(("#" if plain else "■") * bar, "yellow"), f"{count:,}")
    return table


def _positions(accounts: Iterable[Portfolio], rows: int, width: int) -> Table:
    held = [(account.account, position) for account in accounts for position in account.positions]
    held.sort(key=lambda one: -abs(one[1].cost))
    few = len(held) if len(held) <= rows else f"{rows}/{len(held)}"
    table = _table(
        width, (f"HOLDS {few}", "<", 11), ("SYMBOL", "<", 9), ("QUANTITY", ">", 11), ("ENTRY", ">", 11), ("MARK", ">", 10), ("STOP", ">", 10),
        ("PNL", ">", None),
    )  # fmt: skip
    for name, position in held[:rows]:
        side = "green" if position.quantity > 0 else "red"
        table.add_row(
            name, position.symbol, Text(f"{position.quantity:+,f}", side), price_text(position.entry_price), price_text(position.mark),
            price_text(position.stop), signed(position.unrealised_pnl),
        )  # fmt: skip
    for _ in range(rows - len(held)):
        table.add_row("")
    return table


def _decisions(recent: Sequence[Decision], rows: int, width: int) -> Table:
    table = _table(width, ("DECISIONS", "<", 9), ("", "<", 9), ("", "<", 8), ("a selection, newest first", "<", None))
    for decision in list(recent)[::-1][:rows]:
        when = datetime.fromtimestamp(decision.time_ms / 1000, UTC)
        kind = "bold red" if decision.kind == "ESS" else "white"
        about = {"EXIT": f"EXIT {decision.subject} ", "ALERT": ""}.get(decision.kind, f"{decision.kind} ")
        said = Text(f"{about}{decision.reason}", kind)
        table.add_row(Text(f"{when:%H:%M:%S}", DIM), decision.account, Text(decision.verdict, _VERDICTS[decision.verdict]), said)
    return table
