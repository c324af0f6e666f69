"""The generated tape keeps to the mix it was asked for."""

from collections import Counter
from itertools import islice

import pytest

from streams.desk.outputs import Decision, Order
from streams.replay.generate import Mix, generate, generated_world, shares

WANTED = {"Mark": 80.0, "Signal": 10.0, "OrderEvent": 6.0, "Fill": 4.0}


@pytest.mark.parametrize(("accounts", "seed"), [(10, 1), (100, 2), (1_000, 3)])
def test_the_bench_mix_is_met_within_half_a_point(accounts: int, seed: int) -> None:
    world = generated_world(seed, accounts)
    for _ in islice(world.run(), 40_000 + world.opened):
        pass
    for kind, share in shares(world.kinds).items():
        assert abs(share - WANTED[kind]) <= 0.5, (kind, share)


def test_another_mix_is_met_too() -> None:
    mix = Mix(marks=85, signals=9, order_events=3.5, fills=2.5)
    world = generated_world(1, 100, mix=mix)
    for _ in islice(world.run(), 30_000):
        pass
    found = shares(world.kinds)
    for kind, share in zip(("Mark", "Signal", "OrderEvent", "Fill"), mix, strict=True):
        assert abs(found[kind] - share) <= 0.5, (kind, found[kind])


def test_exactly_as_many_events_come_as_were_asked_for() -> None:
    offsets = [event.offset for event, _ in generate(1, 3_000, 20)]
    assert offsets == list(range(3_000))


def test_orders_are_spread_over_all_accounts() -> None:
    orders: Counter[str] = Counter()
    for _, outcome in generate(1, 60_000, 50):
        orders.update(output.account for output in outcome.outputs if isinstance(output, Order))
    assert len(orders) == 50
    assert max(orders.values()) < 8 * min(orders.values())


def test_a_day_has_refusals_of_many_kinds_and_stops_that_are_hit() -> None:
    refused: Counter[str] = Counter()
    exits: Counter[str] = Counter()
    for _, outcome in generate(2, 100_000, 200):
        for output in outcome.outputs:
            if isinstance(output, Decision) and output.verdict == "REFUSED":
                refused[output.code] += 1
            elif isinstance(output, Decision) and output.kind == "EXIT":
                exits[output.code] += 1
    assert len(refused) >= 15
    assert exits["STOP"] + exits["TRAIL"] > 0


def test_most_accounts_hold_a_few_positions() -> None:
    world = generated_world(1, 100)
    for _ in islice(world.run(), 80_000):
        pass
    held = sorted(len(account.positions) for account in world.state.accounts.values())
    assert held[len(held) // 4] >= 1
    assert 2 <= held[len(held) // 2] <= 8


def test_equity_moves() -> None:
    world = generated_world(1, 20)
    for _ in islice(world.run(), 30_000):
        pass
    assert sum(account.realised != 0 for account in world.state.accounts.values()) > 10
