"""Three brokers on this machine: the leader of a partition is killed in mid-batch, and no acknowledged record is missing, doubled or out of order."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.background import command_line
from connectors.kafka.local_cluster import LocalCluster, running_cluster
from streams.cli.main import main
from tests.integration.kafka_server import Kafka, resolved_jars

pytestmark = pytest.mark.kafka

RECORDS = 30_000
KILL_AFTER = 5_000
UNDER_WAY_MAX = 2_000
"""The producer runs ahead of its acknowledgements by this: the kill falls into the middle of batches."""
WAIT_S_MAX = 120
"""A cluster of three notices a dead broker after 9 s and has new leaders a second later; a loaded machine gets more."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, kafka: Kafka) -> Iterator[LocalCluster]:
    """Give three brokers with all topics; `kafka` makes sure that its jars can be had."""
    del kafka
    with running_cluster(resolved_jars(), tmp_path_factory.mktemp("cluster"), brokers=3) as three:
        yield three


def qts(cluster: LocalCluster, *words: str) -> tuple[int, str]:
    """Run a command against the cluster, as the program does: what it refuses is an exit code and a line."""
    with redirect_stdout(StringIO()) as said, redirect_stderr(said):
        code = main([*words, "--servers", cluster.servers])
    return code, said.getvalue()


def leader_of(cluster: LocalCluster, topic: str, partition: int) -> int:
    found = AdminClient({"bootstrap.servers": cluster.servers}).list_topics(topic, timeout=30).topics[topic].partitions[partition]
    return int(found.leader)


class Counted:
    """A producer that numbers its records, and what became of them."""

    def __init__(self, cluster: LocalCluster) -> None:
        """Produce as every producer of ours does."""
        self.acknowledged: list[int] = []
        self.failures: list[str] = []
        options: dict[str, str | int | float | bool] = {"acks": "all", "enable.idempotence": True, "linger.ms": 0}
        self._producer = Producer({"bootstrap.servers": cluster.servers, **options, "delivery.timeout.ms": WAIT_S_MAX * 1_000})
        self.sent = 0

    def send_until(self, enough: Callable[[], bool]) -> None:
        give_up = time.monotonic() + WAIT_S_MAX
        while self.sent < RECORDS and not enough():
            assert time.monotonic() < give_up
            if self.sent - len(self.acknowledged) < UNDER_WAY_MAX:
                self._producer.produce("tape", value=b"%d" % self.sent, partition=0, on_delivery=self._delivered)
                self.sent += 1
            self._producer.poll(0 if self.sent - len(self.acknowledged) < UNDER_WAY_MAX else 0.05)

    def finish(self) -> None:
        self.send_until(lambda: False)
        assert self._producer.flush(WAIT_S_MAX) == 0

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failures.append(error.str())
        else:
            self.acknowledged.append(int(message.value() or b""))


def read(cluster: LocalCluster, count: int) -> list[int]:
    consumer = Consumer({"bootstrap.servers": cluster.servers, "group.id": "reads", "enable.partition.eof": True})
    consumer.assign([TopicPartition("tape", 0, 0)])
    found: list[int] = []
    give_up = time.monotonic() + WAIT_S_MAX
    try:
        while time.monotonic() < give_up:
            for message in consumer.consume(5_000, timeout=0.5):
                error = message.error()
                if error is None:
                    found.append(int(message.value() or b""))
                elif error.code() == KafkaError._PARTITION_EOF and len(found) >= count:  # noqa: SLF001 - its public name for it
                    return found
    finally:
        consumer.close()
    return found


def test_no_acknowledged_record_is_lost_doubled_or_moved_when_the_leader_is_killed_in_mid_batch(cluster: LocalCluster) -> None:
    created = qts(cluster, "topics", "create")
    assert created[0] == 0, created[1]
    counted = Counted(cluster)
    counted.send_until(lambda: len(counted.acknowledged) >= KILL_AFTER)
    leader = leader_of(cluster, "tape", 0)
    counted.send_until(lambda: counted.sent - len(counted.acknowledged) > UNDER_WAY_MAX // 2)
    acknowledged, sent = len(counted.acknowledged), counted.sent

    cluster.kill(leader)
    counted.finish()

    assert KILL_AFTER <= acknowledged < sent < RECORDS, "the kill did not fall into the middle"
    assert counted.failures == []
    assert counted.acknowledged == list(range(RECORDS))
    assert read(cluster, RECORDS) == list(range(RECORDS))
    assert leader_of(cluster, "tape", 0) != leader

    cluster.revive(leader)
    code, said = qts(cluster, "topics", "check")
    assert code == 0, said
    assert "good" in said
    assert "no cluster" not in said


def test_too_few_copies_are_refused_on_three_brokers(cluster: LocalCluster) -> None:
    code, said = qts(cluster, "topics", "create", "--replication", "1")
    assert code == 1, said
    assert "3 copies are the least that may hold money" in said


def test_brokers_end_with_the_program_that_started_them_even_if_it_is_killed(kafka: Kafka, tmp_path: Path) -> None:
    del kafka
    script = (
        "import sys; from pathlib import Path; from connectors.kafka.local_cluster import LocalCluster\n"
        "cluster = LocalCluster(Path(sys.argv[1]), Path(sys.argv[2])); cluster.start(); print(cluster.pid(1), flush=True); sys.stdin.read()"
    )
    asked = [sys.executable, "-c", script, str(resolved_jars()), str(tmp_path)]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        broker = int(program.stdout.readline())
        assert "kafka.Kafka" in command_line(broker)
        program.kill()

    give_up = time.monotonic() + 30
    while "kafka.Kafka" in command_line(broker):
        assert time.monotonic() < give_up
        time.sleep(0.05)
