"""The lease of a worker's group membership, with real brokers: it is renewed, runs out by itself, and is nothing while a group rebalances."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.faust_app import EMBEDDED_SESSION_S, HEARTBEAT_S, SESSION_S
from connectors.kafka.system_clock import boottime_s
from tests.fleet_kit import ROOT, Deployed, until

LATE_S = 2.0
"""What a machine with other things to do may be late by."""


class Said(NamedTuple):
    """What a worker said of its lease, and when."""

    clock_s: float
    left_s: float
    assigned_s: float

    @property
    def until_s(self) -> float:
        """Give when the lease runs out."""
        return self.clock_s + self.left_s

    def is_over_or_asked_for_since(self, clock_s: float, session_s: float) -> bool:
        """Tell whether nothing is left of what was held before: a heartbeat may be answered before anything is said."""
        return self.left_s == 0 or self.until_s - session_s >= clock_s


class Worker:
    """A worker that says what its lease looks like."""

    def __init__(self, name: str, servers: str, folder: Path, topic: str, where: str) -> None:
        """Start it."""
        words = (servers, name, str(folder / name), topic, "2", where)
        (folder / name).mkdir(parents=True)
        self._log = (folder / f"{name}.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.lease_child", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.said: list[Said] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(Said(*map(float, line.split())))

    @property
    def last(self) -> Said:
        """Give what it said last; it says something every few milliseconds, unless it is stopped."""
        return self.said[-1] if self.said else Said(0, 0, float("inf"))

    def since(self, clock_s: float) -> list[Said]:
        """Give what it has said since then."""
        return [said for said in list(self.said) if said.clock_s > clock_s]

    def holds(self, *, after_s: float = 0.0) -> Callable[[], bool]:
        """Tell whether it holds a lease by what it said after a moment."""
        return lambda: self.last.left_s > 0 and self.last.clock_s > after_s

    def signal(self, number: int) -> float:
        """Send it a signal, and give when."""
        self.process.send_signal(number)
        return boottime_s()

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


Starts = Callable[..., Worker]


@contextmanager
def workers(servers: str, folder: Path, topic: str, where: str) -> Iterator[Starts]:
    """Start workers of a group in a block, and end them after it."""
    started: list[Worker] = []

    def start(name: str) -> Worker:
        started.append(Worker(name, servers, folder, topic, where))
        return started[-1]

    try:
        yield start
    finally:
        for worker in started:
            worker.end()


def renewals(said: list[Said]) -> list[float]:
    """Give how far apart the moments are that confirmed heartbeats were sent at."""
    ends = sorted({round(one.until_s, 2) for one in said if one.left_s > 0})
    moments = [end for number, end in enumerate(ends) if not number or end - ends[number - 1] > 0.1]
    return [later - before for before, later in pairwise(moments)]


@pytest.mark.kafka
def test_it_is_renewed_by_each_heartbeat_and_runs_out_when_the_worker_or_the_broker_stands_still(
    deployment: Deployed, tmp_path: Path
) -> None:
    with workers(deployment.settings.servers, tmp_path, "signals", "real") as start:
        worker = start("lease-0")
        until(worker.holds(), "it holds a lease")
        began_s = worker.last.clock_s
        until(lambda: worker.last.clock_s > began_s + 5 * HEARTBEAT_S, "it lives for some heartbeats")
        lived = worker.since(began_s)
        assert min(said.left_s for said in lived) > SESSION_S - HEARTBEAT_S - LATE_S
        assert max(said.left_s for said in lived) <= SESSION_S
        assert all(gap < HEARTBEAT_S + LATE_S for gap in renewals(lived))
        assert len(renewals(lived)) >= 3

        worker.signal(signal.SIGSTOP)
        held_until_s = worker.last.until_s
        until(lambda: boottime_s() > held_until_s, "its lease runs out while it is stopped", SESSION_S + LATE_S)
        woken_s = worker.signal(signal.SIGCONT)
        until(lambda: worker.since(woken_s), "it says something again")
        assert worker.since(woken_s)[0].is_over_or_asked_for_since(held_until_s, SESSION_S), "nobody had to tell it"
        until(worker.holds(after_s=woken_s), "it holds a lease again")

        os.kill(deployment.broker_pid, signal.SIGSTOP)
        stopped_s = boottime_s()
        try:
            until(lambda: worker.last.left_s == 0, "its lease runs out while the broker is stopped")
            assert boottime_s() - stopped_s < SESSION_S + LATE_S
        finally:
            os.kill(deployment.broker_pid, signal.SIGCONT)
        again_s = boottime_s()
        until(worker.holds(after_s=again_s), "it holds a lease again", 2 * 60)


@pytest.mark.kafka
def test_it_is_nothing_from_the_beginning_of_a_rebalance_to_the_next_assignment(deployment: Deployed, tmp_path: Path) -> None:
    with workers(deployment.settings.servers, tmp_path, "signals", "real") as start:
        first = start("lease-1")
        until(first.holds(), "the first holds a lease")
        assigned_s, began_s = first.last.assigned_s, boottime_s()
        second = start("lease-2")
        until(second.holds(), "the second holds a lease")
        until(lambda: first.last.left_s > 0 and first.last.assigned_s > assigned_s, "the first holds one again")

        nothing = [said for said in first.since(began_s) if said.left_s == 0]
        assert nothing, "it was nothing meanwhile"
        assert nothing[0].clock_s < min(first.last.assigned_s, second.last.assigned_s)
        back = next(said for said in first.since(nothing[0].clock_s) if said.left_s > 0)
        assert back.assigned_s > nothing[0].clock_s, "only an assignment brought it back"


def test_on_the_embedded_broker_it_lasts_as_long_as_the_shorter_session_there(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        broker.create("signals", 2)
        with workers(broker.servers, tmp_path, "signals", "embedded") as start:
            worker = start("lease-3")
            until(worker.holds(), "it holds a lease")
            began_s = worker.last.clock_s
            until(lambda: worker.last.clock_s > began_s + EMBEDDED_SESSION_S + 1, "it lives for longer than a session")
            assert all(0 < said.left_s <= EMBEDDED_SESSION_S for said in worker.since(began_s))
            stopped_s = worker.signal(signal.SIGSTOP)
            until(lambda: boottime_s() > stopped_s + EMBEDDED_SESSION_S, "a session passes")
            woken_s = worker.signal(signal.SIGCONT)
            until(lambda: worker.since(woken_s), "it says something again")
            assert worker.since(woken_s)[0].is_over_or_asked_for_since(stopped_s + EMBEDDED_SESSION_S, EMBEDDED_SESSION_S)
