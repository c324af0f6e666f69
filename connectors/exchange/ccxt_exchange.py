"""The `Exchange` port over ccxt: Binance USDT-M futures, its test network, or the simulator.

    async with CcxtExchange(venue, keys, allowance, SystemClock(), asyncio.sleep, Random()) as exchange:
        await exchange.check(ref, ["BTCUSDT"])
        await exchange.room("main", urgent=False)
        report = await exchange.place(order)

Decides: what all accounts share (connections, route, clock, allowance) and what each has of its own (ccxt instance, stream); how often clocks are
compared and the first way in is probed. Leaves to others: each kind of question (ccxt_orders, ccxt_stops, ccxt_account, checks), user_stream.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple, Self

import aiohttp

from connectors.exchange import ccxt_account, ccxt_orders, ccxt_stops, checks, endpoints
from connectors.exchange.breaker import Breaker
from connectors.exchange.ccxt_answers import one, whole
from connectors.exchange.ccxt_client import Allows, Client, trusted
from connectors.exchange.ccxt_line import Line
from connectors.exchange.clock import Clocks, ExchangeClock, Sleep
from connectors.exchange.failover import Route, is_there
from connectors.exchange.feed import Patience
from connectors.exchange.lines import Lines
from connectors.exchange.modes import Venue
from connectors.exchange.rate_limits import Rules, rules_of
from connectors.exchange.secrets import Keys
from connectors.exchange.user_stream import KEEP_S, UserStream
from streams.exchange.errors import ExchangeError
from streams.exchange.port import (
    AccountRef,
    OrderReport,
    Payment,
    Placing,
    Position,
    StopPlacing,
    StopReport,
    Trade,
    UserEvent,
)  # fmt: skip

LOGGER = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 1_000
"""A stream and a few questions for each of 200 accounts. More would wait here, and the exchange refuses what waited too long."""


class Times(NamedTuple):
    """How long, and how often."""

    answer_ms: int = 10_000
    """Twice the window: what has not been answered by then was refused, or hangs."""
    compare_s: float = 60.0
    compare_again_s: float = 1.0
    """After a comparison that failed or was not near enough, and while a timestamp of ours is in doubt."""
    probe_s: float = 10.0
    keep_s: float = KEEP_S
    patience: Patience = Patience()


USUAL: Final = Times()


class CcxtExchange:
    """An exchange, through ccxt."""

    def __init__(
        self,
        venue: Venue,
        keys_of: Callable[[AccountRef], Keys],
        allowance: Allows,
        clocks: Clocks,
        sleep: Sleep,
        chance: random.Random,
        times: Times = USUAL,
        broken: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Be ready to be started. What is done again and again beside the questions tells `broken` where it ends, or the log."""
        self._venue, self._allowance, self._times = venue, allowance, times
        self._sleep = sleep
        self._broken = broken or partial(LOGGER.error, "something that is done again and again has ended: %s")
        self._clocks, self._clock = clocks, ExchangeClock(clocks)
        self._route = Route(venue.places)
        self._breaker = Breaker(partial(LOGGER.error, "the exchange fails, no more risk goes there: %s"))
        self._lines = Lines(
            lambda ref: self._new_line(ref.account, keys_of(ref)),
            lambda line: UserStream(line, times.patience, chance, sleep, times.keep_s),
        )
        self._looked_at: set[str] = set()  # accounts that may trade
        self._learning = asyncio.Lock()
        self._rules: Rules | None = None
        self._compare_due_s = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._own: Line | None = None  # without keys

    async def __aenter__(self) -> Self:
        reach = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ssl=trusted())
        self._session = aiohttp.ClientSession(connector=reach, cookie_jar=aiohttp.DummyCookieJar())
        self._own = self._new_line("", None)
        self._tasks = [asyncio.create_task(self._keep_time())]
        if len(self._route.places) > 1:
            self._tasks.append(asyncio.create_task(self._probe_first(self._session)))
        for task in self._tasks:
            task.add_done_callback(self._ended)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lines.close()
        if self._own is not None:
            await self._own.client.close()
        if self._session is not None:
            await self._session.close()
        for broken in ended:
            if isinstance(broken, Exception):
                raise broken

    @property
    def name(self) -> str:
        """The venue, as fills name it."""
        return self._venue.name

    @property
    def clock(self) -> ExchangeClock:
        """The exchange's clock: the allowance counts minutes by it."""
        return self._clock

    def now_ms(self) -> int:
        """Tell the exchange's time."""
        return self._clock.now_ms()

    def clock_error_ms(self) -> int | None:
        """Tell by how much it may be wrong; None where nobody knows."""
        return self._clock.error_ms()

    def allows_risk(self) -> bool:
        """Tell whether the exchange has answered well enough lately for risk to be added."""
        return self._breaker.allows(self._clocks.ticking_ms())

    async def compare_clocks(self) -> None:
        """Ask the exchange what time it is."""
        await self.learn_limits()
        await self._allowance.take(endpoints.TIME.weight, urgent=True)  # all else waits a minute where the time is not known
        asked_ms = self._clocks.ticking_ms()
        server_ms = await self._shared().send(endpoints.TIME, lambda answer: whole(one(answer), "serverTime"), "asking", {})
        self._clock.learn(asked_ms, server_ms, self._clocks.ticking_ms())

    async def learn_limits(self) -> Rules:
        """Learn, once, what may be asked, and keep to it. Before all else: any answer tells what is used, and by our own limits that may be all."""
        async with self._learning:
            if self._rules is None:
                await self._allowance.take(endpoints.LIMITS.weight, urgent=True)
                rules = self._rules = await self._shared().send(endpoints.LIMITS, rules_of, "asking", {})
                self._allowance.limits(rules)
            return self._rules

    def compare_soon(self) -> None:
        """Have clocks compared within a second, and again until there is an answer: any answer tells, too, how much of the allowance is used."""
        self._compare_due_s = float("-inf")

    async def check(self, ref: AccountRef, symbols: Sequence[str]) -> None:
        """Make an account known and look whether it may trade."""
        if self._lines.meet(ref):
            self._looked_at.discard(ref.account)
        if self._clock.error_ms() is None:
            await self.compare_clocks()
        await self.learn_limits()
        line = self._lines.line(ref.account)
        if ref.account not in self._looked_at:
            permissions = bool(self._route.places[self._route.current].permissions_url)
            await checks.check(line, ref, permissions=permissions)
            self._looked_at.add(ref.account)
        await checks.set_up(line, ref, symbols)

    async def room(self, account: str, *, urgent: bool) -> None:
        """Wait until one order, or one stop, may be sent."""
        await self._allowance.take(endpoints.PLACE.weight, orders=1, account=account, urgent=urgent)

    async def place(self, order: Placing) -> OrderReport:
        """Send an order, at once."""
        with self._lines.stream(order.account).expecting():
            return await ccxt_orders.place(self._lines.line(order.account), order)

    async def cancel(self, account: str, symbol: str, client_id: str) -> OrderReport:
        """Cancel an order."""
        with self._lines.stream(account).expecting():
            return await ccxt_orders.cancel(self._lines.line(account), symbol, client_id)

    async def find(self, account: str, symbol: str, client_id: str) -> OrderReport:
        """Look an order up by the newest bearer of its name."""
        return await ccxt_orders.find(self._lines.line(account), symbol, client_id)

    async def open_orders(self, account: str, symbol: str | None = None) -> Sequence[OrderReport]:
        """Give all open orders."""
        return await ccxt_orders.open_orders(self._lines.line(account), symbol)

    async def orders(self, account: str, symbol: str, since_ms: int) -> Sequence[OrderReport]:
        """Give orders of a symbol whatever their state."""
        return await ccxt_orders.orders(self._lines.line(account), symbol, since_ms)

    async def trades(
        self, account: str, symbol: str, *, since_ms: int = 0, after_id: str = "", exchange_id: str = ""
    ) -> Sequence[Trade]:
        """Give trades in their order."""
        return await ccxt_orders.trades(self._lines.line(account), symbol, since_ms, after_id, exchange_id)

    async def positions(self, account: str) -> Sequence[Position]:
        """Give what is held."""
        return await ccxt_account.positions(self._lines.line(account))

    async def balances(self, account: str) -> dict[str, Decimal]:
        """Give what is in the wallet."""
        return await ccxt_account.balances(self._lines.line(account))

    async def payments(self, account: str, since_ms: int) -> Sequence[Payment]:
        """Give money that moved without a trade."""
        return await ccxt_account.payments(self._lines.line(account), since_ms)

    async def place_stop(self, stop: StopPlacing) -> StopReport:
        """Place a stop, at once."""
        with self._lines.stream(stop.account).expecting():
            return await ccxt_stops.place(self._lines.line(stop.account), stop)

    async def cancel_stop(self, account: str, symbol: str, client_id: str) -> StopReport:  # noqa: ARG002 - stops are found without
        """Cancel a stop."""
        with self._lines.stream(account).expecting():
            return await ccxt_stops.cancel(self._lines.line(account), client_id)

    async def find_stop(self, account: str, symbol: str, client_id: str) -> StopReport:  # noqa: ARG002 - the same
        """Look a stop up."""
        return await ccxt_stops.find(self._lines.line(account), client_id)

    async def open_stops(self, account: str) -> Sequence[StopReport]:
        """Give all open stops."""
        return await ccxt_stops.open_stops(self._lines.line(account))

    def events(self, account: str) -> AsyncIterator[UserEvent]:
        """Give what happens to an account, for ever."""
        return self._lines.stream(account).events()

    def _new_line(self, account: str, keys: Keys | None) -> Line:
        if self._session is None:
            raise RuntimeError("the exchange is not started")
        client = Client(keys, self._route.api, self._session, self._times.answer_ms)
        return Line(account, client, self._allowance, self._clock, self._route, self._breaker)

    def _shared(self) -> Line:
        if self._own is None:
            raise RuntimeError("the exchange is not started")
        return self._own

    async def _keep_time(self) -> None:
        """Compare clocks every so often, and soon again where that failed or the clock is in doubt."""
        times = self._times
        while True:
            await self._sleep(times.compare_again_s)
            if loop_time() < self._compare_due_s and self._clock.error_ms() is not None:
                continue
            self._compare_due_s = loop_time() + times.compare_s
            try:
                await self.compare_clocks()
            except ExchangeError:  # the clock is in doubt as long as this lasts, and nothing is sent
                self.compare_soon()

    async def _probe_first(self, session: aiohttp.ClientSession) -> None:
        """Look whether the first way in answers again while another is in use."""
        while True:
            await self._sleep(self._times.probe_s)
            if self._route.elsewhere:
                try:
                    await self._allowance.take(endpoints.PING.weight)
                except ExchangeError:  # too many wait already
                    continue
                self._route.probed(await is_there(session, self._route.places[0], self._times.answer_ms / 1000))

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._broken(error)


def loop_time() -> float:
    """Give the loop's time, which never goes back."""
    return asyncio.get_running_loop().time()
