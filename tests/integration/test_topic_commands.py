"""`./qts tail`, `send`, `dlq`, `account` as a user calls them, on the embedded broker and on real Kafka: one suite for both.

Each broker is of these tests alone, since the commands use the names of topics as they are.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Producer

from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.partitioner import partition_of
from connectors.kafka.spool import Spool
from connectors.kafka.spool_settings import SPOOL_BYTES
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.outputs import DeadLetter, Portfolio
from streams.flow import ASIDE, INPUTS, OUTPUTS, TAPE
from tests.integration.kafka_server import KafkaMissingError, resolved_jars, running_kafka
from tests.schema_kit import MARK, SIGNAL, tape_event

TOPICS = sorted({topic.name for topic in (*INPUTS, TAPE, *OUTPUTS, *ASIDE)})
PARTITIONS = 4
WAIT_S = 60.0
CODEC = Codec(BundledRegistry())


class Deployment(NamedTuple):
    """A broker with our topics, and the environment of commands that use it."""

    servers: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "QTS_KAFKA_SERVERS": self.servers, "QTS_HOME": str(self.home), "COLUMNS": "200"}

    def start(self, *words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", *words],
            env=self.environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def call(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        process = self.start(*words)
        try:
            out, err = process.communicate(stdin, timeout=WAIT_S)
        finally:
            process.kill()
        return process.returncode, out, err

    def put(self, topic: str, key: str, value: bytes, partition: int | None = None) -> None:
        producer = Producer({"bootstrap.servers": self.servers, "log_level": 0})
        producer.produce(topic, value, key, partition=partition_of(key.encode(), PARTITIONS) if partition is None else partition)
        assert producer.flush(WAIT_S) == 0

    def all_of(self, topic: str) -> list[dict[str, object]]:
        code, out, err = self.call("tail", topic, "--from-beginning", "--no-follow", "--json")
        assert (code, err) == (0, "")
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        with EmbeddedBroker() as broker:
            for topic in TOPICS:
                broker.create(topic, PARTITIONS)
            yield Deployment(broker.servers, folder / "home")
        return
    try:
        jars = resolved_jars()
    except KafkaMissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"real Kafka could not be had: {missing}")
    with running_kafka(jars, folder) as kafka:
        for topic in TOPICS:
            kafka.new_topic(topic, PARTITIONS)
        yield Deployment(kafka.servers, folder / "home")


def last(out: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(out.splitlines()[-1])
    return found


def test_an_account_is_added_listed_and_disabled(deployment: Deployment) -> None:
    added = deployment.call(
        "account", "add", "alpha", "--venue", "binanceusdm", "--credentials", "ALPHA_KEYS", "--leverage", "3",
        "--opening-balance", "10000.5", "--user", "ana", "--reason", "first day", "--json",
    )  # fmt: skip
    assert added[0] == 0, added
    rows = last(deployment.call("account", "list", "--json")[1])["accounts"]
    assert isinstance(rows, list)
    assert [(row["account"], row["service"], row["opening_balance"]) for row in rows] == [("alpha", "added", "10000.5000000000")]

    assert deployment.call("account", "disable", "alpha", "--user", "bo", "--reason", "moved")[0] == 0
    seen = Portfolio(
        "alpha", 1, 0, 1_700_000_000_000, "HALTED", Decimal(1), Decimal("1.005"), Decimal(0), Decimal(1), Decimal(0), Decimal(1), Decimal(0),
        Decimal(0), Decimal(0), (), 0, 0, "p1", "ARMED", None, "", None, 0, 0,
    )  # fmt: skip
    deployment.put("portfolio", "alpha", CODEC.encode(seen))

    _, out, _ = deployment.call("account", "list")
    row = next(line for line in out.splitlines() if "alpha" in line)
    assert row.split()[:5] == ["alpha", "disabled", "binanceusdm", "HALTED", "1.01"]


def test_records_sent_are_tailed_on_the_partition_of_their_key(deployment: Deployment, tmp_path: Path) -> None:
    lines = [
        {"account": f"a-{number}", "symbol": "BTCUSDT", "side": "LONG", "confidence": 0.8, "model_agreement": 0.9, "source": "s",
         "degraded": False, "regime": "TREND", "atr": "1.25"}
        for number in range(40)
    ]  # fmt: skip
    file = tmp_path / "signals.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    code, out, err = deployment.call("send", "signal", "--file", str(file), "--json")

    assert code == 0, err
    assert last(out)["sent"] == 40
    assert last(out)["spooled"] == 0
    found = deployment.all_of("signals")
    assert sorted(str(one["key"]) for one in found) == sorted(f"a-{number}" for number in range(40))
    assert all(one["partition"] == partition_of(str(one["key"]).encode(), PARTITIONS) for one in found)
    again = deployment.call("send", "signal", stdin=json.dumps(found[0]["record"]))
    assert again[0] == 0, again
    ids = [str(one["record"]["signal_id"]) for one in deployment.all_of("signals") if isinstance(one["record"], dict)]
    assert (len(ids), len(set(ids))) == (41, 40)  # what tail shows can be sent again, and keeps its id


def test_a_file_with_a_bad_line_leaves_the_topic_as_it_was(deployment: Deployment) -> None:
    before = len(deployment.all_of("marks"))
    good = {name: str(value) for name, value in MARK._asdict().items()}

    code, _, err = deployment.call("send", "mark", stdin=f"{json.dumps(good)}\n{json.dumps({**good, 'bid': '-1'})}\n")

    assert code == 2
    assert "line 2: bid:" in err
    assert len(deployment.all_of("marks")) == before


def test_a_tape_with_junk_on_it_is_shown_to_its_end(deployment: Deployment) -> None:
    for value in (CODEC.encode_event(tape_event(MARK)), b"", b"\x00\xff\x1b[2J", CODEC.encode(SIGNAL)):
        deployment.put("tape", "k", value, partition=2)

    found = deployment.all_of("tape")

    assert [one["kind"] for one in found] == ["TapeEvent", "Unreadable", "Unreadable", "Unreadable"]
    assert "\x1b" not in deployment.call("tail", "tape", "--no-follow")[1]


def test_following_shows_what_comes_and_ends_in_peace(deployment: Deployment) -> None:
    process = deployment.start("tail", "decisions", "--json")
    try:
        assert process.stdout is not None
        # It may not have begun yet, so records are sent until one is shown.
        for _ in range(100):
            deployment.put("decisions", "k", b"\x07")
            if select.select([process.stdout], [], [], 0.5)[0]:
                break
        assert json.loads(process.stdout.readline())["record"]["hex"] == "07"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, err) == (0, "")
    finally:
        process.kill()
        process.wait(WAIT_S)


def test_a_dead_letter_is_listed_shown_and_sent_again_as_it_was(deployment: Deployment) -> None:
    deployment.put("fills", "alpha", b"\xffbad", partition=1)
    source = next(one for one in deployment.all_of("fills") if one["partition"] == 1)
    offset = source["offset"]
    assert isinstance(offset, int)
    letter = DeadLetter(
        77, 3, "fills", 1, offset, "NOT_AVRO", "does not begin with a zero byte", None, b"\xffbad", 1_700_000_000_000
    )
    for _ in range(2):  # outputs may come twice
        deployment.put("dead-letters", "alpha", CODEC.encode(letter), partition=3)

    listed = last(deployment.call("dlq", "list", "--json")[1])
    assert listed["by_code"] == {"NOT_AVRO": 1}
    assert last(deployment.call("dlq", "show", "3/77/3", "--json")[1])["raw"] == b"\xffbad".hex()
    assert deployment.call("dlq", "redrive", "3/77/3", stdin="n\n")[0] == 130
    assert len(deployment.all_of("fills")) == 1
    code, out, err = deployment.call("dlq", "redrive", "--code", "NOT_AVRO", stdin="y\n")

    assert code == 0, err
    assert "1 sent again" in out
    first, second = deployment.all_of("fills")
    assert {**second, "offset": 0, "timestamp_ms": 0} == {**first, "offset": 0, "timestamp_ms": 0}


def test_a_topic_that_is_not_there_is_told_and_not_made(deployment: Deployment) -> None:
    for _ in range(2):
        code, _, err = deployment.call("tail", "no-such-topic")
        assert code == 2
        assert "decisions" in err


def test_a_command_hands_its_folder_on_empty(deployment: Deployment) -> None:
    code, out, _ = deployment.call(
        "send", "control", "--set", "account=*", "--set", "user=u", "--set", "reason=r", "--set", "command=Trip"
    )

    assert code == 0
    assert "on disk" not in out
    with Spool(deployment.home / "spool" / "commands", SPOOL_BYTES) as spool:
        assert spool.records == 0


def test_without_a_broker_each_command_ends_with_three_and_nothing_is_kept_for_later(tmp_path: Path) -> None:
    nowhere = Deployment("127.0.0.1:1", tmp_path / "home")
    commands = [nowhere.start("tail", "signals"), nowhere.start("account", "disable", "a", "--user", "u", "--reason", "r")]

    for process in commands:
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, out, err.count("\n")) == (3, "", 1)
        assert "no broker answers at 127.0.0.1:1" in err
    assert not (tmp_path / "home").exists()


def test_a_broker_that_is_killed_ends_following_with_three(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        broker.create("decisions", 1)
        gone = Deployment(broker.servers, tmp_path)
        gone.put("decisions", "k", b"\x07", partition=0)
        process = gone.start("tail", "decisions", "--json")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["record"]["hex"] == "07"
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        try:
            out, err = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()

    assert process.returncode == 3, (out, err)
    assert err.count("\n") == 1


def test_the_option_goes_before_the_environment(deployment: Deployment, tmp_path: Path) -> None:
    elsewhere = Deployment("127.0.0.1:1", tmp_path)

    assert elsewhere.call("tail", "tape", "--no-follow", "--servers", deployment.servers)[0] == 0
