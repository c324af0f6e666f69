"""The log on the broker inside librdkafka: what is appended gets there, in its order, and every record is told of once."""

from collections.abc import Iterator
from threading import Event

import pytest

from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.log import MANY_RECORDS, KafkaLog
from connectors.kafka.log_reader import LogReader
from connectors.kafka.settings import KafkaSettings

TRIES_MAX = 600


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with EmbeddedBroker() as broker:
        broker.create("gathered", 2)
        yield broker.servers


def told(log: KafkaLog, answers: list[object], wanted: int) -> None:
    """Poll until so many are told of."""
    for _ in range(TRIES_MAX):
        log.poll()
        if len(answers) >= wanted:
            return
        Event().wait(0.02)


def test_many_records_under_way_keep_their_order(servers: str) -> None:
    log, answers = KafkaLog(KafkaSettings(servers), "test-log"), list[object]()
    count = 1_507

    for number in range(count):
        log.append("gathered", number % 2, None, str(number).encode(), None, lambda failure, _: answers.append(failure))
        if number % 10 == 0:
            log.poll()
    told(log, answers, count)

    assert answers == [None] * count
    with LogReader(KafkaSettings(servers), "test-log") as reader:
        for partition in (0, 1):
            found = [int(one.value or b"") for one in reader.between("gathered", partition, 0, (count + 1 - partition) // 2)]
            assert found == list(range(partition, count, 2))


def test_records_stay_in_their_order_whether_they_go_together_or_each_at_once(
    servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, answers = KafkaLog(KafkaSettings(servers), "test-order"), list[object]()
    with LogReader(KafkaSettings(servers), "test-order") as reader:
        _, start = reader.bounds("gathered", 0)
    count, used = 2_000, set()
    monkeypatch.setattr("connectors.kafka.log.GATHER_AT_LEAST_S", 0.0001)
    monkeypatch.setattr("connectors.kafka.log.CHANGE_S_MAX", 10.0)

    for number in range(count):
        if number % 100 == 0:
            log.expect(MANY_RECORDS if number // 100 % 2 else 1)
            used.add(id(log._producer))  # noqa: SLF001 - that there are two is what this is about
        log.append("gathered", 0, None, str(number).encode(), None, lambda failure, _: answers.append(failure))
    told(log, answers, count)

    assert len(used) == 2
    assert answers == [None] * count
    with LogReader(KafkaSettings(servers), "test-order") as reader:
        found = [int(one.value or b"") for one in reader.between("gathered", 0, start, start + count)]
    assert found == list(range(count))


def test_a_single_record_leaves_with_the_next_poll(servers: str) -> None:
    log, answers = KafkaLog(KafkaSettings(servers), "test-single"), list[object]()

    log.append("gathered", 0, b"key", b"value", [("name", b"1")], lambda failure, _: answers.append(failure))
    told(log, answers, 1)

    assert answers == [None]


def test_a_flush_sends_what_has_gathered_too(servers: str) -> None:
    log, answers = KafkaLog(KafkaSettings(servers), "test-flush"), list[object]()

    log.append("gathered", 1, None, b"value", None, lambda failure, _: answers.append(failure))

    assert log.flush(10.0) == 0
    assert answers == [None]
