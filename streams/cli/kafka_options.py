"""What every command that talks to Kafka has in common: where the broker is, and how its absence reads.

Decides: that `--servers` goes before the environment, and that a broker that is away is one line and exit code 3. Leaves to others: settings
(connectors.kafka.settings), what is done there.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import click

from connectors.kafka.admin import TopicRefused
from connectors.kafka.identity import IdentityNotWritten
from connectors.kafka.log_reader import ReadFailed
from connectors.kafka.reading import BrokerAway, ReadRefused, TopicReader
from connectors.kafka.settings import BadKafkaSettings, KafkaSettings, kafka_settings
from streams.cli.output import BadInput, Unavailable

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def servers_option(body: Decorated) -> Decorated:
    """Give a command `--servers`; it is called with `servers`, to be handed to `settings`."""
    return click.option(
        "--servers",
        metavar="HOST:PORT",
        help="The broker, instead of QTS_KAFKA_SERVERS. The other QTS_KAFKA_* settings count all the same.",
    )(body)


def settings(servers: str | None) -> KafkaSettings:
    """Read how to reach the broker."""
    try:
        found = kafka_settings({**os.environ, "QTS_KAFKA_SERVERS": servers} if servers else os.environ)
    except BadKafkaSettings as bad:
        raise BadInput(str(bad)) from bad
    return replace(found, servers=servers) if servers else found


@contextmanager
def reader(where: KafkaSettings) -> Iterator[TopicReader]:
    """Read topics; tell in one line when the broker does not give them."""
    with asked_of_kafka(), TopicReader(where) as opened:
        yield opened


@contextmanager
def asked_of_kafka() -> Iterator[None]:
    """Tell in one line when a broker is away or refuses."""
    try:
        yield
    except BrokerAway as away:
        raise Unavailable(f"{away}; ./qts kafka start starts one here") from away
    except (ReadRefused, ReadFailed, TopicRefused, IdentityNotWritten) as refused:
        raise Unavailable(str(refused)) from refused


def partitions_of(opened: TopicReader, topic: str) -> int:
    """Count a topic's partitions; a name that is not there is the user's mistake, and the others are named."""
    topics = opened.topics()
    if topic not in topics:
        there = f"there are {', '.join(topics)}" if topics else "there is none yet (./qts topics create)"
        raise BadInput(f"there is no topic {topic}; {there}", topics=list(topics))
    return topics[topic]
