"""The order of records when the broker goes away and comes back, at every moment it can: a fake broker, a virtual clock, no threads."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import KafkaError, KafkaException

from connectors.kafka.draining import MISSING_MS
from connectors.kafka.outbox import AWAY, DIRECT
from connectors.kafka.receipts import WAITING, BadPartition, Receipt, Refused, Straight, UnknownTopic
from connectors.kafka.sender import AT_START_MS, STALL_MS, Sender
from connectors.kafka.spool import Spool
from connectors.kafka.spool_tail import SpoolFull

MIB = 1 << 20


class Time:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def wall_ms(self) -> int:
        return self.ms

    def ticking_ms(self) -> int:
        return self.ms


class Broker:
    """What has arrived, by topic and key."""

    def __init__(self) -> None:
        self.up = True
        self.partitions: dict[str, int] = {"t": 4}
        self.log: list[tuple[str, bytes]] = []
        self.poison: set[bytes] = set()
        self.room = 1 << 30

    def arrived(self, key: str) -> list[bytes]:
        """Give a key's records without the repeats, as readers see them."""
        return list(dict.fromkeys(value for one, value in self.log if one == key))


class Refusal:
    """A message of a report."""

    def __init__(self, topic: str, key: str, value: bytes) -> None:
        self.said = topic, key.encode(), value

    def topic(self) -> str:
        return self.said[0]

    def key(self) -> bytes:
        return self.said[1]

    def value(self) -> bytes:
        return self.said[2]


class Sent(NamedTuple):
    """A record the link has, and whom to call should it not arrive."""

    topic: str
    key: str
    value: bytes
    call: Callable[..., None]


class FakeLink:
    """A link that acknowledges nothing until it is told to; then it lets go of what arrived, and calls for what did not."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.queue: list[Sent] = []
        self.reports: list[tuple[Sent, KafkaError | None]] = []
        self.dead = False
        self.fatal = ""
        self.produce: Callable[..., None] = self._produce

    def _produce(
        self, topic: str, value: bytes, key: str, partition: int, call: Callable[..., None], *_: object, **__: object
    ) -> None:
        if self.dead:
            raise KafkaException(KafkaError(KafkaError._FATAL))  # noqa: SLF001 - how the library names its own codes
        if partition >= self.broker.partitions[topic]:
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))  # noqa: SLF001 - how the library names its own codes
        if len(self.queue) >= self.broker.room:
            raise BufferError
        self.queue.append(Sent(topic, key, value, call))

    def deliver(self, count: int = 1 << 30) -> None:
        """Have the broker take so many; a refused one takes its company with it, and ends the link, as a gapless producer does."""
        taken, self.queue = self.queue[:count], self.queue[count:]
        for place, one in enumerate(taken):
            if one.value in self.broker.poison:
                self.dead = True
                self.reports += [(other, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)) for other in taken[place:]]
                return
            self.broker.log.append((one.key, one.value))
            self.reports.append((one, None))

    def poll(self, timeout_s: float) -> int:  # noqa: ARG002 - the port's
        reports, self.reports = self.reports, []
        for one, error in reports:
            if error is not None:
                one.call(error, Refusal(one.topic, one.key, one.value))
        return len(reports)

    def topics(self) -> Mapping[str, int] | None:
        return dict(self.broker.partitions) if self.broker.up else None

    def ask(self, topic: str) -> int | None:
        return self.broker.partitions.get(topic, 0) if self.broker.up else None

    def give_up(self) -> None:
        self.dead = True
        self.reports += [(one, KafkaError(KafkaError._PURGE_QUEUE)) for one in self.queue]  # noqa: SLF001 - the same
        self.queue = []
        self.poll(0)


class World:
    """A sender on a fake broker."""

    def __init__(self, folder: Path, bytes_max: int = MIB) -> None:
        self.folder, self.bytes_max = folder, bytes_max
        self.broker, self.time, self.links = Broker(), Time(), list[FakeLink]()
        self.receipts: list[Receipt] = []
        self.start()

    def start(self) -> None:
        self.sender = Sender(Spool(self.folder, self.bytes_max), self._link, self.time)

    def _link(self) -> FakeLink:
        self.links.append(FakeLink(self.broker))
        return self.links[-1]

    @property
    def link(self) -> FakeLink:
        return self.links[-1]

    def publish(self, value: int | bytes, key: str = "k", topic: str = "t", partition: int | None = None) -> Receipt:
        """Publish as the publisher does: straight when that is open, else let it wait."""
        raw = value if isinstance(value, bytes) else b"%d" % value
        if partition is None and (straight := self._straight(topic, key, raw)) is not None:
            self.receipts.append(straight)
            return straight
        receipt = self.sender.receipt(topic, key, raw)
        receipt.partition = partition
        with self.sender.lock:
            if not (self.sender.open and topic in self.sender.lanes and self.sender.send(receipt)):
                self.sender.keep(receipt)
        self.receipts.append(receipt)
        return receipt

    def _straight(self, topic: str, key: str, value: bytes) -> Receipt | None:
        sender = self.sender
        with sender.lock:
            try:
                sender.link.produce(topic, value, key, sender.open[topic][key], sender.tail)
            except (KeyError, BufferError, KafkaException):
                return None
            receipt, group = Straight(), sender.group
            receipt.company, receipt.place = group, len(group)
            group.append((topic, key, value))
            sender.left -= 1 + (len(value) >> 10)
            if sender.left <= 0:
                sender.close_group()
        return receipt

    def turn(self, ms: int = 10) -> None:
        self.time.ms += ms
        self.sender.step()
        self.sender.serve(0)

    def connect(self) -> None:
        """Let the sender find its broker, and the way to it be open."""
        self.turn()
        self.turn()
        assert self.sender.mode == DIRECT

    def settle(self) -> None:
        """Let everything arrive that can."""
        for _ in range(60):
            self.turn(300)
            if self.broker.up:
                self.link.deliver()
            self.sender.serve(0)
            sender = self.sender
            if sender.mode == DIRECT and not (
                sender.window or sender.group or sender.pending or sender.trouble or sender.spool.records
            ):
                return

    def go_away(self) -> None:
        self.broker.up = False
        self.turn(STALL_MS)
        self.turn(STALL_MS)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def numbers(values: list[bytes]) -> list[int]:
    return [int(value) for value in values]


def test_records_go_straight_to_a_broker_that_answers(world: World) -> None:
    world.connect()
    receipt = world.publish(1)
    assert receipt.state == WAITING

    world.link.deliver()
    world.turn()

    assert receipt.acknowledged
    assert world.sender.spool.records == 0


def test_at_the_start_the_broker_gets_a_moment_before_records_go_to_the_disk(world: World) -> None:
    world.broker.up = False
    receipt = world.publish(1)
    world.turn()
    assert receipt.state == WAITING
    world.turn(AT_START_MS)
    assert receipt.acknowledged
    assert world.sender.spool.records == 1


def test_what_was_under_way_when_the_broker_went_comes_before_what_was_published_later(world: World) -> None:
    world.connect()
    for number in range(3):
        world.publish(number)
    world.link.deliver(1)
    world.go_away()
    assert world.sender.mode == AWAY
    world.publish(3)
    world.turn()
    assert all(one.acknowledged for one in world.receipts)

    world.broker.up = True
    world.turn(2_000)
    world.publish(4)
    world.settle()
    world.publish(5)
    world.settle()

    assert numbers(world.broker.arrived("k")) == [0, 1, 2, 3, 4, 5]
    assert [value for _, value in world.broker.log].count(b"0") == 1, "what was acknowledged is not sent again"


def test_a_broker_that_goes_away_while_draining_gets_what_it_did_not_acknowledge_again_and_first(world: World) -> None:
    world.broker.up = False
    for number in range(20):
        world.publish(number)
    world.turn(AT_START_MS)
    world.broker.up = True
    world.turn()
    world.turn()
    world.link.deliver(7)
    world.publish(20)
    world.go_away()
    world.publish(21)
    world.turn()
    world.broker.up = True
    world.settle()

    assert numbers(world.broker.arrived("k")) == list(range(22))
    assert len(world.broker.log) == 22


def test_a_crash_while_draining_sends_again_only_what_was_not_noted(world: World) -> None:
    world.broker.up = False
    for number in range(1_500):
        world.publish(number)
    world.turn(AT_START_MS)
    world.broker.up = True
    world.turn()
    world.turn()
    world.link.deliver(600)
    world.turn(300)
    world.turn(300)
    world.sender.spool.close()

    world.start()
    world.settle()

    assert numbers(world.broker.arrived("k")) == list(range(1_500))
    assert len(world.broker.log) == 1_500 + 600 - 512


def test_nothing_goes_straight_between_a_failure_and_what_is_done_about_it(world: World) -> None:
    world.connect()
    world.publish(0)
    one = world.link.queue.pop()
    one.call(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), Refusal(one.topic, one.key, one.value))
    del one
    world.publish(1)
    assert world.link.queue == []
    world.settle()
    assert numbers(world.broker.arrived("k")) == [0, 1]


def test_a_record_the_broker_refuses_fails_and_the_others_arrive(world: World) -> None:
    world.connect()
    world.broker.poison = {b"1"}
    for number in range(2):
        world.publish(number)
    world.link.deliver()
    world.turn()
    world.publish(2)
    world.settle()

    assert isinstance(world.receipts[1].problem, Refused)
    assert numbers(world.broker.arrived("k")) == [0, 2]


def test_a_refused_record_of_the_spool_is_tried_alone_then_set_aside_and_its_company_arrives(world: World) -> None:
    world.broker.up = False
    for number in range(5):
        world.publish(number)
    world.turn(AT_START_MS)
    world.broker.poison = {b"2"}
    world.broker.up = True
    world.settle()

    assert numbers(world.broker.arrived("k")) == [0, 1, 3, 4]
    assert world.sender.spool.set_aside.records == 1


def test_records_for_a_topic_that_is_not_there_wait_until_it_is(world: World) -> None:
    world.broker.up = False
    world.publish(0, topic="later")
    world.publish(1)
    world.turn(AT_START_MS)
    world.broker.up = True
    world.settle()
    assert "no topic later" in world.sender.blocked
    world.broker.partitions["later"] = 2
    world.settle()

    assert numbers(world.broker.arrived("k")) == [0, 1]
    assert world.sender.blocked == ""


def test_a_topic_that_stays_away_too_long_has_its_records_set_aside_and_the_others_go_on(world: World) -> None:
    world.broker.up = False
    for number in range(600):
        world.publish(number, topic="mistypd" if number in {0, 300, 599} else "t")
    world.turn(AT_START_MS)
    world.broker.up = True
    world.settle()
    assert world.broker.log == []
    world.turn(MISSING_MS)
    world.settle()
    world.publish(600)
    world.settle()

    assert numbers(world.broker.arrived("k")) == [number for number in range(601) if number not in {0, 300, 599}]
    assert world.sender.spool.set_aside.reasons == {"the broker has no topic mistypd": 3}
    assert world.sender.blocked == ""


def test_a_broker_that_comes_back_has_the_whole_time_again_to_know_a_topic(world: World) -> None:
    world.broker.up = False
    world.publish(0, topic="later")
    world.turn(AT_START_MS)
    world.broker.up = True
    world.settle()
    world.sender.in_trouble("gone")
    world.turn(MISSING_MS)
    world.settle()
    assert world.sender.spool.set_aside.records == 0
    world.broker.partitions["later"] = 2
    world.settle()
    assert numbers(world.broker.arrived("k")) == [0]


def test_a_record_is_not_acknowledged_before_its_report_came(world: World) -> None:
    world.connect()
    for number in range(3):
        world.publish(number)
    world.link.deliver(2)
    world.turn()
    assert [one.acknowledged for one in world.receipts] == [False] * 3, "a group is acknowledged as a whole"
    world.link.deliver(1)
    world.turn()
    assert [one.acknowledged for one in world.receipts] == [True] * 3


def test_a_report_that_never_comes_is_no_acknowledgement_and_the_record_is_sent_again(world: World) -> None:
    world.connect()
    world.publish(0)
    world.publish(1)
    lost = world.link.queue.pop()
    world.link.deliver()
    world.go_away()
    world.broker.up = True
    world.settle()

    assert numbers(world.broker.arrived("k")) == [0, 1]
    lost.call(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), Refusal(lost.topic, lost.key, lost.value))
    assert world.sender.trouble == "", "a report of a link that was given up says nothing of the next"


def test_who_wants_to_be_called_is_called_once_wherever_the_record_went(world: World) -> None:
    called: list[int] = []

    def call(receipt: Receipt) -> None:
        called.append(int(receipt.value))

    world.publish(0).when_settled(call)
    world.connect()
    world.publish(1).when_settled(call)
    world.link.deliver()
    world.turn()
    world.publish(2).when_settled(call)
    world.go_away()
    world.receipts[0].when_settled(call)
    world.turn()
    assert called == [0, 1, 2, 0]


def test_damage_in_the_spool_is_set_aside_while_draining_and_what_follows_arrives(world: World) -> None:
    world.broker.up = False
    for number in range(30):
        world.publish(b"value %d" % number)
    world.turn(AT_START_MS)
    world.sender.spool.close()
    (file,) = world.folder.glob("*.spool")
    file.write_bytes(file.read_bytes().replace(b"value 7", b"valeu 7", 1))
    world.start()
    world.broker.up = True
    world.settle()

    assert world.broker.arrived("k") == [b"value %d" % number for number in range(30) if number != 7]
    assert world.sender.spool.set_aside.reasons == {"damaged": 1}


def test_a_topic_that_is_not_there_is_told_to_who_still_waits(world: World) -> None:
    receipt = world.publish(0, topic="nobody-made-this")
    world.turn()
    world.turn()
    assert isinstance(receipt.problem, UnknownTopic)
    assert world.sender.mode == DIRECT


def test_a_partition_that_is_not_there_is_refused_at_once_or_set_aside_later(world: World) -> None:
    world.connect()
    with pytest.raises(BadPartition):
        world.publish(0, partition=4)
    world.broker.up = False
    world.sender.in_trouble("gone")
    world.turn()
    world.publish(1, partition=9)
    world.turn()
    world.broker.up = True
    world.settle()
    assert world.sender.spool.set_aside.records == 1


def test_a_full_spool_says_so_at_once_and_takes_records_again_when_some_were_sent(tmp_path: Path) -> None:
    world = World(tmp_path, bytes_max=400)
    world.broker.up = False
    world.turn(AT_START_MS)

    def fill() -> None:
        for number in range(100):
            world.publish(number)
            world.turn()

    with pytest.raises(SpoolFull):
        fill()
    kept = len(world.receipts)
    world.broker.up = True
    world.settle()
    assert world.sender.problem is None
    world.publish(1_000)
    world.settle()

    assert numbers(world.broker.arrived("k")) == [*range(kept), 1_000]


def test_what_is_under_way_when_the_spool_is_full_fails_and_is_not_called_acknowledged(tmp_path: Path) -> None:
    world = World(tmp_path, bytes_max=200)
    world.connect()
    for number in range(10):
        world.publish(number)
    world.go_away()
    acknowledged = [one for one in world.receipts if one.acknowledged]
    assert 0 < len(acknowledged) < 10
    assert all(isinstance(one.problem, SpoolFull) for one in world.receipts[len(acknowledged) :])


def test_ending_brings_what_is_not_acknowledged_to_the_spool(world: World) -> None:
    world.connect()
    for number in range(4):
        world.publish(number)
    world.link.deliver(2)
    world.sender.end()
    world.sender.spool.close()
    assert all(one.acknowledged for one in world.receipts)

    world.start()
    assert world.sender.spool.records == 2
    world.settle()
    assert numbers(world.broker.arrived("k")) == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_every_acknowledged_record_arrives_in_the_order_of_its_key(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    world = World(tmp_path)
    number = 0
    for _ in range(150):
        what = chance.random()
        if what < 0.5:
            for _ in range(chance.randint(1, 30)):
                world.publish(number, key=f"k{chance.randrange(3)}")
                number += 1
        elif what < 0.75:
            world.turn(chance.choice([1, 50, 300, 2_500]))
        elif what < 0.9:
            if world.broker.up:
                world.link.deliver(chance.randint(1, 40))
        elif what < 0.95:
            world.broker.up = not world.broker.up
        elif what < 0.97:
            world.broker.room = chance.choice([7, 600, 1 << 30])
        else:
            # A crash: what is not acknowledged is nobody's any more.
            world.receipts = [one for one in world.receipts if one.acknowledged]
            world.sender.spool.close()
            world.start()
    world.broker.up, world.broker.room = True, 1 << 30
    world.settle()

    for key in ("k0", "k1", "k2"):
        arrived = numbers(world.broker.arrived(key))
        promised = [int(one.value) for one in world.receipts if one.key == key and one.acknowledged]
        assert arrived == sorted(arrived), f"seed {seed}"
        assert set(promised) <= set(arrived), f"seed {seed}"
    assert world.sender.mode == DIRECT, f"seed {seed}"
