"""The compose files and the image, read and not started: pinned, watched, without root, passwords or a way in from beyond the machine."""

import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml

from streams.cli.main import COMMANDS
from streams.cli.worker import ROLES
from tests.architecture.repository import ROOT

FILES = sorted(ROOT.glob("docker-compose*.yml"))
DOCKERFILE = ROOT / "infra" / "docker" / "Dockerfile"
PINNED = re.compile(r"[a-z0-9./-]+:\d+\.\d+(\.\d+)*(-[a-z0-9.-]+)?(@sha256:[0-9a-f]{64})?")
LOCAL = re.compile(r"127\.0\.0\.1:\d+:\d+")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|API_KEY|CREDENTIAL", re.IGNORECASE)
DEMANDED = re.compile(r"\$\{[A-Z0-9_]+:\?[^}]+\}")
"""A variable without which compose refuses to start."""
WORKERS = {"policy", "marketdata", "sequencer", "desk", "execution", "views"}
OUTWARD = {"marketdata", "execution"}
"""Those whose exchange is outside."""


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


def services() -> list[Any]:
    return [
        pytest.param(service, id=f"{path.name} {name}") for path in FILES for name, service in read(path.name)["services"].items()
    ]


def ours() -> list[Any]:
    """Give the services that run our own image."""
    return [given for given in services() if "build" in given.values[0]]


def instructions(of: str) -> list[str]:
    """Give what follows an instruction in the Dockerfile, each time it is there."""
    joined = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in joined.splitlines() if line.startswith(f"{of} ")]


@pytest.mark.parametrize("service", services())
def test_an_image_is_pinned_to_a_version(service: dict[str, Any]) -> None:
    assert PINNED.fullmatch(service["image"])


@pytest.mark.parametrize("service", services())
def test_a_service_has_a_health_check(service: dict[str, Any]) -> None:
    assert service["healthcheck"]["test"]


@pytest.mark.parametrize("service", services())
def test_ports_are_open_to_this_machine_only(service: dict[str, Any]) -> None:
    assert [port for port in service.get("ports", ()) if not LOCAL.fullmatch(port)] == []


@pytest.mark.parametrize("service", services())
def test_no_secret_has_a_default(service: dict[str, Any]) -> None:
    secrets = {name: value for name, value in service.get("environment", {}).items() if SECRET.search(name)}

    assert {name for name, value in secrets.items() if not name.endswith("_FILE") and not DEMANDED.fullmatch(str(value))} == set()


@pytest.mark.parametrize("service", services())
def test_who_is_waited_for_is_there_and_tells_when_it_is_ready(service: dict[str, Any]) -> None:
    there = {name for path in FILES for name in read(path.name)["services"]}

    for name, how in service.get("depends_on", {}).items():
        assert name in there
        assert how["condition"] in {"service_healthy", "service_completed_successfully"}


@pytest.mark.parametrize("service", ours())
def test_our_own_run_without_root_on_a_root_that_is_read_only(service: dict[str, Any]) -> None:
    user, _, group = service["user"].partition(":")
    assert int(user) > 0 < int(group)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["networks"] == (["inside", "outside"] if OUTWARD & set(service["command"]) else ["inside"])
    assert {place.partition(":")[0] for place in service["tmpfs"]} == {"/tmp"}  # noqa: S108 - a container's own
    assert service["volumes"] == ["qts-home:/var/lib/qts"]
    assert "privileged" not in service


def test_every_worker_is_there_by_the_name_of_its_role() -> None:
    found = read("docker-compose.kafka.yml")["services"]

    roles = {name: service["command"] for name, service in found.items() if service.get("command", [""])[0] == "worker"}
    assert set(roles) == WORKERS <= set(ROLES)
    assert {name: command[1] for name, command in roles.items()} == {name: name for name in roles}
    assert len({tuple(command[2:4]) for command in roles.values()}) == len(roles), "two workers of one name"
    assert {found["topics"]["command"][0], "worker"} <= set(COMMANDS)


def test_workers_wait_for_their_topics_and_have_no_way_out_unless_their_exchange_is_there() -> None:
    found = read("docker-compose.kafka.yml")

    for name in WORKERS:
        assert found["services"][name]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}
    assert found["networks"]["inside"] == {"internal": True}
    assert found["services"]["topics"]["restart"] == "no"


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_a_worker_is_healthy_when_it_says_that_it_is_ready(status: int, code: int) -> None:
    asked: list[str] = []

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name for it
            """Say nothing."""

    service = read("docker-compose.kafka.yml")["services"]["desk"]
    kind, _, option, script = service["healthcheck"]["test"]
    port = service["command"][service["command"].index("--web-port") + 1]
    assert (kind, option, script.count(port)) == ("CMD", "-c", 1)
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        there = script.replace(port, str(server.server_port))
        done = subprocess.run([sys.executable, "-c", there], capture_output=True, timeout=30, check=False)
        thread.join(30)

    assert (done.returncode, asked) == (code, ["/health/ready"])


def test_the_image_is_pinned_and_ends_as_a_user_without_a_name() -> None:
    bases = [base.partition(" ")[0] for base in instructions("FROM")]
    assert bases
    assert all(PINNED.fullmatch(base) for base in bases)
    assert all("slim" in base for base in bases)
    user = instructions("USER")[-1]
    assert user == read("docker-compose.kafka.yml")["services"]["desk"]["user"]


def test_the_image_installs_what_the_tests_ran_with_and_starts_the_program() -> None:
    (installing,) = [line for line in instructions("RUN") if "pip install" in line]
    assert "--constraint constraints.txt" in installing
    assert instructions("ENTRYPOINT") == ['["qts"]']
    assert not [line for line in (*instructions("ENV"), *instructions("ARG")) if SECRET.search(line)]
    assert instructions("ADD") == []


def test_the_image_gets_the_product_and_nothing_that_was_built_or_kept_beside_it() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}

    assert lines[1] == "*"
    copied = {source for line in instructions("COPY") if "--from" not in line for source in line.split()[:-1]}
    assert copied == let_in
    assert all((ROOT / source).exists() for source in copied)
