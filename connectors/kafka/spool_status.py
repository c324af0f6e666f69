"""A look at a spool from outside, without owning it: its owner goes on meanwhile, so that the figures are of about the same moment.

Decides: when a spool is not well. Leaves to others: showing it (./qts spool status).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from connectors.kafka.set_aside import SET_ASIDE_FILE, set_aside_reasons
from connectors.kafka.spool_disk import OWNER_FILE, POSITION_FILE, owner_of, read_position
from connectors.kafka.spool_format import HEADER_BYTES, Names, gap_at, good, number_at, parsed, seq_at
from connectors.kafka.spool_tail import segment_name, segments

READ_BYTES = 16 * 1024 * 1024
"""More than a segment ever has: what is behind that in one is not ours."""
FREE_BYTES_MIN = 256 * 1024 * 1024
"""A disk with less is nearly full whatever the bound: the next outage of the broker would fill it in minutes."""


class Status(NamedTuple):
    """A spool at a moment."""

    folder: Path
    records: int
    bytes_used: int
    bytes_max: int
    oldest_age_s: float | None
    set_aside: int
    owner: int | None
    reasons: tuple[str, ...]
    free_bytes: int
    warnings: tuple[str, ...]
    """What is not wrong yet."""

    @property
    def green(self) -> bool:
        """Tell whether all is well."""
        return not self.reasons


def spools(folder: Path) -> list[Path]:
    """Give the spools of a folder: itself, or those directly in it."""
    return [one for one in (folder, *_folders(folder)) if (one / OWNER_FILE).is_file()]


def status_of(folder: Path, bytes_max: int, now_ms: int, free_bytes: int) -> Status:
    """Look at one. `free_bytes` is what its disk has left."""
    sizes = _sizes(folder)
    bases = sorted(sizes)
    position = read_position(folder / POSITION_FILE)
    first = position.seq if position is not None else min(bases, default=0)
    records = max(0, _end(folder, bases[-1]) - first) if bases else 0
    oldest = None
    if records:
        at = position.at if position is not None and position.base in sizes else 0
        base = position.base if position is not None and position.base in sizes else bases[0]
        written_ms = _first_ms(folder, base, at)
        oldest = None if written_ms is None else max(0.0, (now_ms - written_ms) / 1_000)
    owner, aside, used = owner_of(folder), set_aside_reasons(folder), sum(sizes.values())
    reasons = []
    if records:
        reasons.append("spooling" if owner is not None else "records wait, and no publisher runs that would send them")
    if used >= bytes_max - HEADER_BYTES:
        reasons.append("the bound is reached (QTS_SPOOL_BYTES)")
    reasons += [f"{count:,} records were set aside in {SET_ASIDE_FILE}: {why}" for why, count in aside.items()]
    warnings = _warnings(free_bytes, bytes_max - used)
    return Status(
        folder, records, used, bytes_max, oldest, sum(aside.values()), owner, tuple(reasons), free_bytes, tuple(warnings)
    )


def _warnings(free_bytes: int, room: int) -> list[str]:
    if free_bytes < FREE_BYTES_MIN:
        return [f"the disk is nearly full: {free_bytes:,} bytes are free"]
    if free_bytes < room:
        return [f"the disk is full before the bound is reached: {free_bytes:,} bytes are free, {room:,} may still come"]
    return []


def _folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(one for one in folder.iterdir() if one.is_dir())


def _sizes(folder: Path) -> dict[int, int]:
    sizes = {}
    for base in segments(folder):
        try:
            sizes[base] = (folder / segment_name(base)).stat().st_size
        except FileNotFoundError:
            continue  # just sent and removed
    return sizes


def _read(folder: Path, base: int) -> bytes:
    try:
        with (folder / segment_name(base)).open("rb") as file:
            return file.read(READ_BYTES)
    except FileNotFoundError:
        return b""  # just sent and removed


def _end(folder: Path, base: int) -> int:
    """Give the number behind a segment's last record."""
    data, at, seq = _read(folder, base), 0, base
    while at < len(data):
        records, end = good(data, at, base, 0)
        if records:
            seq, at = seq_at(data, at) + records, end
        else:
            gap = gap_at(data, at, base, 0)
            if gap.cut_short:
                break
            named = number_at(data, at, base, 0)
            at, seq = gap.end, (seq if named is None else named) + 1
    return seq


def _first_ms(folder: Path, base: int, at: int) -> int | None:
    items, _ = parsed(_read(folder, base), at, base, 0, 1, Names())
    return items[0].ts_ms if items else None
