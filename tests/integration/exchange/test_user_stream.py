"""The private stream: what it tells, in order, and that no break goes unsaid."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from connectors.exchange.ccxt_exchange import USUAL, CcxtExchange, Times
from connectors.exchange.feed import MESSAGES_MAX, Broken, Feed, Patience
from streams.exchange.errors import Fatal
from streams.exchange.port import AccountRef, Connected, Lost, OrderReport, StopReport, Trade, UserEvent
from tests.scripted_exchange import OTHER_KEY, Allowance, Says, ScriptedExchange, adapter, code, scripted, until

LISTEN, KEEP = "POST /fapi/v1/listenKey", "PUT /fapi/v1/listenKey"
ORDER = {
    "s": "BTCUSDT", "c": "c1", "S": "BUY", "q": "0.3", "z": "0", "l": "0", "L": "0", "T": 5, "t": 0, "i": 7, "X": "NEW", "R": False,
}  # fmt: skip
NEW = {"e": "ORDER_TRADE_UPDATE", "T": 5, "o": ORDER}
FILLED = {
    "e": "ORDER_TRADE_UPDATE",
    "T": 6,
    "o": {**ORDER, "X": "FILLED", "z": "0.3", "l": "0.3", "L": "60000", "t": 9, "n": "0.01", "N": "USDT"},
}
ALGO = {
    "e": "ALGO_UPDATE",
    "T": 7,
    "o": {"caid": "s1", "aid": 8, "s": "BTCUSDT", "S": "SELL", "X": "TRIGGERED", "tp": "1", "ai": "77", "o": "STOP_MARKET"},
}
PLACED = Says(
    {
        "clientOrderId": "c1", "orderId": 7, "symbol": "BTCUSDT", "side": "BUY", "status": "NEW", "origQty": "0.001", "executedQty": "0",
        "updateTime": 5, "reduceOnly": False,
    }
)  # fmt: skip

Do = Callable[[CcxtExchange, ScriptedExchange, AsyncIterator[UserEvent]], Awaitable[None]]


def with_stream(do: Do, times: Times = USUAL) -> None:
    async def run() -> None:
        async with scripted() as server, adapter(server, times, Allowance()) as exchange:
            events = exchange.events("main")
            async with asyncio.timeout(20):
                await do(exchange, server, events)
            await events.aclose()  # type: ignore[attr-defined]  # it is a generator

    asyncio.run(run())


def streams_of(server: ScriptedExchange) -> int:
    return len([asked for asked in server.asked if asked.method == "STREAM"])


async def take(events: AsyncIterator[UserEvent], count: int) -> list[Any]:
    return [await anext(events) for _ in range(count)]


def test_what_happens_is_told_in_order_a_trade_before_the_order_it_filled() -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        assert await anext(events) == Connected()
        for message in (NEW, {"e": "ACCOUNT_UPDATE", "T": 6, "a": {}}, FILLED, ALGO):
            await server.say(message)

        told = await take(events, 4)

        assert [type(event) for event in told] == [OrderReport, Trade, OrderReport, StopReport]
        assert [event.status for event in (told[0], told[2], told[3])] == ["OPEN", "FILLED", "TRIGGERED"]
        (opened,) = [asked for asked in server.asked if asked.method == "STREAM"]
        assert (opened.path, opened.what) == ("/private/ws", {"listenKey": "a-listen-key"})

    with_stream(do)


@pytest.mark.parametrize(
    "message",
    [
        {"e": "listenKeyExpired", "E": 1, "listenKey": "a-listen-key"},
        {"stream": "a-listen-key", "data": {"e": "listenKeyExpired"}},
        {"e": "ORDER_TRADE_UPDATE", "o": {**ORDER, "X": "SOMETHING NEW"}},
        {"e": "ORDER_TRADE_UPDATE"},
        {"e": "ALGO_UPDATE", "o": {}},
        [],
        "not json",
    ],
)
def test_a_message_that_ends_the_stream_or_cannot_be_read_is_a_break_and_it_is_connected_again(message: Any) -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        await anext(events)
        await server.say(NEW)
        await server.say(message)

        assert [type(event) for event in await take(events, 3)] == [OrderReport, Lost, Connected]
        assert (len(server.of(LISTEN)), streams_of(server)) == (2, 2)
        await server.say(NEW)
        assert isinstance(await anext(events), OrderReport)

    with_stream(do)


def test_a_connection_that_is_closed_is_a_break() -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        await anext(events)
        await server.say(NEW)
        await server.streams[0].close()

        assert [type(event) for event in await take(events, 3)] == [OrderReport, Lost, Connected]

    with_stream(do)


def test_silence_is_a_break_however_alive_the_connection_is() -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        assert [type(event) for event in await take(events, 3)] == [Connected, Lost, Connected]
        assert streams_of(server) == 2

    with_stream(do, USUAL._replace(patience=Patience(silence_s=0.2)))


def test_silence_after_an_order_was_accepted_is_a_break_much_sooner() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        server.answer("DELETE /fapi/v1/order", PLACED)
        await anext(events)
        await exchange.cancel("main", "BTCUSDT", "c1")

        assert await take(events, 2) == [Lost("silent"), Connected()]

    with_stream(do, USUAL._replace(patience=Patience(answer_s=0.1)))


def test_a_refused_order_has_nothing_to_be_told_of() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        server.answer("DELETE /fapi/v1/order", code(-2011, "Unknown order sent."))
        await anext(events)
        with pytest.raises(Exception, match="-2011"):
            await exchange.cancel("main", "BTCUSDT", "c1")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.5)

    with_stream(do, USUAL._replace(patience=Patience(answer_s=0.05)))


def test_more_than_a_reader_can_keep_up_with_is_a_break_after_what_was_kept() -> None:
    async def run() -> None:
        feed = Feed(Patience())
        feed.open()
        for number in range(10 * MESSAGES_MAX):
            feed.put(number)

        assert [await feed.next() for _ in range(MESSAGES_MAX)] == list(range(MESSAGES_MAX))
        with pytest.raises(Broken, match="wait"):
            await feed.next()

    asyncio.run(run())


def test_a_message_that_came_while_an_order_was_sent_is_the_one_that_was_expected() -> None:
    async def run() -> None:
        feed = Feed(Patience(silence_s=0.5, answer_s=0.0))
        feed.open()
        with feed.expecting():
            feed.put("it")
        assert await feed.next() == "it"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(feed.next(), 0.1)
        with feed.expecting():
            pass
        with pytest.raises(Broken, match="silent"):
            await feed.next()

    asyncio.run(run())


def test_the_listen_key_is_kept_alive_and_its_loss_is_a_break() -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        server.answer(
            KEEP, Says({"listenKey": "a-listen-key"}), Says({}), code(-1125, "This listenKey does not exist."), Says({})
        )

        assert [type(event) for event in await take(events, 3)] == [Connected, Lost, Connected]
        assert len(server.of(KEEP)) >= 3
        assert len(server.of(LISTEN)) == 2

    with_stream(do, USUAL._replace(keep_s=0.05))


def test_it_begins_with_connected_however_long_that_takes() -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        server.answer(LISTEN, Says(status=503), Says({"something": "else"}), Says({"listenKey": "a-listen-key"}))

        assert await anext(events) == Connected()
        assert len(server.of(LISTEN)) == 3

    with_stream(do)


def test_while_a_stream_is_refused_a_break_is_said_once() -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        await anext(events)
        server.refuses_streams = True
        await server.streams[0].close()
        assert isinstance(await anext(events), Lost)
        waiting = asyncio.ensure_future(anext(events))
        await until(lambda: len(server.of(LISTEN)) >= 3)
        server.refuses_streams = False

        assert await waiting == Connected()

    with_stream(do)


def test_keys_that_are_refused_end_it() -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        server.answer(LISTEN, code(-2015, "Invalid API-key, IP, or permissions for action.", 401))
        with pytest.raises(Fatal):
            await anext(events)

    with_stream(do)


def test_a_break_does_not_tell_the_listen_key() -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        await anext(events)
        await server.streams[0].close()
        lost = await anext(events)

        assert isinstance(lost, Lost)
        assert "a-listen-key" not in lost.reason

    with_stream(do)


def test_who_stops_reading_while_it_connects_leaves_nothing_open() -> None:
    async def do(_exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        server.stream_late_s = 0.2
        waiting = asyncio.ensure_future(anext(events))
        await until(lambda: streams_of(server) == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(lambda: server.opened == 1 and not server.streams)

    with_stream(do)


def test_a_second_reader_waits_until_the_connection_of_the_first_is_closed() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        await anext(events)
        again = exchange.events("main")
        connecting = asyncio.ensure_future(anext(again))
        await server.say(NEW)
        assert isinstance(await anext(events), OrderReport)
        assert not connecting.done()
        assert streams_of(server) == 1

        await events.aclose()  # type: ignore[attr-defined]  # it is a generator

        assert await connecting == Connected()
        await again.aclose()  # type: ignore[attr-defined]  # the same

    with_stream(do)


def test_an_account_opened_again_with_other_keys_goes_by_those() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]  # it is a generator
        asked = len(server.asked)
        await exchange.check(AccountRef("main", "OTHER", Decimal(5)), ())
        again = exchange.events("main")
        assert await anext(again) == Connected()
        await again.aclose()  # type: ignore[attr-defined]  # the same
        signed = [one.headers["X-MBX-APIKEY"] for one in server.asked[asked:] if "X-MBX-APIKEY" in one.headers]
        assert set(signed) == {OTHER_KEY}

    with_stream(do)


def test_when_nobody_reads_any_more_nothing_is_left_open_and_another_may() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, events: AsyncIterator[UserEvent]) -> None:
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]  # it is a generator
        await until(lambda: not server.streams)
        again = exchange.events("main")

        assert await anext(again) == Connected()
        await again.aclose()  # type: ignore[attr-defined]  # the same

    with_stream(do)
