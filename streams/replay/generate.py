"""Generated tapes: a day whose mix of inputs is what a benchmark asks for.

Decides: by whom and when the next signal is sent, whether it is likely to pass, and how the exchange fills, so that signals, order events and
fills keep their shares of the tape; and how long the tape is. Every lever is one that a market has too: nothing is put on the
tape that the desk did not cause. Leaves to others: the market itself (streams.simulation), files (streams.replay).
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from random import Random
from typing import NamedTuple

from streams.desk.desk import Outcome
from streams.desk.messages import TapeEvent
from streams.desk.outputs import Order
from streams.desk.state import Account
from streams.simulation.books import Books
from streams.simulation.market import below, markets_for
from streams.simulation.plan import Plan
from streams.simulation.policies import generated_policy
from streams.simulation.signals import Wish
from streams.simulation.venue import FillStyle, natural_style
from streams.simulation.wishes import Next, RoundOfAccounts
from streams.simulation.world import World, make_venue

_EXTRAS = 0.010
"""Share of ticks, equity reports, commands and payments: they come a second, a minute or a funding time, whatever the mix."""

_BUSY = 8
"""Open orders with which an account gets no further signal that is meant to pass, where another account can have it."""


class Mix(NamedTuple):
    """Shares of the tape, in per cent."""

    marks: float = 80.0
    signals: float = 10.0
    order_events: float = 6.0
    fills: float = 4.0

    def per_mark(self, share: float) -> float:
        """Give how many inputs of a kind belong to one mark, every kind making the same room for the extras."""
        room = _EXTRAS * 100 / len(self)
        return (share - room) / (self.marks - room)


BENCH_MIX = Mix()
_BALANCES_USD = (50_000, 20_000, 8_000, 30_000, 3_000, 12_000, 1_200, 100_000)
_FULL_HOUSE = 200
"""From this many accounts on, each is as rich as the table says; fewer share the same flow, so they are richer."""
_EXPOSURE_USD = 24_000
"""What an account of a full house may be exposed to; as much richer as it is."""
_FUNDING_MS = 3_600_000
"""One funding time within the tape: two hours of it hold two million events."""
_OPERATOR_MS = 20_000
"""About how often somebody does something to one of a full house; rarer among few, or they would be stopped most of the day."""


class Steering:
    """Tells which kind is behind its share."""

    def __init__(self, mix: Mix) -> None:
        """Count nothing yet."""
        self.kinds: Mapping[str, int] = {}
        self._signals = mix.per_mark(mix.signals)
        self._order_events = mix.per_mark(mix.order_events)
        self._fills = mix.per_mark(mix.fills)

    def signals_behind(self) -> float:
        """Tell how many signals are missing."""
        return self._signals * self.kinds["Mark"] - self.kinds["Signal"]

    def order_events_behind(self) -> float:
        """Tell how many order events are missing."""
        return self._order_events * self.kinds["Mark"] - self.kinds["OrderEvent"]

    def fills_behind(self) -> float:
        """Tell how many fills are missing."""
        return self._fills * self.kinds["Mark"] - self.kinds["Fill"]

    def style(self, chance: Random, order: Order) -> FillStyle:
        """Fill in more parts while fills are behind; let limit orders wait in vain while they are ahead."""
        style = natural_style(chance, order)
        behind = self.fills_behind()
        if behind > 0:
            return FillStyle(min(style.wait_ms, 300), max(style.parts, 1 + below(chance, 3)))
        if order.type == "MARKET":
            return FillStyle(0, 1)
        return style._replace(parts=1, stuck_after=0) if below(chance, 4) else style


class SteeredWishes(RoundOfAccounts):
    """Goes round the accounts; sends signals that are likely to pass while order events are behind, and poor ones while they are ahead."""

    def __init__(self, plan: Plan, books: Books, steering: Steering) -> None:
        """Begin with the first account."""
        super().__init__(plan.seed, plan.account_names(), plan.markets, books, plan.signal_every_ms)
        self._steering = steering
        self.known: Mapping[str, Account] = {}
        """The desk's accounts: a strategy sees their portfolios."""

    def has_room(self, account: str, /) -> bool:
        """Pass over accounts that are stopped or busy."""
        known = self.known.get(account)
        return known is None or (known.stop.armed and len(known.orders) < _BUSY)

    def in_use(self, account: str) -> Container[str]:
        """Count open orders to what an account has."""
        known = self.known.get(account)
        held = self._books.held(account)
        if known is None or not known.orders:
            return held
        return {*held, *(order.symbol for order in known.orders.values())}

    def next(self, _now_ms: int, /) -> Next:
        """Choose by what is missing."""
        luck = below(self._chance, 100)
        if (self._steering.order_events_behind() > 0) == (luck < 92):
            return self.sensible(Wish.ENTRY if luck < 70 else Wish.NATURAL)
        return self.poor()

    def pause_ms(self, _now_ms: int, /) -> int:
        """Hurry while signals are behind."""
        return max(1, self._every_ms // 3 if self._steering.signals_behind() > 0 else self._every_ms * 3 // 2)


def bench_plan(accounts: int, symbols: Sequence[str]) -> Plan:
    """Plan everything of the bench tape that is not asked for: rich and poor accounts, fees in USDT and in BNB, one funding in the first hour."""
    richer = max(1, _FULL_HOUSE // accounts)
    return Plan(
        seed=0,
        opening_balances=tuple(Decimal(balance * richer) for balance in _BALANCES_USD),
        fee_currencies=("USDT",) * 13 + ("BNB",) * 3,
        policy=generated_policy(symbols, size={"max_exposure_usd": str(_EXPOSURE_USD * richer)}),
        operator_every_ms=_OPERATOR_MS * richer,
        next_funding_ms=_FUNDING_MS,
    )


def generated_world(
    seed: int, accounts: int, symbols: int = 20, mix: Mix = BENCH_MIX, mark_every_ms: int = 100, plan: Plan | None = None
) -> World:
    """Build a world that keeps to a mix. A plan brings everything else; its seed, accounts and markets are replaced."""
    steering = Steering(mix)
    signal_every_ms = max(1, round(mark_every_ms / symbols / mix.per_mark(mix.signals)))
    markets = markets_for(symbols)
    chosen = replace(
        plan or bench_plan(accounts, [market.symbol for market in markets]),
        seed=seed, accounts=accounts, markets=markets, mark_every_ms=mark_every_ms, signal_every_ms=signal_every_ms,
    )  # fmt: skip
    venue = make_venue(chosen, steering.style)
    wishes = SteeredWishes(chosen, venue.books, steering)
    world = World(chosen, venue, wishes)
    steering.kinds, wishes.known = world.kinds, world.state.accounts
    return world


def generate(
    seed: int,
    events: int,
    accounts: int,
    symbols: int = 20,
    mix: Mix = BENCH_MIX,
    mark_every_ms: int = 100,
    plan: Plan | None = None,
) -> Iterator[tuple[TapeEvent, Outcome]]:
    """Generate a tape of this many events, each with what the desk made of it. The opening counts."""
    return islice(generated_world(seed, accounts, symbols, mix, mark_every_ms, plan).run(), events)


def shares(kinds: Mapping[str, int], order: Sequence[str] = ("Mark", "Signal", "OrderEvent", "Fill")) -> dict[str, float]:
    """Give each kind's share in per cent of everything counted."""
    total = sum(kinds.values()) or 1
    return {kind: 100 * kinds.get(kind, 0) / total for kind in order}
