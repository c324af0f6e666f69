"""`./qts desk catch-up`: step what is left of the tape, and leave.

Decides: which version has to do it: a version steps only its own reign, so where another one reigns the command that runs that one is named. And
that the stepping is done in a process of its own: a worker that has come to the end of its reign ends its process, there and then.
Leaves to others: the stepping (a desk worker), reigns (streams.desk).
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping

from rich.table import Table

from connectors.kafka.groups import Groups
from connectors.kafka.identity import TapeIdentity
from connectors.kafka.local_node import free_ports
from connectors.kafka.log_reader import LogReader
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import Registry
from streams.agents.ending import REIGN_OVER
from streams.cli.changelog import stored_chunks
from streams.cli.command import group
from streams.cli.deployment import until_told
from streams.cli.kafka_options import asked_of_kafka, servers_option, settings
from streams.cli.output import NEGATIVE, Answer, BadInput, CommandError, Output, Unavailable
from streams.cli.records import registry
from streams.cli.tape_epoch import DESK_GROUP, identity_of
from streams.desk.state import DESK_VERSION
from streams.pipeline.resuming import is_later
from streams.pipeline.stored_snapshots import newest

LOOK_S = 0.05

command = group("desk", "Step what is left of the tape.", example="./qts desk catch-up")


@command.add("catch-up", example="./qts desk catch-up")
@servers_option
def catch_up(out: Output, servers: str | None) -> Answer:
    """Step the tape to its end, or to the end of this version's reign, write the snapshots and leave.

    For an upgrade: where the tape names a new version and the old one has not come that far, the old one has to catch up first. Where a part
    of the tape is another version's to step, the command that runs that one is named, and nothing is stepped.
    """
    where = settings(servers)
    with asked_of_kafka(), registry() as schemas, LogReader(where, "qts-catch-up") as reader:
        known = identity_of(where)
        reigns = {partition: _reign(reader, known, partition, schemas) for partition in range(known.partitions)}
    table = Table("partition", "stepped up to", "desk version", box=None, padding=(0, 2, 0, 0))
    for partition, (offset, version) in reigns.items():
        table.add_row(str(partition), f"{offset:,}", version)
    out.console.print(table)
    versions = {version for _, version in reigns.values()}
    others = sorted(versions - {DESK_VERSION})
    if DESK_VERSION not in versions or not all(map(is_later, others)):  # what a later one has taken over already is no hindrance
        runs = [f"git worktree add ../desk-{version} desk-{version} && ../desk-{version}/qts desk catch-up" for version in others]
        raise BadInput(f"this is desk version {DESK_VERSION}; to step the part of another one: {'; '.join(runs)}", run=runs)
    at_work = Groups(where).members([f"{DESK_GROUP}{'' if DESK_VERSION == '1' else f'-v{DESK_VERSION}'}"])
    if any(at_work.values()):
        raise CommandError(
            f"desks are at work ({at_work}): they catch up by themselves; wait ten seconds where one has just ended", NEGATIVE
        )
    code = _stepped(where)
    if code == REIGN_OVER:
        out.console.print(f"the reign of desk version {DESK_VERSION} is over: the next one can go on")
    # A reign that is over is what was wanted.
    return Answer({"reigns": _told(reigns), "exit": code}, exit_code=0 if code == REIGN_OVER else code)


def _stepped(where: KafkaSettings) -> int:
    """Run a desk until it has caught up; give its exit code. It says what it does on stderr, and ends with this process."""
    asked = [
        sys.executable, "-P", "-m", "streams.cli.main", "worker", "desk", "--name", "catch-up", "--web-port", str(free_ports(1)[0]),
        "--parent", str(os.getpid()),
    ]  # fmt: skip
    environ = {**os.environ, "QTS_CATCH_UP": "1", "QTS_KAFKA_SERVERS": where.servers}
    with until_told() as told:
        worker = subprocess.Popen(asked, env=environ, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
        was_told = False
        while (code := worker.poll()) is None:
            if told() and not was_told:
                was_told = True
                worker.terminate()
            time.sleep(LOOK_S)
    if was_told:
        raise KeyboardInterrupt
    if code < 0:
        raise Unavailable(f"the desk was ended by signal {-code} before it had caught up")
    return code


def _reign(reader: LogReader, known: TapeIdentity, partition: int, schemas: Registry) -> tuple[int, str]:
    restored = newest(stored_chunks(reader, partition).items(), partition, known.epoch, Codec(schemas), [])
    if restored is None:
        return -1, DESK_VERSION
    state = restored.state
    return state.offset, state.next_version or state.version


def _told(reigns: Mapping[int, tuple[int, str]]) -> list[dict[str, object]]:
    return [{"partition": partition, "offset": offset, "version": version} for partition, (offset, version) in reigns.items()]
