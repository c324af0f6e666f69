"""`./qts topics`: make the topics, check that they may hold money.

Decides: how deviations read, in which order topics and the tape's identity are made, and when the identity is not written. Leaves to others: which
topics there are (infra.kafka.topics), what is wrong with one (connectors.kafka.topic_rules), the identity's record (connectors.kafka.identity).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import click

from connectors.kafka.admin import Cluster, TopicRefused
from connectors.kafka.identity import TOPIC as IDENTITY
from connectors.kafka.identity import (
    BadIdentity,
    IdentityNotWritten,
    TapeIdentity,
    identity_problems,
    read_identity,
    write_identity,
)
from connectors.kafka.reading import AWAY_S
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.topic_rules import (
    FoundTopic,
    NewTopics,
    WantedTopic,
    default_replication,
    deviations,
    holds_money,
    replication_problem,
    with_copies,
)
from infra.kafka.topics import DEFAULT_PARTITIONS, MADE_BY_THE_TAPE, PARTITIONS_MAX, catalogue
from streams.cli.command import group
from streams.cli.kafka_options import asked_of_kafka, servers_option, settings
from streams.cli.output import NEGATIVE, Answer, BadInput, CommandError, Output, Unavailable
from streams.desk.state import DESK_VERSION
from streams.flow import TAPE

NO_CLUSTER = "no cluster that can hold money (that takes three brokers); good for local use"
NEW_EPOCH = "./qts tape new-epoch begins a new epoch of the tape, from its last snapshots"

command = group(
    "topics", "Make the topics, and check that they may hold money.", example="./qts topics create\n./qts topics check"
)

_partitions = click.option(
    "--partitions",
    type=click.IntRange(1, PARTITIONS_MAX),
    help=f"Of every topic. [default: as they are, else {DEFAULT_PARTITIONS}]",
)
_replication = click.option(
    "--replication", type=click.IntRange(1, 100), help="Copies of each topic. [default: 3 on three brokers or more, else 1]"
)


class Looked(NamedTuple):
    """What was found on a cluster, and what should be there."""

    brokers: int
    wanted: tuple[WantedTopic, ...]
    replication: int
    found: Mapping[str, FoundTopic]
    identity: TapeIdentity | None

    def problems(self) -> list[str]:
        """Tell what deviates, of the topics and of the identity."""
        ids = {name: topic.topic_id for name, topic in self.found.items()}
        counts = {name: topic.partitions for name, topic in self.found.items()}
        other = [] if self.identity is None else identity_problems(self.identity, ids, counts)
        return [*deviations(self.wanted, self.found, self.brokers, self.replication), *other]


@command.add("create", example="./qts topics create\n./qts topics create --partitions 8 --replication 3")
@_partitions
@_replication
@servers_option
def create(out: Output, partitions: int | None, replication: int | None, servers: str | None) -> Answer:
    """Make the topics that are missing, and note which tape this is.

    What is there is left as it is; where it deviates, that is told and the exit code is 1. Once the tape has begun, its partitions stay as they are.
    """
    looked, problems, made = make_topics(settings(servers), partitions, replication)
    out.console.print(f"made {', '.join(made)}" if made else "all topics were there", soft_wrap=True)
    return _answer(out, looked, problems, {"created": made})


def make_topics(where: KafkaSettings, partitions: int | None, replication: int | None) -> tuple[Looked, list[str], list[str]]:
    """Make the topics that are missing and note the tape's identity. Gives what is there now, what is wrong with it, and what was made."""
    with _told():
        cluster = Cluster(where)
        before = _look(cluster, where, partitions, replication)
        if problem := replication_problem(before.replication, before.brokers):
            raise CommandError(problem)
        missing = tuple(with_copies(topic, before.brokers) for topic in before.wanted if topic.name not in before.found)
        _refuse_other_counts(before)
        cluster.create(NewTopics(missing, before.replication))
        after = before._replace(found=cluster.topics(topic.name for topic in before.wanted))
        problems = after.problems() or _lost_identity(cluster, before)
        identity = after.identity if problems else _noted(where, after)
    return after._replace(identity=identity), problems, [topic.name for topic in missing]


@command.add("check", example="./qts topics check\n./qts topics check --partitions 8 --json")
@_partitions
@_replication
@servers_option
def check(out: Output, partitions: int | None, replication: int | None, servers: str | None) -> Answer:
    """Refuse topics that may lose or mix up records.

    Each deviation is a line, and the exit code is 1 where there is one: other partitions than the tape's, missing topics, wrong cleanup,
    too few copies, a leader that may lack acknowledged records, topics that were deleted and made anew.
    """
    where = settings(servers)
    with _told():
        looked = _look(Cluster(where), where, partitions, replication)
        problems = looked.problems()
    if problem := replication_problem(looked.replication, looked.brokers):
        problems.insert(0, problem)
    if looked.identity is None:
        problems.append("the tape has no identity yet; ./qts topics create notes it")
    return _answer(out, looked, problems, {})


def _look(cluster: Cluster, where: KafkaSettings, partitions: int | None, replication: int | None) -> Looked:
    identity = read_identity(where, AWAY_S)
    found = cluster.topics(topic.name for topic in _wanted(identity))
    tape = found.get(TAPE.name)
    count = partitions or (identity and identity.partitions) or (tape and tape.partitions) or DEFAULT_PARTITIONS
    if identity is not None and partitions not in (None, identity.partitions):
        raise BadInput(f"the tape has {identity.partitions} partitions, and they stay as they are within an epoch; {NEW_EPOCH}")
    return Looked(cluster.brokers, _wanted(identity, count), replication or default_replication(cluster.brokers), found, identity)


def _wanted(identity: TapeIdentity | None, partitions: int = DEFAULT_PARTITIONS) -> tuple[WantedTopic, ...]:
    """Give every topic, the tape under the name it has in this epoch."""
    tape = TAPE.name if identity is None else identity.tape
    return tuple(topic._replace(name=tape) if topic.name == TAPE.name else topic for topic in catalogue(partitions))


def _refuse_other_counts(looked: Looked) -> None:
    """Refuse to add topics to others that have another count of partitions: the flow needs one for all."""
    for topic in looked.wanted:
        there = looked.found.get(topic.name)
        if there is not None and there.partitions != topic.partitions:
            raise CommandError(f"topic {topic.name} has {there.partitions} partitions, not {topic.partitions}; nothing was made")


def _lost_identity(cluster: Cluster, looked: Looked) -> list[str]:
    """Look for what only a tape that has begun can have written. Beginning it once more would give out the same order ids again."""
    if looked.identity is not None:
        return []
    counts = cluster.records(looked.found[name] for name in MADE_BY_THE_TAPE if name in looked.found)
    return [
        f"topic {name} holds records, and there is no identity of the tape they belong to"
        for name, count in counts.items()
        if count
    ]


def _noted(where: KafkaSettings, looked: Looked) -> TapeIdentity:
    """Note which tape this is, or add topics that are new to it."""
    ids = {name: topic.topic_id for name, topic in looked.found.items() if name != IDENTITY}
    known = looked.identity
    if known is None:
        partitions = looked.found[TAPE.name].partitions
        noted = TapeIdentity(1, partitions, TAPE.name, ids, DESK_VERSION)
    else:
        noted = replace(known, topics={**ids, **known.topics})
    if noted != known:
        write_identity(where, noted)
    return noted


def _answer(out: Output, looked: Looked, problems: list[str], more: Mapping[str, object]) -> Answer:
    for problem in problems:
        out.console.print(problem, soft_wrap=True)
    identity = looked.identity
    epoch = f"epoch {identity.epoch}" if identity else "no epoch yet"
    brokers = f"{looked.brokers} {'broker' if looked.brokers == 1 else 'brokers'}"
    verdict = "good" if not problems else f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}"
    out.console.print(f"{len(looked.found)} topics on {brokers}, {epoch}: {verdict}")
    if identity is not None and any(line.startswith("topic ") for line in problems):
        out.console.print(NEW_EPOCH)
    if not holds_money(looked.brokers):
        out.console.print(f"{brokers}: {NO_CLUSTER}", soft_wrap=True)
    data = {
        "ok": not problems, "problems": problems, "brokers": looked.brokers, "holds_money": holds_money(looked.brokers) and not problems,
        "replication": looked.replication, "partitions": looked.wanted[0].partitions, "epoch": identity.epoch if identity else None,
        "topics": {name: topic.topic_id for name, topic in looked.found.items()}, **more,
    }  # fmt: skip
    return Answer(data, NEGATIVE if problems else 0)


@contextmanager
def _told() -> Iterator[None]:
    """Tell in one line what the cluster refused."""
    with asked_of_kafka():
        try:
            yield
        except BadIdentity as bad:
            raise CommandError(str(bad)) from bad
        except (TopicRefused, IdentityNotWritten) as refused:
            raise Unavailable(str(refused)) from refused
