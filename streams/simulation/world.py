"""The generated day itself: one virtual clock, one queue of what comes next, one tape through the desk.

Decides: the order of everything, by (time, order of being planned) and nothing else, and the tape's offsets and source positions. Holds what is
going to happen next, never what has happened: memory does not grow with the day. Leaves to others: prices, signals, operators, the
exchange, and every decision (the desk).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any

from connectors.exchange.simulator.records import QUOTE
from streams.desk.desk import Outcome, step
from streams.desk.messages import (
    EVERY_ACCOUNT,
    AccountEvent,
    Body,
    Control,
    EquityReport,
    Fill,
    TapeEvent,
    Tick,
    Unreadable,
)  # fmt: skip
from streams.desk.outputs import Cancel, Decision, Order, Output
from streams.desk.state import State, new_state
from streams.flow import TOPIC_OF
from streams.simulation.market import FUNDING_INTERVAL_S, below, instrument
from streams.simulation.operators import Operators
from streams.simulation.plan import Flood, Plan
from streams.simulation.prices import Prices
from streams.simulation.signals import SignalSource, Wish
from streams.simulation.venue import BNB, Exchange, Style, Venue, natural_style
from streams.simulation.wishes import RoundOfAccounts, Wishes

TOPICS: dict[type, str] = {**TOPIC_OF, Unreadable: "signals"}
"""Where each kind of input comes from."""
NEVER_MS = 2**62
_LAST_WORDS_MS = 10_000
"""The exchange's slowest answer takes about half of this."""
_REPORT_DELAY_MS = 20
"""How long an output of the desk that is also an input takes to come back."""

Act = Callable[[Any], Sequence[Body]]
Step = Callable[[State, TapeEvent], Outcome]


class World:
    """Runs a plan. Iterate over `run()`; `kinds` counts the inputs by type, `fates` what became of them."""

    def __init__(self, plan: Plan, venue: Exchange | None = None, wishes: Wishes | None = None, stepper: Step = step) -> None:
        """Build the day; nothing has happened yet."""
        self.plan = plan
        self.accounts = plan.account_names()
        self.prices = Prices(plan.seed, plan.markets, plan.start_ms, plan.mark_every_ms, plan.troubles)
        self.venue: Exchange = venue or make_venue(plan)
        self.wishes: Wishes = wishes or RoundOfAccounts(
            plan.seed, self.accounts, plan.markets, self.venue.books, plan.signal_every_ms
        )
        self.state = new_state(plan.epoch, 0, 1)
        self.now_ms = plan.start_ms
        self.opened = 0
        """Inputs of the opening: what comes after them is the day."""
        self.kinds: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self._step = stepper
        self._signals = SignalSource(plan.seed, self.prices)
        self._operators = Operators(plan, self.accounts, self.prices)
        self._chance = Random(f"{plan.seed}/world")
        self._queue: list[tuple[int, int, Act, Any]] = []
        self._serial = 0
        self._offset = 0
        self._sources: Counter[str] = Counter()
        self._flood_turn = 0
        self._reactions: dict[type, Callable[[Any], None]] = {
            Order: self._on_order, Cancel: self._on_cancel, EquityReport: self._on_own, Control: self._on_own, Decision: self._on_decision,
        }  # fmt: skip
        self._plan_day()

    def run(self, until_ms: int | None = None) -> Iterator[tuple[TapeEvent, Outcome]]:
        """Let the day pass, input by input, to a time of the day or for as long as somebody asks for the next."""
        end_ms = NEVER_MS if until_ms is None else self.plan.start_ms + until_ms
        for body in self._opening():
            yield self._emit(body)
        self.opened = self._offset
        self.kinds.clear()
        queue = self._queue
        while queue and queue[0][0] <= end_ms:
            due_ms, _, act, subject = heappop(queue)
            self.now_ms = max(self.now_ms, due_ms)
            for body in act(subject):
                yield self._emit(body)
                luck = self._chance.getrandbits(32) * 10_000 >> 32
                if luck < self.plan.repeats:
                    yield self._repeat(body)
                elif luck < self.plan.repeats + self.plan.garbage:
                    yield self._emit(_unreadable(self._chance))

    def settle(self, for_ms: int = 60_000) -> Iterator[tuple[TapeEvent, Outcome]]:
        """Wish for nothing new from here and let what is under way arrive: first with prices and ticks, at last without."""
        until_ms = self.now_ms + for_ms
        while self._queue and self._queue[0][0] <= until_ms + _LAST_WORDS_MS:
            due_ms, _, act, subject = heappop(self._queue)
            last_words = due_ms > until_ms
            if act in (self._signal, self._flood, self._operate, self._funding) or (last_words and act != self._deliver):
                continue
            self.now_ms = max(self.now_ms, due_ms)
            for body in act(subject):
                yield self._emit(body)

    @property
    def planned(self) -> int:
        """Count what is going to happen."""
        return len(self._queue)

    def later(self, due_ms: int, act: Act, subject: Any = None) -> None:
        """Plan something. Bounded: each source has one entry of its own, and each open order's answers one a piece."""
        self._serial += 1
        heappush(self._queue, (due_ms, self._serial, act, subject))

    def _plan_day(self) -> None:
        plan, start_ms = self.plan, self.plan.start_ms
        for index in range(len(plan.markets)):
            self.later(start_ms + plan.mark_every_ms + index * plan.mark_every_ms // len(plan.markets), self._mark, index)
        self.later(start_ms - start_ms % 1_000 + 1_000, self._tick)
        self.later(start_ms + plan.policy_every_ms, self._publish)
        self.later(start_ms + plan.next_funding_ms, self._funding)
        if plan.signal_every_ms:
            self.later(start_ms + 2_000, self._signal)
        if plan.operator_every_ms:
            self.later(start_ms + plan.operator_every_ms, self._operate)
        for flood in plan.floods:
            self.later(start_ms + flood.at_ms, self._flood, (flood, 0))
        for happening in plan.script:
            self.later(start_ms + happening.at_ms, self._happen, happening.body)

    def _opening(self) -> Iterator[Body]:
        plan = self.plan
        balances = plan.opening_balances
        for number, account in enumerate(self.accounts):
            self.venue.books.open(account, balances[number % len(balances)])
        for market in plan.markets:
            yield instrument(market, self.now_ms, plan.start_ms + plan.next_funding_ms)
        for index in range(len(plan.markets)):
            yield from self._priced(index)
        yield from self._operators.opening(self.now_ms)

    def _emit(self, body: Body) -> tuple[TapeEvent, Outcome]:
        kind = type(body)
        topic = TOPICS[kind]
        source_offset = self._sources[topic]
        self._sources[topic] = source_offset + 1
        self.kinds[kind.__name__] += 1
        return self._through(TapeEvent(self._offset, self.now_ms, topic, 0, source_offset, body))

    def _repeat(self, body: Body) -> tuple[TapeEvent, Outcome]:
        """Forward the record again, as a sequencer does that crashed before it could note that it had."""
        topic = TOPICS[type(body)]
        self.kinds[type(body).__name__] += 1
        return self._through(TapeEvent(self._offset, self.now_ms, topic, 0, self._sources[topic] - 1, body))

    def _through(self, event: TapeEvent) -> tuple[TapeEvent, Outcome]:
        self._offset += 1
        outcome = self._step(self.state, event)
        self.state = outcome.state
        self.fates[outcome.fate.value] += 1
        for output in outcome.outputs:
            react = self._reactions.get(type(output))
            if react is not None:
                react(output)
        return event, outcome

    def _mark(self, index: int) -> Sequence[Body]:
        self.later(self.now_ms + self.plan.mark_every_ms, self._mark, index)
        return self._priced(index)

    def _priced(self, index: int) -> Sequence[Body]:
        mark = self.prices.mark(index, self.now_ms)
        if mark is None:
            return ()
        for due_ms, body in self.venue.match(mark, self.now_ms):
            self.later(due_ms, self._deliver, body)
        return (mark,)

    def _tick(self, _: None) -> Sequence[Body]:
        self.later(self.now_ms + 1_000, self._tick)
        return (Tick(self.now_ms // 1_000),)

    def _publish(self, _: None) -> Sequence[Body]:
        self.later(self.now_ms + self.plan.policy_every_ms, self._publish)
        return (self._operators.publish(self.now_ms),)

    def _signal(self, _: None) -> Sequence[Body]:
        wished = self.wishes.next(self.now_ms)
        self.later(self.now_ms + self.wishes.pause_ms(self.now_ms), self._signal)
        return (self._signals.make(wished.account, wished.market, self.now_ms, wished.wish),)

    def _flood(self, subject: tuple[Flood, int]) -> Sequence[Body]:
        flood, sent = subject
        if sent + 1 < flood.per_s * flood.for_ms // 1_000:
            self.later(self.plan.start_ms + flood.at_ms + (sent + 1) * 1_000 // flood.per_s, self._flood, (flood, sent + 1))
        self._flood_turn += 1
        account = flood.account or self.accounts[self._flood_turn % len(self.accounts)]
        return (self._signals.make(account, below(self._chance, len(self.plan.markets)), self.now_ms, Wish.NATURAL),)

    def _funding(self, _: None) -> Sequence[Body]:
        interval_ms = FUNDING_INTERVAL_S * 1_000
        self.later(self.now_ms + interval_ms, self._funding)
        bodies: list[Body] = []
        for market in self.plan.markets:
            bodies.append(instrument(market, self.now_ms, self.now_ms + interval_ms))
            for due_ms, body in self.venue.pay_funding(market.symbol, self.now_ms):
                self.later(due_ms, self._deliver, body)
        return bodies

    def _operate(self, _: None) -> Sequence[Body]:
        self.later(
            self.now_ms + self.plan.operator_every_ms // 2 + below(self._chance, self.plan.operator_every_ms), self._operate
        )
        for due_ms, body in self._operators.something(self.now_ms):
            self.later(due_ms, self._deliver, body)
            if isinstance(body, AccountEvent):
                self.venue.books.note(body)
        return ()

    def _happen(self, body: Body) -> Sequence[Body]:
        if isinstance(body, AccountEvent):
            self.venue.books.note(body)
        return self._deliver(body)

    def _deliver(self, body: Body) -> Sequence[Body]:
        if type(body) is Fill and body.fee_currency == BNB and body.symbol != f"{BNB}{QUOTE}":
            coin = self.state.marks.get(f"{BNB}{QUOTE}")
            if coin is not None:
                self.venue.books.pay(body.account, body.fee, coin.mark)
        return (body,)

    def _on_order(self, order: Order) -> None:
        for due_ms, body in self.venue.place(order, self.now_ms):
            self.later(due_ms, self._deliver, body)

    def _on_cancel(self, cancel: Cancel) -> None:
        for due_ms, body in self.venue.cancel(cancel, self.now_ms):
            self.later(due_ms, self._deliver, body)

    def _on_own(self, output: Output) -> None:
        self.later(self.now_ms + _REPORT_DELAY_MS, self._deliver, output)

    def _on_decision(self, decision: Decision) -> None:
        if decision.kind == "ESS" and decision.reason.startswith("TRIPPED"):
            for due_ms, body in self._operators.after_trip(decision.account or EVERY_ACCOUNT, self.now_ms):
                self.later(due_ms, self._deliver, body)


def make_venue(plan: Plan, style: Style = natural_style) -> Venue:
    """Build the exchange of a plan."""
    currencies, names = plan.fee_currencies, plan.account_names()
    dealt = {name: currencies[number % len(currencies)] for number, name in enumerate(names)}
    return Venue(plan.seed, {market.symbol: market for market in plan.markets}, dealt.__getitem__, style, plan.odds)


def _unreadable(chance: Random) -> Unreadable:
    raw = chance.getrandbits(8 * 24).to_bytes(24, "big")
    return Unreadable("UNKNOWN_SCHEMA", "schema id 4242 is not known", 4242, raw)
