"""One ccxt request and nothing around it: the other side of a benchmark.

Decides: that it is ccxt's own `create_order`, without waiting and without repeats, and that it counts as another machine: what it asks is not taken
from our allowance. Leaves to others: when an order is sent.
"""

from types import TracebackType
from typing import Any, Self

from ccxt.async_support import binanceusdm  # type: ignore[import-untyped]  # ccxt says nothing about its types

from connectors.exchange.ccxt_client import QUIET
from connectors.exchange.secrets import Keys
from connectors.exchange.simulator.server import ccxt_urls

OTHER_IP = "10.0.0.2"


class BareCcxt:
    """An account at the simulator, through ccxt alone."""

    def __init__(self, url: str, keys: Keys) -> None:
        """Be ready to be opened."""
        options = {"defaultType": "swap", "fetchCurrencies": False}
        self._client: Any = binanceusdm(
            {
                "apiKey": keys.key.reveal(), "secret": keys.secret.reveal(), "enableRateLimit": False, "logger": QUIET, "options": options,
                "headers": {"X-Sim-IP": OTHER_IP},
            }
        )  # fmt: skip
        self._client.urls["api"] = {**self._client.urls["api"], **ccxt_urls(url)}
        self._names: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        markets = await self._client.load_markets()
        self._names = {market["id"]: name for name, market in markets.items()}
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def create_order(self, symbol: str, side: str, quantity: str, client_id: str) -> None:
        """Send an order at the market. Raises ccxt's own errors."""
        params = {"newClientOrderId": client_id}
        await self._client.create_order(self._names[symbol], "market", side.lower(), float(quantity), None, params)
