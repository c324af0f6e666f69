"""`./qts exchange`, as a user runs it: an exchange in the background, started once, asked, looked into, stopped."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from connectors.exchange.simulator.process import ask
from connectors.kafka.local_node import free_ports
from tests.integration.exchange.kit import Owner, official, plans


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    data: Any
    err: str


class User:
    """Runs commands in a deployment of their own."""

    def __init__(self, home: Path) -> None:
        """Begin with nothing there."""
        self.home, self.port = home, free_ports(1)[0]

    @property
    def url(self) -> str:
        """Where the exchange is to listen."""
        return f"http://127.0.0.1:{self.port}"

    def qts(self, *words: str) -> Ran:
        asked = [sys.executable, "-m", "streams.cli.main", "exchange", *words, "--json"]
        environ = {**os.environ, "QTS_HOME": str(self.home)}
        done = subprocess.run(asked, env=environ, capture_output=True, text=True, timeout=120, check=False)
        return Ran(done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr)

    def start(self, *words: str) -> Ran:
        return self.qts("start", "--port", str(self.port), *words)


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    made = User(tmp_path / "home")
    yield made
    made.qts("stop")


def test_it_is_started_once_traded_on_looked_into_and_stopped(user: User, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(plans("reject, code: -2019, paths: [/fapi/v1/order], methods: [POST], times: 1"))
    started, again = (user.start("--seed", "7", "--faults", str(plan)) for _ in range(2))
    other = user.start("--seed", "8")

    assert (started.code, started.data["started"], started.data["url"], started.data["seed"]) == (0, True, user.url, 7)
    assert (again.code, again.data["started"], again.data["pid"]) == (0, False, started.data["pid"])
    assert (other.code, "another exchange is running" in str(other)) == (2, True)
    status = user.qts("status")
    assert (status.code, status.data["answers"]) == (0, True)

    owner = Owner("a1", "a-key", "a-secret")
    ask(user.url, "POST", "/sim/accounts", {**owner._asdict(), "balances": {"USDT": "1000"}})
    client = official(user.url, owner)
    with pytest.raises(Exception, match="-2019"):
        client.new_order("BTCUSDT", "BUY", "MARKET", quantity=0.01, new_client_order_id="unlucky")
    client.new_order("BTCUSDT", "BUY", "MARKET", quantity=0.01, new_client_order_id="lucky")
    found = user.qts("journal", "--client-id", "unlucky")
    assert [(one["path"], one["outcome"], one["status"]) for one in found.data["entries"]] == [("/fapi/v1/order", "reject", 400)]
    assert len(user.qts("journal", "--account", "a1", "--path", "/fapi/v1/order").data["entries"]) == 2

    stopped, gone = user.qts("stop"), user.qts("stop")
    assert (stopped.data, gone.data) == ({"stopped": True, "pid": started.data["pid"]}, {"stopped": False, "pid": None})
    assert user.qts("status").code == 1
    assert len(user.qts("journal", "--client-id", "lucky").data["entries"]) > 0, "the journal stays"


def test_a_plan_that_cannot_be_used_is_refused_with_its_line_and_nothing_is_started(user: User, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("faults:\n  - {fault: gremlins}\n")
    refused = user.start("--faults", str(plan))

    assert refused.code == 2
    assert "plan.yaml:2: fault: there is no 'gremlins'" in str(refused)
    assert user.qts("status").data["running"] is False
