"""A day is longer than any memory: under a steady flow the state stops growing, whatever is kept in it."""

from collections import deque
from typing import Any

import pytest

from streams.desk.messages import Disable, Enable
from streams.desk.throttle import SignalQueue
from streams.desk.turn import order_id
from tests.desk_kit import Rig, dec, orders
from tests.invariants.said import ORDER_ID

LONG_AGES: dict[str, Any] = {
    "age": {"signal_s_max": "60", "mark_s_max": "60"},
    "orders": {"lifetime_s": "40"},
    "ess": {"stale_mark_s": "60"},
}


def things_in(thing: Any, seen: set[int]) -> int:
    """Count everything that is reachable inside containers and the desk's own objects."""
    if id(thing) in seen or isinstance(thing, str | int | float | bytes | type(None)):
        return 0
    seen.add(id(thing))
    if isinstance(thing, dict):
        return len(thing) + sum(things_in(one, seen) for one in thing.values())
    if isinstance(thing, list | tuple | set | deque):
        return len(thing) + sum(things_in(one, seen) for one in thing)
    names = getattr(type(thing), "__slots__", ())
    return sum(things_in(getattr(thing, name), seen) for name in names) if type(thing).__module__.startswith("streams.") else 0


def a_busy_half_minute(rig: Rig, number: int) -> None:
    """Signal more than is worked, trade, cancel, pay, switch off and on."""
    rig.tick(1, {"BTCUSDT": str(100 + number % 3), "ETHUSDT": "100", "SOLUSDT": str(90 + number % 7)})
    rig.now_ms += 29_000
    rig.tick(1, {"BTCUSDT": str(101 - number % 2), "ETHUSDT": "100", "SOLUSDT": "90"})
    for _ in range(25):
        for order in orders(rig.signal("CLOSE" if number % 2 else "LONG", "BTCUSDT")):
            rig.fill(order)
    rig.signal("SHORT", "ETHUSDT")
    for open_order in list(rig.account().orders):
        rig.event(open_order, "CANCELLED")
    rig.money("FUNDING", "-0.01")
    rig.fill(
        f"x{number}", "0.1", "100", side="BUY" if number % 2 else "SELL", symbol="SOLUSDT", fee=dec("0.01"), fee_currency="BNB"
    )
    rig.command("alice", Disable() if number % 5 == 0 else Enable())
    if number % 5 == 0:
        rig.command("alice", Enable())


def test_a_desk_that_was_busy_for_hours_is_no_larger_than_after_the_first() -> None:
    rig = Rig(**LONG_AGES).ready(symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"))
    sizes = []

    for number in range(6 * 60):
        a_busy_half_minute(rig, number)
        del rig.said[:], rig.tape[:]
        if number % 10 == 9:
            rig.policy(1, **LONG_AGES)
        if number % 60 == 59:
            sizes.append(things_in(rig.state, set()))

    # Sizes are taken every half hour. Ids of what the exchange reports are kept for an hour, so it is after that that nothing may be added.
    assert max(sizes[-2:]) <= max(sizes[2:4]) * 1.1, sizes


def test_a_queue_that_never_fills_keeps_nothing_of_those_who_left() -> None:
    rig = Rig(throttle={"queue_max": "100"}).ready()
    for _ in range(400):
        for _ in range(13):
            rig.signal("CLOSE", "BTCUSDT")
        rig.tick()

    queue = rig.account().queue

    assert things_in(queue, set()) < 40 * (len(queue) + 32), "the heaps keep the dead"
    assert isinstance(queue, SignalQueue)


@pytest.mark.parametrize("offset", [0, 35, 36, 10**9, 2**63 - 1])
@pytest.mark.parametrize("n", [0, 35, 46_655])
def test_an_order_id_fits_the_exchange_at_any_offset(offset: int, n: int) -> None:
    ids = {order_id(epoch, account, offset, n) for epoch in (0, 1, 36, 1_295) for account in ("alice", "bob", "a" * 64)}

    assert len(ids) == 12
    assert all(ORDER_ID.fullmatch(one) for one in ids)
