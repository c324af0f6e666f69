"""The live world: market, signals, operators and a plain exchange, moved by a clock that somebody hands in.

Decides: what is due at a time, and the ids of it all, which differ between runs: a desk that has seen an earlier run takes nothing of this one for
a repeat. The same seed and the same clock give the same inputs. Holds what is going to happen next, never what has happened: memory does not
grow. Leaves to others: prices, signals, operators, the exchange (their own modules); sending the inputs, reading orders and decisions (who
calls), and every decision (the desk).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from streams.desk.messages import (
    EVERY_ACCOUNT,
    AccountEvent,
    Body,
    CloseAccount,
    ClosePosition,
    Command,
    Control,
    Enable,
    Fill,
    Instrument,
    Mark,
    OpenAccount,
    OrderEvent,
    PhaseChange,
    Promotion,
    Signal,
)  # fmt: skip
from streams.desk.outputs import Cancel, Decision, Order
from streams.simulation.market import MARKETS, Market, instrument
from streams.simulation.once_only import OnceOnly
from streams.simulation.operators import Operators
from streams.simulation.plan import Plan
from streams.simulation.policies import PHASE
from streams.simulation.prices import Prices
from streams.simulation.signals import SHADOW_SOURCE, SOURCE, SignalSource
from streams.simulation.venue import VENUE, Exchange, FeeCurrency, Venue
from streams.simulation.wishes import RoundOfAccounts

SYMBOLS = 6
MARK_EVERY_MS = 300
"""Three prices a second and symbol: about what a venue sends."""
SIGNAL_EVERY_MS = 800
"""An order every second or two: as fast as somebody can follow."""
OPERATOR_EVERY_MS = 45_000
FUNDING_EVERY_S = 300
"""Real venues pay every eight hours; nobody watches for so long."""
FIRST_FUNDING_MS = 20_000
ASK_AGAIN_MS = 500
"""A phase is refused until the policy has come: it travels on another partition."""
LATE_MS_MAX = 3_000
"""A clock that jumps further ahead (a machine that slept) skips what was due in between, instead of sending hours of prices at once."""
FEES: Final[Sequence[FeeCurrency]] = ("USDT", "USDT", "BASE")
BALANCES = (Decimal(50_000), Decimal(20_000), Decimal(10_000), Decimal(3_000))

Act = Callable[[Any], Sequence[Body]]


class Pace(NamedTuple):
    """How often something happens, in milliseconds."""

    mark: int = MARK_EVERY_MS
    signal: int = SIGNAL_EVERY_MS
    operator: int = OPERATOR_EVERY_MS
    override: int = 0
    """How long after a stop has settled somebody re-arms it in spite of its cooldown; 0: nobody does, the cooldown is waited for."""


DEMO_PACE = Pace()


class LiveWorld:
    """Everything outside the desk. `advance` gives what happens; `on_order`, `on_cancel` and `on_decision` take what the desk says."""

    def __init__(
        self, seed: int, accounts: Sequence[str], start_ms: int, exchange: Exchange | None = None, pace: Pace = DEMO_PACE
    ) -> None:
        """Begin at a time; the first advance opens accounts and markets."""
        self.accounts = tuple(accounts)
        self.markets: Sequence[Market] = MARKETS[:SYMBOLS]
        self.prices = Prices(seed, self.markets, start_ms, pace.mark)
        self._pace = pace
        self.exchange = OnceOnly(exchange or _venue(seed, self.accounts, self.markets))
        self.now_ms = start_ms
        self._names = Names(start_ms)
        self._signals = SignalSource(seed, self.prices)
        self._wishes = RoundOfAccounts(seed, self.accounts, self.markets, self.exchange.books, pace.signal)
        self._operators = Operators(_plan(seed, self.markets, start_ms), self.accounts, self.prices)
        self._queue: list[tuple[int, int, Act, Any]] = []
        self._serial = 0
        self._later(start_ms, self._open)

    @property
    def planned(self) -> int:
        """Count what is going to happen: one entry a source, and the answers to open orders."""
        return len(self._queue)

    def advance(self, now_ms: int) -> list[Body]:
        """Give everything due up to now, in its order. A clock that goes back waits until it has caught up."""
        if now_ms - self.now_ms > LATE_MS_MAX:
            self._skip(now_ms - self.now_ms)
        bodies: list[Body] = []
        while self._queue and self._queue[0][0] <= now_ms:
            due_ms, _, act, subject = heappop(self._queue)
            self.now_ms = max(self.now_ms, due_ms)
            bodies += act(subject)
        self.now_ms = max(self.now_ms, now_ms)
        return [self._names.own(body) for body in bodies]

    def on_order(self, order: Order, now_ms: int) -> None:
        """Take an order to the exchange. One it has seen is dropped there, and counted."""
        self._answers(self.exchange.place(order, self._time(now_ms)))

    def on_cancel(self, cancel: Cancel, now_ms: int) -> None:
        """Take a wish to cancel to the exchange."""
        self._answers(self.exchange.cancel(cancel, self._time(now_ms)))

    def on_decision(self, decision: Decision, now_ms: int) -> None:
        """Have the operators come after a stop, and ask again for a phase the policy of which had not arrived."""
        now_ms = self._time(now_ms)
        if decision.kind == "ESS":
            self._answers(self._after_stop(decision.account or EVERY_ACCOUNT, decision.code, now_ms))
        elif (
            decision.kind == "COMMAND"
            and decision.code in ("POLICY_MISSING", "PHASE_UNKNOWN")
            and decision.account in self.accounts
        ):
            self._later(now_ms + ASK_AGAIN_MS, self._say, (decision.account, PhaseChange(PHASE, True)))

    def farewell(self) -> list[Body]:
        """Have the operators close what is held, where the accounts live on after the world."""
        return [self._names.own(self._say((account, ClosePosition(None)))[0]) for account in self.accounts]

    def close_accounts(self) -> list[Body]:
        """Have the operators take the accounts out of service."""
        return [self._names.own(self._say((account, CloseAccount()))[0]) for account in self.accounts]

    def _after_stop(self, account: str, code: str, now_ms: int) -> Sequence[tuple[int, Body]]:
        if code == "TRIPPED" and not self._pace.override:
            return self._operators.after_trip(account, now_ms)
        if code == "COOLDOWN" and self._pace.override:
            return self._operators.after_settling(account, now_ms, self._pace.override)
        return ()

    def _time(self, now_ms: int) -> int:
        self.now_ms = max(self.now_ms, now_ms)
        return self.now_ms

    def _later(self, due_ms: int, act: Act, subject: Any = None) -> None:
        self._serial += 1
        heappush(self._queue, (due_ms, self._serial, act, subject))

    def _answers(self, replies: Sequence[tuple[int, Body]]) -> None:
        for due_ms, body in replies:
            self._later(due_ms, self._deliver, body)

    def _skip(self, by_ms: int) -> None:
        """Move everything planned by a gap of the clock: the order stays."""
        self._queue = [(due_ms + by_ms, serial, act, subject) for due_ms, serial, act, subject in self._queue]

    def _open(self, _: None) -> Sequence[Body]:
        start_ms = self.now_ms
        for account, balance in self._balances():
            self.exchange.books.open(account, balance)
        for index in range(len(self.markets)):
            self._later(start_ms + self._pace.mark + index * self._pace.mark // len(self.markets), self._mark, index)
        self._later(start_ms + 1_000, self._signal)
        self._later(start_ms + self._pace.operator, self._operate)
        self._later(start_ms + FIRST_FUNDING_MS, self._funding)
        return [*self._instruments(start_ms + FIRST_FUNDING_MS), *self._first_prices(), *self._first_words()]

    def _instruments(self, next_ms: int) -> list[Instrument]:
        plain = [instrument(market, self.now_ms, next_ms) for market in self.markets]
        return [one._replace(funding_interval_s=FUNDING_EVERY_S) for one in plain]

    def _first_prices(self) -> Iterator[Body]:
        for index in range(len(self.markets)):
            yield from self._priced(index)

    def _first_words(self) -> Iterator[Control]:
        """Open the accounts, and switch trading on."""
        say = self._operators.command
        for account, balance in self._balances():
            yield say(account, OpenAccount(VENUE, f"keys-{account}", Decimal(5), balance), self.now_ms, reason="demo")
            yield say(account, PhaseChange(PHASE, True), self.now_ms, reason="demo")
            yield say(account, Enable(), self.now_ms, reason="demo")
        yield say(EVERY_ACCOUNT, Promotion(SOURCE, "LIVE"), self.now_ms, reason="demo")
        yield say(EVERY_ACCOUNT, Promotion(SHADOW_SOURCE, "SHADOW"), self.now_ms, reason="demo")
        yield say(EVERY_ACCOUNT, Enable(), self.now_ms, reason="demo")

    def _balances(self) -> list[tuple[str, Decimal]]:
        return [(account, BALANCES[number % len(BALANCES)]) for number, account in enumerate(self.accounts)]

    def _say(self, said: tuple[str, Command]) -> Sequence[Body]:
        account, command = said
        return (self._operators.command(account, command, self.now_ms, reason="demo"),)

    def _deliver(self, body: Body) -> Sequence[Body]:
        return (body,)

    def _mark(self, index: int) -> Sequence[Body]:
        self._later(self.now_ms + self._pace.mark, self._mark, index)
        return self._priced(index)

    def _priced(self, index: int) -> Sequence[Body]:
        mark = self.prices.mark(index, self.now_ms)
        if mark is None:
            return ()
        self._answers(self.exchange.match(mark, self.now_ms))
        return (mark,)

    def _signal(self, _: None) -> Sequence[Body]:
        wished = self._wishes.next(self.now_ms)
        self._later(self.now_ms + self._wishes.pause_ms(self.now_ms), self._signal)
        return (self._signals.make(wished.account, wished.market, self.now_ms, wished.wish),)

    def _funding(self, _: None) -> Sequence[Body]:
        next_ms = self.now_ms + FUNDING_EVERY_S * 1_000
        self._later(next_ms, self._funding)
        for market in self.markets:
            self._answers(self.exchange.pay_funding(market.symbol, self.now_ms))
        return self._instruments(next_ms)

    def _operate(self, _: None) -> Sequence[Body]:
        self._later(self.now_ms + self._pace.operator, self._operate)
        for due_ms, body in self._operators.something(self.now_ms):
            self._later(due_ms, self._deliver, body)
            if isinstance(body, AccountEvent):
                self.exchange.books.note(body)
        return ()


class Names:
    """Makes the ids of a run its own."""

    def __init__(self, start_ms: int) -> None:
        """Name the run after its start."""
        self._run = f"{start_ms:x}"

    def own(self, body: Body) -> Body:
        """Give a body with its id made unique."""
        match body:
            case Signal():
                return body._replace(signal_id=self._of(body.signal_id))
            case Mark():
                return body._replace(mark_id=self._of(body.mark_id))
            case Instrument():
                return body._replace(instrument_id=self._of(body.instrument_id))
            case Control():
                return body._replace(control_id=self._of(body.control_id))
            case OrderEvent():
                return body._replace(
                    event_id=self._of(body.event_id),
                    exchange_order_id=body.exchange_order_id and self._of(body.exchange_order_id),
                )
            case Fill():
                return body._replace(trade_id=self._of(body.trade_id))
            case AccountEvent():
                return body._replace(event_id=self._of(body.event_id), reverses=body.reverses and self._of(body.reverses))
        return body

    def _of(self, name: str) -> str:
        return f"{self._run}-{name}"


def _plan(seed: int, markets: Sequence[Market], start_ms: int) -> Plan:
    """Plan what operators read of a plan."""
    return replace(Plan(seed), markets=markets, start_ms=start_ms, reset_after_s=930)


def _venue(seed: int, accounts: Sequence[str], markets: Sequence[Market]) -> Venue:
    dealt = {account: FEES[number % len(FEES)] for number, account in enumerate(accounts)}
    return Venue(seed, {market.symbol: market for market in markets}, dealt.__getitem__)
