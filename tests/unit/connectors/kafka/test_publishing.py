"""The caller's side of the publisher: one by one or together, the same records in the same order. A fake link that takes all at once."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from connectors.kafka.publisher import Outgoing, Publisher
from connectors.kafka.receipts import IN_SPOOL, WAITING, UnknownTopic
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.system_clock import SystemClock

WAIT_S_MAX = 20.0


class Taking:
    """A link to a broker that has every record at once."""

    def __init__(self) -> None:
        self.fatal = ""
        self.log: list[tuple[str, str, bytes, int]] = []
        self.produce: Callable[..., None] = self._produce

    def _produce(self, topic: str, value: bytes, key: str, partition: int, _call: object, **_more: object) -> None:
        self.log.append((topic, key, value, partition))

    def topics(self) -> Mapping[str, int]:
        return {"t": 4}

    def ask(self, topic: str) -> int:
        return 4 if topic == "t" else 0

    def poll(self, timeout_s: float) -> int:
        time.sleep(min(timeout_s, 0.001))
        return 0

    def give_up(self) -> None:
        """Have nothing under way."""


@pytest.fixture
def link() -> Taking:
    return Taking()


@pytest.fixture
def publisher(tmp_path: Path, link: Taking) -> Iterator[Publisher]:
    with Publisher(KafkaSettings(), tmp_path, clock=SystemClock(), new_link=lambda: link) as publisher:
        assert publisher.drain(WAIT_S_MAX) == 0
        yield publisher


def test_records_published_together_go_in_order_whatever_they_need(publisher: Publisher, link: Taking) -> None:
    records = [
        Outgoing("t", f"k{number % 5}", b"%d" % number + bytes(3_000 * (number % 50 == 1)), [("n", b"")][: number % 97 == 0])
        for number in range(2_000)
    ]
    records[700] = records[700]._replace(partition=3)
    receipts = publisher.publish_all(records)

    assert [one.value for one in receipts] == [one.value for one in records]
    assert [value for _, _, value, _ in link.log] == [one.value for one in records]
    assert link.log[700][3] == 3
    assert publisher.flush(WAIT_S_MAX) == 0
    assert all(one.acknowledged for one in receipts)


def test_where_one_of_many_is_not_taken_those_before_it_are(publisher: Publisher, link: Taking) -> None:
    records = [Outgoing("t", "k", b"0"), Outgoing("nobody-made-this", "k", b"1"), Outgoing("t", "k", b"2")]
    with pytest.raises(UnknownTopic):
        publisher.publish_all(records)
    assert [value for _, _, value, _ in link.log] == [b"0"]


def test_one_by_one_and_together_give_the_same(publisher: Publisher, link: Taking) -> None:
    records = [Outgoing("t", f"k{number % 7}", b"%d" % number) for number in range(1_300)]
    for topic, key, value, _, _ in records:
        publisher.publish(topic, key, value)
    publisher.publish_all(records)
    assert link.log[:1_300] == link.log[1_300:]


def test_a_receipt_of_a_slow_caller_is_settled_without_waiting_for_a_full_group(publisher: Publisher) -> None:
    assert publisher.publish("t", "k", b"0").wait(WAIT_S_MAX).acknowledged
    assert publisher.acknowledged == 1


class Holding(Taking):
    """A link to a broker that acknowledges nothing, and goes away when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[object] = []
        self.away = False

    def _produce(self, topic: str, value: bytes, key: str, partition: int, _call: object, **_more: object) -> None:
        super()._produce(topic, value, key, partition, _call)
        self.held.append(_call)

    def topics(self) -> Mapping[str, int] | None:  # type: ignore[override]  # Taking's is never away
        return None if self.away else {"t": 4}


def test_flush_tells_how_much_is_not_settled_and_waits_for_what_goes_by_the_disk(tmp_path: Path) -> None:
    link = Holding()
    with Publisher(KafkaSettings(), tmp_path, clock=SystemClock(), new_link=lambda: link) as publisher:
        assert publisher.drain(WAIT_S_MAX) == 0
        receipts = [publisher.publish("t", "k", b"%d" % number) for number in range(600)]
        assert publisher.flush(0) == 600
        assert {receipt.state for receipt in receipts} == {WAITING}
        link.away, link.fatal = True, "it is gone"
        assert publisher.flush(WAIT_S_MAX) == 0
        assert {receipt.state for receipt in receipts} == {IN_SPOOL}
        assert publisher.health().spooled == 600
