"""`./qts status`: the workers that run on this machine, and whether they are well.

Decides: what counts as not well. Leaves to others: who runs (services.supervisor notes it), what workers say (services.worker_health), the
tape's ends (connectors.kafka.reading), what waits on disk (connectors.kafka.spool_status).
"""

import os
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.table import Table

from connectors.kafka.identity import BadIdentity, read_identity
from connectors.kafka.reading import AWAY_S, BrokerAway, ReadRefused, TopicReader
from connectors.kafka.spool_settings import BadSpoolSettings, spool_bytes_max
from connectors.kafka.spool_status import Status, spools, status_of
from streams.cli.command import single
from streams.cli.deployment import Place, home
from streams.cli.kafka_options import settings
from streams.cli.output import NEGATIVE, Answer, BadInput, Output, Unavailable
from streams.flow import TAPE
from streams.services.supervisor import noted
from streams.services.worker_health import Health, health, is_worker, memory_bytes

LAG_RECORDS_MAX = 10_000
"""A desk that has not stepped so many is seconds behind: its orders answer an old market."""
MIB = 1024 * 1024


class Seen(NamedTuple):
    """A worker, as it was noted and as it is."""

    note: Mapping[str, Any]
    alive: bool
    health: Health | None
    memory: int | None
    lag: Mapping[str, int]
    """By tape partition it steps: records on the tape that it has not stepped."""

    @property
    def partitions(self) -> int | None:
        """Count its partitions, where it says."""
        if self.health is None:
            return None
        owned = self.health.one("qts_owned_partitions")
        return len(self.offsets) if owned is None else int(owned)

    @property
    def offsets(self) -> Mapping[str, float]:
        """Give the last tape offset stepped, by partition."""
        return {} if self.health is None else self.health.figures.get("qts_tape_offset", {})

    def problems(self) -> list[str]:
        """Tell what is not well."""
        name, state = self.note["name"], self.note.get("state")
        if state == "ended":
            return [f"{name} has ended for good: {self.note.get('why')}"]
        if not self.alive:
            why = self.note.get("why")
            return [
                f"{name} does not run{f' ({why})' if why else ''}" + (", it is started again soon" if state == "waiting" else "")
            ]
        if self.health is None:
            return [f"{name} does not answer"]
        behind = [
            f"{name} is {lag:,} records behind on tape partition {part}"
            for part, lag in self.lag.items()
            if lag > LAG_RECORDS_MAX
        ]
        return [f"{name} is not ready", *behind] if not self.health.ready else behind

    def data(self) -> dict[str, object]:
        """Tell it to programs."""
        return {
            **{key: self.note.get(key) for key in ("role", "name", "pid", "port", "started_ms", "restarts", "state", "why")},
            "alive": self.alive, "ready": self.health is not None and self.health.ready, "partitions": self.partitions,
            "tape_offsets": {part: int(offset) for part, offset in self.offsets.items()}, "tape_lag": dict(self.lag), "memory_bytes": self.memory,
        }  # fmt: skip


@single("status", example="./qts status\n./qts status --json")
@click.option(
    "--home", "folder", type=click.Path(file_okay=False), help="The deployment's folder  [default: QTS_HOME, else .qts]"
)
def command(out: Output, folder: str | None) -> Answer:
    """Show every worker of the deployment here: is it alive and ready, how far it is, what it holds.

    The exit code is 1 where something is not well, 3 where nothing runs.
    """
    place = Place(home() if folder is None else Path(folder))
    notes = noted(place.run)
    living = [note for note in notes if _alive(note)]
    if not living:
        left = f" ({len(notes)} were noted: whoever watched over them was killed)" if notes else ""
        raise Unavailable(f"no worker of {place.home} runs{left}; ./qts up starts them")
    ends, away = _tape_ends(str(living[0].get("servers")))
    seen = [_seen(note, ends) for note in notes]
    waiting = _spools(place)
    problems = [problem for one in seen for problem in one.problems()]
    problems += [away] if away else []
    problems += [f"{one.folder}: {reason}" for one in waiting for reason in one.reasons]
    out.console.print(_table(seen))
    for line in problems or ["all is well"]:
        out.console.print(line, soft_wrap=True)
    data = {
        "well": not problems, "problems": problems, "home": place.home, "servers": living[0].get("servers"),
        "workers": [one.data() for one in seen], "spools": [{**one._asdict(), "green": one.green} for one in waiting],
    }  # fmt: skip
    return Answer(data, NEGATIVE if problems else 0)


def _alive(note: Mapping[str, Any]) -> bool:
    pid = note.get("pid")
    return isinstance(pid, int) and note.get("state") == "running" and is_worker(pid, str(note["name"]))


def _seen(note: Mapping[str, Any], ends: Mapping[int, int]) -> Seen:
    if not _alive(note):
        return Seen(note, False, None, None, {})
    said = health(int(note["port"]))
    offsets = {} if said is None else said.figures.get("qts_tape_offset", {})
    lag = {part: max(0, ends[int(part)] - 1 - int(offset)) for part, offset in offsets.items() if int(part or -1) in ends}
    return Seen(note, True, said, memory_bytes(int(note["pid"])), lag)


def _tape_ends(servers: str) -> tuple[dict[int, int], str | None]:
    """Give where each tape partition ends; or why nobody can tell."""
    try:
        with TopicReader(settings(servers)) as reader:
            known = read_identity(settings(servers), AWAY_S)
            tape = TAPE.name if known is None else known.tape
            return {part: bounds.high for part, bounds in reader.bounds(tape, reader.topics().get(tape, 0)).items()}, None
    except (BrokerAway, ReadRefused, BadIdentity) as away:
        return {}, str(away)


def _spools(place: Place) -> list[Status]:
    try:
        bound, now_ms = spool_bytes_max(os.environ), time.time_ns() // 1_000_000
        return [status_of(one, bound, now_ms, shutil.disk_usage(one).free) for one in spools(place.home / "spool")]
    except (BadSpoolSettings, OSError) as error:
        raise BadInput(str(error)) from error


def _table(seen: list[Seen]) -> Table:
    table = Table(
        "worker",
        "pid",
        "state",
        "ready",
        "partitions",
        "tape offset",
        "lag",
        "memory",
        "restarts",
        "since",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for one in seen:
        note, said = one.note, one.health
        since = datetime.fromtimestamp(int(note.get("started_ms") or 0) / 1_000, UTC)
        state = "alive" if one.alive else str(note.get("state"))
        table.add_row(
            str(note["name"]), str(note.get("pid") or "-"), "gone" if state == "running" else state, "yes" if said and said.ready else "no",
            "-" if one.partitions is None else str(one.partitions), f"{sum(one.offsets.values()) + len(one.offsets):.0f}" if one.offsets else "-",
            str(sum(one.lag.values())) if one.lag else "-", "-" if one.memory is None else f"{one.memory / MIB:.0f} MiB",
            str(note.get("restarts") or 0), f"{since:%d %H:%M:%S}",
        )  # fmt: skip
    return table
