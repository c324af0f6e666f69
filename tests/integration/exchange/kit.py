"""Simulated exchanges for the tests beside this file, and the clients of others that are let loose on them, with nothing but their addresses changed.

Decides: prices that stand still unless a test moves them, one account for each test. Leaves to others: what is promised (the tests).
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal, localcontext
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import DerivativesTradingUsdsFutures
from ccxt.pro.binanceusdm import binanceusdm  # type: ignore[import-untyped]  # ccxt says nothing about its types

from connectors.exchange.simulator.process import SimulatorProcess
from connectors.exchange.simulator.server import ccxt_urls

BTC: Final = "BTCUSDT"
MARKS: Final = {BTC: 60_000, "ETHUSDT": 3_000, "BNBUSDT": 600, "SOLUSDT": 150}
"""Where prices stand."""

WAIT_S_MAX: Final = 20.0
"""What is waited for comes within a second on an idle machine."""

_numbers: Final = count(1)


class Owner(NamedTuple):
    """An account and its keys."""

    account: str
    key: str
    secret: str


def marks_file(folder: Path) -> Path:
    """Write prices that stand still."""
    file = folder / "marks.csv"
    rows = [f"0,{symbol},{mark}" for symbol, mark in MARKS.items()]
    file.write_text("\n".join(["ts_ms,symbol,mark", *rows, ""]))
    return file


def opened(exchange: SimulatorProcess, **balances: str) -> Owner:
    """Open an account that nobody has used before: 100,000 USDT unless told."""
    name = f"owner-{next(_numbers)}"
    owner = Owner(name, f"key-of-{name}", f"secret-of-{name}")
    exchange.ask("POST", "/sim/accounts", {**owner._asdict(), "balances": {"USDT": "100000", **balances}})
    return owner


def official(url: str, owner: Owner) -> Any:
    """Make the exchange's own Python client. Its types name one row where lists come, and enums where texts go."""
    there = ConfigurationRestAPI(api_key=owner.key, api_secret=owner.secret, base_path=url)
    return DerivativesTradingUsdsFutures(config_rest_api=there).rest_api


@asynccontextmanager
async def official_streams(url: str) -> AsyncIterator[Any]:
    """Connect the exchange's own Python client to its streams."""
    there = ConfigurationWebSocketStreams(stream_url=url.replace("http", "ws", 1))
    streams: Any = DerivativesTradingUsdsFutures(config_ws_streams=there).websocket_streams
    await streams.create_connection()
    try:
        yield streams
    finally:
        await streams.close_connection()


@asynccontextmanager
async def plain_ccxt(url: str, owner: Owner) -> AsyncIterator[Any]:
    """Make ccxt's client of these futures, as anybody would."""
    client = binanceusdm({"apiKey": owner.key, "secret": owner.secret, "options": {"fetchCurrencies": False}})
    client.urls["api"] = {**client.urls["api"], **ccxt_urls(url)}
    with localcontext():  # ccxt changes how decimals are rounded in the thread that it runs in
        try:
            yield client
        finally:
            await client.close()


def books_of(exchange: SimulatorProcess, owner: Owner) -> dict[str, Any]:
    """Give what the exchange's own books say of an account."""
    account: dict[str, Any] = exchange.ask("GET", "/sim/books")["accounts"][owner.account]
    return account


def moved(exchange: SimulatorProcess, symbol: str, percent: str) -> None:
    """Let a price fall by so much at once, and stay there; negative: rise."""
    exchange.ask(
        "POST", "/sim/prices", f"prices:\n  - {{event: crash, symbol: {symbol}, percent: {percent}, at_s: 0, over_s: 0}}\n"
    )


def plans(*faults: str) -> str:
    """Write a plan of faults."""
    return "faults:\n" + "\n".join(f"  - {{fault: {fault}}}" for fault in faults) + "\n"


def wait_until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    limit_s = time.monotonic() + WAIT_S_MAX
    while not true():
        assert time.monotonic() < limit_s, "it never came true"
        time.sleep(0.01)


def dec(text: Any) -> Decimal:
    """Read a number of an answer."""
    assert isinstance(text, str)
    return Decimal(text)
