"""`./qts demo` with real workers: it shows the whole flow, its books are the exchange's, and it leaves nothing behind, whenever it is ended."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.publisher import Publisher
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.system_clock import SystemClock
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.app.recording import kept
from streams.cli.demo_run import combined, foreign_account
from streams.desk.desk import step
from streams.desk.messages import Control, OpenAccount
from streams.desk.outputs import Decision
from streams.desk.state import new_state
from streams.replay.hashes import decisions_hash
from streams.simulation.venue import VENUE
from tests.deployment_kit import QTS, Running, running, until

FIRST_VIEW_S_MAX = 10.0
WANTED = {
    "signals", "orders", "fills", "refused", "dead_letters", "duplicate_orders", "positions", "equity", "realised_pnl", "tape_events",
    "decisions_hash", "exchange", "open_orders",
}  # fmt: skip


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a demo that has ended by itself."""
    with running(tmp_path_factory.mktemp("demo"), "demo", "--seconds", "12", "--json") as command:
        command.ended()
        yield command


def replayed(record: Path, partition: int) -> tuple[str, list[str]]:
    """Step a recorded tape partition from its beginning: the hash of all decisions, and each one's own."""
    codec, state, hashes = Codec(BundledRegistry()), new_state(1, partition, 4), []
    for offset, values in sorted(kept(record, "tape", partition).items()):
        outcome = step(state, codec.decode_event(values[0], offset))
        state = outcome.state
        hashes += [output.hash for output in outcome.outputs if isinstance(output, Decision)]
    return decisions_hash(state), hashes


def recorded_decisions(record: Path, partition: int) -> list[str]:
    codec = Codec(BundledRegistry())
    found = [codec.decode(value) for _, values in sorted(kept(record, "decisions", partition).items()) for value in values]
    return [one.hash for one in found if isinstance(one, Decision)]


def record_of(demo: Running) -> Path:
    return demo.folder / "home" / "demo" / "record"


def test_a_demo_trades_and_tells_what_came_of_it(demo: Running) -> None:
    assert demo.process.returncode == 0, demo.complained()
    told = demo.answer()

    assert told.keys() >= WANTED
    assert (told["ended"], told["seed"], told["duplicate_orders"], told["dead_letters"]) == ("seconds", 7, 0, 0)
    assert told["signals"] >= 8
    assert told["orders"] >= 3
    assert told["fills"] >= 1
    assert told["tape_events"] > 300
    assert len(str(told["decisions_hash"])) == 32
    assert set(told["restarts"].values()) == {0}


def test_the_exchange_and_the_desk_know_the_same_at_the_end(demo: Running) -> None:
    told = demo.answer()
    exchange = told["exchange"]

    assert exchange["agrees"] is True
    assert (exchange["position_differences"], exchange["cash_differences"], exchange["examples"]) == (0, 0, [])
    assert (exchange["accounts"], told["open_orders"]) == (4, 0)
    assert exchange["trades"] == told["fills"]
    assert 1 <= exchange["orders"] <= told["orders"]


def test_nothing_is_left_running_and_the_tape_is_kept(demo: Running) -> None:
    assert len(demo.seen) >= 8, "broker, exchange and six workers"
    assert demo.left() == {}
    assert demo.answer()["recorded"] == str(record_of(demo))
    assert not list((demo.folder / "home" / "demo" / "run").glob("*.json"))


def test_the_recorded_tape_replays_to_the_same_decisions(demo: Running) -> None:
    told = demo.answer()
    by_partition = {partition: replayed(record_of(demo), partition) for partition in range(4)}

    assert {str(partition): found for partition, (found, _) in by_partition.items()} == told["decisions_hashes"]
    assert combined({partition: found for partition, (found, _) in by_partition.items()}) == told["decisions_hash"]
    assert [hashes for _, hashes in by_partition.values()] == [
        recorded_decisions(record_of(demo), partition) for partition in range(4)
    ]
    assert sum(int(offset) + 1 for offset in told["tape_offsets"].values()) == told["tape_events"]


def market_is_open(command: Running) -> bool:
    command.below()
    return "the market is open" in command.said() or command.process.poll() is not None


def fills(command: Running) -> int:
    """Give how many fills the last line tells of."""
    counted = re.findall(r"fills ([\d,]+)", command.said())
    return int(counted[-1].replace(",", "")) if counted else 0


def kill(command: Running, name: str) -> None:
    """Kill a worker, and wait until it is there again and trading goes on."""
    pid = command.worker(name)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: command.worker(name) not in (None, pid))
    before = fills(command)
    assert until(lambda: fills(command) > before + 1), command.said()


def test_ctrl_c_ends_it_with_a_summary_and_a_killed_desk_and_executor_change_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--seconds", "300") as command:
        assert until(lambda: market_is_open(command)), command.complained()
        assert until(lambda: fills(command) > 0)
        kill(command, "desk-0")
        kill(command, "execution-0")

        assert command.end(signal.SIGINT) == 0, (command.said(), command.complained())

        words = command.said()
        assert "ended by hand" in words
        assert "(0 twice)" in words
        assert "differences: 0 in positions, 0 in cash" in words
        assert command.left() == {}
        by_partition = {partition: replayed(record_of(command), partition)[0] for partition in range(4)}
        assert f"decisions_hash {combined(by_partition)}" in words


def test_it_can_be_ended_before_the_market_opens(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--json") as command:
        assert until(lambda: command.worker("desk-0"))

        assert command.end() == 0, command.complained()

        assert command.answer()["ended"] == "interrupted"
        assert command.answer()["decisions_hash"] is None
        assert command.left() == {}


def test_workers_and_broker_end_by_themselves_when_the_demo_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, "demo") as command:
        assert until(lambda: len(command.below()) >= 8)

        command.end(signal.SIGKILL)

        assert until(lambda: not command.left(), 20.0), command.left()


def test_an_exchange_that_has_died_is_said(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--json") as command:
        assert until(lambda: command.worker("desk-0")), command.complained()
        (exchange,) = (pid for pid, words in command.below().items() if "connectors.exchange.simulator.process" in words)

        os.kill(exchange, signal.SIGKILL)

        assert command.process.wait(60) == 3
        assert "the simulated exchange has ended" in command.answer()["error"]
        assert until(lambda: not command.left(), 20.0), command.left()


def test_two_demos_in_one_folder_are_one_too_many(tmp_path: Path) -> None:
    with running(tmp_path / "one", "demo") as first:
        assert until(lambda: first.worker("desk-0"))
        home = {"QTS_HOME": str(first.folder / "home")}
        with running(tmp_path / "two", "demo", "--json", environ=home) as second:
            assert second.process.wait(60) == 1
            assert "run already" in second.answer()["error"]
        assert first.process.poll() is None
        assert first.worker("desk-0") is not None


def first_view_s(folder: Path) -> float:
    """Measure the time from the command to its first picture in a terminal."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("QTS_", "QT_"))}
    screen, terminal = pty.openpty()
    began_s = time.monotonic()
    process = subprocess.Popen(
        [*QTS, "demo"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**own, "QTS_HOME": str(folder), "TERM": "xterm-256color"},
    )
    os.close(terminal)
    shown: Any = b""
    try:
        while b"Quantum Trader Streams" not in shown and time.monotonic() - began_s < 2 * FIRST_VIEW_S_MAX:
            if select.select([screen], [], [], 0.1)[0]:
                shown += os.read(screen, 65_536)
        return time.monotonic() - began_s
    finally:
        process.terminate()
        give_up = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < give_up:
            if select.select([screen], [], [], 0.1)[0]:
                try:
                    os.read(screen, 65_536)
                except OSError:
                    break  # the terminal has closed with its last user
        process.wait(60)
        os.close(screen)


def test_the_first_view_comes_within_ten_seconds(tmp_path: Path) -> None:
    assert first_view_s(tmp_path) < FIRST_VIEW_S_MAX


def test_a_broker_that_knows_an_account_of_a_real_venue_is_noticed(tmp_path: Path) -> None:
    codec = Codec(BundledRegistry())
    with EmbeddedBroker() as broker:
        broker.create("control", 4)
        kafka = KafkaSettings(servers=broker.servers)
        for number, venue in enumerate((VENUE, "BINANCE_USDM")):
            assert foreign_account(kafka, codec) is None
            opened = OpenAccount(venue, "keys", Decimal(2), Decimal(1_000))
            with Publisher(kafka, tmp_path / "spool", clock=SystemClock()) as publisher:
                command = Control(f"c{number}", f"acc{number}", "ana", "", 1_780_000_000_000, opened)
                publisher.publish("control", command.account, codec.encode(command)).wait(30)
        assert foreign_account(kafka, codec) == "acc1 at BINANCE_USDM"
