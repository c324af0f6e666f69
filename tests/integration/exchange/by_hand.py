"""A simulated exchange whose time and prices are moved by hand, in the process of the test, and a bare way of asking it.

So what goes over the wire is looked at, and not what some client makes of it.
"""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import aiohttp

from connectors.exchange.simulator.clocks import ManualClock
from connectors.exchange.simulator.engine import SimulatedExchange
from connectors.exchange.simulator.fault_rules import Rule
from connectors.exchange.simulator.faults import FaultPlan
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.journal import Journal
from connectors.exchange.simulator.markets import symbols
from connectors.exchange.simulator.server import Server, serving
from connectors.exchange.simulator.signing import Key
from connectors.exchange.simulator.weights import Limits
from tests.exchange_kit import BTC, START_MS, GivenPrices

KEY, SECRET = "a-key-of-alice", "a-secret-of-alice"
WAIT_S_MAX: Final = 20.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Any
    body: Any


class Stream:
    """An open stream."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Take it."""
        self.socket = socket

    async def next(self) -> Any:
        """Wait for a message."""
        async with asyncio.timeout(WAIT_S_MAX):
            return await self.socket.receive_json()

    async def ask(self, method: str, *params: str) -> Any:
        """Send a command; gives its answer. Nothing else may be said in between."""
        await self.socket.send_json({"method": method, "params": list(params), "id": 1})
        return await self.next()

    async def silent(self) -> bool:
        """Tell whether nothing was said: whatever was, would come before the answer to a command."""
        return bool((await self.ask("LIST_SUBSCRIPTIONS"))["id"] == 1)


class ByHand:
    """The exchange, alice's account with 100,000 USDT, and the hand that moves time and prices."""

    def __init__(self, server: Server, clock: ManualClock, prices: GivenPrices, session: aiohttp.ClientSession) -> None:
        """Take them."""
        self.server, self.house, self.prices = server, server.house, prices
        self._clock, self._session = clock, session

    def later(self, ms: int) -> None:
        """Let time pass."""
        self._clock.move_to(self._clock.now_ms() + ms)
        self.server.tick()

    def to(self, mark: int, symbol: str = BTC) -> None:
        """Let a price be there in the next step."""
        self.prices.put(symbol, Decimal(mark))
        self.later(100)

    def strike(self, *rules: Rule) -> None:
        """Let faults strike from now on."""
        self.house.faults.replace(rules, self._clock.now_ms())

    async def ask(self, method: str, path: str, *, signed: bool = True, ip: str = "", **told: object) -> Answer:
        """Ask something, signed with alice's key."""
        stamped = {**told, "timestamp": self.house.shown_ms()} if signed else told
        text = urlencode(stamped)
        if signed:
            text += f"&signature={hmac.new(SECRET.encode(), text.encode(), sha256).hexdigest()}"
        headers = {"X-MBX-APIKEY": KEY, **({"X-Sim-IP": ip} if ip else {})}
        async with self._session.request(method, f"{self.server.url}{path}?{text}", headers=headers) as answer:
            body = await answer.text()
            return Answer(answer.status, answer.headers, json.loads(body) if body else None)

    async def order(self, **told: object) -> Answer:
        """Place an order: buy a little at the market, unless told."""
        what: dict[str, Any] = {"symbol": BTC, "side": "BUY", "type": "MARKET", "quantity": "0.01", **told}
        return await self.ask("POST", "/fapi/v1/order", **what)

    async def behind(self, method: str, path: str, body: object = None) -> Answer:
        """Ask something under /sim/."""
        sent = body if isinstance(body, str) or body is None else json.dumps(body)
        async with self._session.request(method, f"{self.server.url}{path}", data=sent) as answer:
            return Answer(answer.status, answer.headers, await answer.json())

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[Stream]:
        """Open a stream."""
        async with self._session.ws_connect(f"{self.server.url}{path}") as socket:
            stream = Stream(socket)
            await stream.ask("LIST_SUBSCRIPTIONS")  # from here on the server knows it
            yield stream

    @asynccontextmanager
    async def private(self) -> AsyncIterator[Stream]:
        """Open alice's private stream."""
        answer = await self.ask("POST", "/fapi/v1/listenKey", signed=False)
        async with self.stream(f"/private/ws?listenKey={answer.body['listenKey']}") as stream:
            yield stream


def by_hand(does: Callable[[ByHand], Awaitable[None]], *, limits: Limits | None = None, journal: Path | None = None) -> None:
    """Let a test play."""

    async def run() -> None:
        clock, prices = ManualClock(START_MS), GivenPrices(symbols(3))
        engine = SimulatedExchange(prices, 7, START_MS)
        house = House(engine, clock, FaultPlan((), 7, START_MS), 7, START_MS, limits or Limits())
        house.open(Key("alice", KEY, SECRET, START_MS), {"USDT": Decimal(100_000)})
        async with serving(house, journal=Journal(journal)) as server, aiohttp.ClientSession() as session:
            async with asyncio.timeout(2 * WAIT_S_MAX):
                await does(ByHand(server, clock, prices, session))

    asyncio.run(run())
