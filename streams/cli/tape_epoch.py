"""`./qts tape new-epoch`: begin the tape anew, from the last snapshots.

Decides: what has to be so before an epoch may begin (no worker at work, whole snapshots, nothing unread on the old tape unless that is given up),
and the order of writes: new tape, snapshots, commands given again, and the identity, until which the old epoch stands; positions of groups last.
Leaves to others: what of a state is carried over (pipeline.epochs).
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import click

from connectors.kafka.admin import Cluster
from connectors.kafka.groups import Groups, Place
from connectors.kafka.identity import BadIdentity, TapeIdentity, read_identity, write_identity
from connectors.kafka.log import KafkaLog
from connectors.kafka.log_reader import LogReader, ReadFailed
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.topic_rules import NewTopics, WantedTopic, default_replication, with_copies
from infra.kafka.topics import catalogue
from schemas.codec import Codec, Undecodable
from schemas.registry import Registry
from streams.cli.changelog import stored_chunks
from streams.cli.kafka_options import asked_of_kafka, servers_option, settings
from streams.cli.output import NEGATIVE, Answer, BadInput, CommandError, Output, Unavailable
from streams.cli.records import registry
from streams.cli.tape import command
from streams.desk.messages import EVERY_ACCOUNT, CloseAccount, Control, Disable, Trip
from streams.desk.state import DESK_VERSION, State
from streams.flow import INPUTS, TAPE
from streams.pipeline.epochs import CONTROL, carried_over
from streams.pipeline.ports import Lane
from streams.pipeline.snapshots import SnapshotWriter
from streams.pipeline.stored_snapshots import Place as SnapshotPlace
from streams.pipeline.stored_snapshots import cut, newest, parse_key
from streams.pipeline.write_pipeline import CHANGELOG

SEQUENCER_GROUP, DESK_GROUP = "qts-sequencer", "qts-desk"
ASK_S = 10.0
WRITE_S_MAX = 60.0

Record = tuple[Place, bytes | None, bytes | None]
"""Where to, key and value."""


class Last(NamedTuple):
    """Where the old epoch has come to on a partition."""

    state: State
    unread: int
    """Records on the old tape that no snapshot covers."""


@command.add("new-epoch", example="./qts tape new-epoch --yes\n./qts tape new-epoch --give-up-unread --yes")
@servers_option
@click.option(
    "--give-up-unread", is_flag=True, help="Begin even if records of the old tape were never stepped: they are lost, and counted."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def new_epoch(out: Output, servers: str | None, give_up_unread: bool, yes: bool) -> Answer:
    """Begin a new epoch of the tape from the last snapshots, all workers being stopped.

    For when a topic was deleted or made anew, or records were deleted before they were read: workers then stop and name this command.
    Accounts, positions and limits go on as the last snapshots have them; sources that were made anew are read from their beginning.
    """
    where = settings(servers)
    with asked_of_kafka(), registry() as schemas, LogReader(where, "qts-new-epoch") as reader:
        known = identity_of(where)
        _nobody_at_work(where)
        last = {partition: _last(reader, known, partition, schemas) for partition in range(known.partitions)}
        unread = sum(one.unread for one in last.values())
        if unread and not give_up_unread:
            raise CommandError(
                f"{unread} records of the tape are in no snapshot yet: ./qts desk catch-up steps them, --give-up-unread gives them up",
                NEGATIVE, unread=unread,
            )  # fmt: skip
        epoch = known.epoch + 1
        asked = f"Begin epoch {epoch} from {len(last)} snapshots, giving up {unread} records?"
        if not yes and not click.confirm(asked, err=True):
            raise CommandError("nothing was changed", NEGATIVE)
        identity, again = _begin(where, reader, known, last, schemas)
    out.console.print(f"epoch {epoch} begins on topic {identity.tape}, {unread} records given up", soft_wrap=True)
    if again:
        out.console.print(f"{again} commands that allow less were given again: no snapshot shows that they were followed")
    answer = {"epoch": epoch, "tape": identity.tape, "partitions": identity.partitions, "given_up": unread, "given_again": again}
    return Answer(answer)


def identity_of(where: KafkaSettings) -> TapeIdentity:
    """Read which tape there is; tell in one line where there is none."""
    try:
        known = read_identity(where, ASK_S)
    except BadIdentity as bad:
        raise BadInput(str(bad)) from bad
    if known is None:
        raise BadInput("this cluster has no tape yet: ./qts topics create begins its first epoch")
    return known


def _nobody_at_work(where: KafkaSettings) -> None:
    groups = Groups(where)
    found = groups.members([*groups.names(SEQUENCER_GROUP), *groups.names(DESK_GROUP)])
    at_work = {name: members for name, members in found.items() if members}
    if at_work:
        who = "; ".join(f"{name}: {', '.join(members)}" for name, members in at_work.items())
        raise CommandError(
            f"workers are still in their groups ({who}): stop them, and wait ten seconds where one was killed", NEGATIVE
        )


def _last(reader: LogReader, known: TapeIdentity, partition: int, schemas: Registry) -> Last:
    """Read the newest whole snapshot of a partition, and count what the tape has beyond it."""
    restored = newest(stored_chunks(reader, partition).items(), partition, known.epoch, Codec(schemas), [])
    if restored is None:
        raise BadInput(f"tape partition {partition} has no whole snapshot of epoch {known.epoch} to begin from")
    try:
        _, end = reader.bounds(known.tape, partition)
    except ReadFailed:  # the old tape may be gone, which may be why a new epoch begins
        end = restored.state.offset + 1
    return Last(restored.state, max(0, end - restored.state.offset - 1))


def _begin(
    where: KafkaSettings, reader: LogReader, known: TapeIdentity, last: Mapping[int, Last], schemas: Registry
) -> tuple[TapeIdentity, int]:
    epoch = known.epoch + 1
    tape, cluster = f"{TAPE.name}-{epoch}", Cluster(where)
    names = [name for name in known.topics if name != known.tape]
    _usable(cluster, names, known.partitions)  # before anything is made
    wanted = next(topic for topic in catalogue(known.partitions) if topic.name == TAPE.name)
    _make(cluster, WantedTopic(tape, known.partitions, wanted.settings))
    found = _usable(cluster, [*names, tape], known.partitions)
    kept = {name for name in names if found[name] == known.topics[name]}
    committed = Groups(where).committed(SEQUENCER_GROUP)
    moves = _moves(committed, reader, known.partitions, kept) | _rewound(committed, reader, last, kept)
    _write_snapshots(where, reader, {number: carried_over(one.state, epoch, kept) for number, one in last.items()}, schemas)
    again = _given_again(where, committed, reader, last, schemas) if CONTROL in kept else 0
    identity = TapeIdentity(epoch, known.partitions, tape, found, DESK_VERSION)
    write_identity(where, identity)
    # Last: until now the old epoch stands, and would go on in silence over what was deleted unread.
    Groups(where).move(SEQUENCER_GROUP, moves)
    return identity, again


def _usable(cluster: Cluster, names: list[str], partitions: int) -> dict[str, str]:
    """Give the ids of these topics; refuse to begin with any on which no worker would begin."""
    found = cluster.topics(names)
    missing = [name for name in names if name not in found]
    if missing:
        raise Unavailable(f"topics are missing: {', '.join(missing)}; ./qts topics create makes them")
    others = [
        f"topic {name} has {topic.partitions} partitions" for name, topic in found.items() if topic.partitions != partitions
    ]
    if others:
        raise CommandError(
            f"{'; '.join(others)}, and the tape has {partitions}: delete it, and ./qts topics create makes it anew", NEGATIVE
        )
    return {name: topic.topic_id for name, topic in found.items()}


def _make(cluster: Cluster, topic: WantedTopic) -> None:
    replication = default_replication(cluster.brokers)
    cluster.create(NewTopics((with_copies(topic, cluster.brokers),), replication))


def _write_snapshots(where: KafkaSettings, reader: LogReader, states: Mapping[int, State], schemas: Registry) -> None:
    """Write the first snapshots of the epoch, over what a try that broke off may have left, and read them back."""
    codec, records = Codec(schemas), list[Record]()
    for partition, state in states.items():
        chunks = cut(partition, SnapshotPlace(state.epoch, state.offset), SnapshotWriter(codec).write(state))
        left = [key for key in stored_chunks(reader, partition) if (named := parse_key(key)) and named[1].epoch == state.epoch]
        records += [((CHANGELOG, partition), key, value) for key, value in (*((key, None) for key in left), *chunks)]
    _write(where, records, "the snapshots of the new epoch could not be written")
    for partition, state in states.items():
        if newest(stored_chunks(reader, partition).items(), partition, state.epoch, codec, []) is None:
            raise Unavailable(f"the snapshot of tape partition {partition} cannot be read back: the old epoch still stands")


def _moves(committed: Mapping[Place, int], reader: LogReader, partitions: int, kept: Collection[str]) -> dict[Place, int]:
    """Find where the sequencer has to go on elsewhere: at the first record of what was made anew, or of what is left."""
    moves: dict[Place, int] = {}
    for topic, partition in _places((*(topic.name for topic in INPUTS), "portfolio"), partitions):
        offset = committed.get((topic, partition))
        low, high = reader.bounds(topic, partition)
        if (topic not in kept and offset is not None) or (offset is not None and not low <= offset <= high):
            moves[topic, partition] = low
    return moves


def _rewound(
    committed: Mapping[Place, int], reader: LogReader, last: Mapping[int, Last], kept: Collection[str]
) -> dict[Place, int]:
    """Have what the exchange and the books said read again from where the last snapshots stand.

    What of it was on the old tape beyond them may be lost with it; what is read twice is dropped. Signals and commands are not read again: an
    order that went out for one of them would go out once more, under another id. (Only a stop may close positions twice: that reduces.)
    """
    moves: dict[Place, int] = {}
    for place in _places([topic for topic in SAID_OF_TRADES if topic in kept], len(last)):
        known = [one.state.sources[place] + 1 for one in last.values() if place in one.state.sources]
        stands, shown = committed.get(place), max(reader.bounds(*place)[0], min(known, default=0))
        if stands is not None and shown < stands:
            moves[place] = shown
    return moves


def _given_again(
    where: KafkaSettings, committed: Mapping[Place, int], reader: LogReader, last: Mapping[int, Last], schemas: Registry
) -> int:
    """Give commands again that allow less, where the snapshots do not show them: a stop that was lost with the old tape must not be forgotten.

    What allows more, or orders something, is left to whoever gave it. Tells how many were given again.
    """
    codec, again = Codec(schemas), list[Record]()
    for place in _places((CONTROL,), len(last)):
        low, high = reader.bounds(*place)
        for record in reader.between(*place, low, min(committed.get(place, 0), high)):
            if unshown(_allowed_less(codec, record.value or b""), place, record.offset, last):
                again.append((place, record.key, record.value))
    _write(where, again, "commands could not be given again")
    return len(again)


def _write(where: KafkaSettings, records: Iterable[Record], failed: str) -> None:
    """Write records down and wait until they are durable."""
    log, lane = KafkaLog(where, "qts-new-epoch"), Lane()
    for place, key, value in records:
        lane.sent += 1
        log.append(*place, key, value, None, lane.done)
    if log.flush(WRITE_S_MAX) or lane.failure is not None or lane.under_way:
        raise Unavailable(f"{failed}: {lane.failure or 'no answer'}; the old epoch still stands")


def _allowed_less(codec: Codec, raw: bytes) -> str:
    """Give the account that a command allows less; empty where it does anything else."""
    try:
        control = codec.decode(raw)
    except Undecodable:
        return ""
    less = isinstance(control, Control) and isinstance(control.command, Disable | Trip | CloseAccount)
    return str(control.account) if less else ""


def unshown(account: str, place: Place, offset: int, last: Mapping[int, Last]) -> bool:
    """Tell whether a command to an account is missing in any snapshot it concerns; one to no account concerns none."""
    if account == EVERY_ACCOUNT:
        concerned: Iterable[int] = last
    else:
        concerned = (partition_of(account.encode(), len(last)),) if account else ()
    return any(last[partition].state.sources.get(place, -1) < offset for partition in concerned)


SAID_OF_TRADES = ("order-events", "fills", "account-events")


def _places(topics: Iterable[str], partitions: int) -> Iterable[Place]:
    return ((topic, partition) for topic in topics for partition in range(partitions))
