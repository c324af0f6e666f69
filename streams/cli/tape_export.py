"""`./qts tape export`: the tape on Kafka, or the one kept in files beside it, as tape files.

Decides: one file a partition, and what it is called. Leaves to others: what belongs into it (replay.export), reading Kafka, the kept files.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import click

from connectors.kafka.identity import TapeIdentity
from connectors.kafka.log_reader import LogReader
from schemas.registry import Registry
from streams.app.recording import kept
from streams.cli.changelog import stored_chunks
from streams.cli.files import refuse_existing, written_to
from streams.cli.kafka_options import asked_of_kafka, servers_option, settings
from streams.cli.output import Answer, BadInput, Output
from streams.cli.records import registry
from streams.cli.tape import command
from streams.cli.tape_epoch import identity_of
from streams.pipeline.resuming import PLACE_HEADER
from streams.replay.export import Exported, NothingToExport, Stretch, export

DECISIONS = "decisions"


class Kept(NamedTuple):
    """A record that was kept in a file."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@command.add("export", example="./qts tape export --out today.tape\n./qts tape export --kept .qts/demo --out demo.tape")
@servers_option
@click.option(
    "--out",
    "out_file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="FILE; of several partitions FILE-0, FILE-1 …",
)
@click.option("--partition", type=click.IntRange(0), multiple=True, help="Only this tape partition; may be said several times.")
@click.option(
    "--kept", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Read what a demo kept here."
)
@click.option("--force", is_flag=True, help="Write over files that exist.")
def export_tape(
    out: Output, servers: str | None, out_file: Path, partition: tuple[int, ...], folder: Path | None, force: bool
) -> Answer:
    """Write the tape to files, each with the snapshot it starts from and the decisions made of it.

    ./qts replay FILE --diff then steps them through the desk of this checkout, without a broker.
    """
    with registry() as schemas:
        if folder is not None:
            count = _kept_partitions(folder)
            chosen = _chosen(partition, count)
            stretches = ((number, _kept_stretch(folder, number, count)) for number in chosen)
            written = _write(out, stretches, len(chosen) > 1, out_file, force, schemas)
        else:
            where = settings(servers)
            with asked_of_kafka(), LogReader(where, "qts-export") as tape, LogReader(where, "qts-export") as beside:
                known = identity_of(where)
                chosen = _chosen(partition, known.partitions)
                stretches = ((number, _kafka_stretch(tape, beside, known, number)) for number in chosen)
                written = _write(out, stretches, len(chosen) > 1, out_file, force, schemas)
    return Answer({"files": written})


def _write(
    out: Output, stretches: Iterable[tuple[int, Stretch]], several: bool, out_file: Path, force: bool, schemas: Registry
) -> list[dict[str, object]]:
    written: list[dict[str, object]] = []
    for number, stretch in stretches:
        path = out_file.with_name(f"{out_file.stem}-{number}{out_file.suffix}") if several else out_file
        refuse_existing(path, force)
        try:
            with written_to(path):
                done: Exported = export(path, stretch, schemas, f"tape partition {number}, epoch {stretch.epoch}")
        except NothingToExport as nothing:
            raise BadInput(str(nothing)) from nothing
        out.console.print(
            f"{path}: {done.events:,} events from offset {done.start_offset + 1}, {done.decisions:,} decisions", soft_wrap=True
        )
        written.append({"file": path, "partition": number, **done._asdict()})
    return written


def _chosen(asked: tuple[int, ...], partitions: int) -> list[int]:
    for number in asked:
        if number >= partitions:
            raise BadInput(f"there is no tape partition {number}; there are {partitions}")
    return sorted(set(asked)) or list(range(partitions))


def _kafka_stretch(tape: LogReader, beside: LogReader, known: TapeIdentity, partition: int) -> Stretch:
    low, high = tape.bounds(known.tape, partition)
    stored = stored_chunks(beside, partition)
    decisions = beside.between(DECISIONS, partition, *beside.bounds(DECISIONS, partition))
    return Stretch(
        known.epoch, partition, known.partitions, low, stored, lambda start: tape.between(known.tape, partition, start, high), decisions
    )  # fmt: skip


def _kept_partitions(folder: Path) -> int:
    numbers = {int(path.name.split(".")[0].removeprefix("tape-")) for path in folder.glob("tape-*.*")}
    if not numbers:
        raise BadInput(f"{folder} holds no tape that was kept")
    return max(numbers) + 1


def _kept_stretch(folder: Path, partition: int, partitions: int) -> Stretch:
    tape = kept(folder, "tape", partition)

    def records(start: int) -> Iterator[Kept]:
        for offset in sorted(tape):
            if offset >= start:
                yield Kept(offset, None, tape[offset][0], ())

    decisions = [
        Kept(offset, None, value, ((PLACE_HEADER, f"1/{offset}/{n}".encode()),))
        for offset, values in sorted(kept(folder, DECISIONS, partition).items())
        for n, value in enumerate(values)
    ]
    return Stretch(1, partition, partitions, min(tape, default=0), {}, records, decisions)
