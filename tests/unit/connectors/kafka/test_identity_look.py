"""Looking at the tape's identity for as long as a worker lives: clients that answer are kept, any others made anew."""

from collections.abc import Iterable

import pytest

from connectors.kafka.admin import TopicNow
from connectors.kafka.identity import BadIdentity, TapeIdentity
from connectors.kafka.identity_look import IdentityLook
from connectors.kafka.reading import BrokerAway, ReadRefused


class Cluster:
    """A cluster, and how often somebody has connected to it."""

    def __init__(self) -> None:
        self.epoch: int | None = 3
        self.found = {"tape": TopicNow("id-1", 4)}
        self.failure: Exception | None = None
        self.connected = self.closed = 0

    def connect(self) -> "Cluster":
        self.connected += 1
        return self

    def identity(self) -> TapeIdentity | None:
        self._answer()
        return None if self.epoch is None else TapeIdentity(self.epoch, 4, "tape", {"tape": "id-1"})

    def topics(self, names: Iterable[str]) -> dict[str, TopicNow]:
        self._answer()
        return {name: self.found[name] for name in names if name in self.found}

    def close(self) -> None:
        self.closed += 1

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure


def test_nobody_connects_before_the_first_look() -> None:
    cluster = Cluster()
    IdentityLook(cluster.connect)

    assert cluster.connected == 0


def test_clients_are_kept_while_they_are_answered() -> None:
    cluster = Cluster()
    look = IdentityLook(cluster.connect)
    for _ in range(10):
        assert look.epoch() == 3
        assert look.topics(["tape", "fills"]) == {"tape": ("id-1", 4)}
    cluster.epoch = None
    assert look.epoch() is None

    assert (cluster.connected, cluster.closed) == (1, 0)


@pytest.mark.parametrize(
    "failure", [BrokerAway("away"), ReadRefused("no"), BadIdentity("garbage")], ids=lambda one: type(one).__name__
)
def test_after_any_failure_they_are_made_anew(failure: Exception) -> None:
    cluster = Cluster()
    look = IdentityLook(cluster.connect)
    look.epoch()
    for times in range(1, 4):
        cluster.failure = failure
        with pytest.raises(type(failure)):
            look.topics(["tape"])
        assert (cluster.connected, cluster.closed) == (times, times)
        cluster.failure = None
        assert look.epoch() == 3
        assert cluster.connected == times + 1
