"""`./qts bench`: figures of this machine, each as a ratio within one run.

Decides: what is run and how it is shown. Leaves to others: what is measured (streams.replay.bench).
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from schemas.registry import BundledRegistry
from streams.cli.bench_execution import add_to as add_execution
from streams.cli.bench_kafka import add_to as add_kafka
from streams.cli.command import group
from streams.cli.files import read_from, written_to
from streams.cli.output import Answer, Output
from streams.replay.bench import Row, bench_tape, growth, held_state, replay_share, snapshot_cost
from streams.replay.tape_file import TapeReader

ACCOUNTS, POSITIONS, CHANGED_PCT, ROUNDS = 1_000, 20, 5, 9
FEW, MANY = 10, 10_000
REACH_AND_AIM = {
    "replay beside decoding alone": ("≥ 0.15", "≥ 0.3"),
    f"event at {MANY:,} accounts beside {FEW}": ("≤ 1.3", "≤ 1.1"),
    f"snapshot of {ACCOUNTS:,} accounts, {CHANGED_PCT} % changed, beside all": ("≤ 0.15", "≤ 0.08"),
    "memory of that state": ("≤ 150 MB", "≤ 80 MB"),
}
_MEASURE = "from streams.cli.bench import print_memory; print_memory()"

command = group("bench", "Measure this machine.", example="./qts bench desk --events 200000")


@command.add("desk", example="./qts bench desk\n./qts bench desk --events 200000 --json")
@click.option("--events", default=2_000_000, show_default=True, type=click.IntRange(min=20_000), help="Events of the bench tape.")
@click.option("--seed", default=1, show_default=True, help="Seed of the bench tape.")
@click.option(
    "--tape",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the bench tape here, and use it where it is there already.",
)
def desk(out: Output, events: int, seed: int, tape: Path | None) -> Answer:
    """Measure the desk: replay beside decoding, growth with the number of accounts, snapshots, memory."""
    registry = BundledRegistry()
    with tempfile.TemporaryDirectory() as folder:
        path = tape or Path(folder) / "bench.tape"
        if not path.exists():
            with written_to(path), out.progress("generating the bench tape", total=events) as advance:
                bench_tape(path, registry, events, ACCOUNTS, seed, advance)
        with read_from(path), TapeReader(path) as kept:
            events, about = kept.events, kept.header.description
        with read_from(path), out.progress("replaying", total=events) as advance:
            rows = replay_share(path, registry, time.process_time_ns, advance)
    with out.progress("growth, snapshots, memory", total=3) as advance:
        rows.append(growth(min(events, 100_000), FEW, MANY, seed, time.process_time_ns))
        advance(1)
        rows += snapshot_cost(registry, ACCOUNTS, POSITIONS, CHANGED_PCT, ROUNDS, time.process_time_ns)
        advance(1)
        rows.append(Row("memory of that state", measured_memory_mb(), "MB", None))
        advance(1)
    out.console.print(_table(rows))
    return Answer({"rows": [row._asdict() for row in rows], "events": events, "tape": about})


def measured_memory_mb() -> float:
    """Measure in a process of its own, where nothing else comes and goes."""
    run = subprocess.run([sys.executable, "-P", "-c", _MEASURE], capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(run.stdout)
    return float(answer["mb"])


def print_memory() -> None:
    """Print how much resident memory the state of the snapshot benchmark takes."""
    held_state(1, 1)
    before = _resident_bytes()
    state = held_state(ACCOUNTS, POSITIONS)
    grown = _resident_bytes() - before
    sys.stdout.write(json.dumps({"mb": grown / 1e6, "accounts": len(state.accounts)}))


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not tell how much memory a process has")


def _table(rows: list[Row]) -> Table:
    table = Table("what", "figure", "unit", "ratio", "reach", "aim")
    for row in rows:
        reach, aim = REACH_AND_AIM.get(row.name, ("", ""))
        table.add_row(row.name, f"{row.figure:,.1f}", row.unit, "" if row.ratio is None else f"{row.ratio:.3f}", reach, aim)
    return table


add_kafka(command)
add_execution(command)
