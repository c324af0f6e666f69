"""The `Exchange` port in the test's own process: the simulator's engine on virtual time, without HTTP.

    clock = Clock()
    exchange = FakeExchange(clock)
    exchange.open("main", 100_000)
    exchange.faults.script("place", Fault("after", wait_ms=10_000))
    run(lambda: a_story(exchange), clock=clock)
    assert exchange.books("main").positions == []

It outlives those who use it: a run that is killed takes its connections with it, what it has sent still arrives, and the next run checks its accounts
anew. Decides: how long calls take, at which points a run may be killed in them, that the allowance is waited for where the adapter does that. Leaves
to others: what goes wrong (fake_exchange_faults), what happens at the exchange (fake_exchange_inside).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from connectors.exchange.ccxt_answers import order_of
from connectors.exchange.simulator import wire
from connectors.exchange.simulator.engine import STEP_MS
from connectors.exchange.simulator.records import NewOrder
from streams.exchange.errors import Fatal, Paused, Rejected
from streams.exchange.port import (
    AccountRef,
    Connected,
    Lost,
    OrderReport,
    Payment,
    Placing,
    Position,
    StopPlacing,
    StopReport,
    Trade,
    UserEvent,
)  # fmt: skip
from tests.fake_exchange_answers import Books
from tests.fake_exchange_faults import AT_ONCE, DOING, DONE, Call, Faults
from tests.fake_exchange_inside import Arrived, Inside, What
from tests.fake_exchange_stream import Broken
from tests.virtual_loop import Clock, Kill

T = TypeVar("T")

WINDOW_MS: Final = 5_000
"""Of whatever is asked without a window of its own, as in the adapter."""


class Latency(NamedTuple):
    """How long a call takes."""

    there_ms: int = 5
    back_ms: int = 5


class FakeExchange:
    """The fake exchange, and the hand that moves it."""

    name = "fake"

    def __init__(self, clock: Clock, *, seed: int = 7, markets: int = 6, step_ms: int = STEP_MS) -> None:
        """Open, with no accounts, at the round prices of `GivenPrices`."""
        self._inside = Inside(clock, Faults(), seed, markets, step_ms)
        self._answers, self._clock = self._inside.answers, clock
        self.kill = Kill()
        """Of the present run."""
        self.latency: dict[Call, Latency] = {}
        """Of calls that do not take the usual time."""
        self.off_ms = 0
        """By how much `now_ms` is wrong."""
        self.error_ms: int | None = 1
        """By how much an executor thinks it may be."""
        self.well = True
        """Whether it has answered well lately."""
        self.reconnect_ms = 500
        """From `Lost` to the next try."""
        self.rooms: list[tuple[int, str, bool]] = []
        """Every allowance for an order: when, for which account, whether urgent."""
        self._paused_until_ms = 0
        self._home: asyncio.AbstractEventLoop | None = None
        self._checked: set[str] = set()
        self._reading: dict[str, asyncio.Lock] = {}

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self._inside.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._inside.faults = faults

    @property
    def requests(self) -> Sequence[Arrived]:
        """Every request that would change something, as it arrived."""
        self._inside.pass_time()
        return self._inside.requests

    def books(self, account: str) -> Books:
        """Tell how things are, past all faults."""
        self._inside.pass_time()
        return self._answers.books(account)

    def open(self, account: str, usdt: int | Decimal = 100_000) -> None:
        """Open an account."""
        self._inside.engine.open_account(account, {"USDT": Decimal(usdt)}, self._inside.pass_time())

    def pay(self, account: str, amount: Decimal) -> None:
        """Pay in, or out where negative."""
        self._inside.engine.transfer(account, "USDT", amount, self._inside.pass_time())

    def by_hand(self, account: str, order: NewOrder) -> OrderReport:
        """Place an order as a person does who is logged in."""
        row = self._inside.engine.place(account, order, self._inside.pass_time())
        self._inside.pass_time()
        return order_of(wire.order(row))

    def blind(self, young_ms: int) -> None:
        """Show orders and trades that are younger than that to nobody who asks; the stream tells of them."""
        self._answers.blind_ms = young_ms

    def put(self, symbol: str, mark: Decimal, **changes: Any) -> None:
        """Put a price somewhere else, from the engine's next step on."""
        self._inside.put(symbol, mark, **changes)

    async def move(self, symbol: str, mark: Decimal, **changes: Any) -> None:
        """Put a price somewhere else, and wait until that has happened."""
        await self._inside.until(self._inside.put(symbol, mark, **changes))

    def break_stream(self, account: str, silent_s: float = 0.0) -> None:
        """Break the stream of an account: at once, or after a while in which nothing is heard any more."""
        now_ms = self._inside.pass_time()
        for stream in self._inside.streams_of(account):
            stream.end(now_ms, int(silent_s * 1_000))

    def now_ms(self) -> int:
        """Tell the exchange's time, as far as it is known."""
        return self._clock.wall_ms() + self.off_ms

    def allows_risk(self) -> bool:
        """Tell whether risk may be added."""
        return self.well

    def clock_error_ms(self) -> int | None:
        """Tell by how much that may be wrong."""
        return self.error_ms

    async def check(self, ref: AccountRef, symbols: Sequence[str]) -> None:
        """Make an account known and look whether it may trade."""
        self._known().add(ref.account)
        await self._call(What("check", ref.account), lambda _: self._answers.check(ref, symbols))

    async def room(self, account: str, *, urgent: bool) -> None:
        """Wait until one order, or one stop, may be sent."""
        await self.kill.at("room")
        await self._unpaused()
        await self._inside.until(self._clock.wall_ms() + self.latency.get("room", Latency()).there_ms)
        self.rooms.append((self._clock.wall_ms(), account, urgent))

    async def place(self, order: Placing) -> OrderReport:
        """Send an order, at once."""
        if order.type == "LIMIT" and order.limit_price is None:
            raise Rejected("", "a limit order without a price")
        what = What("place", order.account, order.client_id, order, order.sent_ms, order.window_ms)
        return await self._call(what, lambda now_ms: self._answers.place(order, now_ms))

    async def cancel(self, account: str, symbol: str, client_id: str) -> OrderReport:
        """Cancel an order."""
        what = What("cancel", account, client_id)
        return await self._call(what, lambda now_ms: self._answers.cancel(account, symbol, client_id, now_ms))

    async def find(self, account: str, symbol: str, client_id: str) -> OrderReport:
        """Look an order up by the newest bearer of its name."""
        return await self._call(What("find", account), lambda now_ms: self._answers.find(account, symbol, client_id, now_ms))

    async def open_orders(self, account: str, symbol: str | None = None) -> Sequence[OrderReport]:
        """Give all open orders."""
        return await self._call(What("open_orders", account), lambda now_ms: self._answers.open_orders(account, symbol, now_ms))

    async def orders(self, account: str, symbol: str, since_ms: int) -> Sequence[OrderReport]:
        """Give orders of a symbol whatever their state."""
        return await self._call(What("orders", account), lambda now_ms: self._answers.orders(account, symbol, since_ms, now_ms))

    async def trades(
        self, account: str, symbol: str, *, since_ms: int = 0, after_id: str = "", exchange_id: str = ""
    ) -> Sequence[Trade]:
        """Give trades in their order."""
        return await self._call(
            What("trades", account),
            lambda now_ms: self._answers.trades(account, symbol, since_ms, after_id, exchange_id, now_ms),
        )

    async def positions(self, account: str) -> Sequence[Position]:
        """Give what is held."""
        return await self._call(What("positions", account), lambda _: self._answers.positions(account))

    async def balances(self, account: str) -> dict[str, Decimal]:
        """Give what is in the wallet."""
        return await self._call(What("balances", account), lambda _: self._answers.balances(account))

    async def payments(self, account: str, since_ms: int) -> Sequence[Payment]:
        """Give money that moved without a trade."""
        return await self._call(What("payments", account), lambda _: self._answers.payments(account, since_ms))

    async def place_stop(self, stop: StopPlacing) -> StopReport:
        """Place a stop, at once."""
        what = What("place_stop", stop.account, stop.client_id, stop, stop.sent_ms, stop.window_ms)
        return await self._call(what, lambda now_ms: self._answers.place_stop(stop, now_ms))

    async def cancel_stop(self, account: str, symbol: str, client_id: str) -> StopReport:  # noqa: ARG002 - stops are found without
        """Cancel a stop."""
        what = What("cancel_stop", account, client_id)
        return await self._call(what, lambda now_ms: self._answers.cancel_stop(account, client_id, now_ms))

    async def find_stop(self, account: str, symbol: str, client_id: str) -> StopReport:  # noqa: ARG002 - the same
        """Look a stop up."""
        return await self._call(What("find_stop", account), lambda _: self._answers.find_stop(account, client_id))

    async def open_stops(self, account: str) -> Sequence[StopReport]:
        """Give all open stops."""
        return await self._call(What("open_stops", account), lambda _: self._answers.open_stops(account))

    async def events(self, account: str) -> AsyncIterator[UserEvent]:
        """Give what happens to an account, for ever, to one reader after the other."""
        self._need(account)
        inside = self._inside
        async with self._reading.setdefault(account, asyncio.Lock()):
            while True:
                await self.kill.at("events: connecting")
                await inside.until(self._clock.wall_ms() + self.latency.get("events", Latency()).there_ms)
                stream = inside.connect(account)
                try:
                    yield Connected()
                    while True:
                        for event in await stream.next(inside.pass_time, inside.next_ms):
                            await self.kill.at("events: told")
                            yield event
                except Broken as broken:
                    yield Lost(str(broken))
                finally:
                    inside.streams.remove(stream)
                await inside.until(self._clock.wall_ms() + self.reconnect_ms)

    async def _call(self, what: What, act: Callable[[int], T]) -> T:
        """Send, wait, and give the answer or what comes instead of it."""
        call, doing = what.call, what.call in DOING
        await self.kill.at(f"{call}: asked")
        self._need(what.account)
        if call not in AT_ONCE:
            await self._unpaused()
        elif self._paused_ms() > 0:
            raise Paused("-1003 too much", self._paused_ms() / 1_000)
        if what.placing is None:
            what = what._replace(sent_ms=self.now_ms(), window_ms=WINDOW_MS)
        fault, latency, now_ms = self.faults.for_call(call), self.latency.get(call, Latency()), self._clock.wall_ms()
        there_ms = now_ms + latency.there_ms + fault.late_ms
        sent = self._inside.send(there_ms, what, act) if fault.how in DONE else None
        if doing:
            await self.kill.at(f"{call}: sent")
        await self._inside.until(now_ms + latency.there_ms if fault.how == "late" else there_ms)
        if doing:
            await self.kill.at(f"{call}: done")
        await self._inside.until(self._clock.wall_ms() + latency.back_ms + fault.wait_ms)
        if sent is not None and fault.how == "pass":
            return sent.answer()
        error = fault.error(call)
        if isinstance(error, Paused):
            self._paused_until_ms = max(self._paused_until_ms, self._clock.wall_ms() + int((error.after_s or 60.0) * 1_000))
        raise error

    def _paused_ms(self) -> int:
        return self._paused_until_ms - self._clock.wall_ms()

    async def _unpaused(self) -> None:
        while self._paused_ms() > 0:
            await self._inside.until(self._paused_until_ms)

    def _known(self) -> set[str]:
        """Give the accounts that were checked by who runs now."""
        loop = asyncio.get_running_loop()
        if self._home is not loop:
            self._home, self._checked, self._reading = loop, set(), {}
        return self._checked

    def _need(self, account: str) -> None:
        if account not in self._known():
            raise Fatal(f"account {account} was never checked")
