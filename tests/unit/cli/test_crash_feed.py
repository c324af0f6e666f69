"""What flows into a crash run: orders go on to its end, whatever trips meanwhile, because people come and re-arm what has settled."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.kafka.log_reader import Found
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli import crash_feed
from streams.cli.crash_feed import DECISIONS, ORDERS, Feed
from streams.cli.crash_run import PACE
from streams.desk.desk import step
from streams.desk.messages import EVERY_ACCOUNT, Body, Control, EquityReport, Reset, TapeEvent, Tick, Trip
from streams.desk.outputs import Cancel, Decision, Order
from streams.desk.state import new_state
from streams.flow import TOPIC_OF
from streams.pipeline.ports import Done
from streams.simulation.live import LiveWorld
from streams.simulation.traders import Pace

START_MS = 1_780_000_000_000
TURN_MS = 100
WORLDS, ACCOUNTS = 2, 4
SLOW = PACE._replace(mark=500, signal=100)
"""The people of a crash run, and so few records that minutes of them pass in a moment."""
QUIET = SLOW._replace(operator=10**9)
REPORT_S_MAX = 30
PATIENCE_S = 20
"""A stop settles within seconds, and whoever re-arms it is there a quarter of a minute later."""


class Desk:
    """A desk of one partition and its topics in memory: the feed's log, and its reader."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.state = new_state(1, 0, 1)
        self.orders = 0
        self.resets: Counter[str] = Counter()
        self.topics: dict[str, list[bytes]] = defaultdict(list)
        self.reports_come = True
        self._codec = Codec(BundledRegistry())
        self._sources: Counter[str] = Counter()
        self._offset = 0

    def append(self, _topic: str, _partition: int, _key: bytes, value: bytes, _headers: None, done: Done) -> None:
        self.take(self._codec.decode(value))
        done(None, None)

    def poll(self) -> None:
        """Find everything acknowledged already."""

    def flush(self, _within_s: float) -> int:
        return 0

    def bounds(self, topic: str, _partition: int) -> tuple[int, int]:
        return 0, len(self.topics[topic])

    def between(self, topic: str, _partition: int, start: int, end: int) -> Iterator[Found]:
        for offset in range(start, end):
            yield Found(offset, self.now_ms, None, self.topics[topic][offset], ())

    def take(self, body: Body) -> None:
        if isinstance(body, Control) and isinstance(body.command, Reset):
            self.resets[body.account] += 1
        topic = TOPIC_OF[type(body)]
        event = TapeEvent(self._offset, self.now_ms, topic, 0, self._sources[topic], body)
        self._offset += 1
        self._sources[topic] += 1
        outcome = step(self.state, event)
        self.state = outcome.state
        for output in outcome.outputs:
            self._say(output)

    def _say(self, output: Any) -> None:
        self.orders += isinstance(output, Order)
        if isinstance(output, Order | Cancel):
            self.topics[ORDERS].append(self._codec.encode(output))
        elif isinstance(output, Decision):
            self.topics[DECISIONS].append(self._codec.encode(output))
        elif isinstance(output, Control) or (isinstance(output, EquityReport) and self.reports_come):
            self.take(output)


class Run:
    """A feed and a desk, without Kafka between them and without a clock."""

    def __init__(self, desk: Desk, feed: Feed) -> None:
        self.desk, self.feed = desk, feed
        feed.begin(desk)

    def pass_s(self, seconds: int) -> int:
        """Let time pass; give how many orders were made meanwhile."""
        desk, before = self.desk, self.desk.orders
        for _ in range(seconds * 1_000 // TURN_MS):
            desk.now_ms += TURN_MS
            self.feed.turn(desk, desk.now_ms)
            if desk.now_ms % 1_000 == 0:
                desk.take(Tick(desk.now_ms // 1_000))
        return desk.orders - before

    def trip(self, account: str) -> None:
        self.desk.take(Control(f"drill-{self.desk.now_ms}", account, "test", "drill", self.desk.now_ms, Trip()))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Pace], Run]:
    def begin(pace: Pace) -> Run:
        desk = Desk()
        monkeypatch.setattr(crash_feed, "KafkaLog", lambda *_: desk)
        names = [[f"acc{world}-{number}" for number in range(ACCOUNTS)] for world in range(WORLDS)]
        worlds = [LiveWorld(1, names[number], START_MS + number, pace=pace) for number in range(WORLDS)]
        return Run(desk, Feed(KafkaSettings("nowhere:9092"), worlds, 1, 10**9))

    return begin


def test_orders_go_on_at_a_steady_rate_though_accounts_trip_again_and_again(run: Callable[[Pace], Run]) -> None:
    market = run(SLOW)
    market.pass_s(5)

    first, second, third = (market.pass_s(45) for _ in range(3))

    assert first > 100
    assert min(second, third) > first * 0.6
    assert sum(market.desk.resets.values()) > WORLDS * ACCOUNTS


def test_whose_stop_has_settled_is_re_armed_in_spite_of_the_cooldown_and_trades_again(run: Callable[[Pace], Run]) -> None:
    market = run(QUIET)
    market.pass_s(5)

    market.trip("acc1-2")
    market.pass_s(PATIENCE_S)

    stop = market.desk.state.accounts["acc1-2"].stop
    assert (stop.armed, stop.reset_count, stop.reset_by) == (True, 1, "risk-desk")
    assert market.desk.resets == {"acc1-2": 1}


def test_orders_go_on_after_reports_were_missing_for_so_long_that_everything_tripped(run: Callable[[Pace], Run]) -> None:
    market = run(QUIET)
    before = market.pass_s(PATIENCE_S)

    market.desk.reports_come = False
    market.pass_s(REPORT_S_MAX + 3)
    assert "REPORT_STALE" in market.desk.state.stop.trip_reason
    market.desk.reports_come = True
    market.pass_s(PATIENCE_S)

    assert market.desk.state.stop.armed
    assert market.pass_s(PATIENCE_S) > before * 0.6


def test_what_is_said_again_after_a_kill_sends_nobody(run: Callable[[Pace], Run]) -> None:
    market = run(QUIET)
    market.pass_s(5)
    market.trip(EVERY_ACCOUNT)
    market.pass_s(PATIENCE_S)
    assert market.desk.resets == {EVERY_ACCOUNT: 1}

    market.desk.topics[DECISIONS] += market.desk.topics[DECISIONS]
    market.pass_s(PATIENCE_S)

    assert market.desk.resets == {EVERY_ACCOUNT: 1}


def test_a_stop_that_settles_on_several_partitions_is_re_armed_once() -> None:
    world = LiveWorld(1, ["acc"], START_MS, pace=QUIET)
    settled = Decision(EVERY_ACCOUNT, 1, 0, START_MS, "ESS", EVERY_ACCOUNT, "APPLIED", "COOLDOWN", (), "", 1, "", "", "")
    world.advance(START_MS)
    for late_ms in (0, 3_000):
        world.on_decision(settled, START_MS + late_ms)

    said = [body for late_s in range(3, PATIENCE_S) for body in world.advance(START_MS + late_s * 1_000)]
    resets = [body for body in said if isinstance(body, Control) and isinstance(body.command, Reset)]
    assert [(one.account, one.command) for one in resets] == [(EVERY_ACCOUNT, Reset(True))]
