"""`./qts worker marketdata` on the embedded broker and the simulated exchange: what is on the topics, what is spooled while the broker is away."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.exchange.simulator.process import SimulatorProcess
from connectors.exchange.simulator.process import running as exchange_running
from connectors.exchange.simulator.setting_up import Options
from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.local_node import free_ports
from connectors.kafka.log_reader import LogReader
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.spool_settings import SPOOL_BYTES
from connectors.kafka.spool_status import status_of
from infra.kafka.topics import DEFAULT_PARTITIONS, catalogue
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.crash_fleet import Member
from streams.desk.messages import Mark
from tests.fleet_kit import figures, page, until

SYMBOLS = {"BTCUSDT", "ETHUSDT"}
TOPICS = ("marks", "instruments", "liquidity")


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        for topic in catalogue(DEFAULT_PARTITIONS):
            if topic.name in TOPICS:
                running.create(topic.name, topic.partitions)
        try:
            yield running
        finally:
            os.kill(_pid(running), signal.SIGCONT)


@pytest.fixture
def exchange() -> Iterator[SimulatorProcess]:
    with exchange_running(Options(seed=7, markets=6)) as running:
        yield running


def _pid(broker: EmbeddedBroker) -> int:
    assert broker.pid is not None
    return broker.pid


def read(broker: EmbeddedBroker, topic: str) -> list[Any]:
    """Give all records of a topic."""
    codec = Codec(BundledRegistry())
    with LogReader(KafkaSettings(broker.servers), "test-marketdata") as reader:
        found = [
            record
            for partition in range(DEFAULT_PARTITIONS)
            for record in reader.between(topic, partition, *reader.bounds(topic, partition))
        ]
    return [codec.decode(record.value) for record in found if record.value is not None]


def symbols_of(broker: EmbeddedBroker, topic: str) -> set[str]:
    return {record.symbol for record in read(broker, topic)}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def spooled(folder: Path) -> int:
    return status_of(folder, SPOOL_BYTES, now_ms(), shutil.disk_usage(folder).free).records


def is_ready(worker: Member) -> bool:
    said = page(worker, "/health/ready")
    return said is not None and said.status == 200


def test_marks_are_on_the_topic_and_none_is_lost_while_the_broker_is_away(
    broker: EmbeddedBroker, exchange: SimulatorProcess, tmp_path: Path
) -> None:
    environ = {
        "QTS_KAFKA_SERVERS": broker.servers, "QTS_HOME": str(tmp_path / "home"), "QTS_EXCHANGE_URL": exchange.url,
        "QTS_MARKET_SYMBOLS": ",".join(sorted(SYMBOLS)),
    }  # fmt: skip
    worker = Member("marketdata", "marketdata-0", free_ports(1)[0], tmp_path, environ)
    spool = tmp_path / "home" / "spool" / worker.name
    try:
        worker.start()
        until(lambda: is_ready(worker), "the worker is ready")
        until(lambda: all(symbols_of(broker, topic) == SYMBOLS for topic in TOPICS), "everything is on its topic")
        assert {symbol for (symbol,) in figures(worker, "qts_mark_age_seconds")} == SYMBOLS
        assert set(figures(worker, "qts_marks_silent").values()) == {0.0}

        os.kill(_pid(broker), signal.SIGSTOP)
        under_way = until(lambda: spooled(spool), "what was under way is on the disk")
        away_ms = now_ms()
        until(lambda: spooled(spool) >= under_way + 2 * len(SYMBOLS), "more marks come there")
        said = page(worker, "/health/ready")
        assert said is not None
        assert json.loads(said.text)["spool"]["green"] is False
        assert is_ready(worker), "the broker is not what it watches"

        assert worker.leave() == 0
        left_ms = now_ms()
        assert spooled(spool) > under_way
        worker.start()
        os.kill(_pid(broker), signal.SIGCONT)
        until(lambda: is_ready(worker) and spooled(spool) == 0, "the spool is empty")

        worker_left = worker.leave()
    finally:
        worker.end()
    assert worker_left == 0
    marks: list[Mark] = read(broker, "marks")
    # The broker stood still then, so these were in the spool and nowhere else.
    assert {mark.symbol for mark in marks if away_ms < mark.ts < left_ms} == SYMBOLS
    assert len({mark.mark_id for mark in marks}) > 0.9 * len(marks), "repeats are few, and have the id of the first"
