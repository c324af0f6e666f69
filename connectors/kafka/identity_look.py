"""Looks again and again which tape a cluster has, for as long as a worker lives.

Decides: that clients are kept while they are answered, and made anew after any failure, whose traces they might carry. Leaves to others: what the
record says (connectors.kafka.identity), what another tape means (streams.pipeline.identity), how often is looked (streams.app.parts).
"""

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Protocol, TypeVar

from connectors.kafka.admin import TopicLook, TopicNow
from connectors.kafka.identity import IdentityReader, TapeIdentity
from connectors.kafka.settings import KafkaSettings

LOOK_S_MAX = 30.0
"""As long as any question to a cluster: it may be busy with a change of leaders, which takes some seconds."""

Found = TypeVar("Found")


class Clients(Protocol):
    """What asks the cluster."""

    def identity(self) -> TapeIdentity | None:
        """Read the newest record. Raises BrokerAway, ReadRefused and BadIdentity."""

    def topics(self, names: Iterable[str]) -> dict[str, TopicNow]:
        """Give those of these topics that are there. Raises BrokerAway and ReadRefused."""

    def close(self) -> None:
        """Let go of the broker."""


class KafkaClients:
    """A consumer and an admin client."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connect when the first question is asked."""
        self._reader, self._topics = IdentityReader(settings), TopicLook(settings)

    def identity(self) -> TapeIdentity | None:
        """Read the newest record."""
        return self._reader.read(LOOK_S_MAX)

    def topics(self, names: Iterable[str]) -> dict[str, TopicNow]:
        """Give those of these topics that are there."""
        return self._topics.topics(names)

    def close(self) -> None:
        """Let go of the broker; the admin client does so when nobody holds it any more."""
        self._reader.close()


class IdentityLook:
    """Looks at the tape's identity and its topics, one look after the other, from whichever thread asks."""

    def __init__(self, connect: Callable[[], Clients]) -> None:
        """Connect when the first look is taken."""
        self._connect, self._lock = connect, Lock()
        self._clients: Clients | None = None

    def epoch(self) -> int | None:
        """Give the epoch the cluster is in; nothing where there is no identity."""
        found = self._asked(lambda clients: clients.identity())
        return None if found is None else found.epoch

    def topics(self, names: Iterable[str]) -> dict[str, TopicNow]:
        """Give those of these topics that are there."""
        return self._asked(lambda clients: clients.topics(names))

    def _asked(self, question: Callable[[Clients], Found]) -> Found:
        with self._lock:
            clients = self._clients or self._connect()
            self._clients = None  # until it has answered
            try:
                found = question(clients)
            except BaseException:
                clients.close()
                raise
            self._clients = clients
            return found
