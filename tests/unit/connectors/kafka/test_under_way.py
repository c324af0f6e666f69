"""Groups under way: which records are taken for arrived, and which are not."""

import random
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from connectors.kafka.broker_link import OPTIONS
from connectors.kafka.outbox import Outbox
from connectors.kafka.receipts import Receipt
from connectors.kafka.spool import Spool
from connectors.kafka.under_way import Group, Tail
from tests.unit.connectors.kafka.test_sender import Broker, FakeLink, Refusal, Time

GONE = KafkaError(KafkaError._PURGE_QUEUE)  # noqa: SLF001 - how the library names its own codes
NEVER = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)


class Held:
    """A group whose tail librdkafka would hold, once for each record."""

    def __init__(self, folder: Path, values: list[bytes]) -> None:
        self.outbox = Outbox(Spool(folder, 1 << 20), FakeLink(Broker()), Time())
        self.group = Group(self.outbox, [self.outbox.receipt("t", "k", value) for value in values])
        self.tails: list[Tail] = [self.group.begin()] * len(values)

    def fail(self, value: bytes, error: KafkaError) -> None:
        self.tails.pop()(error, Refusal("t", "k", value))  # type: ignore[arg-type] # all of a message that is looked at

    def left(self) -> list[tuple[bytes, bool]]:
        return [(one.value, why is not None) for one, why in self.group.left()]


def test_a_group_arrived_when_nobody_holds_its_tail_and_nobody_called_it(tmp_path: Path) -> None:
    held = Held(tmp_path, [b"0", b"1"])
    arrived = [held.group.arrived]
    for _ in range(2):
        held.tails.pop()
        arrived.append(held.group.arrived)
    assert arrived == [False, False, True]
    assert held.left() == []


def test_a_group_nobody_began_to_send_did_not_arrive(tmp_path: Path) -> None:
    held = Held(tmp_path, [])
    assert not Group(held.outbox).arrived


def test_what_was_called_for_did_not_arrive_and_of_two_alike_the_later_one(tmp_path: Path) -> None:
    held = Held(tmp_path, [b"a", b"b", b"a", b"c"])
    first = held.group[0]
    held.fail(b"a", GONE)
    held.fail(b"c", GONE)
    held.tails.clear()
    assert held.left() == [(b"a", False), (b"c", False)]
    assert held.group.left()[0][0] is not first
    assert not held.group.arrived


def test_what_the_broker_refuses_is_told_apart_from_what_it_did_not_get(tmp_path: Path) -> None:
    held = Held(tmp_path, [b"a", b"b", b"c"])
    held.fail(b"a", NEVER)
    held.fail(b"c", GONE)
    held.tails.clear()
    assert held.left() == [(b"a", True), (b"c", False)]


def test_while_a_report_is_missing_or_names_nothing_of_the_group_all_count_as_not_arrived(tmp_path: Path) -> None:
    held = Held(tmp_path / "missing", [b"a", b"b"])
    held.tails.pop()
    assert held.left() == [(b"a", False), (b"b", False)]
    strange = Held(tmp_path / "strange", [b"a", b"b"])
    strange.fail(b"z", GONE)
    strange.tails.clear()
    assert strange.left() == [(b"a", False), (b"b", False)]


def test_what_was_never_given_to_the_library_did_not_arrive(tmp_path: Path) -> None:
    held = Held(tmp_path, [b"a", b"b", b"c"])
    held.group.unsent = 2
    held.tails.clear()
    assert not held.group.arrived
    assert held.left() == [(b"b", False), (b"c", False)]


@pytest.mark.parametrize("seed", range(20))
def test_as_many_of_each_content_are_left_as_failed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    values = [b"%d" % chance.randrange(4) for _ in range(30)]
    failed = chance.sample(values, chance.randrange(31))
    held = Held(tmp_path, values)
    for value in failed:
        held.fail(value, GONE)
    held.tails.clear()
    assert sorted(value for value, _ in held.left()) == sorted(failed), f"seed {seed}"


def test_the_link_reports_nothing_but_errors_as_the_groups_rely_on() -> None:
    assert OPTIONS["delivery.report.only.error"] is True


def test_two_receipts_with_the_same_content_are_two(tmp_path: Path) -> None:
    outbox = Outbox(Spool(tmp_path, 1 << 20), FakeLink(Broker()), Time())
    one, other = outbox.receipt("t", "k", b"v"), outbox.receipt("t", "k", b"v")
    assert isinstance(one, Receipt)
    assert one != other
