"""The compose files, read and not started: images are pinned, what runs is watched, and nothing listens beyond the machine."""

import re
from typing import Any

import pytest
import yaml

from tests.architecture.repository import ROOT

FILES = sorted(ROOT.glob("docker-compose*.yml"))
PINNED = re.compile(r"[a-z0-9./-]+:\d+\.\d+(\.\d+)*(-[a-z0-9.]+)?(@sha256:[0-9a-f]{64})?")
LOCAL = re.compile(r"127\.0\.0\.1:\d+:\d+")


def services() -> list[Any]:
    return [
        pytest.param(service, id=f"{path.name} {name}")
        for path in FILES
        for name, service in yaml.safe_load(path.read_text(encoding="utf-8"))["services"].items()
    ]


@pytest.mark.parametrize("service", services())
def test_an_image_is_pinned_to_a_version(service: dict[str, Any]) -> None:
    assert PINNED.fullmatch(service["image"])


@pytest.mark.parametrize("service", services())
def test_a_service_has_a_health_check(service: dict[str, Any]) -> None:
    assert service["healthcheck"]["test"]


@pytest.mark.parametrize("service", services())
def test_ports_are_open_to_this_machine_only(service: dict[str, Any]) -> None:
    assert [port for port in service.get("ports", ()) if not LOCAL.fullmatch(port)] == []
