"""The tables of the terminal views, and where each stands: accounts, markets, refusals, positions, decisions.

Decides: columns, colours, and what gives way where there is little room, from 80 × 24 up. Nothing here changes anything. Leaves to others: the
head and what is pictured (day_view, demo_view), how a figure reads (view_words).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from rich.console import Console, ConsoleOptions
from rich.style import Style
from rich.table import Table
from rich.text import Text

from streams.cli.view_words import (
    BARS,
    DIM,
    PLAIN_BARS,
    STOPS,
    drawdown,
    levels_of,
    money,
    price_text,
    quantity_text,
    signed,
    spark,
    stop,
    stop_words,
    total_equity,
)
from streams.desk.outputs import Decision, Portfolio

WIDE = 132
"""From this many columns on there are two side by side."""
_HEAD = Style(color="white", bgcolor="grey23", bold=True)
_VERDICTS = {"APPROVED": "green", "REFUSED": "yellow", "DROPPED": "yellow", "APPLIED": "cyan", "ALERT": "magenta"}
_MODES = {"NORMAL": "green", "REDUCING": "yellow", "HALTED": "red"}


class Size(NamedTuple):
    """The room there is, and whether only ASCII may be used."""

    width: int
    height: int
    plain: bool


class Market(NamedTuple):
    """A symbol's price now, at the start, and in between."""

    symbol: str
    price: Decimal
    opening: Decimal | None
    curve: Iterable[Decimal]


class Pictured(NamedTuple):
    """What is drawn below the head."""

    accounts: Sequence[Portfolio]
    limit_of: Callable[[str], Decimal | None]
    """The drawdown, in per cent, at which an account's stop trips."""
    total_stop: tuple[str, int]
    """The stop over all accounts: its state, and the seconds left of its cooldown."""
    markets: Sequence[Market]
    refused: Mapping[str, int]
    worth: Sequence[Decimal]
    recent: Sequence[Decision]
    recent_are: str
    """Which decisions these are."""


def size_of(console: Console, options: ConsoleOptions) -> Size:
    """Tell how much room a terminal has."""
    return Size(options.max_width, options.height or console.height, options.ascii_only)


def laid_out(head: Text, pictured: Pictured, size: Size) -> Table:
    """Put everything in its place for this size."""
    lines = head.plain.count("\n") + 1
    return stack(head, *(_wide if size.width >= WIDE else _narrow)(pictured, size, lines))


def _narrow(pictured: Pictured, size: Size, taken: int) -> Sequence[Table]:
    """Put everything one below the other: accounts, markets beside refusals, positions, decisions."""
    accounts, (width, height, plain) = pictured.accounts, size
    markets = min(len(pictured.markets), max(3, height - 15 - taken))
    listed = min(len(accounts), max(2, height // 5))
    space = max(4, height - taken - (listed + 2) - (markets + 1) - 2)
    held = max(1, min(space // 2, max(3, sum(len(account.positions) for account in accounts))))
    left, right = width // 2 - 1, width - width // 2 - 1
    return (
        _accounts(pictured, width, listed),
        _side_by_side(
            _markets(pictured.markets[:markets], left, plain), _refusals(pictured.refused, markets, right, plain), left, right
        ),
        _positions(accounts, held, width),
        _decisions(pictured, max(1, space - held), width),
    )


def _wide(pictured: Pictured, size: Size, taken: int) -> Sequence[Table]:
    """Put what changes by account to the left, the market and what is counted to the right."""
    accounts, (width, height, plain) = pictured.accounts, size
    right = width // 3 + 2
    left = width - right - 2
    curve = 5 if height >= 34 else 0
    listed = min(len(accounts), max(2, height // 3))
    space = height - taken - (listed + 2) - 2
    held = max(2, min(sum(len(account.positions) for account in accounts) + 1, space // 2))
    stacked = stack(
        _accounts(pictured, left, listed),
        _positions(accounts, held, left),
        _decisions(pictured, max(1, space - held), left),
    )
    reasons = max(3, height - taken - len(pictured.markets) - 2 - (curve + 1 if curve else 0))
    beside = stack(
        _markets(pictured.markets, right, plain),
        _worth(pictured.worth, right, curve, plain),
        _refusals(pictured.refused, reasons, right, plain),
    )
    return (_side_by_side(stacked, beside, left, right),)


def title(note: str, width: int, plain: bool) -> Text:
    """Write the first line: who this is, and what it is not."""
    line = Text(" Quantum Trader Streams", style="bold white on dark_blue")
    said = f"{note.replace('·', '-') if plain else note} "
    line.append(" " * max(1, width - len(line) - len(said)) + said, style="white on dark_blue")
    line.truncate(width)
    return line


def counted(said: Iterable[tuple[str, str]]) -> Text:
    """Write figures with their names in a line."""
    line = Text(" ")
    for name, value in said:
        line.append(f"{name} ", DIM).append(f"{value} ", "bold")
    return line


def stack(*parts: Table | Text | None) -> Table:
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


def _accounts(pictured: Pictured, width: int, rows: int) -> Table:
    accounts = pictured.accounts
    table = _table(
        width, ("ACCOUNT", "<", 11), ("MODE", "<", 8), ("EQUITY", ">", 11), ("TODAY", ">", 10), ("DRAWDOWN", "<", None), ("ESS", "<", 14),
        ("HOLDS", ">", 5),
    )  # fmt: skip
    bar = min(20, max(4, width - 76))
    for account in accounts[: rows - 1] if len(accounts) > rows else accounts:
        today = None if account.equity is None else account.equity - account.day_start_equity
        table.add_row(
            account.account, Text(account.mode, _MODES[account.mode]), money(account.equity), signed(today),
            drawdown(account.drawdown_pct, pictured.limit_of(account.account), bar), stop(account), str(len(account.positions)),
        )  # fmt: skip
    if len(accounts) > rows:
        table.add_row(Text(f"+ {len(accounts) - rows + 1} more", DIM), "", "", "", "", "", "")
    together = total_equity(accounts) if accounts else None
    today_all = None if together is None else together - sum((account.day_start_equity for account in accounts), Decimal(0))
    (word, left_s), held = pictured.total_stop, sum(len(account.positions) for account in accounts)
    figures = (Text(money(together), "bold"), signed(today_all)) if accounts else ("", "")
    every = Text(stop_words(word, left_s), STOPS[word])
    table.add_row(Text("all", "bold"), "", *figures, "", every, Text(str(held), "bold"))
    return table


def _markets(markets: Sequence[Market], width: int, plain: bool) -> Table:
    table = _table(width, ("MARKET", "<", 8), ("PRICE", ">", 9), ("CHANGE", ">", 7), ("", "<", None))
    for symbol, price, opening, points in markets:
        change = float((price - opening) / opening * 100) if opening else 0.0
        curve = spark(points, max(4, width - 28), plain)
        table.add_row(
            symbol, f"{price:,f}", Text(f"{change:+.2f}%", "green" if change >= 0 else "red"), Text(curve, "dodger_blue1")
        )
    return table


def _worth(worth: Sequence[Decimal], width: int, rows: int, plain: bool) -> Table | None:
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


def _refusals(refused: Mapping[str, int], rows: int, width: int, plain: bool) -> Table:
    table = _table(width, ("REFUSED BY REASON", "<", 19), ("", "<", None), ("", ">", 6))
    most = max(refused.values(), default=1)
    room = max(3, width - 28)
    for code, count in sorted(refused.items(), key=lambda one: (-one[1], one[0]))[:rows]:
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
            name, position.symbol, Text(quantity_text(position.quantity), side), price_text(position.entry_price), price_text(position.mark),
            price_text(position.stop), signed(position.unrealised_pnl),
        )  # fmt: skip
    for _ in range(rows - len(held)):
        table.add_row("")
    return table


def _decisions(pictured: Pictured, rows: int, width: int) -> Table:
    table = _table(width, ("DECISIONS", "<", 9), ("", "<", 9), ("", "<", 8), (pictured.recent_are, "<", None))
    for decision in list(pictured.recent)[::-1][:rows]:
        when = datetime.fromtimestamp(decision.time_ms / 1000, UTC)
        kind = "bold red" if decision.kind == "ESS" else "white"
        about = {"EXIT": f"EXIT {decision.subject} ", "ALERT": ""}.get(decision.kind, f"{decision.kind} ")
        said = Text(f"{about}{decision.reason}", kind)
        table.add_row(Text(f"{when:%H:%M:%S}", DIM), decision.account, Text(decision.verdict, _VERDICTS[decision.verdict]), said)
    return table
