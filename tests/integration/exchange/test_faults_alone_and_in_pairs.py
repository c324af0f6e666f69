"""Each fault of the plan language alone, and each pair of them, between our adapter and the simulator.

Errors are of exactly the kind the exception table promises, nothing is sent twice, and once the faults are over, what is found is what the exchange's
books say.

Each pair plays in three acts, each with an order of its own:
    one strikes orders, the other what follows
    one strikes cancels, the other questions
    both strike everything: of two that end a request the first one does
Several exchanges play beside each other, pair after pair: most of the time is spent waiting for answers that never come.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

import pytest

from connectors.exchange.ccxt_exchange import CcxtExchange, Times
from connectors.exchange.modes import Venue, keys_of, place_at
from connectors.exchange.simulator.clocks import RunningClock
from connectors.exchange.simulator.engine import SimulatedExchange
from connectors.exchange.simulator.fault_rules import FAULTS, Rule, rule
from connectors.exchange.simulator.faults import FaultPlan
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.markets import symbols
from connectors.exchange.simulator.records import OrderRow
from connectors.exchange.simulator.server import serving
from connectors.exchange.simulator.signing import Key
from connectors.exchange.simulator.truth import books, sent_twice
from connectors.exchange.simulator.weights import Limits
from connectors.kafka.system_clock import SystemClock
from streams.exchange.errors import Ambiguous, ClockOff, ExchangeError, NotThere, Paused, Rejected, Retryable
from streams.exchange.port import Placing
from tests.exchange_kit import GivenPrices
from tests.exchange_stage import ACCOUNT, FUNDS, PRICE, QUANTITY, REF, SYMBOL
from tests.scripted_exchange import Allowance

NONE: Final = "nothing"
TOLD: Final[dict[str, dict[str, str]]] = {
    "latency": {"ms": "10", "up_to_ms": "30"},
    "clock_skew": {"ms": "7000"},  # more than the window of 5 s: every time we sign is too old
    "rate_limited": {"retry_after_s": "60"},
    "banned": {"retry_after_s": "60"},
}
"""What is said to a fault beside its name."""
QUICK: Final = Times(answer_ms=1_000, compare_s=3_600, compare_again_s=3_600)
"""An answer takes some milliseconds, beside so many others some dozens. Clocks are not compared again: a fault would meet that, too."""
PLENTY: Final = Limits(weight_1m=1_000_000, orders_1m=1_000_000, orders_10s=1_000_000)
STAGES: Final = 16

PAUSES: Final = {"rate_limited", "banned"}
UNKNOWN: Final = {
    "server_error", "server_error_after", "maintenance", "timeout_before", "timeout_after", "drop_before", "drop_after", "silent_after",
}  # fmt: skip
"""Faults after which nobody who got this answer knows what was done."""
DONE: Final = {"server_error_after", "timeout_after", "drop_after", "silent_after"}
"""Of those, the ones where it was."""
ENDS: Final = {"reject", *PAUSES, *UNKNOWN}

Outcome = type[ExchangeError] | None
"""What comes back: an error of exactly this kind, or an answer."""


class Struck(NamedTuple):
    """What meets a request: the fault that ends it, and whether its time is off for the exchange."""

    end: str
    skewed: bool

    def of(self, unknown: type[ExchangeError]) -> Outcome:
        """Tell what comes back to who, not knowing, has to be told `unknown`."""
        if self.end in PAUSES:
            return Paused
        if self.end in UNKNOWN:
            return unknown
        if self.end == "reject":
            return Rejected
        return ClockOff if self.skewed else None

    @property
    def done(self) -> bool:
        """Tell whether what was asked for is done."""
        return not self.skewed and (self.end in DONE or self.end not in ENDS)


class Act(NamedTuple):
    """Which faults strike what: orders, cancels, questions."""

    orders: Sequence[str]
    cancels: Sequence[str]
    questions: Sequence[str]


def acts(one: str, other: str) -> Sequence[Act]:
    """Give the acts of a pair."""
    both = [one, other]
    return Act([one], [other], [other]), Act([], [one], [other]), Act(both, both, both)


class Play:
    """One exchange, our adapter, and what went wrong between them."""

    def __init__(self, exchange: CcxtExchange, house: House) -> None:
        """Begin."""
        self.exchange, self.house = exchange, house
        self.problems: list[str] = []
        self._placed = self._made = 0
        self._paused = False

    async def pair(self, one: str, other: str) -> list[str]:
        """Play a pair; gives what went wrong."""
        self.problems = []
        for act in acts(one, other):
            await self._act(act)
        await self._truth_of_all()
        return self.problems

    async def _act(self, act: Act) -> None:
        """Place, ask, cancel, ask again, under faults; then without them."""
        self._made += 1
        name = f"order-{self._made}"
        if not act.orders:
            await self._place(name)
        self._set(act)
        if act.orders:
            struck = self._struck(act.orders)
            await self._comes(name, "place", self._place(name), struck.of(Ambiguous))
            self._is(f"{name} accepted", len(self._rows(name)), int(struck.done))
        await self._ask(name, act)
        there, struck = self._open(name), self._struck(act.cancels)
        answer = struck.of(Ambiguous)
        await self._comes(
            name, "cancel", self.exchange.cancel(ACCOUNT, SYMBOL, name), answer if there or answer is not None else NotThere
        )
        self._is(f"{name} open", self._open(name), there and not struck.done)
        await self._ask(name, act)
        self._clear()
        await self._truth(name)

    async def _truth_of_all(self) -> None:
        """Compare everything at the end, and see that nothing was ever repeated."""
        listed = {row.client_id for row in await self.exchange.orders(ACCOUNT, SYMBOL, self.house.started_ms)}
        rows = self.house.engine.all_orders(ACCOUNT, SYMBOL)
        self._is("orders listed", listed, {row.client_id for row in rows})
        self._is("sent twice", sent_twice(books(self.house)), [])
        self._is("orders sent", self.house.meter.tallies[ACCOUNT]["orders"], self._placed)

    async def _ask(self, name: str, act: Act) -> None:
        asked = self._struck(act.questions).of(Retryable)
        await self._comes(
            name, "find", self.exchange.find(ACCOUNT, SYMBOL, name), asked if self._rows(name) or asked is not None else NotThere
        )
        await self._comes(name, "trades", self.exchange.trades(ACCOUNT, SYMBOL, since_ms=self.house.started_ms), asked)

    async def _truth(self, name: str) -> None:
        """See that what is found without faults is what there is."""
        rows = self._rows(name)
        try:
            found = await self.exchange.find(ACCOUNT, SYMBOL, name)
        except NotThere:
            self._is(f"{name} not found, in the books", len(rows), 0)
            return
        status = {"NEW": "OPEN", "CANCELED": "CANCELLED"}[rows[-1].status] if rows else "missing"
        self._is(f"{name} found", (found.exchange_id, found.status), (str(rows[-1].order_id) if rows else "", status))
        open_ones = [row.client_id for row in await self.exchange.open_orders(ACCOUNT, SYMBOL)]
        self._is(f"{name} among the open ones", name in open_ones, self._open(name))

    async def _place(self, name: str) -> object:
        self._placed += 1
        price, now_ms = PRICE * Decimal("0.98"), self.exchange.now_ms()
        return await self.exchange.place(
            Placing(ACCOUNT, name, SYMBOL, "BUY", "LIMIT", QUANTITY, price, reduce_only=False, sent_ms=now_ms, window_ms=5_000)
        )

    async def _comes(self, name: str, doing: str, asked: Awaitable[object], wanted: Outcome) -> None:
        kind: Outcome = None
        try:
            await asked
        except ExchangeError as error:
            kind = type(error)
        self._is(f"{name} {doing}", _called(kind), _called(wanted))

    def _struck(self, faults: Sequence[str]) -> Struck:
        """Tell what meets a request now: a pause that has begun comes before everything."""
        end = "rate_limited" if self._paused else next((fault for fault in faults if fault in ENDS), "")
        self._paused = self._paused or end in PAUSES
        return Struck(end, self.house.faults.clock_skew_ms(self.house.clock.now_ms()) != 0)

    def _set(self, act: Act) -> None:
        rules: list[Rule] = []
        for faults, methods in ((act.orders, ["POST"]), (act.cancels, ["DELETE"]), (act.questions, ["GET"])):
            rules += [rule(fault, methods=methods, **TOLD.get(fault, {})) for fault in faults if about(fault) == "request"]
        states = {*act.orders, *act.cancels, *act.questions} - {NONE}
        rules += [rule(fault, **TOLD.get(fault, {})) for fault in sorted(states) if about(fault) != "request"]
        self.house.faults.replace(rules, self.house.clock.now_ms())

    def _clear(self) -> None:
        self._paused = False
        self.house.faults.replace((), self.house.clock.now_ms())

    def _rows(self, name: str) -> list[OrderRow]:
        return [row for row in self.house.engine.all_orders(ACCOUNT, SYMBOL) if row.client_id == name]

    def _open(self, name: str) -> bool:
        return any(row.status == "NEW" for row in self._rows(name))

    def _is(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.problems.append(f"{what}: {found}, not {wanted}")


def about(fault: str) -> str:
    """Tell what a fault happens to."""
    return FAULTS[fault].about if fault != NONE else ""


def _called(kind: Outcome) -> str:
    return kind.__name__ if kind else "an answer"


@asynccontextmanager
async def playing(times: Times = QUICK) -> AsyncIterator[Play]:
    """Set an exchange and our adapter up."""
    system = SystemClock()
    clock = RunningClock(system.wall_ms)
    now_ms, prices = clock.now_ms(), GivenPrices(symbols(1))
    house = House(SimulatedExchange(prices, 7, now_ms), clock, FaultPlan((), 7, now_ms), 7, now_ms, PLENTY)
    keys = keys_of(REF, "sim", {})
    house.open(Key(ACCOUNT, keys.key.reveal(), keys.secret.reveal(), now_ms), {"USDT": FUNDS})
    async with serving(house) as server:
        venue = Venue("sim", "sim", (place_at(server.url),))
        async with CcxtExchange(
            venue, lambda ref: keys_of(ref, "sim", {}), Allowance(), system, asyncio.sleep, Random(7), times
        ) as exchange:
            await checked(exchange)
            yield Play(exchange, house)


async def checked(exchange: CcxtExchange) -> None:
    """Make the account known. On a busy machine a comparison of clocks may be too inexact at first."""
    for _ in range(4):
        with suppress(Retryable):
            await exchange.check(REF, [SYMBOL])
            return
    await exchange.check(REF, [SYMBOL])


PAIRS: Final[list[tuple[str, str]]] = [
    (one, other) for one in (NONE, *FAULTS) for other in (NONE, *FAULTS) if one != other or one == NONE
]
"""In both orders; with nothing: alone."""


@pytest.fixture(scope="module")
def problems() -> dict[tuple[str, str], list[str]]:
    """Play all pairs."""
    found: dict[tuple[str, str], list[str]] = {}
    waiting = iter(PAIRS)

    async def one_stage(play: Play) -> None:
        for pair in waiting:
            found[pair] = await play.pair(*pair)

    async def all_of_them() -> None:
        async with AsyncExitStack() as stages:
            plays = [await stages.enter_async_context(playing()) for _ in range(STAGES)]
            async with asyncio.TaskGroup() as group:
                for play in plays:
                    group.create_task(one_stage(play))

    asyncio.run(all_of_them())
    return found


@pytest.mark.parametrize("pair", PAIRS, ids=" then ".join)
def test_every_answer_is_what_it_promises_and_what_is_found_afterwards_is_true(
    problems: dict[tuple[str, str], list[str]], pair: tuple[str, str]
) -> None:
    assert problems[pair] == []
