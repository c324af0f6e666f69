"""What a demo says at its end: to programs, and to people.

Decides: the figures of the answer and how the summary reads. Leaves to others: the figures themselves (demo_stage, demo_tally).
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streams.cli.demo_books import Compared
from streams.cli.demo_closing import Result
from streams.cli.demo_stage import Stage
from streams.cli.demo_view import HONEST
from streams.cli.view_words import money, stop, total_equity

ACCOUNTS_MAX = 20
"""Accounts a person reads; programs get what all of them hold."""
_ENDED = {"interrupted": "ended by hand", "seconds": "then the time was up"}


def answer(stage: Stage, result: Result, ended: str, record: Path | None) -> dict[str, object]:
    """Tell everything to programs."""
    tally, hashes, books = stage.tally, result.hashes, result.books
    return {
        "seed": stage.options.seed,
        "broker": stage.options.broker,
        "ended": ended,
        "seconds": round(stage.played_s, 1),
        "ready_s": None if stage.ready_s is None else round(stage.ready_s, 1),
        "signals": tally.signals,
        "orders": tally.orders,
        "fills": tally.fills,
        "refused": dict(sorted(tally.refused.items())),
        "decisions": tally.decisions,
        "dead_letters": tally.dead_letters,
        "duplicate_orders": books.sent_twice if books else 0,
        "ess_trips": tally.trips,
        "positions": [
            {"account": one.account, "symbol": held.symbol, "quantity": held.quantity, "unrealised_pnl": held.unrealised_pnl}
            for one in result.accounts for held in one.positions
        ],
        "open_orders": result.open_orders,
        "exchange": None if books is None else {**books._asdict(), "agrees": books.ok},
        "equity": total_equity(result.accounts),
        "realised_pnl": sum((one.realised_pnl for one in result.accounts), Decimal(0)),
        "tape_events": result.tape_events,
        "decisions_hash": hashes.combined if hashes else None,
        "decisions_hashes": {str(part): one for part, one in hashes.by_partition.items()} if hashes else {},
        "tape_offsets": {str(part): one for part, one in hashes.offsets.items()} if hashes else {},
        "restarts": {one.spec.name: one.restarts for one in stage.ground.running.supervisor.workers},
        "recorded": record,
        "note": "" if hashes else result.why_no_hash,
    }  # fmt: skip


def summary(console: Console, stage: Stage, result: Result, told: Mapping[str, object]) -> None:
    """Tell people what came of it."""
    tally = stage.tally
    console.print(f"{stage.played_s:.0f} s ({_ENDED[str(told['ended'])]}). {HONEST.capitalize()}.", soft_wrap=True)
    if result.books is None:
        console.print("The market had not opened yet.")
        return
    table = Table("account", "equity", "realised", "fees", "funding", "ESS", "positions", box=None, padding=(0, 2, 0, 0))
    for one in result.accounts[:ACCOUNTS_MAX]:
        figures = (money(one.equity), money(one.realised_pnl), money(one.fees), money(one.funding))
        table.add_row(one.account, *figures, stop(one), str(len(one.positions)))
    console.print(table)
    if len(result.accounts) > ACCOUNTS_MAX:
        console.print(f"and {len(result.accounts) - ACCOUNTS_MAX} accounts more")
    console.print(
        f"{told['tape_events']:,} tape events: {tally.signals:,} signals, {tally.fills:,} fills, {tally.dead_letters:,} dead letters\n"
        f"{tally.decisions:,} decisions: {tally.orders:,} orders ({told['duplicate_orders']} twice), "
        f"{sum(tally.refused.values()):,} refused, {tally.trips} emergency stops",
        soft_wrap=True,
    )
    codes = sorted(tally.refused.items(), key=lambda one: (-one[1], one[0]))
    if codes:
        console.print("refused: " + ", ".join(f"{code} {count:,}" for code, count in codes), soft_wrap=True)
    _say_books(console, result.books, result.open_orders)
    console.print(f"decisions_hash {told['decisions_hash'] or 'unknown: ' + str(told['note'])}", soft_wrap=True)
    if told["recorded"] is not None:
        console.print(f"tape and decisions are kept in {told['recorded']}", soft_wrap=True)


def _say_books(console: Console, books: Compared, open_orders: int) -> None:
    differences = f"differences: {books.position_differences} in positions, {books.cash_differences} in cash"
    style = None if books.ok else "bold red"
    console.print(
        f"the exchange's books and the desk's: {books.accounts} accounts, {books.orders:,} orders, {books.trades:,} trades; {differences}",
        style=style, soft_wrap=True,
    )  # fmt: skip
    for example in books.examples:
        console.print(f"  {example}", style=style, soft_wrap=True)
    if open_orders:
        console.print(f"{open_orders} orders were still open when there was no more waiting", style="yellow")
