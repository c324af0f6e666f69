"""The policy worker: something is in force from the first start on, and it says whether it is published."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.desk.messages import EVERY_ACCOUNT, Control, PolicyUpdate
from streams.services.policy_publisher import PolicyPublisher, PublishFailed
from streams.services.policy_source import PHASES_FOLDER
from streams.services.policy_store import PolicyStore
from streams.services.policy_worker import BadPhases, PolicyWorker, seed

NOW_MS = 1_780_000_000_000


class Broker:
    """Takes publications, or does not."""

    def __init__(self) -> None:
        self.taken: list[Control] = []
        self.away = False

    def publish(self, control: Control) -> None:
        if self.away:
            raise PublishFailed("no broker")
        self.taken.append(control)


def worker(store: PolicyStore, broker: Broker, rounds: int, each: Callable[[int], None] = lambda _round: None) -> PolicyWorker:
    """Make a worker that is told to stop after some rounds; a second passes in each."""
    passed = [0]

    def stopped(_seconds: float) -> bool:
        passed[0] += 1
        each(passed[0])
        return passed[0] >= rounds

    publisher = PolicyPublisher(store, broker.publish, lambda _alert: None, lambda: NOW_MS + passed[0] * 1_000, {})
    return PolicyWorker(publisher, stopped)


def test_a_store_that_was_never_used_gets_the_phases_with_the_environment_once(tmp_path: Path) -> None:
    store = PolicyStore(tmp_path / "policy")

    assert seed(store, PHASES_FOLDER, {"QT_RISK_PER_TRADE_PCT": "2"}, NOW_MS)
    assert '"risk_per_trade_pct":"2' in store.read().record.document
    assert not seed(store, PHASES_FOLDER, {}, NOW_MS)
    assert store.read().record.version == 1


def test_phases_that_cannot_be_used_are_named_and_nothing_is_saved(tmp_path: Path) -> None:
    store = PolicyStore(tmp_path / "policy")

    with pytest.raises(BadPhases, match="QT_RISK_PER_TRADE_PCT"):
        seed(store, PHASES_FOLDER, {"QT_RISK_PER_TRADE_PCT": "a lot"}, NOW_MS)
    assert not (tmp_path / "policy" / "current.json").exists()


def test_it_is_ready_once_the_policy_is_published_to_all(tmp_path: Path) -> None:
    store, broker = PolicyStore(tmp_path / "policy"), Broker()
    seed(store, PHASES_FOLDER, {}, NOW_MS)
    running = worker(store, broker, 3)
    assert not running.health.ready

    running.run()

    assert (running.health.ready, running.health.version) == (True, 1)
    assert [(one.account, type(one.command)) for one in broker.taken] == [(EVERY_ACCOUNT, PolicyUpdate)]


def test_it_publishes_every_minute(tmp_path: Path) -> None:
    store, broker = PolicyStore(tmp_path / "policy"), Broker()
    seed(store, PHASES_FOLDER, {}, NOW_MS)

    worker(store, broker, 125).run()

    assert len(broker.taken) == 3


def test_it_is_not_ready_while_nothing_gets_through_and_is_again_afterwards(tmp_path: Path) -> None:
    store, broker = PolicyStore(tmp_path / "policy"), Broker()
    seed(store, PHASES_FOLDER, {}, NOW_MS)
    broker.away = True
    seen: dict[int, bool] = {}

    def each(number: int) -> None:
        seen[number] = running.health.ready
        broker.away = number < 5

    running = worker(store, broker, 8, each)
    running.run()

    assert seen == {1: False, 2: False, 3: False, 4: False, 5: False, 6: True, 7: True, 8: True}


def test_a_store_that_gives_nothing_for_a_while_makes_it_not_ready_for_that_while(tmp_path: Path) -> None:
    store, broker = PolicyStore(tmp_path / "policy"), Broker()
    seed(store, PHASES_FOLDER, {}, NOW_MS)
    folder, hidden = tmp_path / "policy", tmp_path / "hidden"
    seen: dict[int, bool] = {}

    def each(number: int) -> None:
        seen[number] = running.health.ready
        if number == 2:
            folder.rename(hidden)
        elif number == 4:
            hidden.rename(folder)

    running = worker(store, broker, 6, each)
    running.run()

    assert seen == {1: True, 2: True, 3: False, 4: False, 5: True, 6: True}
