"""The simulated exchange on a port of this machine: HTTP and WebSocket.

In the process of a test or a program, on a free port:

    house, script = set_up(Options(seed=7), SystemClock().wall_ms)          # or Options(manual_ms=…): POST /sim/clock moves the time
    async with serving(house, script) as server:
        house.open(Key("a1", "key", "secret", 0), {"USDT": Decimal(10_000)})   # or POST /sim/accounts
        server.url                                                           # http://127.0.0.1:PORT, with /fapi/v1/… below; see also ccxt_urls

A `House` can be made with any `Engine` (SimulatedExchange over any `Prices`), clock and FaultPlan; then script is None. In a process of its own:
`process.running()`, or `./qts exchange start`. Everything is in memory: a restart is a new exchange.

Decides: how requests and streams come in and go out, and that time passes while nobody asks. Leaves to others: what becomes of a request (front),
of what is asked under /sim/ (admin), what streams say.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from connectors.exchange.simulator.admin import Admin
from connectors.exchange.simulator.clocks import RunningClock
from connectors.exchange.simulator.connections import Connection, Hub
from connectors.exchange.simulator.front import Ending, Front, Reply, Request
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.journal import Journal
from connectors.exchange.simulator.market_streams import MarketStreams
from connectors.exchange.simulator.price_script import ScriptedPrices
from connectors.exchange.simulator.user_events import UserEvents

TICK_MS = 100
"""How often time is let pass while nobody asks: as often as prices move."""
BODY_BYTES_MAX = 1024 * 1024
HEARTBEAT_S = 180.0
"""How often the exchange pings its streams."""
END_S = 0.5
"""How long an answer under way may take when the server ends. Nobody who simulates trouble counts on more."""
WORKING_MAX = 10_000
"""Requests under way, most of them waiting for a delay to pass. One more is told that the exchange is busy."""
BUSY = Reply(
    503,
    {},
    json.dumps({"code": -1008, "msg": "Server is currently overloaded with other requests. Please try again in a few minutes."}),
)


class Server:
    """One exchange on one port."""

    def __init__(self, house: House, script: ScriptedPrices | None = None, journal: Journal | None = None) -> None:
        """Put it together."""
        self.house = house
        self._journal = journal or Journal(None)
        self._hub = Hub()
        self._events = UserEvents(house, self._hub, self._journal)
        self._market = MarketStreams(house, self._hub)
        self._front = Front(house, self._events, self._journal)
        self._admin = Admin(house, self._events, self._journal, script, self.tick)
        self._working: set[asyncio.Task[Reply]] = set()
        self._ending = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None
        application = web.Application(client_max_size=BODY_BYTES_MAX)
        application.router.add_route("GET", "/{category:public|market|private}/{kind:ws|stream}{names:(/.*)?}", self._stream)
        application.router.add_route("GET", "/{kind:ws|stream}{names:(/.*)?}", self._stream)
        application.router.add_route("*", "/sim/{path:.*}", self._behind)
        application.router.add_route("*", "/{path:.*}", self._rest)
        # A handler ends when its sender is gone; what it has begun is done all the same, in a task of its own.
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=END_S)
        self.url = ""
        """Where it listens, once started."""

    async def start(self, port: int = 0) -> None:
        """Listen, on 127.0.0.1 only; 0 is a free port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        if isinstance(self.house.clock, RunningClock):
            self._ticking = asyncio.create_task(self._tick_on())

    async def ended(self) -> None:
        """Wait until it breaks; that raises what broke it."""
        if self._ticking is not None:
            await self._ticking
        await self._ending.wait()

    async def stop(self) -> None:
        """End it."""
        self._ending.set()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait((self._ticking,))
        self._events.stop()
        for task in self._working:
            task.cancel()
        for connection in list(self._hub.connections):
            await connection.close()
        await self._runner.cleanup()
        self._journal.close()

    def tick(self) -> None:
        """Let time pass, and tell who listens."""
        now_ms = self.house.clock.now_ms()
        self.house.pass_time(now_ms)
        self._events.flush(now_ms)
        self._market.publish(now_ms)
        self._journal.flush()

    async def _tick_on(self) -> None:
        while True:
            self.tick()
            await self.house.clock.wait(TICK_MS)

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        if len(self._working) >= WORKING_MAX:
            return _written(BUSY)
        task = asyncio.create_task(self._front.take(await _read(request)))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await self._sent(request, await asyncio.shield(task))

    async def _sent(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        """Send a reply, or end without one as it says."""
        if reply.ending is Ending.SILENT:
            await self._ending.wait()
        if reply.ending is not Ending.ANSWERED and request.transport is not None:
            request.transport.abort()
        return _written(reply)

    async def _behind(self, request: web.Request) -> web.StreamResponse:
        status, answer = self._admin.take(request.method, request.path, await request.text())
        return web.json_response(answer, status=status)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        names = [
            *request.query.get("streams", "").split("/"),
            *request.match_info["names"].split("/"),
            request.query.get("listenKey", ""),
        ]
        named = {name for name in names if name and not name.isdecimal()}  # ccxt numbers its connections in their path
        account = next((found for name in named if (found := self.house.listen_keys.account(name))), "")
        reply = await self._front.admit(await _read(request), account)
        if reply is not None:
            return await self._sent(request, reply)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S)
        await socket.prepare(request)
        connection = Connection(socket, combined=request.match_info["kind"] == "stream", names=named)
        self._hub.connections.add(connection)
        try:
            await connection.run()
        finally:
            self._hub.connections.discard(connection)
        return socket


@asynccontextmanager
async def serving(
    house: House, script: ScriptedPrices | None = None, *, port: int = 0, journal: Journal | None = None
) -> AsyncIterator[Server]:
    """Serve an exchange from this process."""
    server = Server(house, script, journal)
    await server.start(port)
    try:
        yield server
    finally:
        await server.stop()


def ccxt_urls(url: str) -> dict[str, object]:
    """Give what ccxt's `urls["api"]` is to be, for everything to go to an exchange at an address."""
    streams = url.replace("http", "ws", 1)
    rest = {
        f"fapi{kind}{version}": f"{url}/fapi/v{version[1:] or 1}"
        for kind in ("Public", "Private")
        for version in ("", "V2", "V3")
    }
    sapi = {f"sapi{version}": f"{url}/sapi/v{version[1:] or 1}" for version in ("", "V2", "V3", "V4")}
    return {**rest, **sapi, "fapiData": f"{url}/futures/data", "ws": {"linear": f"{streams}/ws"}}


async def _read(request: web.Request) -> Request:
    path, _, query = request.raw_path.partition("?")
    body = await request.text() if request.can_read_body else ""
    ip = request.headers.get("X-Sim-IP") or request.remote or ""
    return Request(request.method, path, query, body, request.headers.get("X-MBX-APIKEY", ""), ip)


def _written(reply: Reply) -> web.Response:
    return web.Response(status=reply.status or 500, headers=reply.headers, text=reply.text, content_type="application/json")
