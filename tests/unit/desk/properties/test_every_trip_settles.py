"""Whatever happened before: once the exchange answers and prices come, a trip is carried to its end and nothing is left hanging."""

import pytest
from hypothesis import given, settings

from streams.desk.messages import PhaseChange, PolicyUpdate, Trip
from streams.desk.policy_check import document_hash
from streams.simulation.policies import PHASE
from tests.acts import ACTS, Act, random_acts
from tests.adversary import Adversary
from tests.hurried_policy import policy_document
from tests.rough_market import ACCOUNTS

MARKS = {"BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"}


def answer_everything(rig: Adversary, seconds: int) -> None:
    """Be a good exchange: cancels are granted, other orders are filled, and every price comes every second."""
    for _ in range(seconds):
        for name in ACCOUNTS:
            for order in list(rig.account(name).orders.values()):
                if order.order_id in rig.cancelled:
                    rig.event(order.order_id, "CANCELLED", name)
                else:
                    rig.fill(
                        order.order_id,
                        order.rest,
                        str(rig.price[order.symbol]),
                        account=name,
                        symbol=order.symbol,
                        side=order.side,
                    )
        rig.tick(1, {symbol: str(rig.price[symbol]) for symbol in MARKS})


def assert_a_trip_settles(acts: list[Act]) -> None:
    rig = Adversary()
    rig.play(acts)
    written = policy_document({"ess": {"on_trip": "flatten"}})
    rig.command("*", PolicyUpdate(10_000, document_hash(written), written))
    for name in ACCOUNTS:
        rig.command(name, PhaseChange(PHASE, True))
        rig.command(name, Trip())

    answer_everything(rig, seconds=12)

    for name in ACCOUNTS:
        account = rig.account(name)
        assert account.orders == {}, f"{name} still waits for {account.orders}"
        assert all(position.dust for position in account.positions.values()), f"{name} still holds {account.positions}"
        assert account.stop.state.value == "COOLDOWN", name
        assert account.stop.cooldown_start_ms is not None


@settings(max_examples=30, deadline=None)
@given(acts=ACTS)
def test_a_trip_ends_flat_and_cooling_down_whatever_went_before(acts: list[Act]) -> None:
    assert_a_trip_settles(acts)


@pytest.mark.parametrize("seed", range(6))
def test_a_trip_ends_flat_and_cooling_down_after_a_long_bad_day(seed: int) -> None:
    assert_a_trip_settles(random_acts(seed, 250))
