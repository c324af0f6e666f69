"""The exchange's own Python client, WebSocket, with nothing but its address changed: each message fits that client's models."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from binance_sdk_derivatives_trading_usds_futures.websocket_streams.models import (
    AccountUpdate,
    AlgoUpdate,
    ListenKeyExpired,
    OrderTradeUpdate,
)

from connectors.exchange.simulator.process import SimulatorProcess
from tests.integration.exchange.kit import BTC, dec, moved, official, official_streams, opened

Opens = Callable[[Any], Awaitable[Any]]
WAIT_S_MAX = 20.0


@pytest.fixture(autouse=True)
def every_message_fits(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


class Heard:
    """What a stream said, in order."""

    def __init__(self, stream: Any) -> None:
        """Listen."""
        self._said: asyncio.Queue[Any] = asyncio.Queue()
        stream.on("message", self._said.put_nowait)

    async def next(self) -> Any:
        """Wait for a message."""
        async with asyncio.timeout(WAIT_S_MAX):
            return await self._said.get()

    async def until(self, true: Callable[[Any], object]) -> list[Any]:
        """Give what was said up to the first message of which something is true."""
        said = [await self.next()]
        while not true(said[-1]):
            said.append(await self.next())
        return said


def first_two(exchange: SimulatorProcess, opens: Opens) -> list[Any]:
    """Give the first two messages of a stream."""

    async def run() -> list[Any]:
        async with official_streams(exchange.url) as streams:
            heard = Heard(await opens(streams))
            return [await heard.next() for _ in range(2)]

    return asyncio.run(run())


def test_marks_are_told_every_second(exchange: SimulatorProcess) -> None:
    first, second = first_two(exchange, lambda streams: streams.mark_price_stream(BTC, None, "1s"))

    assert (first.s, first.e, dec(first.p)) == (BTC, "markPriceUpdate", Decimal(60_000))
    assert second.E - first.E >= 1_000
    assert first.T > first.E


def test_the_best_prices_are_told_when_they_change(exchange: SimulatorProcess) -> None:
    first, second = first_two(exchange, lambda streams: streams.individual_symbol_book_ticker_streams(BTC))

    assert (first.s, first.e) == (BTC, "bookTicker")
    assert dec(first.b) < dec(first.a)
    assert (first.u, first.B, first.A) != (second.u, second.B, second.A)


def test_changes_of_a_book_follow_each_other_without_a_gap(exchange: SimulatorProcess) -> None:
    first, second = first_two(exchange, lambda streams: streams.diff_book_depth_streams(BTC, None, "100ms"))

    assert first.e == "depthUpdate"
    assert first.u >= first.U
    assert second.pu == first.u


def test_the_top_of_a_book_is_told_whole(exchange: SimulatorProcess) -> None:
    first, _ = first_two(exchange, lambda streams: streams.partial_book_depth_streams(BTC, "5", None, "100ms"))

    assert (len(first.b), len(first.a)) == (5, 5)


Does = Callable[[Any], object]


async def told_of(exchange: SimulatorProcess, does: Does, last: Callable[[Any], object]) -> list[Any]:
    """Let an account do something, and give what its private stream tells until then."""
    client = official(exchange.url, opened(exchange))
    key = (await asyncio.to_thread(client.start_user_data_stream)).data().listen_key
    async with official_streams(exchange.url) as streams:
        heard = Heard(await streams.user_data(key))
        await asyncio.to_thread(does, client)
        return [said.actual_instance for said in await heard.until(lambda said: last(said.actual_instance))]


def test_an_order_and_what_it_changes_are_told_on_the_private_stream(exchange: SimulatorProcess) -> None:
    def buys(client: Any) -> None:
        client.new_order(BTC, "BUY", "MARKET", quantity=0.01, new_client_order_id="mine")

    new, *trades, account = asyncio.run(told_of(exchange, buys, lambda said: isinstance(said, AccountUpdate)))

    assert (new.o.x, new.o.X, new.o.c) == ("NEW", "NEW", "mine")
    assert {one.o.x for one in trades} == {"TRADE"}
    assert (trades[-1].o.X, trades[-1].o.z) == ("FILLED", "0.01")
    assert account.a.m == "ORDER"
    assert [(one.s, one.pa) for one in account.a.P] == [(BTC, "0.01")]
    fee = sum(dec(one.o.n) for one in trades)
    assert dec(account.a.B[0].wb) == 100_000 - fee


def test_a_stop_is_told_of_from_its_placing_to_the_order_it_became(exchange: SimulatorProcess) -> None:
    def is_stopped(client: Any) -> None:
        client.new_order("SOLUSDT", "BUY", "MARKET", quantity=1)
        client.new_algo_order(
            "CONDITIONAL", "SOLUSDT", "SELL", "STOP_MARKET",
            trigger_price=148, close_position="true", client_algo_id="stop",
        )  # fmt: skip
        moved(exchange, "SOLUSDT", "2")

    said = asyncio.run(told_of(exchange, is_stopped, is_over))
    stops: list[Any] = [one for one in said if isinstance(one, AlgoUpdate)]
    updates: list[Any] = [one for one in said if isinstance(one, OrderTradeUpdate)]
    orders = [one for one in updates if one.o.c == "stop"]

    assert [one.o.X for one in stops] == ["NEW", "TRIGGERED", "FINISHED"]
    assert {(one.o.caid, one.o.tp) for one in stops} == {("stop", "148")}
    assert [one.o.aq for one in stops] == [None, "0", "1"]
    assert (stops[-1].o.ai, stops[-1].o.ap) == (str(orders[-1].o.i), orders[-1].o.ap)
    assert (orders[-1].o.X, orders[-1].o.ot) == ("FILLED", "STOP_MARKET")


def is_over(said: Any) -> bool:
    return isinstance(said, AlgoUpdate) and getattr(said.o, "X", "") == "FINISHED"


def test_the_end_of_a_listen_key_is_said(exchange: SimulatorProcess) -> None:
    async def run() -> Any:
        owner = opened(exchange)
        client = official(exchange.url, owner)
        key = (await asyncio.to_thread(client.start_user_data_stream)).data().listen_key
        async with official_streams(exchange.url) as streams:
            heard = Heard(await streams.user_data(key))
            await asyncio.to_thread(exchange.ask, "POST", "/sim/listen-keys/expire", {"account": owner.account})
            return key, (await heard.next()).actual_instance

    key, said = asyncio.run(run())

    assert isinstance(said, ListenKeyExpired)
    assert said.listen_key == key
