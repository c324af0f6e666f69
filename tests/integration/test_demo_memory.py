"""The memory of a demo does not grow: neither that of its workers, nor its own, nor beyond its bound that of the embedded broker.

A minute by default; QTS_DEMO_SOAK_S=1800 is the thirty minutes of a release.
"""

import os
import time
from pathlib import Path

from streams.cli.demo import WORKERS
from streams.services.worker_health import memory_bytes
from tests.deployment_kit import Running, running, until

SOAK_S = float(os.environ.get("QTS_DEMO_SOAK_S", "60"))
MIB = 1024 * 1024
ROOM_MIB, ROOM_MIB_PER_MINUTE = 4.0, 0.4
"""Allocators take their memory in pieces, and what is remembered of an hour (ids of inputs) is still being filled: less than half a MiB a minute."""
BROKER_MIB_PER_MINUTE, BROKER_MIB_MAX = 4.0, 300.0
"""It keeps 5 MB a partition, and fills them: 2 MiB a minute of what a demo writes."""


def measured(command: Running) -> dict[str, float]:
    """Give the memory of the demo and of everything below it, by name."""
    found = {"demo": memory_bytes(command.pid) or 0}
    for pid, words in command.below().items():
        ours = {"connectors.kafka.embedded": "broker", "connectors.exchange.simulator": "exchange"}
        name = next((name for module, name in ours.items() if module in words), words.partition(" worker ")[2].partition(" ")[0])
        found[name] = memory_bytes(pid) or 0
    return {name: size / MIB for name, size in found.items()}


def test_memory_does_not_grow(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--seconds", str(SOAK_S + 60), "--json") as command:
        assert until((command.folder / "home" / "demo" / "record" / "tape-0.sequencer-0").exists), command.complained()
        time_to_settle_s = min(20.0, SOAK_S / 3)
        assert not until(lambda: command.process.poll() is not None, time_to_settle_s), command.complained()
        early, began_s = measured(command), time.monotonic()
        assert not until(lambda: command.process.poll() is not None, SOAK_S - time_to_settle_s), command.complained()
        late, minutes = measured(command), (time.monotonic() - began_s) / 60
        assert command.end() == 0, command.complained()

    assert early.keys() == {"demo", "broker", "exchange", *WORKERS} == late.keys()
    growth = {name: late[name] - early[name] for name in late}
    allowed = {name: ROOM_MIB + minutes * (BROKER_MIB_PER_MINUTE if name == "broker" else ROOM_MIB_PER_MINUTE) for name in late}
    assert {name: size for name, size in growth.items() if size > allowed[name]} == {}, (early, late)
    assert late["broker"] < BROKER_MIB_MAX
    assert command.answer()["restarts"] == dict.fromkeys((f"{role}-0" for role in WORKERS), 0)
