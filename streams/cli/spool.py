"""`./qts spool`: what waits on the disk because the broker was away.

Decides: how it is shown, and when the answer is no (exit 1): records wait, some were set aside, or there is no room. Leaves to others: the
spool itself (connectors.kafka.spool), and sending it: a publisher does that when it runs.
"""

import os
import shutil
from pathlib import Path

import click

from connectors.kafka.spool_settings import BadSpoolSettings, spool_bytes_max
from connectors.kafka.spool_status import Status, spools, status_of
from connectors.kafka.system_clock import SystemClock
from streams.cli.command import group
from streams.cli.output import NEGATIVE, Answer, BadInput, Output

command = group("spool", "See what waits for the broker.", example="./qts spool status")


@command.add("status", example="./qts spool status\n./qts spool status --folder .qts/spool --json")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where the spools are  [default: spool in QTS_HOME]"
)
def status(out: Output, folder: Path | None) -> Answer:
    """Tell what waits in the spools, how old it is, how much room there is, and whether somebody sends it.

    The exit code is 1 where records wait, were set aside, or find no room. A disk that is nearly full is a warning.
    """
    where = folder or Path(os.environ.get("QTS_HOME") or ".qts") / "spool"
    if folder is not None and not folder.is_dir():
        raise BadInput(f"there is no folder {folder}")
    try:
        bound = spool_bytes_max(os.environ)
        found = [status_of(one, bound, SystemClock().wall_ms(), free_bytes(one)) for one in spools(where)]
    except (BadSpoolSettings, OSError) as error:
        raise BadInput(str(error)) from error
    for one in found:
        out.console.print(_told(one), soft_wrap=True)
    if not found:
        out.console.print(f"no spool in {where}: nothing was ever published from here", soft_wrap=True)
    green = all(one.green for one in found)
    told = [{**one._asdict(), "green": one.green} for one in found]
    return Answer({"folder": where, "green": green, "spools": told}, exit_code=0 if green else NEGATIVE)


def free_bytes(folder: Path) -> int:
    """Tell what the disk of a folder has left."""
    return shutil.disk_usage(folder).free


def _told(one: Status) -> str:
    """Tell of one spool in a few lines that fit any terminal."""
    age = "" if one.oldest_age_s is None else f", the oldest {one.oldest_age_s:,.0f} s old"
    owner = "no publisher runs" if one.owner is None else f"process {one.owner} publishes"
    lines = [
        f"{one.folder}: {'red' if not one.green else 'yellow' if one.warnings else 'green'}",
        f"  {one.records:,} records wait{age}; {one.set_aside:,} set aside",
        f"  {one.bytes_used:,} of {one.bytes_max:,} bytes; {owner}",
    ]
    return "\n".join([*lines, *(f"  red: {reason}" for reason in one.reasons), *(f"  yellow: {said}" for said in one.warnings)])
