"""`./qts up` and `./qts status` with real workers: who dies is started again, and all end together. On the embedded broker and on a real Kafka."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.deployment_kit import Running, called, running, until
from tests.integration.kafka_server import KafkaMissingError, resolved_jars, running_kafka

ONE_OF_EACH = ("--workers", "sequencer=1,desk=1,views=1,policy=1")


@contextmanager
def own_kafka(folder: Path) -> Iterator[str]:
    """Run a real Kafka that nobody else has: a deployment's topics have fixed names. Where it cannot be had, skip, but not in CI."""
    try:
        jars = resolved_jars()
    except KafkaMissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"real Kafka could not be had: {missing}")
    with running_kafka(jars, folder) as kafka:
        yield kafka.servers


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give what --broker is told."""
    if request.param == "embedded":
        yield "embedded"
        return
    with own_kafka(tmp_path / "kafka") as servers:
        yield servers


def status(command: Running) -> dict[str, Any]:
    return called(command.folder, "status")[1]


def well(command: Running) -> bool:
    return bool(status(command).get("well"))


def test_a_deployment_is_well_survives_a_kill_and_ends_together(broker: str, tmp_path: Path) -> None:
    with running(tmp_path / "up", "up", "--broker", broker, "--json", *ONE_OF_EACH) as command:
        assert until(lambda: well(command)), command.complained()
        said = status(command)
        workers = {one["name"]: one for one in said["workers"]}
        assert workers.keys() == {"sequencer-0", "desk-0", "views-0", "policy-0"}
        assert all(one["alive"] and one["ready"] and one["memory_bytes"] > 0 for one in workers.values())
        assert workers["desk-0"]["partitions"] == 4
        assert workers["desk-0"]["tape_offsets"].keys() == {"0", "1", "2", "3"}
        assert said["spools"][0]["green"]

        killed = workers["desk-0"]["pid"]
        os.kill(killed, signal.SIGKILL)
        assert until(lambda: called(command.folder, "status")[0] == 1, 5.0)
        assert until(lambda: well(command)), command.complained()
        again = {one["name"]: one for one in status(command)["workers"]}
        assert (again["desk-0"]["restarts"], again["desk-0"]["why"]) == (1, "signal 9")
        assert again["desk-0"]["pid"] != killed
        assert again["sequencer-0"]["pid"] == workers["sequencer-0"]["pid"]

        assert command.end() == 0, command.complained()
        assert command.left() == {}
        assert command.answer()["ended"] == "told"
        assert called(command.folder, "status")[0] == 3


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, "up", "--broker", "embedded") as command:
        assert until(lambda: len(command.below()) >= 5)

        command.end(signal.SIGKILL)

        assert until(lambda: not command.left(), 20.0), command.left()
        assert called(tmp_path, "status")[0] == 3


def test_a_worker_whose_settings_cannot_be_used_is_left_alone_and_it_is_said(tmp_path: Path) -> None:
    bad = {"QT_RISK_PER_TRADE_PCT": "a lot"}
    with running(tmp_path, "up", "--broker", "embedded", "--workers", "policy=1", "--json", environ=bad) as command:
        assert command.process.wait(60) == 1
        assert command.answer()["ended"] == "nothing left to watch"
        assert command.answer()["workers"][0]["state"] == "ended"
        assert "QT_RISK_PER_TRADE_PCT" in (tmp_path / "home" / "log" / "policy-0.log").read_text()


@pytest.mark.kafka
def test_a_demo_on_a_real_kafka_trades_and_takes_its_leave(tmp_path: Path) -> None:
    with (
        own_kafka(tmp_path / "kafka") as servers,
        running(tmp_path / "demo", "demo", "--broker", servers, "--seconds", "10", "--json") as command,
    ):
        assert command.ended() == 0, command.complained()
        told = command.answer()
        assert told["orders"] >= 3
        assert (told["duplicate_orders"], told["dead_letters"]) == (0, 0)
        assert len(str(told["decisions_hash"])) == 32
        assert command.left() == {}
