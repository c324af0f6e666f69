"""Receipts of records that went straight to the broker: they know their record's fate whatever way it takes."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from connectors.kafka.receipts import AT_BROKER, FAILED, IN_SPOOL, WAITING, Receipt, Refused, Straight
from tests.unit.connectors.kafka.test_sender import Refusal, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.connect()
    return made


def test_a_record_that_arrives_is_acknowledged_and_nothing_was_made_for_it(world: World) -> None:
    receipt = world.publish(1)
    assert isinstance(receipt, Straight)
    assert (receipt.state, receipt.problem) == (WAITING, None)
    assert (receipt.topic, receipt.key, receipt.value) == ("t", "k", b"1")
    kept = receipt.company[receipt.place]
    world.settle()

    assert (receipt.state, receipt.problem, receipt.wait(0)) == (AT_BROKER, None, receipt)
    assert kept == ("t", "k", b"1")
    assert receipt.company[receipt.place] is kept


def test_a_record_that_goes_by_the_spool_is_acknowledged_there(world: World) -> None:
    receipts = [world.publish(number) for number in range(3)]
    world.go_away()
    world.turn()

    assert [receipt.state for receipt in receipts] == [IN_SPOOL] * 3
    assert [(receipt.topic, receipt.key, receipt.value) for receipt in receipts] == [
        ("t", "k", b"%d" % number) for number in range(3)
    ]


def test_of_a_refused_record_and_its_neighbours_each_has_its_own_end(world: World) -> None:
    world.broker.poison.add(b"1")
    receipts = [world.publish(number) for number in range(3)]
    world.settle()

    assert [receipt.state for receipt in receipts] == [AT_BROKER, FAILED, FAILED], (
        "what was in one request with it is refused with it"
    )
    assert isinstance(receipts[1].problem, Refused)
    with pytest.raises(Refused):
        receipts[1].wait(0)
    assert receipts[0].problem is None


def test_one_that_was_refused_alone_is_never_taken_for_arrived(world: World) -> None:
    receipt = world.publish(1)
    group = world.sender.group
    with world.sender.lock:
        world.sender.close_group()
    world.link.queue[0].call(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), Refusal("t", "k", b"1"))
    world.link.queue.clear()
    world.sender.trim()

    assert group.state == AT_BROKER
    assert receipt.state == FAILED


@pytest.mark.parametrize("away", [False, True])
def test_who_asks_is_called_once_with_the_receipt_it_asked(world: World, away: bool) -> None:
    receipt, first, later = world.publish(1), list[Receipt](), list[Receipt]()
    receipt.when_settled(first.append)
    if away:
        world.go_away()
    world.settle()
    receipt.when_settled(later.append)
    world.turn()
    world.broker.up = True
    world.settle()

    assert (first, later) == ([receipt], [receipt])


def test_a_receipt_has_what_a_record_has_and_nothing_else(world: World) -> None:
    with pytest.raises(AttributeError, match="colour"):
        _ = world.publish(1).colour  # type: ignore[attr-defined]  # what is tested
