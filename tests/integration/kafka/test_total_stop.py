"""The stop over all accounts, on real workers: from the breach to the trip of every partition."""

import sys
import time
from decimal import Decimal

import pytest

from connectors.kafka.partitioner import partition_of
from streams.cli.crash_fleet import Member
from streams.desk.messages import (
    EVERY_ACCOUNT,
    Control,
    Enable,
    Fill,
    Instrument,
    Mark,
    OpenAccount,
    PhaseChange,
    Promotion,
    Tick,
)
from streams.simulation.policies import PHASE, generated_policy
from tests.fleet_kit import Deployed, until

pytestmark = pytest.mark.kafka

SYMBOL = "BTCUSDT"
TICKS_MAX = 3
HELD = Decimal(80)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def mark(name: str, price: str) -> Mark:
    value, ts = Decimal(price), now_ms()
    return Mark(
        name, SYMBOL, value, value, value, value - Decimal("0.01"), value + Decimal("0.01"), Decimal(10_000_000), Decimal(0), ts
    )


def an_account_of(partition: int, partitions: int) -> str:
    return next(name for number in range(1_000) if partition_of((name := f"total{number}").encode(), partitions) == partition)


def test_a_breach_trips_every_partition_within_three_ticks(wide_deployment: Deployed) -> None:
    everything = wide_deployment
    sequencer, desk = everything.pair()
    accounts = [an_account_of(partition, everything.partitions) for partition in range(everything.partitions)]
    _open(everything, accounts, desk)
    until(lambda: _reports(everything) >= 3 * everything.partitions, "every partition has said what it is worth")

    everything.say(mark("fallen", "90"))
    tripped = until(
        lambda: (found := _tripped(everything)) and len(found) == everything.partitions and found, "every partition trips"
    )

    everything.rest([sequencer], [desk])
    took = {partition: _ticks_between(everything, partition, offset) for partition, offset in tripped.items()}
    sys.stdout.write(f"ticks from the breach to the trip, by partition: {took}\n")
    assert max(took.values()) <= TICKS_MAX


def _open(everything: Deployed, accounts: list[str], desk: Member) -> None:
    ts = now_ms()
    one, two = Decimal(1), Decimal("0.001")
    everything.say(
        Control("policy", EVERY_ACCOUNT, "ana", "test", ts, generated_policy([SYMBOL])),
        Control("live", EVERY_ACCOUNT, "ana", "test", ts, Promotion("heuristic", "LIVE")),
        Control("on", EVERY_ACCOUNT, "ana", "test", ts, Enable()),
        Instrument(
            "i", SYMBOL, "BTC", "USDT", Decimal("0.01"), two, two, Decimal(10_000), Decimal(5_000), Decimal(5), Decimal("1.15"),
            Decimal("0.85"), 200, Decimal("0.0002"), Decimal("0.0005"), 28_800, ts + 28_800_000, ts,
        ),
        mark("first", "100"),
    )  # fmt: skip
    everything.worked_off(desk)
    for account in accounts:
        everything.say(
            Control(f"open-{account}", account, "ana", "test", ts, OpenAccount("sim", "keys", one, Decimal(10_000))),
            Control(f"phase-{account}", account, "ana", "test", ts, PhaseChange(PHASE, True)),
        )
    everything.worked_off(desk)
    for account in accounts:
        everything.say(
            Fill("sim", f"t-{account}", account, SYMBOL, "elsewhere", "BUY", Decimal(100), HELD, Decimal(0), "USDT", now_ms())
        )
    everything.say(mark("second", "100"))
    everything.worked_off(desk)


def _reports(everything: Deployed) -> int:
    ends = everything.ends("portfolio")
    return min(ends.values()) if min(ends.values()) < 10 else sum(ends.values())


def _tripped(everything: Deployed) -> dict[int, int]:
    """Give by partition the tape offset at which the stop over all accounts tripped."""
    found: dict[int, int] = {}
    for partition in range(everything.partitions):
        for record in everything.records("decisions", partition):
            decision = everything.codec.decode(record.value or b"")
            if decision.account in ("", EVERY_ACCOUNT) and decision.code == "TRIPPED":
                found.setdefault(partition, decision.offset)
    return found


def _ticks_between(everything: Deployed, partition: int, tripped: int) -> int:
    """Count the ticks of a partition between the price that fell and the trip."""
    ticks, breached = 0, False
    for record in everything.records("tape", partition):
        body = everything.codec.decode_event(record.value or b"", record.offset).body
        if record.offset >= tripped:
            break
        breached = breached or (isinstance(body, Mark) and body.mark == Decimal(90))
        ticks += breached and isinstance(body, Tick)
    assert breached
    return ticks
