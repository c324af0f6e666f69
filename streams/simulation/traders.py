"""Traders: the heuristic models and the people who speak to a desk, moved by a clock that somebody hands in.

Decides: what each says when, and what they do about what the desk decides: come after a stop, ask again for a phase whose policy was not there yet.
Holds what is going to be said next, never what has been: memory does not grow. Leaves to others: signals, operators, whose turn it is (their own
modules), the market they look at (prices, followed), the exchange (live, or one of its own), and every decision (the desk).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any, NamedTuple

from streams.desk.messages import (
    EVERY_ACCOUNT,
    AccountEvent,
    Body,
    CloseAccount,
    ClosePosition,
    Command,
    Control,
    Disable,
    Enable,
    OpenAccount,
    PhaseChange,
    Promotion,
)  # fmt: skip
from streams.desk.outputs import Decision
from streams.simulation.names import Names
from streams.simulation.operators import Operators, Said
from streams.simulation.plan import Plan
from streams.simulation.policies import PHASE
from streams.simulation.signals import SHADOW_SOURCE, SOURCE, SignalSource, Watched
from streams.simulation.venue import VENUE
from streams.simulation.wishes import Holdings, RoundOfAccounts

MARK_EVERY_MS = 300
"""Three prices a second and symbol: about what a venue sends."""
SIGNAL_EVERY_MS = 800
"""An order every second or two: as fast as somebody can follow."""
OPERATOR_EVERY_MS = 45_000
FIRST_SIGNAL_MS = 1_000
ASK_AGAIN_MS = 500
"""A phase is refused until the policy has come: it travels on another partition."""
LATE_MS_MAX = 3_000
"""A clock that jumps further ahead (a machine that slept) skips what was due in between, instead of sending hours of prices at once."""
BALANCES = (Decimal(50_000), Decimal(20_000), Decimal(10_000), Decimal(3_000))
"""Dealt to the accounts in turn."""

Act = Callable[[Any], Sequence[Body]]


class Pace(NamedTuple):
    """How often something happens, in milliseconds."""

    mark: int = MARK_EVERY_MS
    signal: int = SIGNAL_EVERY_MS
    operator: int = OPERATOR_EVERY_MS
    override: int = 0
    """How long after a stop has settled somebody re-arms it in spite of its cooldown; 0: nobody does, the cooldown is waited for."""


DEMO_PACE = Pace()


class Traders:
    """Everybody who speaks to the desk. `advance` gives what they say; `on_decision` takes what the desk has decided."""

    def __init__(
        self, seed: int, accounts: Sequence[str], start_ms: int, market: Watched, holdings: Holdings, pace: Pace = DEMO_PACE
    ) -> None:
        """Begin at a time; the first advance opens the accounts, and signals come from `begin` on."""
        self.accounts = tuple(accounts)
        self.now_ms = start_ms
        self._pace = pace
        self._names = Names(start_ms)
        self._signals = SignalSource(seed, market)
        self._wishes = RoundOfAccounts(seed, self.accounts, market.markets, holdings, pace.signal)
        plan = replace(Plan(seed), markets=market.markets, start_ms=start_ms, reset_after_s=930)
        self._operators = Operators(plan, self.accounts, market)
        self._queue: list[tuple[int, int, Act, Any]] = []
        self._serial = 0
        self._later(start_ms, self._open)

    @property
    def balances(self) -> list[tuple[str, Decimal]]:
        """Give what each account opens with."""
        return [(account, BALANCES[number % len(BALANCES)]) for number, account in enumerate(self.accounts)]

    @property
    def planned(self) -> int:
        """Count what is going to happen: one entry a source, and what is on its way."""
        return len(self._queue)

    def begin(self) -> None:
        """Have signals come from now on, and operators do what they do on an ordinary day."""
        self._later(self.now_ms + FIRST_SIGNAL_MS, self._signal)
        self._later(self.now_ms + self._pace.operator, self._operate)

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

    def on_decision(self, decision: Decision, now_ms: int) -> None:
        """Have the operators come after a stop, and ask again for a phase the policy of which had not arrived."""
        now_ms = self._time(now_ms)
        if decision.kind == "ESS":
            self._on_their_way(self._after_stop(decision.account or EVERY_ACCOUNT, decision.code, now_ms))
        elif (
            decision.kind == "COMMAND"
            and decision.code in ("POLICY_MISSING", "PHASE_UNKNOWN")
            and decision.account in self.accounts
        ):
            self._later(now_ms + ASK_AGAIN_MS, self._say, (decision.account, PhaseChange(PHASE, True)))

    def switch_off(self) -> list[Body]:
        """Have the operators allow no new risk, which takes back what rests at the exchange."""
        return self._told_to_all(Disable())

    def farewell(self) -> list[Body]:
        """Have the operators close what is held, where the accounts live on after the traders."""
        return self._told_to_all(ClosePosition(None))

    def close_accounts(self) -> list[Body]:
        """Have the operators take the accounts out of service."""
        return self._told_to_all(CloseAccount())

    def _told_to_all(self, command: Command) -> list[Body]:
        return [self._names.own(self._say((account, command))[0]) for account in self.accounts]

    def _after_stop(self, account: str, code: str, now_ms: int) -> Sequence[Said]:
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

    def _on_their_way(self, bodies: Sequence[tuple[int, Body]]) -> None:
        for due_ms, body in bodies:
            self._later(due_ms, self._deliver, body)

    def _skip(self, by_ms: int) -> None:
        """Move everything planned by a gap of the clock: the order stays."""
        self._queue = [(due_ms + by_ms, serial, act, subject) for due_ms, serial, act, subject in self._queue]

    def _open(self, _: None) -> Sequence[Body]:
        return list(self._first_words())

    def _first_words(self) -> Iterator[Control]:
        """Open the accounts, and switch trading on."""
        say = self._operators.command
        for account, balance in self.balances:
            yield say(account, OpenAccount(VENUE, f"keys-{account}", Decimal(5), balance), self.now_ms, reason="demo")
            yield say(account, PhaseChange(PHASE, True), self.now_ms, reason="demo")
            yield say(account, Enable(), self.now_ms, reason="demo")
        yield say(EVERY_ACCOUNT, Promotion(SOURCE, "LIVE"), self.now_ms, reason="demo")
        yield say(EVERY_ACCOUNT, Promotion(SHADOW_SOURCE, "SHADOW"), self.now_ms, reason="demo")
        yield say(EVERY_ACCOUNT, Enable(), self.now_ms, reason="demo")

    def _say(self, said: tuple[str, Command]) -> Sequence[Body]:
        account, command = said
        return (self._operators.command(account, command, self.now_ms, reason="demo"),)

    def _deliver(self, body: Body) -> Sequence[Body]:
        return (body,)

    def _signal(self, _: None) -> Sequence[Body]:
        wished = self._wishes.next(self.now_ms)
        self._later(self.now_ms + self._wishes.pause_ms(self.now_ms), self._signal)
        return (self._signals.make(wished.account, wished.market, self.now_ms, wished.wish),)

    def _operate(self, _: None) -> Sequence[Body]:
        self._later(self.now_ms + self._pace.operator, self._operate)
        for due_ms, body in self._operators.something(self.now_ms):
            if not isinstance(body, AccountEvent) or self._moves(body):
                self._later(due_ms, self._deliver, body)
        return ()

    def _moves(self, _event: AccountEvent) -> bool:
        """Move money, and tell whether the tape is to hear of it from here: what an exchange has moved, it says itself."""
        return False
