"""Market data streams of the simulated exchange: who follows a book from any picture of it has the book; and streams that die without a word."""

from typing import Any, cast

import pytest

from connectors.exchange.local_book import LocalBook, near
from connectors.exchange.market_answers import heard, picture_of
from connectors.exchange.simulator.calls import Call
from connectors.exchange.simulator.clocks import ManualClock
from connectors.exchange.simulator.connections import Hub
from connectors.exchange.simulator.engine import STEP_MS, SimulatedExchange
from connectors.exchange.simulator.fault_rules import rule
from connectors.exchange.simulator.faults import FaultPlan
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.market_streams import MarketStreams
from connectors.exchange.simulator.markets import symbols
from connectors.exchange.simulator.prices import SeededPrices
from connectors.exchange.simulator.rest_public import depth
from tests.exchange_kit import BTC, START_MS

STREAM = "btcusdt@depth@500ms"


class Listener:
    """Listens to one stream."""

    def __init__(self, name: str = STREAM) -> None:
        self.name, self.told = name, list[Any]()

    def names(self) -> set[str]:
        return {self.name}

    def publish(self, _name: str, message: object) -> None:
        self.told.append(message)


class Scene:
    """An exchange whose prices move, and a listener."""

    def __init__(self, *faults: Any) -> None:
        self.now_ms, self.listener = START_MS, Listener()
        engine = SimulatedExchange(SeededPrices(7, symbols(3), START_MS), 7, START_MS)
        self.house = House(engine, ManualClock(START_MS), FaultPlan(faults, 7, START_MS), 7, START_MS)
        self.streams = MarketStreams(self.house, cast("Hub", self.listener))

    def later(self, *, tell: bool = True) -> None:
        self.now_ms += STEP_MS
        self.house.pass_time(self.now_ms)
        if tell:
            self.streams.publish(self.now_ms)

    def picture(self) -> Any:
        return depth(self.house, Call({"symbol": BTC, "limit": "1000"}, "", self.now_ms))


@pytest.mark.parametrize("steps", range(7, 14))
def test_who_follows_a_book_from_a_picture_taken_at_any_time_has_the_book(steps: int) -> None:
    scene, book = Scene(), LocalBook()
    for _ in range(steps):
        scene.later()
    scene.later(tell=False)
    book.reset(picture_of(BTC, scene.picture()))
    for _ in range(30):
        scene.later()
    while scene.listener.told[-1]["u"] != scene.house.engine.depth(BTC, 1)[2]:
        scene.later()
    for message in scene.listener.told:
        book.apply(cast("Any", heard(message)))

    bids, asks, _ = scene.house.engine.depth(BTC, 1_000)
    assert book.whole
    assert book.depth() == near(bids, asks) > 0


def test_streams_that_are_dead_say_nothing_until_they_are_not() -> None:
    scene = Scene(rule("market_streams_dead", from_s=1, until_s=3))
    told = []
    for _ in range(40):
        scene.later()
        told.append(len(scene.listener.told))

    assert told[10] > 0
    assert told[10] == told[28] < told[39]
