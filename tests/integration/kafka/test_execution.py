"""Execution on a real Kafka: a stop passes a backlog, and partitions change hands without an order being sent twice."""

import os
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from streams.cli.crash_fleet import Member
from streams.desk.outputs import Order
from tests.exchange_fleet import Fleet, simulated, trip_behind
from tests.fleet_kit import Deployed, figures, until

BACKLOG = 100_000
STOPPED_S_MAX = 1.0
NUMBERS = count(1)

pytestmark = pytest.mark.kafka


@pytest.fixture
def fleet(deployment: Deployed, tmp_path: Path) -> Iterator[Fleet]:
    with simulated(tmp_path) as exchange:
        # Every test has the same topics, and an account of its own.
        made = Fleet(deployment.settings.servers, tmp_path, deployment.partitions, exchange, account=f"account-{next(NUMBERS)}")
        made.begin()
        try:
            yield made
        finally:
            made.end()


def owns(fleet: Fleet, member: Member) -> bool:
    return (str(fleet.partition), "NEW") in figures(member, "qts_open_orders") and figures(member, "qts_owned_partitions")[()] > 0


def over(fleet: Fleet, order: Order) -> bool:
    """Tell whether the desk has heard how an order ended."""
    return fleet.filled(order) == order.quantity or bool({"REJECTED", "EXPIRED", "CANCELLED"} & set(fleet.kinds(order)))


def test_a_stop_takes_orders_back_within_a_second_with_100_000_records_before_it(fleet: Fleet) -> None:
    worker = fleet.worker()
    fleet.ready(worker)

    took_s, late = trip_behind(fleet, BACKLOG, away=worker)

    assert took_s < STOPPED_S_MAX
    until(lambda: fleet.kinds(late) == ["REJECTED"], "the late one is answered")
    assert late.order_id not in str(fleet.at_exchange())


def test_partitions_change_hands_without_an_order_being_sent_twice(fleet: Fleet) -> None:
    first = fleet.worker("execution-0")
    fleet.ready(first)
    orders = [fleet.order("BUY", "0.010")]
    second = fleet.worker("execution-1")
    until(lambda: owns(fleet, first) != owns(fleet, second), "each has a part")
    until(lambda: all(figures(one, "qts_owned_partitions").get(()) for one in (first, second)), "all is taken over")
    orders.append(fleet.order("SELL", "0.010"))
    until(lambda: all(over(fleet, order) for order in orders), "both are over")

    owner, other = (first, second) if owns(fleet, first) else (second, first)
    orders.append(fleet.order("BUY", "0.020"))
    os.kill(owner.pid, signal.SIGSTOP)
    until(lambda: owns(fleet, other), "the other one takes over")
    orders.append(fleet.order("SELL", "0.010"))
    until(lambda: over(fleet, orders[-1]), "it is over")
    os.kill(owner.pid, signal.SIGCONT)
    orders.append(fleet.order("SELL", "0.010"))
    until(lambda: all(over(fleet, order) for order in orders), "all are over")

    names = [row["client_id"] for row in fleet.at_exchange()]
    assert len(names) == len(set(names))
    assert "after 0.0 s" in fleet.said(second), "who gave it up has said so"
