"""Every client of ours talks SCRAM over TLS to a real Kafka by its settings; a wrong password and a stranger's certificate are refused clearly."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped] # it has no py.typed
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as Partition

from connectors.kafka.admin import Cluster
from connectors.kafka.identity import TapeIdentity, read_identity, topic_ids, write_identity
from connectors.kafka.local_cluster import running_cluster
from connectors.kafka.local_properties import Secured
from connectors.kafka.reading import BrokerAway, ReadRefused
from connectors.kafka.settings import KafkaSettings, Secret, kafka_settings
from streams.cli.main import main
from tests.certificates import Authority
from tests.integration.kafka_server import Kafka, resolved_jars

pytestmark = pytest.mark.kafka

PASSWORD = "a password of a test"  # noqa: S105 - a test's own
READ_S_MAX = 60


class Locked(NamedTuple):
    """A broker that lets in who logs in, and its variables."""

    environ: Mapping[str, str]
    strangers_ca: Path

    def settings(self, **other: str) -> KafkaSettings:
        """Give the settings, with other values for some variables."""
        return kafka_settings({**self.environ, **{f"QTS_KAFKA_{name}": value for name, value in other.items()}})


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, kafka: Kafka) -> Iterator[Locked]:
    """Give a broker with SCRAM over TLS and all topics; `kafka` makes sure that its jars can be had."""
    del kafka
    folder = tmp_path_factory.mktemp("secured")
    stranger = tmp_path_factory.mktemp("stranger")
    authority = Authority(folder)
    secured = Secured(authority.issue("broker").both, "qts", Secret(PASSWORD))
    with running_cluster(resolved_jars(), folder / "kafka", secured=secured) as cluster:
        environ = {
            "QTS_KAFKA_SERVERS": cluster.secured_servers, "QTS_KAFKA_SECURITY": "SASL_SSL", "QTS_KAFKA_USERNAME": "qts",
            "QTS_KAFKA_PASSWORD": PASSWORD, "QTS_KAFKA_CA_FILE": str(authority.certificate),
        }  # fmt: skip
        yield Locked(environ, Authority(stranger).certificate)


@pytest.fixture
def environment(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the broker's variables into the environment."""
    for name, value in locked.environ.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def topics(locked: Locked) -> None:
    """Make the topics."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in locked.environ.items():
            patch.setenv(name, value)
        assert main(["topics", "create"]) == 0


def produced(settings: KafkaSettings, value: bytes) -> None:
    producer = Producer({**settings.librdkafka(), "acks": "all", "enable.idempotence": True, "linger.ms": 0})
    producer.produce("signals", value=value, partition=1)
    assert producer.flush(READ_S_MAX) == 0


def read_by_librdkafka(settings: KafkaSettings) -> bytes | None:
    consumer = Consumer({**settings.librdkafka(), "group.id": "reads"})
    consumer.assign([Partition("signals", 1, 0)])
    give_up = time.monotonic() + READ_S_MAX
    try:
        while time.monotonic() < give_up:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                return message.value()
    finally:
        consumer.close()
    return None


async def read_by_aiokafka(settings: KafkaSettings) -> bytes | None:
    consumer = AIOKafkaConsumer(**settings.aiokafka(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition("signals", 1)])
        message = await asyncio.wait_for(consumer.getone(), READ_S_MAX)
        value: bytes | None = message.value
        return value
    finally:
        await consumer.stop()


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256"])
def test_every_client_talks_scram_over_tls(locked: Locked, mechanism: str) -> None:
    settings = locked.settings(SASL_MECHANISM=mechanism)

    produced(settings, b"by a login")

    assert read_by_librdkafka(settings) == b"by a login"
    assert asyncio.run(read_by_aiokafka(settings)) == b"by a login"
    assert Cluster(settings).brokers == 1
    assert set(topic_ids(settings, ["tape", "no-such-topic"])) == {"tape"}


@pytest.mark.usefixtures("topics")
def test_the_identity_is_read_and_written_by_a_login(locked: Locked) -> None:
    settings = locked.settings()
    before = read_identity(settings, 10)
    assert before is not None
    later = TapeIdentity(7, before.partitions, before.tape, before.topics, "3")

    write_identity(settings, later)
    assert read_identity(settings, 10) == later
    write_identity(settings, before)
    assert read_identity(settings, 10) == before


def test_a_wrong_password_is_refused_in_words_that_name_the_login_and_not_the_password(locked: Locked) -> None:
    wrong = locked.settings(PASSWORD="not " + PASSWORD)

    for asked in (lambda: Cluster(wrong), lambda: read_identity(wrong, 5), lambda: topic_ids(wrong, ["tape"])):
        with pytest.raises(ReadRefused, match="refuses the login of qts") as refused:
            asked()
        assert PASSWORD not in str(refused.value)


def test_a_broker_with_a_strangers_certificate_is_refused(locked: Locked) -> None:
    with pytest.raises(ReadRefused, match="QTS_KAFKA_CA_FILE"):
        Cluster(locked.settings(CA_FILE=str(locked.strangers_ca)))


def test_who_does_not_speak_tls_gets_no_answer(locked: Locked) -> None:
    with pytest.raises((ReadRefused, BrokerAway)):
        Cluster(KafkaSettings(locked.environ["QTS_KAFKA_SERVERS"]))


@pytest.mark.usefixtures("environment", "topics")
def test_a_command_logs_in_by_its_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "check"]) == 0

    monkeypatch.setenv("QTS_KAFKA_PASSWORD", "wrong")
    capsys.readouterr()
    assert main(["topics", "check"]) == 3
    said = capsys.readouterr().err
    assert "refuses the login of qts" in said
    assert said.count("\n") == 1
