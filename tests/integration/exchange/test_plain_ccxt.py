"""ccxt's `binanceusdm` as anybody would use it, async and pro, with nothing but its addresses changed. Our own adapter has tests of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from ccxt.base import errors  # type: ignore[import-untyped]  # ccxt says nothing about its types

from connectors.exchange.simulator.process import SimulatorProcess
from tests.integration.exchange.kit import books_of, dec, moved, opened, plain_ccxt

BTC, SOL = "BTC/USDT:USDT", "SOL/USDT:USDT"
WAIT_S_MAX = 20.0

Uses = Callable[[Any], Awaitable[None]]


def with_ccxt(exchange: SimulatorProcess, uses: Uses) -> dict[str, Any]:
    """Let ccxt do something for an account, and give the exchange's books of it."""
    owner = opened(exchange)

    async def run() -> None:
        async with plain_ccxt(exchange.url, owner) as client, asyncio.timeout(WAIT_S_MAX):
            await client.load_markets()
            await uses(client)

    asyncio.run(run())
    return books_of(exchange, owner)


def test_markets_prices_books_and_candles_are_read(exchange: SimulatorProcess) -> None:
    async def uses(client: Any) -> None:
        market = client.market(BTC)
        ticker, book, candles = (
            await client.fetch_ticker(BTC), await client.fetch_order_book(BTC, 20), await client.fetch_ohlcv(BTC, "1m")
        )  # fmt: skip
        rate, marks, best = (
            await client.fetch_funding_rate(BTC), await client.fetch_mark_prices([BTC]), await client.fetch_bids_asks([BTC])
        )  # fmt: skip

        assert (market["precision"]["price"], market["precision"]["amount"], market["swap"]) == (0.1, 0.001, True)
        assert market["limits"]["cost"]["min"] == 5
        assert len(book["bids"]) == len(book["asks"]) == 20
        assert book["bids"][0][0] < book["asks"][0][0]
        assert candles[-1][2] >= candles[-1][3]
        assert 59_000 < ticker["last"] < 61_000
        assert (rate["markPrice"], rate["fundingRate"]) == (60_000, 0.0001)
        assert marks[BTC]["markPrice"] == 60_000
        assert best[BTC]["bid"] < best[BTC]["ask"]

    with_ccxt(exchange, uses)


def test_orders_are_placed_found_listed_and_cancelled(exchange: SimulatorProcess) -> None:
    async def uses(client: Any) -> None:
        market = await client.create_order(BTC, "market", "buy", 0.01, None, {"clientOrderId": "m1"})
        limit = await client.create_order(BTC, "limit", "buy", 0.01, 59_000, {"clientOrderId": "l1", "postOnly": True})
        open_ones = await client.fetch_open_orders(BTC)
        found = await client.fetch_order(limit["id"], BTC)
        cancelled = await client.cancel_order(limit["id"], BTC)
        all_of_them = await client.fetch_orders(BTC)
        trades = await client.fetch_my_trades(BTC)
        (position,) = await client.fetch_positions([BTC])
        balance = await client.fetch_balance()
        closed = await client.create_order(BTC, "market", "sell", 0.01, None, {"reduceOnly": True})

        assert (market["clientOrderId"], limit["status"], limit["timeInForce"]) == ("m1", "open", "PO")
        assert [one["clientOrderId"] for one in open_ones] == ["l1"]
        assert (found["status"], cancelled["status"]) == ("open", "canceled")
        assert [(one["clientOrderId"], one["status"]) for one in all_of_them] == [("m1", "closed"), ("l1", "canceled")]
        assert sum(one["amount"] for one in trades) == 0.01
        assert {one["takerOrMaker"] for one in trades} == {"taker"}
        assert (position["contracts"], position["side"], position["markPrice"]) == (0.01, "long", 60_000)
        assert balance["USDT"]["total"] < 100_000
        assert closed["reduceOnly"] is True

    books = with_ccxt(exchange, uses)
    assert [dec(row["quantity"]) for row in books["positions"]] == [0]


def test_conditional_orders_go_where_ccxt_sends_them(exchange: SimulatorProcess) -> None:
    async def uses(client: Any) -> None:
        await client.create_order(BTC, "market", "buy", 0.02)
        for name, kind, told in (
            ("stop", "market", {"stopLossPrice": 59_000, "reduceOnly": True}),
            ("profit", "market", {"takeProfitPrice": 61_000, "reduceOnly": True}),
            ("trailing", "market", {"trailingPercent": 1.5, "reduceOnly": True}),
        ):
            await client.create_order(BTC, kind, "sell", 0.01, None, {**told, "clientOrderId": name})
        waiting = await client.fetch_open_orders(BTC, params={"trigger": True})
        await client.cancel_order(waiting[0]["id"], BTC, {"trigger": True})
        left = await client.fetch_open_orders(BTC, params={"trigger": True})

        assert [one["clientOrderId"] for one in waiting] == ["stop", "profit", "trailing"]
        assert [one["clientOrderId"] for one in left] == ["profit", "trailing"]
        assert await client.fetch_open_orders(BTC) == []

    books = with_ccxt(exchange, uses)
    assert [(row["client_id"], row["type"], row["status"]) for row in books["algos"]] == [
        ("stop", "STOP_MARKET", "CANCELED"),
        ("profit", "TAKE_PROFIT_MARKET", "NEW"),
        ("trailing", "TRAILING_STOP_MARKET", "NEW"),
    ]


def test_the_account_is_set_and_told_of(exchange: SimulatorProcess) -> None:
    async def uses(client: Any) -> None:
        await client.set_leverage(7, BTC)
        await client.set_margin_mode("isolated", BTC)
        leverage = await client.fetch_leverage(BTC)
        mode = await client.fetch_position_mode(BTC)
        fee = await client.fetch_trading_fee(BTC)
        ledger = await client.fetch_ledger("USDT")

        assert (leverage["longLeverage"], leverage["marginMode"]) == (7, "isolated")
        assert mode["hedged"] is False
        assert (fee["maker"], fee["taker"]) == (0.0002, 0.0005)
        assert ledger == []

    with_ccxt(exchange, uses)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (("limit", "buy", 60, 59_000), -2019),
        (("limit", "buy", 0.01, 70_000), -4016),
        (("market", "sell", 0.01, None, {"reduceOnly": True}), -2022),
    ],
)
def test_refusals_arrive_with_their_code(exchange: SimulatorProcess, asked: tuple[Any, ...], code: int) -> None:
    async def uses(client: Any) -> None:
        with pytest.raises(
            errors.ExchangeError, match=f'"code": {code},'
        ):  # which class it is, ccxt tells by the exchange's host name
            await client.create_order(BTC, *asked)

    assert with_ccxt(exchange, uses)["orders"] == []


def test_market_streams_are_watched(exchange: SimulatorProcess) -> None:
    async def uses(client: Any) -> None:
        book = await client.watch_order_book(BTC)
        best = await client.watch_bids_asks([BTC])
        mark = await client.watch_mark_price(BTC)
        ticker = await client.watch_ticker(BTC)
        before = book["nonce"]
        later = await client.watch_order_book(BTC)

        assert book["bids"][0][0] < book["asks"][0][0]
        assert later["nonce"] > before
        assert best[BTC]["bid"] < best[BTC]["ask"]
        assert mark["markPrice"] == 60_000
        assert ticker["quoteVolume"] > 0

    with_ccxt(exchange, uses)


async def connected(client: Any) -> None:
    """Wait until a stream of ccxt's is open."""
    while not any(url.startswith("ws") and one.connected.done() for url, one in client.clients.items()):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.005)


def test_the_private_stream_is_watched(exchange: SimulatorProcess) -> None:
    async def uses(client: Any) -> None:
        orders = asyncio.create_task(client.watch_orders(SOL))
        trades = asyncio.create_task(client.watch_my_trades(SOL))
        balance = asyncio.create_task(client.watch_balance())
        await connected(client)
        assert await client.watch_positions([SOL]) == [], "as they stand"
        positions = asyncio.create_task(client.watch_positions([SOL]))
        await client.create_order(SOL, "market", "buy", 1, None, {"clientOrderId": "watched"})

        assert (await orders)[0]["clientOrderId"] == "watched"
        assert (await trades)[0]["amount"] == 1
        assert (await positions)[0]["contracts"] == 1
        assert (await balance)["USDT"]["total"] < 100_000

        await client.create_order(SOL, "market", "sell", 1, None, {"stopLossPrice": 148, "reduceOnly": True})
        await asyncio.to_thread(moved, exchange, "SOLUSDT", "2")
        while (await client.watch_orders(SOL))[-1]["side"] != "sell":
            pass

    books = with_ccxt(exchange, uses)
    assert [row["status"] for row in books["algos"]] == ["FINISHED"]
