"""Every bad input, on the real topics: a dead letter or a refusal, the partition moves on, and nothing else is lost. A flood stops the desk."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from streams.agents.ending import FLOODED
from streams.desk.messages import EquityReport, Tick, Unreadable
from streams.desk.outputs import DeadLetter
from streams.flow import INPUTS
from tests.fleet_kit import Deployed, until
from tests.refusal_cases import cases

pytestmark = pytest.mark.kafka

RAW: dict[str, bytes | None] = {
    "nothing": b"",
    "a tombstone": None,
    "text": b"no avro at all",
    "a schema nobody knows": b"\x00\x7f\xff\xff\xff" + b"\x02" * 20,
    "a schema of another topic, cut": b"\x00\x00\x00\x00\x01\x02",
    "very large": b"\x00" * (1024 * 1024 - 200),
}

KEYLESS: dict[str, tuple[None, ...]] = {"delete": (None,), "compact": ()}
"""The broker itself refuses records without a key on compacted topics."""


def refused_stories() -> Iterator[Any]:
    """Give every message of every story that ends in a refusal, as if it were told now, each story by accounts of its own."""
    for number, code in enumerate(sorted(cases())):
        rig = cases()[code]()
        by_ms = time.time_ns() // 1_000_000 - rig.now_ms
        for event in rig.tape:
            body: Any = event.body
            if isinstance(body, Tick | EquityReport | Unreadable):
                continue
            body = body._replace(ts=body.ts + by_ms)
            yield (
                body._replace(account=f"{body.account}{number}")
                if getattr(body, "account", "*") not in ("*", "no name")
                else body
            )


def test_what_is_bad_becomes_a_dead_letter_or_a_refusal_and_everything_else_goes_on(deployment: Deployed) -> None:
    sequencer, desk = deployment.pair()
    with deployment.fed() as feed:
        for topic in INPUTS:
            for raw in RAW.values():
                for key in (b"acc00001", *KEYLESS[topic.cleanup]):
                    deployment.publish(topic.name, [raw], key)
        for partition in range(deployment.partitions):
            deployment.publish("tape", [raw for name, raw in RAW.items() if name != "a tombstone"], None, partition)
        deployment.say(*refused_stories())
        until(lambda: feed.published > 500, "good records flow all the while")
        orders = sum(deployment.ends("orders").values())
        until(lambda: sum(deployment.ends("orders").values()) > orders, "orders go on")
    deployment.rest([sequencer], [desk])

    deployment.proven()
    letters = [letter for letter in said_on(deployment, "dead-letters") if isinstance(letter, DeadLetter)]
    found = Counter(letter.topic for letter in letters)
    assert all(found[topic.name] >= len(RAW) for topic in INPUTS), found
    assert found["tape"] >= deployment.partitions * (len(RAW) - 1)
    assert {letter.raw for letter in letters} >= {raw for raw in RAW.values() if raw}
    said = {decision.code for decision in said_on(deployment, "decisions")} | {letter.error for letter in letters}
    assert {"SIGNAL_INVALID", "UNKNOWN_ACCOUNT", "COMMAND_INVALID", "FILL_INVALID", "MARK_INVALID"} <= said


def said_on(deployment: Deployed, topic: str) -> Iterator[Any]:
    for partition in range(deployment.partitions):
        for record in deployment.records(topic, partition):
            yield deployment.codec.decode(record.value or b"")


def test_a_flood_of_garbage_stops_the_desk_and_drains_nothing(deployment: Deployed) -> None:
    sequencer = deployment.worker("sequencer")
    desk = deployment.worker("desk", QTS_DEAD_LETTERS_MAX="50")
    deployment.ready(sequencer, desk)
    before = sum(deployment.ends("dead-letters").values())
    deployment.publish("signals", [b"garbage"] * 5_000, b"acc00001")

    assert deployment.ended(desk) == FLOODED, deployment.said(desk)[-2_000:]
    assert "dead letters" in deployment.said(desk).splitlines()[-1]
    assert sum(deployment.ends("dead-letters").values()) - before < 500
    deployment.leave(sequencer)
