"""The exchange lets an order be sent twice, and its books tell on who did."""

import asyncio

import pytest

from connectors.exchange.ccxt_exchange import CcxtExchange
from connectors.exchange.simulator.fault_rules import rule
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.truth import SentTwice, books, sent_twice
from streams.exchange.errors import Ambiguous
from streams.exchange.port import OrderReport, Placing, StopPlacing
from tests.exchange_stage import ACCOUNT, PRICE, QUANTITY, SYMBOL
from tests.integration.exchange.test_faults_alone_and_in_pairs import playing


def market_order(exchange: CcxtExchange, name: str) -> Placing:
    now_ms = exchange.now_ms()
    return Placing(ACCOUNT, name, SYMBOL, "BUY", "MARKET", QUANTITY, None, reduce_only=False, sent_ms=now_ms, window_ms=5_000)


async def sends_again(exchange: CcxtExchange, order: Placing) -> OrderReport:
    """Do what an executor must not do: take no answer for a no."""
    try:
        return await exchange.place(order)
    except Ambiguous:
        return await exchange.place(order._replace(sent_ms=exchange.now_ms()))


async def asks(exchange: CcxtExchange, order: Placing) -> OrderReport:
    """Do what an executor does."""
    try:
        return await exchange.place(order)
    except Ambiguous:
        return await exchange.find(order.account, order.symbol, order.client_id)


def strike(house: House, fault: str) -> None:
    house.faults.replace([rule(fault, methods=["POST"], times=1)], house.clock.now_ms())


@pytest.mark.parametrize("fault", ["timeout_after", "drop_after", "server_error_after", "silent_after"])
def test_an_executor_that_sends_again_is_caught_by_the_books_and_one_that_asks_is_not(fault: str) -> None:
    async def run() -> None:
        async with playing() as play:
            exchange, house = play.exchange, play.house
            strike(house, fault)
            assert (await asks(exchange, market_order(exchange, "asked"))).status == "FILLED"
            assert sent_twice(books(house)) == []

            strike(house, fault)
            assert (await sends_again(exchange, market_order(exchange, "again"))).status == "FILLED"
            assert sent_twice(books(house)) == [SentTwice(ACCOUNT, "again", 2)]
            (held,) = await exchange.positions(ACCOUNT)
            assert held.quantity == 3 * QUANTITY, "it really has traded twice"

    asyncio.run(run())


def test_one_that_was_never_accepted_may_be_sent_again() -> None:
    async def run() -> None:
        async with playing() as play:
            strike(play.house, "timeout_before")
            await sends_again(play.exchange, market_order(play.exchange, "again"))
            assert sent_twice(books(play.house)) == []

    asyncio.run(run())


def test_a_stop_sent_again_after_the_first_is_over_is_caught_too() -> None:
    async def run() -> None:
        async with playing() as play:
            exchange, house = play.exchange, play.house
            await exchange.place(market_order(exchange, "position"))
            stop = StopPlacing(ACCOUNT, "stop", SYMBOL, "SELL", PRICE * 9 / 10, exchange.now_ms(), 5_000)
            await exchange.place_stop(stop)
            house.engine.cancel_algo(ACCOUNT, None, "stop", house.clock.now_ms())
            assert sent_twice(books(house)) == []

            await exchange.place_stop(stop._replace(sent_ms=exchange.now_ms()))
            assert sent_twice(books(house)) == [SentTwice(ACCOUNT, "stop", 2)]

    asyncio.run(run())
