"""Files that commands read and write: what goes wrong with them, in one line.

Decides: that nothing is overwritten unasked, and how a full disk, a missing folder, a damaged tape read. Leaves to others: the files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, EIO, ENOSPC
from pathlib import Path

from schemas.codec import Undecodable
from streams.cli.output import BadInput, Unavailable
from streams.pipeline.snapshots import BadSnapshot
from streams.replay.replay import BadTape, OtherReign
from streams.replay.tape_file import DamagedTape

OUTSIDE = (ENOSPC, EDQUOT, EIO)
"""Failures of the machine; any other is a path that cannot be used."""


def refuse_existing(path: Path, force: bool = False) -> None:
    """Refuse to write over a file unless that was asked for."""
    if path.exists() and not force:
        raise BadInput(f"{path} exists; --force writes over it")


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Tell in one line what kept a file from being written; nothing of it is left then."""
    try:
        yield
    except OSError as failed:
        kind = Unavailable if failed.errno in OUTSIDE else BadInput
        raise kind(f"{path} cannot be written: {failed.strerror or failed}") from failed


@contextmanager
def read_from(path: Path) -> Iterator[None]:
    """Tell in one line what kept a tape from being read, and how far it was good."""
    try:
        yield
    except DamagedTape as damaged:
        raise BadInput(
            f"{path}: {damaged}", detail=damaged.detail, good_entries=damaged.good_entries, good_until=damaged.good_offset
        ) from damaged
    except OtherReign as other:
        old = f"git worktree add ../desk-{other.version} desk-{other.version} && ../desk-{other.version}/qts replay {path.resolve()}"
        raise BadInput(
            f"{path}: {other}; to run the other one: {old}", desk_version=other.version, since=other.since, run=old
        ) from other
    except (BadTape, BadSnapshot, Undecodable) as bad:
        raise BadInput(f"{path}: {bad}") from bad
    except OSError as failed:
        kind = Unavailable if failed.errno in OUTSIDE else BadInput
        raise kind(f"{path} cannot be read: {failed.strerror or failed}") from failed
