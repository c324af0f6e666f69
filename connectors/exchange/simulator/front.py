"""What becomes of a request, from its arrival to its answer, or to none.

Decides: the order of things: limits, then the fault plan, then half of the delay, then key, time and signature, then the deed, then the other half. A
request that has arrived is done, whether its sender waits or not. Leaves to others: the connection (server), each of these things.
"""

import json
from enum import Enum
from typing import NamedTuple

from connectors.exchange.simulator.calls import Call
from connectors.exchange.simulator.faults import Decision, Outcome
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.journal import Journal, shortened
from connectors.exchange.simulator.records import Refused
from connectors.exchange.simulator.routes import ROUTES, Route
from connectors.exchange.simulator.signing import check_signed, read_parameters
from connectors.exchange.simulator.user_events import UserEvents

STATUS_OF = {-2014: 401, -2015: 401}
"""What is no 400, by code."""


class Request(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    query: str
    body: str
    key: str
    ip: str


class Ending(Enum):
    """How a request ends for who sent it."""

    ANSWERED = "answered"
    DROPPED = "dropped"
    SILENT = "silent"


class Reply(NamedTuple):
    """What goes back."""

    status: int
    headers: dict[str, str]
    text: str
    ending: Ending = Ending.ANSWERED


class Front:
    """Takes requests."""

    def __init__(self, house: House, events: UserEvents, journal: Journal) -> None:
        """Begin."""
        self._house, self._events, self._journal = house, events, journal

    async def take(self, request: Request) -> Reply:
        """Answer a request."""
        arrived_ms = self._house.clock.now_ms()
        account = self._house.keys.account(request.key)
        try:
            parameters = read_parameters(request.query, request.body)
        except Refused as refused:
            parameters, reply, outcome = {}, _refusal(refused, {}), "unread"
        else:
            reply, outcome = await self._answered(request, parameters, account, arrived_ms)
        now_ms = self._house.clock.now_ms()
        told = {
            "ip": request.ip, "method": request.method, "path": request.path, "parameters": parameters, "outcome": outcome,
            "status": reply.status, "ending": reply.ending.value, "took_ms": now_ms - arrived_ms, "headers": reply.headers,
            "answer": shortened(json.loads(reply.text) if reply.text else None, reply.text),
        }  # fmt: skip
        self._journal.write(arrived_ms, "request", account, told)
        return reply

    async def admit(self, request: Request, account: str) -> Reply | None:
        """Say whether a stream may be opened; None: it may. Faults meet it like any request, limits do not."""
        decision = self._house.faults.for_request(request.method, request.path, account, self._house.clock.now_ms())
        await self._house.clock.wait(decision.delay_ms)
        return None if decision.outcome is Outcome.PASS else _instead(decision, {})

    async def _answered(self, request: Request, parameters: dict[str, str], account: str, now_ms: int) -> tuple[Reply, str]:
        route = ROUTES.get((request.method, request.path))
        if route is None:
            return _error(404, -5000, f"Path {request.path}, Method {request.method} is invalid", {}), "no such path"
        verdict = self._house.meter.take(request.ip, account, route.weight(parameters), route.orders, now_ms)
        if verdict.status != 200:
            return _error(verdict.status, verdict.code, verdict.words, verdict.headers), "limit"
        decision = self._house.faults.for_request(request.method, request.path, account, now_ms)
        return await self._met(request, parameters, route, decision, verdict.headers), decision.outcome.value

    async def _met(
        self, request: Request, parameters: dict[str, str], route: Route, decision: Decision, headers: dict[str, str]
    ) -> Reply:
        """Let a request meet its fate."""
        wait = self._house.clock.wait
        way_in_ms = decision.delay_ms // 2
        await wait(way_in_ms)
        done = self._done(request, parameters, route, headers) if decision.accepted else None
        await wait(decision.delay_ms - way_in_ms)
        if done is not None and decision.outcome is Outcome.PASS:
            return done
        return _instead(decision, headers)

    def _done(self, request: Request, parameters: dict[str, str], route: Route, headers: dict[str, str]) -> Reply:
        """Do what is asked."""
        house = self._house
        now_ms = house.clock.now_ms()
        house.pass_time(now_ms)
        try:
            account = self._proven(request, parameters, route)
            answer = route.handler(house, Call({**parameters, "X-MBX-APIKEY": request.key}, account, now_ms))
        except Refused as refused:
            return _refusal(refused, headers)
        finally:
            self._events.flush(now_ms)
        return Reply(200, headers, json.dumps(answer, separators=(",", ":")))

    def _proven(self, request: Request, parameters: dict[str, str], route: Route) -> str:
        """Check the proof a route wants; gives the account. Raises Refused."""
        if route.proof == "none":
            return ""
        key = self._house.keys.known(request.key)
        if route.proof != "key":
            check_signed(key, request.query, request.body, parameters, self._house.shown_ms())
        if route.proof == "trade" and not key.permissions.get("enableFutures", False):
            raise Refused(-2015, "Invalid API-key, IP, or permissions for action.")
        return key.account


def _instead(decision: Decision, headers: dict[str, str]) -> Reply:
    """Give what comes instead of an answer."""
    if decision.outcome in {Outcome.DROP_BEFORE, Outcome.DROP_AFTER}:
        return Reply(0, {}, "", Ending.DROPPED)
    if decision.outcome is Outcome.SILENT_AFTER:
        return Reply(0, {}, "", Ending.SILENT)
    after = {"Retry-After": str(decision.retry_after_s)} if decision.outcome is Outcome.BAN else {}
    return _error(decision.status, decision.code, decision.words, {**headers, **after})


def _refusal(refused: Refused, headers: dict[str, str]) -> Reply:
    return _error(STATUS_OF.get(refused.code, 400), refused.code, refused.words, headers)


def _error(status: int, code: int, words: str, headers: dict[str, str]) -> Reply:
    return Reply(status, headers, json.dumps({"code": code, "msg": words}))
