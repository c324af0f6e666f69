"""One account's line to the exchange: every question goes through here.

Decides: that the allowance is taken before, what time and window a question is signed with, what an error becomes, that a long pause is obeyed by
everybody, and what route, clock and breaker learn from it. Nothing is sent twice; a GET or DELETE goes out once more where a connection kept from
before turned out to be closed (aiohttp does that, and never for a POST). Leaves to others: which question (ccxt_orders, ccxt_stops, ccxt_account),
which error is which (ccxt_errors).
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from ccxt.base.errors import BaseError  # type: ignore[import-untyped]  # ccxt says nothing about its types

from connectors.exchange.breaker import Breaker
from connectors.exchange.ccxt_client import Allows, Client
from connectors.exchange.ccxt_errors import Doing, Said, translate, unreachable
from connectors.exchange.clock import ExchangeClock
from connectors.exchange.endpoints import Endpoint
from connectors.exchange.failover import Route
from streams.exchange.errors import ClockOff, ExchangeError, Paused

T = TypeVar("T")

WINDOW_MS: Final = 5_000
"""How old a question may get on its way before the exchange refuses it: the exchange's own default."""

UNEXPECTED: Final = (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What comes out of ccxt, and of reading answers, besides ccxt's own errors: an answer that is not what was expected, or a connection that ends in
a way ccxt does not know."""

_ASKED_MS: ContextVar[int] = ContextVar("asked_ms")
"""When the question was asked that is being answered: ccxt passes headers on, and nothing else."""


class Line:
    """A way to ask, for one account."""

    def __init__(
        self,
        account: str,
        client: Client,
        allowance: Allows,
        clock: ExchangeClock,
        route: Route,
        breaker: Breaker | None = None,
    ) -> None:
        """Have the client tell the allowance what was used."""
        self.account, self.client, self.clock, self.route = account, client, clock, route
        self.allowance, self._breaker = allowance, breaker
        client.replied = self._replied

    async def ask(self, endpoint: Endpoint, read: Callable[[Any], T], **what: Any) -> T:
        """Ask, when the allowance allows it."""
        await self.allowance.take(endpoint.weight, account=self.account)
        return await self.send(endpoint, read, "asking", what)

    async def cancel(self, endpoint: Endpoint, read: Callable[[Any], T], **what: Any) -> T:
        """Cancel something, with the right of way of what reduces risk."""
        await self.allowance.take(endpoint.weight, account=self.account, urgent=True)
        return await self.send(endpoint, read, "cancelling", what)

    async def send(self, endpoint: Endpoint, read: Callable[[Any], T], doing: Doing, what: Mapping[str, Any]) -> T:
        """Ask at once. A time that is named already stays as it is."""
        _ASKED_MS.set(self.clock.clocks.ticking_ms())
        timed = {"timestamp": self.clock.now_ms(), "recvWindow": WINDOW_MS} if endpoint.timed else {}
        used = self.route.current
        error: Exception
        try:
            answer = read(await getattr(self.client, endpoint.method)({**timed, **what}))
        except (BaseError, Said, *UNEXPECTED) as caught:
            error = caught
        else:
            self.route.answered(used)
            self._came(None)
            return answer
        ours = self._learn(error, doing, used)
        self._came(ours)
        if isinstance(ours, ClockOff) and self._in_time({**timed, **what}):
            self.clock.doubt()
        raise ours  # here, not above: ccxt's error holds the signed address, and would come along

    def _in_time(self, what: Mapping[str, Any]) -> bool:
        """Tell whether by our clock this was no older than its window. If it was older, the exchange's clock and ours agree."""
        return self.clock.now_ms() - int(what.get("timestamp", 0)) <= int(what.get("recvWindow", 0))

    def _learn(self, error: Exception, doing: Doing, used: int) -> ExchangeError:
        if not unreachable(error):
            self.route.answered(used)
        elif doing == "asking":
            self.route.failed(used)
        ours = translate(error, doing)
        if isinstance(ours, Paused) and ours.after_s is not None:
            self.allowance.pause(ours.after_s)
        return ours

    def _came(self, error: ExchangeError | None) -> None:
        if self._breaker is not None:
            self._breaker.learn(self.clock.clocks.ticking_ms(), error)

    def _replied(self, headers: Mapping[str, str]) -> None:
        self.allowance.correct(headers, self.account, _ASKED_MS.get())
