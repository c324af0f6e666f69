"""Each thing that goes wrong at the exchange, alone and with each other: nothing is sent twice, nothing is lost, everything comes to an end."""

from collections.abc import Callable
from functools import partial
from itertools import combinations

import pytest

from tests.execution_acts import SEEDS, thin_book
from tests.execution_kit import World
from tests.fake_exchange import Latency
from tests.fake_exchange_faults import Call, Fault, How

BTC, ETH = "BTCUSDT", "ETHUSDT"
WHILE_S = 6.0
"""So long it goes wrong."""
IN_CI = 4
"""One pair of so many is tried there."""


def doing(call: Call, how: How, world: World) -> None:
    late_ms = 2_000 if how == "late" else 0
    world.exchange.faults.script(call, Fault(how, wait_ms=1_000, late_ms=late_ms, after_s=2.0), Fault(), Fault(how, after_s=1.0))


def asking(call: Call, how: How, world: World) -> None:
    world.exchange.faults.always(Fault(how, after_s=1.0), call)


def arrives_too_late(world: World) -> None:
    world.exchange.faults.script("place", Fault("late", late_ms=8_000))


def events_lost(world: World) -> None:
    world.exchange.faults.script_events(*[()] * 40)


def events_late_and_twice(world: World) -> None:
    world.exchange.faults.script_events(*[(2_500,), (0, 900), (1_200, 100)] * 20)


def stream_breaks(world: World) -> None:
    world.after(0.3, lambda: world.exchange.break_stream("main"))


def stream_dies_in_silence(world: World) -> None:
    world.after(0.3, lambda: world.exchange.break_stream("main", 10.0))


def lists_lag(world: World) -> None:
    world.exchange.blind(3_000)
    world.after(WHILE_S, lambda: world.exchange.blind(0))


def slow(world: World) -> None:
    world.exchange.latency["place"] = Latency(1_500, 1_500)


def slow_answers(world: World) -> None:
    world.exchange.latency["find"] = world.exchange.latency["trades"] = Latency(700, 700)


def clock_unknown(world: World) -> None:
    world.exchange.error_ms = None
    world.after(2.0, partial(setattr, world.exchange, "error_ms", 1))


def clock_fast(world: World) -> None:
    world.exchange.off_ms = 240


def lease_away(world: World) -> None:
    world.after(0.24, partial(setattr, world.lease, "held", False))
    world.after(3.0, partial(setattr, world.lease, "held", True))


def little_depth(world: World) -> None:
    thin_book(world)


DOING: tuple[How, ...] = ("before", "after", "late", "retryable", "paused", "clock_off", "rejected", "ambiguous")
ASKING: tuple[How, ...] = ("retryable", "paused", "fatal")
ASKED: tuple[Call, ...] = ("find", "open_orders", "orders", "trades", "check", "positions")
OTHERS = (
    arrives_too_late, events_lost, events_late_and_twice, stream_breaks, stream_dies_in_silence, lists_lag, slow, slow_answers, clock_unknown,
    clock_fast, lease_away, little_depth,
)  # fmt: skip
FAULTS: dict[str, Callable[[World], None]] = {
    **{f"place {how}": partial(doing, "place", how) for how in DOING},
    **{f"cancel {how}": partial(doing, "cancel", how) for how in DOING},
    **{f"{call} {how}": partial(asking, call, how) for call in ASKED for how in ASKING},
    **{fault.__name__: fault for fault in OTHERS},
}
PAIRS = list(combinations(FAULTS, 2))


def a_day(*faults: str) -> World:
    """Orders that fill, rest, are taken back, and reduce, while these go wrong."""
    world = World()
    for fault in faults:
        FAULTS[fault](world)
    world.order("main", BTC, "BUY", "0.300")
    world.order("main", ETH, "BUY", "0.010")
    resting = world.order("main", BTC, "BUY", "0.010", type_="LIMIT", limit="59000")
    world.after(1.0, lambda: world.cancel(resting))
    world.after(WHILE_S, world.exchange.faults.calm)
    world.after(WHILE_S + 3, lambda: world.order("main", BTC, "SELL", "0.100", reduce_only=True))
    world.after(WHILE_S + 3, lambda: world.order("main", ETH, "BUY", "0.010"))
    world.live()
    return world


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_alone_loses_nothing_and_sends_nothing_twice(fault: str) -> None:
    world = a_day(fault)

    world.check()
    assert world.filled(world.orders[-1]) == world.orders[-1].quantity, "what comes after it is as usual again"


@pytest.mark.parametrize("first", range(IN_CI))
def test_two_faults_together_lose_nothing_and_send_nothing_twice(first: int) -> None:
    chosen = PAIRS if SEEDS >= 1_000 else PAIRS[:: 3 * IN_CI]
    for pair in chosen[first::IN_CI]:
        world = a_day(*pair)
        try:
            world.check()
        except AssertionError as error:
            raise AssertionError(f"{pair[0]} and {pair[1]}: {error}") from error
