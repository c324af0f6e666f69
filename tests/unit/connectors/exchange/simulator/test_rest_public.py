"""Public answers of the simulated exchange."""

from decimal import Decimal

from connectors.exchange.simulator.clocks import ManualClock
from connectors.exchange.simulator.faults import FaultPlan
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.rest_public import best
from tests.exchange_kit import BTC, START_MS, Scene


def test_best_prices_of_a_side_that_is_sold_out_are_where_its_last_level_was_with_nothing_there() -> None:
    scene = Scene()
    scene.account("whale", 10**12)
    last = scene.engine.depth(BTC, 1_000)[1][-1][0]
    scene.buy("400", account="whale")
    house = House(scene.engine, ManualClock(scene.now_ms), FaultPlan((), 7, START_MS), 7, START_MS)

    told = best(house, BTC)

    assert scene.engine.depth(BTC, 1)[1] == ()
    assert (Decimal(str(told["askPrice"])), Decimal(str(told["askQty"]))) == (last, Decimal(0))
    assert Decimal(str(told["bidPrice"])) < last
    assert Decimal(str(told["bidQty"])) > 0
