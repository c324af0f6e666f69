"""The local Kafka without Kafka: its settings, its jars, and a background broker whose Java is a script of the test's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.background import PortTaken
from connectors.kafka.local_background import BackgroundBroker
from connectors.kafka.local_jars import KafkaMissing, resolved_jars
from connectors.kafka.local_node import KafkaFailed, LocalNode, free_ports, new_cluster_id, port_taken
from connectors.kafka.local_properties import NodePlan, NodePorts, Secured, server_properties
from connectors.kafka.settings import Secret

PORTS = (NodePorts(1001, 1002, 1003), NodePorts(2001, 2002, 2003), NodePorts(3001, 3002, 3003))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder whose programs stand before all others."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    made = folder / name
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)


def values(plan: NodePlan) -> dict[str, str]:
    return dict(line.split("=", 1) for line in server_properties(plan).splitlines())


def test_every_listener_is_on_this_machine_only() -> None:
    secured = Secured(Path("both.pem"), "qts", Secret("hidden"))
    for node in (1, 2, 3):
        found = values(NodePlan(node, PORTS, Path("/data"), secured))
        hosts = re.findall(r"://([^:]+):", found["listeners"] + found["advertised.listeners"])
        assert set(hosts) == {"127.0.0.1"}
        assert len(hosts) == 5
        assert found["node.id"] == str(node)


def test_one_broker_keeps_one_copy_and_three_keep_three() -> None:
    one, three = values(NodePlan(1, PORTS[:1], Path("/data"))), values(NodePlan(2, PORTS, Path("/data")))

    for name, copies in (("offsets.topic.replication.factor", "3"), ("transaction.state.log.min.isr", "2")):
        assert (one[name], three[name]) == ("1", copies)
    assert three["controller.quorum.voters"] == "1@127.0.0.1:1002,2@127.0.0.1:2002,3@127.0.0.1:3002"
    assert three["auto.create.topics.enable"] == "false"


def test_a_password_is_not_in_the_settings() -> None:
    assert "hidden" not in server_properties(
        NodePlan(1, PORTS[:1], Path("/data"), Secured(Path("both.pem"), "qts", Secret("hidden")))
    )


def test_a_password_is_shown_to_no_other_user_when_a_storage_is_made(tmp_path: Path, programs: Path) -> None:
    program(
        programs,
        "java",
        f'echo "$@" >> {tmp_path}/asked; for w in "$@"; do case $w in @*) cp -p "${{w#@}}" {tmp_path}/words;; esac; done',
    )
    node = LocalNode(tmp_path, tmp_path / "node", 64)

    node.prepare(NodePlan(1, PORTS[:1], node.data, Secured(Path("both.pem"), "qts", Secret("hidden"))), new_cluster_id())

    assert "hidden" not in (tmp_path / "asked").read_text()
    assert (tmp_path / "words").read_text().count("[name=qts,password=hidden]") == 2
    assert (tmp_path / "words").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "node").iterdir()] == ["server.properties"]
    assert "hidden" not in node.properties.read_text()


def test_a_cluster_id_is_new_each_time_and_no_option() -> None:
    ids = {new_cluster_id() for _ in range(200)}

    assert len(ids) == 200
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{21}", found) for found in ids)


def test_jars_are_fetched_once_a_version(tmp_path: Path, programs: Path) -> None:
    program(programs, "java", "exit 1")
    program(
        programs,
        "mvn",
        f'echo fetched >> {tmp_path}/calls; for w in "$@"; do case $w in -DoutputDirectory=*) mkdir "${{w#*=}}";; esac; done',
    )

    first, again, other = (resolved_jars(pom, tmp_path / "jars") for pom in (b"one", b"one", b"two"))

    assert first == again != other
    assert (tmp_path / "calls").read_text().count("fetched") == 2
    assert sorted((tmp_path / "jars").iterdir()) == sorted({first, other})


def test_a_fetch_that_fails_leaves_nothing_that_would_be_taken_for_jars(tmp_path: Path, programs: Path) -> None:
    program(programs, "java", "exit 1")
    program(
        programs, "mvn", 'for w in "$@"; do case $w in -DoutputDirectory=*) mkdir "${w#*=}";; esac; done; echo no network; exit 1'
    )

    with pytest.raises(KafkaMissing, match="no network"):
        resolved_jars(b"one", tmp_path / "jars")

    assert list((tmp_path / "jars").iterdir()) == []


def test_without_java_or_maven_it_is_said_what_to_install(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(KafkaMissing, match="Java 17 or newer"):
        resolved_jars(b"one", tmp_path / "jars")
    program(programs, "java", "exit 1")
    with pytest.raises(KafkaMissing, match="apt install maven"):
        resolved_jars(b"one", tmp_path / "jars")


def test_a_java_that_is_too_old_is_told(tmp_path: Path, programs: Path) -> None:
    program(programs, "java", 'echo "Error: java.lang.UnsupportedClassVersionError: kafka/Kafka" >&2; exit 1')

    with pytest.raises(KafkaMissing, match="too old"):
        BackgroundBroker(tmp_path / "kafka").start(tmp_path, free_ports(1)[0])


def test_a_broker_that_ends_at_once_is_told_with_its_last_words_and_leaves_no_process(tmp_path: Path, programs: Path) -> None:
    program(programs, "java", 'case "$*" in *StorageTool*) exit 0;; esac; echo "disk is full" >&2; exit 1')
    broker = BackgroundBroker(tmp_path / "kafka")

    with pytest.raises(KafkaFailed, match="disk is full"):
        broker.start(tmp_path, free_ports(1)[0])

    assert broker.state().pid is None
    assert not broker.pid_file.exists()


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    broker = BackgroundBroker(tmp_path / "kafka")
    asked = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", asked], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        with pytest.raises(PortTaken, match=str(port)):
            broker.start(tmp_path, port)
        assert port_taken(port)


@pytest.mark.parametrize("written", ["", "garbage", "-1", "0", "1", str(2**31 - 1), "9" * 400, "own"])
def test_a_pid_file_that_is_garbage_stale_or_another_programs_ends_nobody(tmp_path: Path, written: str) -> None:
    broker = BackgroundBroker(tmp_path / "kafka")
    broker.folder.mkdir()
    broker.pid_file.write_text(str(os.getpid()) if written == "own" else written)

    assert broker.state().pid is None
    assert broker.stop() is None
    assert not broker.pid_file.exists()


def test_exactly_the_process_that_runs_the_broker_of_this_folder_is_ended(tmp_path: Path) -> None:
    broker, other = BackgroundBroker(tmp_path / "kafka"), BackgroundBroker(tmp_path / "other")
    broker.folder.mkdir()
    other.folder.mkdir()
    asked = [sys.executable, "-c", "import sys; sys.stdin.read()", "kafka.Kafka", str(broker.folder / "server.properties")]
    with subprocess.Popen(asked, stdin=subprocess.PIPE) as running:
        for one in (broker, other):
            one.pid_file.write_text(str(running.pid))
        assert other.stop() is None
        assert running.poll() is None
        assert broker.stop() == running.pid
        assert running.wait(10) != 0
