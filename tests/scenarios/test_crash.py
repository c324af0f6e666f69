"""`./qts crash` on real Kafka, at the size of every build: workers killed at steps of their writes, and paused until they are zombies.

Nothing may come of it: nothing missing, nothing doubled, nothing contradicted, no order at the exchange that is not ours, once.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streams.replay.exchange_proof import WRONG

pytestmark = pytest.mark.kafka

CRASH_S_MAX = 900
SEED = 500
"""Kills one executor between the exchange's answer and anything of it being written, the other between the durable intent and the request."""
ZERO = (
    "sources_missing", "tape_left_unstepped", "orders_missing", "orders_contradicting", "outputs_missing", "outputs_contradicting",
    "outputs_unexpected", "applied_twice",
)  # fmt: skip


def crashed(*options: str) -> dict[str, Any]:
    asked = [sys.executable, "-P", "-m", "streams.cli.main", "crash", *options, "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=CRASH_S_MAX, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize(("events", "kills", "zombies"), [(60_000, 5, 0), (15_000, 2, 2)])
def test_nothing_is_lost_doubled_or_contradicted_by_kill_9(events: int, kills: int, zombies: int, tmp_path: Path) -> None:
    answer = crashed("--events", str(events), "--kills", str(kills), "--zombies", str(zombies), "--keep", str(tmp_path / "kept"))

    assert {name: answer[name] for name in ZERO} == dict.fromkeys(ZERO, 0), answer["examples"]
    assert answer["ok"]
    assert answer["hash_match"]
    assert answer["positions_match"]
    assert answer["published"] >= events
    assert answer["orders"] > 0
    assert answer["fills"] > 0
    assert sum(answer["steps_hit"].values()) == kills, "each kill fell at a step that is told"


def test_every_approved_order_reaches_the_exchange_once_though_executors_are_killed(tmp_path: Path) -> None:
    asked = ("--stage", "execution", "--orders", "30", "--kills", "2", "--seed", str(SEED))

    answer = crashed(*asked, "--keep", str(tmp_path / "kept"))

    assert {name: answer[name] for name in WRONG} == dict.fromkeys(WRONG, 0), answer["examples"]
    assert answer["ok"]
    assert answer["orders"] >= 30
    assert answer["trades"] > 0
    assert {"REQUEST_DUE", "REQUEST_ANSWERED"} <= answer["steps_hit"].keys()
    assert answer["faults"]["requests"] > answer["attempts"]
