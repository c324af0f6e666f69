"""The generated day of `./qts day`: its plan, what is counted while it passes, and how fast it passes.

Decides: the day's story (six symbols, a crash at half past two, a silent feed in the evening), which decisions are worth showing, and when the
day has to wait for the clock on the wall. The plan depends on the seed and the accounts alone, so the same seed gives the same decisions for
the same number of events, however fast they pass. Leaves to others: the market (streams.simulation), the decisions (streams.desk), the drawing.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple

from streams.cli.view_words import total_equity
from streams.desk.desk import Outcome
from streams.desk.messages import Fill, Mark, Signal, TapeEvent, Tick
from streams.desk.outputs import Decision, Fate, Order, Portfolio
from streams.desk.state import State
from streams.desk.views import view
from streams.simulation.market import FUNDING_INTERVAL_S, markets_for
from streams.simulation.plan import START_MS, Plan
from streams.simulation.policies import generated_policy
from streams.simulation.prices import Crash, Silence
from streams.simulation.world import World

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
DAY_MS = 24 * HOUR_MS
MIDNIGHT_MS = START_MS - START_MS % DAY_MS
SYMBOLS = 6
SAMPLE_EVERY_S = 300
"""The curves have a point for every five minutes: 288 a day."""
SAMPLES_MAX = 288
"""The oldest point of a curve leaves when a day is full."""
NOTABLE_MAX = 64
"""Decisions waiting to be shown: more come in a second than anybody reads, and the oldest leave unseen."""
ORDER_IDS_MAX = 100_000
"""Order ids remembered to notice one given twice; a day has fewer, and the oldest leave."""


def day_plan(seed: int, accounts: int) -> Plan:
    """Plan a day from midnight to midnight that a small machine can run in half a minute."""
    markets = markets_for(SYMBOLS)
    policy = generated_policy(
        [market.symbol for market in markets], age={"mark_s_max": "10"}, orders={"lifetime_s": "60"}, size={"positions_max": "5"}
    )  # fmt: skip
    return Plan(
        seed,
        accounts=accounts,
        markets=markets,
        start_ms=MIDNIGHT_MS,
        # A price every four seconds: the desk could take forty times as many, but then a day would not pass in half a minute.
        mark_every_ms=4_000,
        signal_every_ms=30_000,
        fee_currencies=("USDT", "USDT", "BNB"),
        policy=policy,
        troubles=(
            Crash("SOLUSDT", MIDNIGHT_MS + 14 * HOUR_MS + 30 * MINUTE_MS, 2_400, MINUTE_MS),
            Silence("BNBUSDT", MIDNIGHT_MS + 19 * HOUR_MS, 3 * MINUTE_MS),
        ),
        operator_every_ms=25 * MINUTE_MS,
        next_funding_ms=FUNDING_INTERVAL_S * 1_000,
    )


class Noted(NamedTuple):
    """A decision picked to be shown, and how much it matters."""

    weight: int
    decision: Decision


_WEIGHTS = {"ESS": 5, "ALERT": 4, "COMMAND": 3, "EXIT": 2, "SIGNAL": 1, "ORDER": 0}


class Tally:
    """Counts what passes, and keeps what is shown of it."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.events = 0
        self.kinds: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.decisions = 0
        self.approved = 0
        self.orders = 0
        self.fills = 0
        self.trips = 0
        self.duplicate_orders = 0
        self.opening: dict[str, Decimal] = {}
        self.curves: dict[str, deque[Decimal]] = {}
        self.worth: deque[Decimal] = deque(maxlen=SAMPLES_MAX)
        self.notable: deque[Noted] = deque(maxlen=NOTABLE_MAX)
        self._order_ids: dict[str, None] = {}

    @property
    def signals(self) -> int:
        """Count the signals that came."""
        return self.kinds[Signal.__name__]

    def note(self, event: TapeEvent, outcome: Outcome) -> None:
        """Take one event in."""
        self.events += 1
        body = event.body
        self.kinds[type(body).__name__] += 1
        self.fates[outcome.fate.value] += 1
        if isinstance(body, Fill) and outcome.fate is Fate.APPLIED:
            self.fills += 1
        elif isinstance(body, Mark) and body.symbol not in self.opening:
            self.opening[body.symbol] = body.mark
        elif isinstance(body, Tick) and body.second % SAMPLE_EVERY_S == 0:
            self._sample(outcome.state)
        for output in outcome.outputs:
            if isinstance(output, Decision):
                self._decision(output)
            elif isinstance(output, Order):
                self._order(output)

    def _decision(self, decision: Decision) -> None:
        self.decisions += 1
        self.approved += decision.verdict == "APPROVED"
        if decision.verdict in ("REFUSED", "DROPPED"):
            self.refused[decision.code] += 1
        elif decision.kind == "ESS" and decision.code == "TRIPPED":
            self.trips += 1
        if decision.kind != "COMMAND" or decision.code != "POLICY":
            self.notable.append(Noted(_WEIGHTS[decision.kind], decision))

    def _order(self, order: Order) -> None:
        self.orders += 1
        if order.order_id in self._order_ids:
            self.duplicate_orders += 1
        self._order_ids[order.order_id] = None
        if len(self._order_ids) > ORDER_IDS_MAX:
            del self._order_ids[next(iter(self._order_ids))]

    def _sample(self, state: State) -> None:
        for symbol, mark in state.marks.items():
            self.curves.setdefault(symbol, deque(maxlen=SAMPLES_MAX)).append(mark.mark)
        worth = total_equity(accounts_of(state))
        if worth is not None:
            self.worth.append(worth)


def accounts_of(state: State) -> list[Portfolio]:
    """Picture every account as it is now, in the order of their names."""
    return [view(state, state.accounts[name], state.offset, 0) for name in sorted(state.accounts)]


class Clock(NamedTuple):
    """The clock on the wall: what it says in seconds, and how to let it go on."""

    now_s: Callable[[], float]
    wait_s: Callable[[float], None]


class Pace:
    """Holds the day against the clock on the wall: it ends when the time is up, and waits where it is ahead and somebody watches."""

    def __init__(self, clock: Clock, seconds: float, watched: bool) -> None:
        """Start now."""
        self._clock = clock
        self._seconds = seconds
        self._watched = watched
        self.started_s = clock.now_s()

    @property
    def passed_s(self) -> float:
        """Tell how long it has been."""
        return self._clock.now_s() - self.started_s

    @property
    def over(self) -> bool:
        """Tell whether the time is up."""
        return self.passed_s >= self._seconds

    def ahead_s(self, day_passed_ms: int) -> float:
        """Tell how long the day has to wait for the clock."""
        return day_passed_ms / DAY_MS * self._seconds - self.passed_s if self._watched else 0.0

    def wait(self, seconds: float) -> None:
        """Let the clock go on."""
        self._clock.wait_s(seconds)


LOOK_EVERY = 50
"""Events between two looks at the clock: about five milliseconds."""
BLINK_S = 0.05
"""Longest wait between two looks."""
LEAST_WAIT_S = 0.001
"""A shorter wait might not move the clock at all."""


def pass_day(
    world: World, pace: Pace, tally: Tally, events: int | None, look: Callable[[], bool]
) -> Iterator[tuple[TapeEvent, Outcome]]:
    """Let the day pass to its end, to a number of events, to the end of the time, or until `look` says that nobody wants more."""
    for event, outcome in world.run(DAY_MS):
        tally.note(event, outcome)
        yield event, outcome
        if tally.events == events:
            return
        if tally.events % LOOK_EVERY:
            continue
        if not look() or pace.over:
            return
        while (ahead_s := pace.ahead_s(world.now_ms - MIDNIGHT_MS)) > 0:
            pace.wait(min(max(ahead_s, LEAST_WAIT_S), BLINK_S))
            if not look():
                return
