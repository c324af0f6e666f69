"""ccxt's `binanceusdm`, with the little that is changed about it.

Decides: how an instance is set up: no waiting, no repeating, no log of what it sends; that errors carry status, code and Retry-After of their own
answer (ccxt keeps the last answer of all, which another call may have overwritten); that the exchange's codes are read as those of USDT futures
wherever the server is; that messages of the private stream arrive raw. Leaves to others: what an error means (ccxt_errors), addresses (failover),
limits (allowance).
"""

import asyncio
import functools
import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import aiohttp
from ccxt.base.errors import BaseError  # type: ignore[import-untyped]  # ccxt says nothing about its types
from ccxt.pro.binanceusdm import binanceusdm  # type: ignore[import-untyped]

from connectors.exchange.ccxt_errors import Said
from connectors.exchange.rate_limits import Rules
from connectors.exchange.secrets import Keys

PING_MS: Final = 20_000
"""How often a stream is pinged. Two pongs missed end it: a dead connection shows within a minute."""
AFTER_S_MAX: Final = 3 * 24 * 3600
"""The longest ban there is."""

QUIET: Final = logging.getLogger("connectors.exchange.ccxt")
"""ccxt writes each request with its keys and its signature at DEBUG."""
QUIET.setLevel(logging.INFO)


class Allows(Protocol):
    """The allowance, as the adapter needs it."""

    async def take(self, weight: int, *, orders: int = 0, account: str = "", urgent: bool = False) -> None:
        """Wait until there is that much."""

    def correct(self, headers: Mapping[str, str], account: str, asked_ms: int) -> None:
        """Take what the exchange says was used when it answered what was asked then."""

    def pause(self, after_s: float) -> None:
        """Let nobody ask anything for so long."""

    def limits(self, rules: Rules) -> None:
        """Keep to what the exchange says it gives."""


class Ears(Protocol):
    """Who listens to a stream. Nothing here may raise: ccxt would stop reading, and say nothing."""

    def open(self) -> None:
        """Hear that it is open."""

    def put(self, message: Any) -> None:
        """Hear a message."""


class Client(binanceusdm):  # type: ignore[misc]  # without types it is of any class
    """One account's ccxt."""

    timeout_on_exit = 0
    """ccxt waits for its own connections to end. These here are ended by whom they belong to."""

    def __init__(self, keys: Keys | None, api: dict[str, Any], session: aiohttp.ClientSession, timeout_ms: int) -> None:
        """Set it up. Addresses are shared with whoever changes them."""
        named = {} if keys is None else {"apiKey": keys.key.reveal(), "secret": keys.secret.reveal()}
        super().__init__(
            {
                **named,
                "session": session,
                "ssl_context": trusted(),
                "timeout": timeout_ms,
                "enableRateLimit": False,
                "logger": QUIET,
                "verbose": False,
                "enableLastHttpResponse": False,
                "enableLastJsonResponse": False,
                "enableLastResponseHeaders": False,
                "streaming": {"keepAlive": PING_MS},
                "options": {
                    "defaultType": "swap",
                    "defaultSubType": "linear",
                    "fetchCurrencies": False,
                    "maxRetriesOnFailure": 0,
                },
            }
        )
        self.urls = {"api": api}
        self.keys = keys
        self.replied: Callable[[Mapping[str, str]], None] = lambda _: None
        self.ears: dict[Any, Ears] = {}
        """Who listens to a stream, by ccxt's object for its connection."""
        self._strays: set[asyncio.Future[None]] = set()

    def on_rest_response(self, *answer: Any) -> str:
        """Pass on the headers, which are those of this answer here and nowhere else."""
        self.replied(answer[4])
        text: str = super().on_rest_response(*answer)
        return text

    def handle_errors(self, *answer: Any) -> None:
        """Raise what ccxt raises, with the answer's own status, code and Retry-After."""
        try:
            super().handle_errors(*answer)
        except BaseError as error:
            kind = type(error)
        else:
            return
        raise self._said(kind, answer[0], answer[4], answer[6])

    def handle_http_status_code(self, *answer: Any) -> None:
        """Raise what ccxt raises by the status alone, when there was no code to read."""
        try:
            super().handle_http_status_code(*answer)
        except BaseError as error:
            kind = type(error)
        else:
            if answer[0] < 400:
                return
            kind = BaseError
        raise self._said(kind, answer[0], {}, None)

    def get_exceptions_by_url(self, _url: str, exact_or_broad: str) -> Any:
        """Give what codes of USDT futures mean. ccxt looks at the host name, and knows the exchange's own only."""
        return super().get_exceptions_by_url("https://fapi.binance.com/", exact_or_broad)

    def handle_message(self, client: Any, message: Any) -> None:
        """Pass a message on as it came."""
        ear = self.ears.get(client)
        if ear is not None:
            ear.put(message)

    def on_connected(self, client: Any, message: Any = None) -> None:
        """Pass on that a stream is open. One that nobody waits for any more is closed."""
        super().on_connected(client, message)
        ear = self.ears.get(client)
        if ear is not None:
            ear.open()
            return
        closing = asyncio.ensure_future(client.close())
        self._strays.add(closing)
        closing.add_done_callback(self._strays.discard)

    def _said(self, kind: type[Exception], status: int, headers: Mapping[str, str], body: Any) -> Said:
        """Put together what the exchange said, without our keys in it."""
        told = body if isinstance(body, dict) else {}
        words = str(told.get("msg", ""))
        return Said(
            kind, status, str(told.get("code", "")), words if self.keys is None else self.keys.hide(words), after_s(headers)
        )


@functools.cache
def trusted() -> ssl.SSLContext:
    """Give what decides whom to trust, made once: each instance of ccxt would make its own."""
    return ssl.create_default_context()


def after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After; None where it is not there or no number of seconds."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    if not text.strip().isdecimal():
        return None
    return min(float(text), AFTER_S_MAX)
