"""The execution worker as a process, on a broker and against a simulated exchange: what is approved arrives once, whatever becomes of the worker."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from streams.cli.crash_fleet import Member
from streams.pipeline.steps import Step
from tests.exchange_fleet import Fleet, embedded_fleet, trip_behind
from tests.fleet_kit import figures, until

BACKLOG = 40_000
"""As many records as the embedded broker keeps of a partition."""
STOPPED_S_MAX = 1.0


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with embedded_fleet(tmp_path) as made:
        yield made


def test_an_approved_order_arrives_once_and_what_came_of_it_is_said(fleet: Fleet) -> None:
    worker = fleet.worker()
    fleet.ready(worker)

    order = fleet.order("BUY", "0.010")
    until(lambda: fleet.filled(order) == Decimal("0.010"), "it is filled")
    until(lambda: fleet.settled(worker), "it is over")

    assert fleet.kinds(order) == ["ACKNOWLEDGED"]
    assert [row["client_id"] for row in fleet.at_exchange()] == [f"{order.order_id}-a0"]
    assert figures(worker, "qts_execution_alerts_total") == {(): 0.0}


@pytest.mark.parametrize("step", [Step.REQUEST_ANSWERED, Step.FILLS_SAID, Step.EVENT_SAID])
def test_a_worker_that_dies_after_the_exchange_has_an_order_is_followed_by_one_that_does_not_send_it_again(
    fleet: Fleet, step: Step
) -> None:
    first = fleet.worker(QTS_DIE_AT=f"{step.name}:1")
    fleet.ready(first)
    order = fleet.order("BUY", "0.010")
    until(lambda: first.code is not None, "it dies")

    second = fleet.worker()
    until(lambda: fleet.filled(order) == Decimal("0.010"), "it is filled")
    until(lambda: fleet.settled(second), "it is over")

    assert set(fleet.kinds(order)) == {"ACKNOWLEDGED"}
    assert [row["client_id"] for row in fleet.at_exchange()] == [f"{order.order_id}-a0"]
    assert "was taken over" in fleet.said(second)


def test_a_resting_order_outlives_a_worker_that_is_killed_and_is_cancelled_by_the_next(fleet: Fleet) -> None:
    first = fleet.worker()
    fleet.ready(first)
    order = fleet.order("BUY", "0.010", limit="59000")
    until(lambda: fleet.kinds(order) == ["ACKNOWLEDGED"], "it rests at the exchange")
    first.kill()

    second = fleet.worker()
    fleet.ready(second)
    fleet.cancel(order)
    until(lambda: fleet.kinds(order)[-1] == "CANCELLED", "it is cancelled")

    assert [(row["client_id"], row["status"]) for row in fleet.at_exchange()] == [(f"{order.order_id}-a0", "CANCELED")]


def test_who_comes_after_a_worker_that_has_left_does_not_wait_for_it(fleet: Fleet) -> None:
    first = fleet.worker()
    fleet.ready(first)
    assert first.leave() == 0, fleet.said(first)
    second = fleet.worker("execution-1")
    fleet.ready(second)
    killed = second.kill()
    assert killed is not None
    third = fleet.worker("execution-2")
    fleet.ready(third)

    def waited_s(worker: Member) -> float:
        lines = [line for line in fleet.said(worker).splitlines() if "was taken over after" in line]
        return max(float(line.partition("after ")[2].partition(" s")[0]) for line in lines)

    assert waited_s(second) < 0.5
    assert waited_s(third) > 1.0, "nobody has written that the one before has ended"


def test_a_stop_takes_orders_back_within_a_second_whatever_waits_before_it(fleet: Fleet) -> None:
    worker = fleet.worker()
    fleet.ready(worker)

    took_s, late = trip_behind(fleet, BACKLOG)

    assert took_s < STOPPED_S_MAX
    until(lambda: fleet.kinds(late) == ["REJECTED"], "the late one is answered")
    assert late.order_id not in str(fleet.at_exchange())
