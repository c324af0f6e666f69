"""A server that answers as it is told to, and keeps what it was asked: for the ways an exchange answers that no exchange shows when one wants it to.

Decides: nothing of trading; each question by method and path gets the answers set for it, the last one for ever. Leaves to others: behaving like an
exchange (the simulator).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

from connectors.exchange.ccxt_exchange import USUAL, CcxtExchange, Times
from connectors.exchange.modes import Venue, place_at
from connectors.exchange.rate_limits import Rules
from connectors.exchange.secrets import Keys, Secret
from connectors.kafka.system_clock import SystemClock
from streams.exchange.port import AccountRef

KEY, OTHER_KEY, SECRET = "a-key-nobody-may-see", "another-key-nobody-may-see", "a-secret-nobody-may-see"
REF = AccountRef("main", "creds", Decimal(5))


class Asked(NamedTuple):
    """A question as it came in."""

    method: str
    path: str
    what: dict[str, str]
    headers: dict[str, str]
    raw: str


class Says(NamedTuple):
    """An answer."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}
    cut: bool = False
    """Close the connection instead."""
    late_s: float = 0.0


def code(number: int, words: str, status: int = 400, **headers: str) -> Says:
    """Make an error as the exchange says it."""
    return Says({"code": number, "msg": words}, status, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class ScriptedExchange:
    """What it answers, and what it was asked."""

    answers: dict[str, list[Says | Callable[[Asked], Says]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    streams: list[web.WebSocketResponse] = field(default_factory=list)
    url: str = ""
    refuses_streams: bool = False
    stream_late_s: float = 0.0
    opened: int = 0
    """Streams, ever."""

    def answer(self, question: str, *answers: Says | Callable[[Asked], Says]) -> None:
        """Set what is answered to "GET /fapi/v1/order" and the like."""
        self.answers[question] = list(answers)

    def of(self, question: str) -> list[Asked]:
        """Give what was asked of this."""
        return [asked for asked in self.asked if f"{asked.method} {asked.path}" == question]

    async def say(self, message: Any) -> None:
        """Send a message to every stream that is open."""
        for stream in self.streams:
            await stream.send_str(message if isinstance(message, str) else json.dumps(message))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a question, or open a stream."""
        if request.path.endswith("/ws"):
            return await self._stream(request)
        body = await request.text()
        raw = request.query_string + ("&" if request.query_string and body else "") + body
        asked = Asked(request.method, request.path, dict(parse_qsl(raw)), dict(request.headers), raw)
        self.asked.append(asked)
        answers = self.answers.get(f"{request.method} {request.path}", [Says({"code": -1, "msg": "not in the script"}, 404)])
        says = answers[0] if len(answers) == 1 else answers.pop(0)
        says = says if isinstance(says, Says) else says(asked)
        if says.late_s:
            await asyncio.sleep(says.late_s)
        if says.cut:
            assert request.transport is not None
            request.transport.close()
        text = says.body if isinstance(says.body, str) else json.dumps(says.body)
        kind = "text/html" if isinstance(says.body, str) else "application/json"
        return web.Response(text=text, status=says.status, headers=says.headers, content_type=kind)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_streams:
            return web.Response(status=503)
        self.asked.append(Asked("STREAM", request.path, dict(request.query), dict(request.headers), request.query_string))
        await asyncio.sleep(self.stream_late_s)
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        self.streams.append(stream)
        self.opened += 1
        async for message in stream:
            if message.type != WSMsgType.TEXT:
                break
        self.streams.remove(stream)
        return stream


@asynccontextmanager
async def scripted() -> AsyncIterator[ScriptedExchange]:
    """Run one on a free port of this machine. It knows what is asked of every account before it trades."""
    server = ScriptedExchange()
    well_behaved(server)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        for stream in list(server.streams):
            await stream.close()
        await runner.cleanup()


def well_behaved(server: ScriptedExchange) -> None:
    """Answer what is asked at the start."""
    clock = SystemClock()
    server.answer("GET /fapi/v1/time", lambda _: Says({"serverTime": clock.wall_ms()}))
    server.answer("GET /fapi/v1/ping", Says({}))
    weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2_400}
    server.answer("GET /fapi/v1/exchangeInfo", Says({"rateLimits": [weight]}))
    server.answer("GET /sapi/v1/account/apiRestrictions", Says({"enableWithdrawals": False, "enableFutures": True}))
    server.answer("GET /fapi/v2/account", Says({"canTrade": True}))
    server.answer("GET /fapi/v1/positionSide/dual", Says({"dualSidePosition": False}))
    server.answer("POST /fapi/v1/marginType", Says({"code": 200, "msg": "success"}))
    server.answer(
        "POST /fapi/v1/leverage",
        lambda asked: Says({"symbol": asked.what["symbol"], "leverage": int(asked.what["leverage"]), "maxNotionalValue": "1"}),
    )
    server.answer("POST /fapi/v1/listenKey", Says({"listenKey": "a-listen-key"}))
    server.answer("PUT /fapi/v1/listenKey", Says({"listenKey": "a-listen-key"}))


class Allowance:
    """As much as one wants, and a note of all that was taken."""

    def __init__(self) -> None:
        """Begin with nothing taken."""
        self.taken: list[tuple[int, int, str, bool]] = []
        self.told: list[tuple[dict[str, str], str]] = []
        self.paused: list[float] = []
        self.rules: list[Rules] = []

    async def take(self, weight: int, *, orders: int = 0, account: str = "", urgent: bool = False) -> None:
        """Note it."""
        self.taken.append((weight, orders, account, urgent))

    def correct(self, headers: Mapping[str, str], account: str, asked_ms: int) -> None:
        """Note it."""
        assert asked_ms <= SystemClock().ticking_ms()
        self.told.append((dict(headers), account))

    def pause(self, after_s: float) -> None:
        """Note it."""
        self.paused.append(after_s)

    def limits(self, rules: Rules) -> None:
        """Note it."""
        self.rules.append(rules)


def some_keys(ref: AccountRef) -> Keys:
    """Give keys that can be looked for."""
    return Keys(Secret(OTHER_KEY if ref.credentials == "OTHER" else KEY), Secret(SECRET))


def exchange_at(allowance: Allowance, *urls: str, times: Times = USUAL) -> CcxtExchange:
    """Make an adapter for servers of one venue."""
    venue = Venue("sim", "scripted", tuple(place_at(url) for url in urls))
    return CcxtExchange(venue, some_keys, allowance, SystemClock(), asyncio.sleep, Random(5), times)


@asynccontextmanager
async def adapter(
    server: ScriptedExchange, times: Times = USUAL, allowance: Allowance | None = None
) -> AsyncIterator[CcxtExchange]:
    """Run an adapter whose one account has been checked."""
    async with exchange_at(allowance or Allowance(), server.url, times=times) as exchange:
        await exchange.check(REF, ["BTCUSDT"])
        yield exchange


async def until(true: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody when it is
            await asyncio.sleep(0.005)
