"""`./qts kafka` and `./qts topics` where something is missing: one line that says what, and the exit code for it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import streams
from connectors.kafka.local_node import free_ports
from streams.cli.kafka import kafka_jars
from streams.cli.main import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a deployment's folder with nothing in it."""
    monkeypatch.setenv("QTS_HOME", str(tmp_path / "home"))
    for name in ("SERVERS", "SECURITY", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"QTS_KAFKA_{name}", raising=False)
    return tmp_path / "home"


def said(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    out, err = capsys.readouterr()
    return json.loads(out.splitlines()[-1]), err


@pytest.mark.usefixtures("home")
def test_a_broker_that_does_not_run_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kafka", "status", "--json"]) == 1

    assert said(capsys)[0] | {"folder": "", "log": ""} == {
        "running": False, "answers": False, "servers": None, "pid": None, "folder": "", "log": "",
    }  # fmt: skip


def test_looking_makes_no_folder(home: Path) -> None:
    main(["kafka", "status"])

    assert not home.exists()


@pytest.mark.usefixtures("home")
def test_stopping_what_does_not_run_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kafka", "stop", "--json"]) == 0

    assert said(capsys)[0] == {"stopped": False, "pid": None}


@pytest.mark.usefixtures("home")
def test_without_java_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(streams, "__file__", str(tmp_path / "site-packages" / "streams" / "__init__.py"))

    assert main(["kafka", "start", "--json"]) == 3

    data, err = said(capsys)
    assert "Java 17 or newer" in data["error"]
    assert err.count("\n") == 1


def test_an_installed_program_keeps_kafka_with_the_deployment(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("java", "mvn"):
        made = tmp_path / name
        made.write_text('#!/bin/sh\nfor w in "$@"; do case $w in -DoutputDirectory=*) mkdir "${w#*=}";; esac; done\n')
        made.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(streams, "__file__", str(tmp_path / "site-packages" / "streams" / "__init__.py"))

    assert kafka_jars().parent == home / "kafka-jars"


def test_a_home_that_cannot_be_a_folder_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.write_text("a file")

    assert main(["kafka", "stop", "--json"]) == 3
    assert str(home) in said(capsys)[0]["error"]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("servers", ["nonsense", "127.0.0.1:0"])
def test_settings_that_cannot_be_used_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], servers: str
) -> None:
    monkeypatch.setenv("QTS_KAFKA_SERVERS", servers)

    assert main(["topics", "check", "--json"]) == 2
    assert "QTS_KAFKA_SERVERS" in said(capsys)[0]["error"]


@pytest.mark.usefixtures("home")
def test_a_broker_that_is_away_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("connectors.kafka.admin.AWAY_S", 0.2)

    for command in ("create", "check"):
        assert main(["topics", command, "--servers", f"127.0.0.1:{free_ports(1)[0]}", "--json"]) == 3
        data, err = said(capsys)
        assert "does not answer" in data["error"]
        assert err.count("\n") == 1
