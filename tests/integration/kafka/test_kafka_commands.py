"""`./qts kafka` and `./qts topics`, as a user runs them: a broker in the background, its topics, and what comes of faults."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient

from connectors.kafka import local_background
from connectors.kafka.identity import read_identity, topic_ids
from connectors.kafka.local_background import BackgroundBroker
from connectors.kafka.local_node import free_ports
from connectors.kafka.settings import KafkaSettings
from tests.integration.kafka_server import Kafka

pytestmark = pytest.mark.kafka

ENDED_S_MAX = 30


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    data: dict[str, Any]
    stderr: str


class User:
    """Runs commands in a deployment of their own."""

    def __init__(self, home: Path) -> None:
        """Begin with nothing there."""
        self.home, self.port = home, free_ports(1)[0]
        self.settings = KafkaSettings(f"127.0.0.1:{self.port}")
        self.broker = BackgroundBroker(home / "kafka")

    def qts(self, *words: str) -> Ran:
        asked = [sys.executable, "-m", "streams.cli.main", *words, "--json"]
        environ = {**os.environ, "QTS_HOME": str(self.home), "QTS_KAFKA_SERVERS": self.settings.servers}
        done = subprocess.run(asked, env=environ, capture_output=True, text=True, timeout=180, check=False)
        return Ran(done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr)

    def start(self) -> Ran:
        return self.qts("kafka", "start", "--port", str(self.port))

    def fresh_topics(self) -> None:
        """Delete all topics there are, and wait until they are gone."""
        admin = AdminClient({"bootstrap.servers": self.settings.servers})
        names = [name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")]
        if names:
            for gone in admin.delete_topics(names, operation_timeout=30).values():
                gone.result(timeout=30)
        until(lambda: not {name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")})


def until(true: Any) -> None:
    """Wait until something is so, for a bounded while."""
    give_up = time.monotonic() + ENDED_S_MAX
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture
def user(tmp_path: Path, kafka: Kafka) -> Iterator[User]:
    """Give a user without a broker; `kafka` makes sure that its jars can be had."""
    del kafka
    made = User(tmp_path)
    try:
        yield made
    finally:
        made.broker.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, kafka: Kafka) -> Iterator[User]:
    """Give a user whose broker runs."""
    del kafka
    made = User(tmp_path_factory.mktemp("home"))
    try:
        assert made.start().code == 0
        yield made
    finally:
        made.broker.stop()


@pytest.fixture
def fresh(running: User) -> User:
    """Give a user whose broker runs and has no topics."""
    running.fresh_topics()
    return running


def test_a_broker_is_started_once_answers_and_is_stopped_with_its_data_kept(user: User) -> None:
    assert user.qts("kafka", "status").code == 1

    first, second = user.start(), user.qts("kafka", "start")

    assert (first.code, first.data["started"], second.code, second.data["started"]) == (0, True, 0, False)
    assert first.data["pid"] == second.data["pid"]
    assert user.qts("kafka", "status").data["answers"] is True
    assert user.qts("topics", "create").code == 0
    ids = topic_ids(user.settings, ["tape"])

    stopped = user.qts("kafka", "stop")
    assert (stopped.code, stopped.data) == (0, {"stopped": True, "pid": first.data["pid"]})
    assert user.qts("kafka", "stop").data["stopped"] is False
    assert user.qts("kafka", "status").code == 1
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", user.port)) != 0

    again = user.qts("kafka", "start")  # without --port: where it listened last
    assert (again.data["servers"], again.data["started"]) == (user.settings.servers, True)
    assert topic_ids(user.settings, ["tape"]) == ids
    assert user.qts("topics", "check").code == 0


def test_a_broker_that_was_killed_is_noticed_and_starts_again_with_what_was_acknowledged(user: User) -> None:
    pid = user.start().data["pid"]
    assert user.qts("topics", "create").code == 0
    producer = Producer({"bootstrap.servers": user.settings.servers, "acks": "all"})
    producer.produce("signals", value=b"kept", partition=0)
    assert producer.flush(30) == 0

    os.kill(pid, signal.SIGKILL)
    until(lambda: user.broker.state().pid is None)

    assert user.qts("kafka", "status").code == 1
    assert user.start().data["started"] is True
    until(lambda: user.qts("topics", "check").code == 0)


def test_who_starts_it_may_be_killed_meanwhile(user: User) -> None:
    asked = [sys.executable, "-m", "streams.cli.main", "kafka", "start", "--port", str(user.port)]
    with subprocess.Popen(asked, env={**os.environ, "QTS_HOME": str(user.home)}, stderr=subprocess.DEVNULL) as starting:
        until(lambda: user.broker.state().pid is not None)
        starting.kill()
    pid = user.broker.state().pid

    found = user.start()

    assert (found.code, found.data["started"], found.data["pid"]) == (0, False, pid)


def test_two_who_start_it_at_once_get_one(user: User) -> None:
    asked = [sys.executable, "-m", "streams.cli.main", "kafka", "start", "--port", str(user.port), "--json"]
    environ = {**os.environ, "QTS_HOME": str(user.home)}
    both = [subprocess.Popen(asked, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [json.loads(one.communicate(timeout=180)[0].splitlines()[-1]) for one in both]

    assert sorted(one["started"] for one in said) == [False, True]
    assert said[0]["pid"] == said[1]["pid"]


def test_a_running_broker_does_not_move_to_another_port(running: User) -> None:
    other = running.qts("kafka", "start", "--port", str(free_ports(1)[0]))

    assert other.code == 2
    assert running.settings.servers in other.data["error"]
    assert running.qts("kafka", "status").data["answers"] is True


def test_topics_are_made_once_and_the_tape_gets_its_identity(fresh: User) -> None:
    assert fresh.qts("topics", "check").code == 1

    first, second = fresh.qts("topics", "create", "--partitions", "3"), fresh.qts("topics", "create")

    assert (first.code, second.code) == (0, 0)
    assert (len(first.data["created"]), second.data["created"]) == (19, [])
    assert first.data["topics"] == second.data["topics"]
    identity = read_identity(fresh.settings, 10)
    assert identity is not None
    assert (identity.epoch, identity.partitions, identity.tape) == (1, 3, "tape")
    assert identity.topics == {name: found for name, found in first.data["topics"].items() if name != "tape-identity"}
    checked = fresh.qts("topics", "check")
    assert (checked.code, checked.data["holds_money"], checked.data["replication"]) == (0, False, 1)
    assert fresh.qts("topics", "create", "--partitions", "4").code == 2
    assert fresh.qts("topics", "create", "--replication", "3").code == 1


def test_a_topic_that_was_deleted_or_made_anew_is_told_and_the_identity_stays(fresh: User) -> None:
    assert fresh.qts("topics", "create").code == 0
    before = read_identity(fresh.settings, 10)
    admin = AdminClient({"bootstrap.servers": fresh.settings.servers})
    for gone in admin.delete_topics(["tape", "fills"], operation_timeout=30).values():
        gone.result(timeout=30)
    until(lambda: "tape" not in topic_ids(fresh.settings, ["tape"]))

    missing = fresh.qts("topics", "check")
    made_anew = fresh.qts("topics", "create")

    assert missing.code == 1
    assert {"tape: missing", "fills: missing"} <= set(missing.data["problems"])
    assert (made_anew.code, made_anew.data["created"]) == (1, ["fills", "tape"])
    assert [line.split(":")[0] for line in made_anew.data["problems"]] == [
        "topic fills was made anew",
        "topic tape was made anew",
    ]
    assert fresh.qts("topics", "check").code == 1
    assert read_identity(fresh.settings, 10) == before


def test_a_tape_that_lost_its_identity_does_not_begin_once_more(fresh: User) -> None:
    assert fresh.qts("topics", "create").code == 0
    producer = Producer({"bootstrap.servers": fresh.settings.servers, "acks": "all"})
    producer.produce("tape", value=b"an event", partition=0)
    assert producer.flush(30) == 0
    admin = AdminClient({"bootstrap.servers": fresh.settings.servers})
    admin.delete_topics(["tape-identity"], operation_timeout=30)["tape-identity"].result(timeout=30)
    until(lambda: read_identity(fresh.settings, 10) is None)

    again = fresh.qts("topics", "create")

    assert (again.code, again.data["created"]) == (1, ["tape-identity"])
    assert again.data["problems"] == ["topic tape holds records, and there is no identity of the tape they belong to"]
    assert read_identity(fresh.settings, 10) is None


def test_counts_of_partitions_that_differ_are_refused_and_never_changed(fresh: User, kafka: Kafka) -> None:
    own = Kafka(fresh.settings.servers, AdminClient({"bootstrap.servers": fresh.settings.servers}))
    assert own.servers != kafka.servers
    own.new_topic("tape", 4)
    own.new_topic("marks", 5)

    created, checked = fresh.qts("topics", "create"), fresh.qts("topics", "check")

    assert (created.code, checked.code) == (1, 1)
    assert "marks has 5 partitions, not 4" in created.data["error"]
    assert "marks: 5 partitions instead of 4" in checked.data["problems"]
    assert "tape: max.message.bytes=1048588 instead of 2097152" in checked.data["problems"]
    assert set(topic_ids(fresh.settings, ["tape", "marks", "signals"])) == {"tape", "marks"}


def test_a_storage_whose_making_was_cut_short_is_made_again(user: User) -> None:
    assert user.start().code == 0
    assert user.qts("kafka", "stop").code == 0
    data = user.home / "kafka" / "data"
    (data / "meta.properties").unlink()  # what is written last
    assert list(data.iterdir())

    assert user.start().data["answers"] is True


def test_a_broker_that_hangs_is_told_and_still_ended(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = user.start().data["pid"]
    os.kill(pid, signal.SIGSTOP)

    hanging = user.qts("kafka", "status")

    assert (hanging.code, hanging.data["running"], hanging.data["answers"]) == (1, True, False)
    monkeypatch.setattr(local_background, "STOP_S_MAX", 1)
    assert user.broker.stop() == pid
    assert user.broker.state().pid is None


def test_two_who_make_the_topics_at_once_make_them_once(fresh: User) -> None:
    asked = [sys.executable, "-m", "streams.cli.main", "topics", "create", "--servers", fresh.settings.servers, "--json"]
    both = [subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [json.loads(one.communicate(timeout=180)[0].splitlines()[-1]) for one in both]

    assert [one["problems"] for one in said] == [[], []]
    assert said[0]["topics"] == said[1]["topics"]
    assert fresh.qts("topics", "check").code == 0


def test_the_tape_carries_an_input_of_the_largest_size_in_its_envelope(fresh: User) -> None:
    assert fresh.qts("topics", "create").code == 0
    refused: list[str] = []
    producer = Producer({"bootstrap.servers": fresh.settings.servers, "message.max.bytes": 4 * 1024**2})
    largest = bytes(1024**2 - 200)

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append(f"{message.topic()} {error.name()}")

    for topic, size in (("signals", len(largest)), ("tape", 1024**2 + 100_000), ("signals", 1024**2 + 100_000)):
        producer.produce(topic, value=bytes(size), partition=0, on_delivery=delivered)
    assert producer.flush(30) == 0

    assert refused == ["signals MSG_SIZE_TOO_LARGE"]
