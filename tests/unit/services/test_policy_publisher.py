"""The publisher: when it publishes, what, and what it says when it cannot."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from streams.desk.messages import Control, PolicyUpdate
from streams.desk.policy import Policy
from streams.desk.policy_check import document_hash, parse_policy
from streams.services.policy_publisher import (
    ENVIRONMENT_USER,
    PUBLISH_EVERY_MS,
    Alert,
    EnvironmentRefused,
    PolicyPublisher,
    PublishFailed,
)
from streams.services.policy_store import PolicyStore

START_MS = 1_700_000_000_000


class FakeTopic:
    """A control topic that can be cut off, and the publisher's clock."""

    def __init__(self) -> None:
        """Start at a fixed time, reachable."""
        self.now_ms, self.reachable = START_MS, True
        self.published: list[Control] = []
        self.alerts: list[Alert] = []

    def publish(self, control: Control) -> None:
        """Take a command, or fail as a broker would."""
        if not self.reachable:
            raise PublishFailed("no broker")
        self.published.append(control)

    @property
    def versions(self) -> list[int]:
        """The versions published so far."""
        return [control.command.version for control in self.published if isinstance(control.command, PolicyUpdate)]

    @property
    def codes(self) -> list[str]:
        """The alerts raised so far."""
        return [alert.code for alert in self.alerts]


@pytest.fixture
def world() -> FakeTopic:
    return FakeTopic()


@pytest.fixture
def store(tmp_path: Path) -> PolicyStore:
    return PolicyStore(tmp_path / "store")


def publisher(store: PolicyStore, world: FakeTopic, **environ: str) -> PolicyPublisher:
    return PolicyPublisher(store, world.publish, world.alerts.append, lambda: world.now_ms, environ)


def with_queue(document: dict[str, Any], queue_max: int) -> dict[str, Any]:
    changed = deepcopy(document)
    changed["phases"]["phase1"]["throttle"]["queue_max"] = str(queue_max)
    return changed


def run(publishing: PolicyPublisher, world: FakeTopic, seconds: int) -> list[str]:
    """Poll once a second, and give what each poll did."""
    kinds: list[str] = []
    for _ in range(seconds):
        kinds.append(publishing.poll().kind)
        world.now_ms += 1_000
    return kinds


def test_what_is_published_is_the_saved_policy_to_every_account(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any]
) -> None:
    record = store.save(document, "ana", "first day", START_MS).record
    assert publisher(store, world).poll().kind == "PUBLISHED"
    (control,) = world.published
    assert control == Control(
        "policy-1-1700000000", "*", "ana", "first day", START_MS, PolicyUpdate(1, record.hash, record.document)
    )
    assert isinstance(control.command, PolicyUpdate)
    assert control.command.hash == document_hash(control.command.document)
    assert isinstance(parse_policy(1, control.command.document), Policy)


def test_a_policy_is_published_again_every_minute(store: PolicyStore, world: FakeTopic, document: dict[str, Any]) -> None:
    store.save(document, "ana", "first day", START_MS)
    run(publisher(store, world), world, 181)
    assert [control.ts - START_MS for control in world.published] == [0, 60_000, 120_000, 180_000]
    assert len({control.control_id for control in world.published}) == 4
    assert world.alerts == []


def test_a_changed_policy_is_published_at_once(store: PolicyStore, world: FakeTopic, document: dict[str, Any]) -> None:
    store.save(document, "ana", "first day", START_MS)
    publishing = publisher(store, world)
    run(publishing, world, 5)
    store.save(with_queue(document, 7), "ben", "shorter queue", world.now_ms)
    assert publishing.poll().kind == "PUBLISHED"
    assert world.versions == [1, 2]
    assert (world.published[-1].user, world.published[-1].reason) == ("ben", "shorter queue")


def test_two_publishers_in_one_second_publish_the_very_same_command(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any]
) -> None:
    store.save(document, "ana", "first day", START_MS)
    publisher(store, world).poll()
    world.now_ms += 999
    publisher(store, world).poll()
    assert world.published[0] == world.published[1]


def test_a_publication_that_fails_is_never_called_published_and_is_tried_again(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any]
) -> None:
    store.save(document, "ana", "first day", START_MS)
    publishing = publisher(store, world)
    world.reachable = False
    assert run(publishing, world, 130) == ["FAILED"] * 130
    assert world.codes == ["POLICY_NOT_PUBLISHED"] * 3  # at once, and every minute it lasts
    world.reachable = True
    assert run(publishing, world, 2) == ["PUBLISHED", "WAITING"]
    assert world.versions == [1]


def test_a_publication_that_fails_later_stays_due_until_it_goes_out(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any]
) -> None:
    store.save(document, "ana", "first day", START_MS)
    publishing = publisher(store, world)
    run(publishing, world, 60)
    world.reachable = False
    assert run(publishing, world, 3) == ["FAILED"] * 3
    world.reachable = True
    assert run(publishing, world, 60) == ["PUBLISHED"] + ["WAITING"] * 59
    assert publishing.poll().kind == "PUBLISHED"


def test_a_defect_of_the_port_is_not_taken_for_an_outage(store: PolicyStore, world: FakeTopic, document: dict[str, Any]) -> None:
    store.save(document, "ana", "first day", START_MS)

    def broken(_control: Control) -> None:
        raise KeyError("schema")

    with pytest.raises(KeyError):
        PolicyPublisher(store, broken, world.alerts.append, lambda: world.now_ms, {}).poll()


def test_a_clock_that_goes_back_makes_a_publication_due(store: PolicyStore, world: FakeTopic, document: dict[str, Any]) -> None:
    store.save(document, "ana", "first day", START_MS)
    publishing = publisher(store, world)
    publishing.poll()
    world.now_ms -= 3_600_000
    assert run(publishing, world, 3) == ["PUBLISHED", "WAITING", "WAITING"]


def test_an_empty_store_publishes_nothing_and_raises_an_alert_every_minute(store: PolicyStore, world: FakeTopic) -> None:
    assert set(run(publisher(store, world), world, 61)) == {"NO_POLICY"}
    assert world.codes == ["POLICY_UNAVAILABLE"] * 2
    assert world.published == []


def test_a_damaged_store_publishes_the_last_good_version_and_raises_the_alert(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any], tmp_path: Path
) -> None:
    for queue_max in (1, 2):
        store.save(with_queue(document, queue_max), "ana", "tuning", START_MS)
    publishing = publisher(store, world)
    publishing.poll()
    (tmp_path / "store" / "current.json").write_bytes(b"\x00")
    (tmp_path / "store" / "backups" / "00000002.json").write_bytes(b"")
    world.now_ms += 1_000
    assert publishing.poll().kind == "PUBLISHED"  # another version than a second ago
    assert world.versions == [2, 1]
    assert world.codes == ["POLICY_DAMAGED"]
    run(publishing, world, 61)
    assert world.codes == ["POLICY_DAMAGED"] * 2
    store.save(with_queue(document, 2), "ana", "repaired", world.now_ms)
    run(publishing, world, 61)
    assert world.versions == [2, 1, 1, 3, 3]
    assert world.codes == ["POLICY_DAMAGED"] * 2


def test_a_store_that_lost_everything_is_not_published_from_memory(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any], tmp_path: Path
) -> None:
    store.save(document, "ana", "first day", START_MS)
    publishing = publisher(store, world)
    run(publishing, world, 1)
    for path in (tmp_path / "store").rglob("*.json"):
        path.write_bytes(b"")
    assert set(run(publishing, world, 2 * PUBLISH_EVERY_MS // 1_000)) == {"NO_POLICY"}
    assert world.versions == [1]
    assert world.codes == ["POLICY_UNAVAILABLE"] * 2


def test_the_environment_makes_a_version_of_its_own_that_says_so(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any]
) -> None:
    store.save(document, "ana", "first day", START_MS)
    publishing = publisher(store, world, QT_RISK_PER_TRADE_PCT="2.5", QT_MAX_SIGNALS_PER_CYCLE="4")
    run(publishing, world, 61)
    assert world.versions == [2, 2]
    assert world.published[0].user == ENVIRONMENT_USER
    assert world.published[0].reason == "QT_MAX_SIGNALS_PER_CYCLE=4, QT_RISK_PER_TRADE_PCT=2.5, on version 1"
    assert isinstance(world.published[0].command, PolicyUpdate)
    size = json.loads(world.published[0].command.document)["phases"]["phase3"]["size"]
    assert size["risk_per_trade_pct"] == "2.5"


def test_the_environment_also_goes_into_what_is_saved_later(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any]
) -> None:
    store.save(document, "ana", "first day", START_MS)
    publishing = publisher(store, world, QT_SIGNAL_QUEUE_MAX="50")
    publishing.poll()
    store.save(with_queue(document, 7), "ben", "shorter queue", world.now_ms)
    publishing.poll()
    assert world.versions == [2, 4]  # never 3, which lacks what the environment demands


def test_a_restart_with_the_same_environment_makes_no_new_version(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any]
) -> None:
    store.save(document, "ana", "first day", START_MS)
    for _ in range(3):
        publisher(store, world, QT_SIGNAL_QUEUE_MAX="50").poll()
    assert world.versions == [2, 2, 2]


def test_publishers_with_different_environments_do_not_fight(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any]
) -> None:
    store.save(document, "ana", "first day", START_MS)
    first = publisher(store, world, QT_SIGNAL_QUEUE_MAX="50")
    second = publisher(store, world, QT_SIGNAL_QUEUE_MAX="60")
    for _ in range(5):
        run(first, world, 1)
        run(second, world, 1)
    assert store.read().record.version == 3
    assert world.codes == ["POLICY_ENVIRONMENTS_DIFFER"]


@pytest.mark.parametrize("environ", [{"QT_SIGNAL_QUEUE_MAX": "many"}, {"QT_SIGNALS_QUEUE_MAX": "5"}])
def test_a_publisher_with_a_variable_it_cannot_use_does_not_start(
    store: PolicyStore, world: FakeTopic, environ: dict[str, str]
) -> None:
    with pytest.raises(EnvironmentRefused, match="QT_SIGNAL"):
        publisher(store, world, **environ)


def test_a_policy_that_contradicts_the_environment_is_not_published(
    store: PolicyStore, world: FakeTopic, document: dict[str, Any]
) -> None:
    store.save(document, "ana", "first day", START_MS)
    publishing = publisher(store, world, QT_MAX_EXPOSURE_USD="500")
    assert run(publishing, world, 2) == ["NO_POLICY"] * 2
    assert world.codes == ["POLICY_UNAVAILABLE"]
    assert "QT_MAX_EXPOSURE_USD" in world.alerts[0].text
