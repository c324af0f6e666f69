"""`./qts tape`: look into tapes, check them, make them.

Decides: how a tape's contents and problems are shown. Leaves to others: the file (replay.tape_file), what counts as a problem (replay.inspect),
what is generated (replay.generate).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from streams.cli.command import group
from streams.cli.files import read_from, refuse_existing, written_to
from streams.cli.output import NEGATIVE, Answer, Output
from streams.cli.records import registry
from streams.desk.desk import Outcome
from streams.desk.messages import TapeEvent
from streams.replay.generate import generated_world, shares
from streams.replay.hashes import decisions_hash
from streams.replay.inspect import Inspection, Inspector
from streams.replay.recording import record
from streams.replay.tape_file import TapeHeader, TapeReader
from streams.simulation.world import World

command = group("tape", "Look into tapes, check them, make them.", example="./qts tape info tests/tapes/quiet-day.tape")

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@command.add("info", example="./qts tape info tests/tapes/quiet-day.tape")
@_file
def info(out: Output, file: Path) -> Answer:
    """Tell what a tape holds: where it starts, its events by kind, its decisions."""
    header, schemas, found = _inspected(out, file)
    about: dict[str, object] = {
        "file": file,
        "bytes": file.stat().st_size,
        **header._asdict(),
        **_counted(found),
        "schema_ids": schemas,
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in _told(file, header, found):
        table.add_row(name, value)
    out.console.print(table)
    if found.problem_count:
        out.console.print(f"{_problems(found)}: see ./qts tape verify {file}", soft_wrap=True)
    return Answer(about)


@command.add("verify", example="./qts tape verify tests/tapes/quiet-day.tape")
@_file
def verify(out: Output, file: Path) -> Answer:
    """Check that a tape hangs together.

    No gap in its offsets, no source going back to what never came, every decision chained to the one before it with the hash of its own
    words. The exit code is 1 where something is wrong, 2 where the file itself is damaged. Whether the decisions are right is told by
    ./qts replay FILE --diff.
    """
    _, _, found = _inspected(out, file)
    for problem in found.problems:
        out.console.print(problem, soft_wrap=True)
    if found.problem_count > len(found.problems):
        out.console.print(f"and {found.problem_count - len(found.problems):,} more")
    out.console.print(f"{file}: {found.events:,} events, {found.decisions:,} decisions, {_problems(found)}", soft_wrap=True)
    data = {**_counted(found), "ok": not found.problem_count, "problem_count": found.problem_count, "problems": found.problems}
    return Answer(data, exit_code=NEGATIVE if found.problem_count else 0)


@command.add("generate", example="./qts tape generate --seed 1 --events 100000 --accounts 10 --out day.tape")
@click.option("--seed", type=int, required=True, help="The same seed gives the same tape.")
@click.option("--events", type=click.IntRange(1), default=100_000, show_default=True, help="How long the tape is.")
@click.option("--accounts", type=click.IntRange(1, 100_000), default=10, show_default=True, help="How many accounts trade.")
@click.option("--out", "out_file", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
def generate(out: Output, seed: int, events: int, accounts: int, out_file: Path, force: bool) -> Answer:
    """Make a realistic tape from a seed, with the decisions made from it.

    Prices with regimes and jumps, signals good and poor, fills in parts, order events, operators' commands: the mix of the bench tape.
    """
    refuse_existing(out_file, force)
    world = generated_world(seed, accounts)
    with written_to(out_file), registry() as schemas, out.progress("generating", total=events) as advance:
        record(
            out_file,
            schemas,
            world.state,
            _first(world, events),
            f"generated, seed {seed}, {accounts} accounts",
            advance,
        )
    size = out_file.stat().st_size
    hashed, mix = decisions_hash(world.state), shares(world.kinds)
    out.console.print(f"{out_file}: {events:,} events, {size:,} bytes, decisions_hash {hashed}", soft_wrap=True)
    told = {**mix, "other": max(0.0, 100 - sum(mix.values()))}
    out.console.print(", ".join(f"{kind} {share:.1f} %" for kind, share in told.items()))
    return Answer({
        "file": out_file, "bytes": size, "events": events, "accounts": accounts, "seed": seed, "decisions_hash": hashed,
        "shares_pct": {kind: round(share, 2) for kind, share in mix.items()},
    })  # fmt: skip


def _first(world: World, events: int) -> Iterator[tuple[TapeEvent, Outcome]]:
    """Let a world run for so many events and no further: another step would change the state that is hashed."""
    for done, pair in enumerate(world.run(), start=1):
        yield pair
        if done == events:
            return


def _inspected(out: Output, file: Path) -> tuple[TapeHeader, int, Inspection]:
    with read_from(file), TapeReader(file) as tape, registry() as schemas, out.progress("reading", tape.events) as advance:
        return tape.header, len(tape.schemas), Inspector(tape, schemas).run(advance)


def _counted(found: Inspection) -> dict[str, object]:
    return {
        "snapshot_offset": found.start_offset, "snapshot_accounts": found.start_accounts, "events": found.events, "decisions": found.decisions,
        "first_offset": found.first_offset, "last_offset": found.last_offset, "first_ms": found.first_ms, "last_ms": found.last_ms,
        "accounts": len(found.accounts), "kinds": dict(found.kinds.most_common()), "verdicts": dict(found.verdicts.most_common()),
        "repeats": found.repeats, "skipped": {topic: count for topic, count in sorted(found.skipped.items()) if count},
    }  # fmt: skip


def _told(file: Path, header: TapeHeader, found: Inspection) -> Iterator[tuple[str, str]]:
    yield "file", f"{file} ({file.stat().st_size:,} bytes)"
    yield "what", header.description or "no description"
    yield "tape", f"epoch {header.epoch}, partition {header.partition}, desk version {header.desk_version}"
    where = "from the very beginning" if found.start_offset < 0 else f"from offset {found.start_offset}"
    yield "starts", f"{where}, with {found.start_accounts:,} accounts"
    if found.first_ms is not None and found.last_ms is not None:
        yield "offsets", f"{found.first_offset:,} to {found.last_offset:,}"
        yield "time", f"{_when(found.first_ms)} to {_when(found.last_ms)} UTC"
    yield "events", f"{found.events:,}, {found.repeats:,} of them forwarded again"
    for kind, count in found.kinds.most_common():
        yield "", f"{count:>9,} {kind}"
    yield "accounts", f"{len(found.accounts):,} named"
    yield "decisions", f"{found.decisions:,}"
    for verdict, count in found.verdicts.most_common():
        yield "", f"{count:>9,} {verdict}"


def _problems(found: Inspection) -> str:
    return (
        "hangs together"
        if not found.problem_count
        else f"{found.problem_count:,} {'problem' if found.problem_count == 1 else 'problems'}"
    )


def _when(stamp_ms: int) -> str:
    return f"{datetime.fromtimestamp(stamp_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
