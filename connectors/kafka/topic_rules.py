"""What a topic has to be like before money may depend on it.

Decides: how many copies a cluster of so many brokers keeps, and which deviations are told. Pure: it compares what is wanted with what was found.
Leaves to others: which topics there are (infra.kafka.topics), asking the cluster (connectors.kafka.admin).
"""

from collections.abc import Mapping
from typing import NamedTuple

CLUSTER = 3
"""From this many brokers on a record can be on two of them while a third is away."""
MIN_IN_SYNC = 2
"""An acknowledged record is on two brokers: losing one loses nothing, and one of three may be away while all goes on."""


class WantedTopic(NamedTuple):
    """A topic as it should be."""

    name: str
    partitions: int
    settings: Mapping[str, str]


class NewTopics(NamedTuple):
    """Topics to be made."""

    topics: tuple[WantedTopic, ...]
    replication: int


class FoundTopic(NamedTuple):
    """A topic as it is. Its settings are those in force, also where they are the broker's."""

    name: str
    topic_id: str
    partitions: int
    replication: int
    """Of the partition with the fewest copies."""
    settings: Mapping[str, str]


def holds_money(brokers: int) -> bool:
    """Tell whether a cluster of so many brokers can lose one without losing a record."""
    return brokers >= CLUSTER


def default_replication(brokers: int) -> int:
    """Give how many copies topics get where nobody says."""
    return CLUSTER if holds_money(brokers) else 1


def with_copies(topic: WantedTopic, brokers: int) -> WantedTopic:
    """Add what keeps acknowledged records on a cluster: how many brokers must have one, and that none who has not becomes leader."""
    in_sync = MIN_IN_SYNC if holds_money(brokers) else 1
    more = {"min.insync.replicas": str(in_sync), "unclean.leader.election.enable": "false"}
    return topic._replace(settings={**topic.settings, **more})


def replication_problem(replication: int, brokers: int) -> str | None:
    """Say why topics should not be made with so many copies."""
    if replication > brokers:
        return f"replication {replication} needs {replication} brokers, and there are {brokers}"
    if holds_money(brokers) and replication < CLUSTER:
        return f"replication {replication} on a cluster of {brokers} brokers: {CLUSTER} copies are the least that may hold money"
    return None


def deviations(wanted: tuple[WantedTopic, ...], found: Mapping[str, FoundTopic], brokers: int, replication: int) -> list[str]:
    """Tell each deviation in a line; none is good."""
    lines = []
    for plain in wanted:
        topic, there = with_copies(plain, brokers), found.get(plain.name)
        if there is None:
            lines.append(f"{topic.name}: missing")
            continue
        if there.partitions != topic.partitions:
            lines.append(f"{topic.name}: {there.partitions} partitions instead of {topic.partitions}")
        if there.replication < replication:
            lines.append(f"{topic.name}: replication {there.replication} instead of {replication}")
        for name, value in sorted(topic.settings.items()):
            if not _good(name, value, there.settings.get(name)):
                lines.append(f"{topic.name}: {name}={there.settings.get(name, '(unknown)')} instead of {value}")
    return lines


_AT_LEAST = ("retention.ms", "max.message.bytes", "min.insync.replicas")
"""More of these is as good: an operator may keep records for longer."""


def _good(name: str, wanted: str, found: str | None) -> bool:
    if found is None or name not in _AT_LEAST:
        return found == wanted
    endless = name == "retention.ms" and found == "-1"
    return endless or (wanted != "-1" and int(found) >= int(wanted))
