"""Market data through real ccxt, of an exchange that says what a test wants: what is asked, at what weight, and that no trouble outside ends it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from connectors.exchange.clock import ExchangeClock
from connectors.exchange.market_data import SYMBOLS_MAX, MarketData, Ports, Said
from connectors.exchange.modes import Venue, place_at
from connectors.kafka.system_clock import SystemClock
from streams.desk.messages import Instrument, Liquidity, Mark
from streams.exchange.errors import Fatal
from tests.scripted_exchange import Allowance, Says, ScriptedExchange, code, scripted, until
from tests.unit.connectors.exchange import test_market_answers as shapes
from tests.unit.connectors.exchange.test_market_answers import BTC

TS = 1_700_000_000_000
FUNDING_TS = TS + 1_000_000
PRICE: dict[str, Any] = {**shapes.PRICE, "p": "1.15", "E": TS, "T": FUNDING_TS}
TOUCH: dict[str, Any] = {**shapes.TOUCH, "E": TS, "T": TS}
INFO = {**shapes.INFO, "serverTime": TS}
BOOK = {"lastUpdateId": 8, "E": 1, "T": 1, "bids": [["1.10", "2"]], "asks": [["1.20", "3"]]}
DAY_TICKER = {"symbol": BTC, "quoteVolume": "77"}
PREMIUM_INDEX, BOOK_TICKER, DEPTH = "GET /fapi/v1/premiumIndex", "GET /fapi/v1/ticker/bookTicker", "GET /fapi/v1/depth"
PRICED = {**shapes.PREMIUM, "markPrice": "1.15", "time": TS, "nextFundingTime": FUNDING_TS}
TOUCHED = {**shapes.BEST, "time": TS}


class Kept:
    """Whom it tells, with as much room as a test gives."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.away = self.full = False

    async def say(self, records: Sequence[Said]) -> Sequence[Said]:
        if self.full:
            return records
        self.said += records
        return ()

    def of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.said if isinstance(one, kind)]


class Scene:
    """An exchange, what listens to it, and what comes of it."""

    def __init__(self, server: ScriptedExchange, data: MarketData, allowance: Allowance, kept: Kept) -> None:
        self.server, self.data, self.allowance, self.kept = server, data, allowance, kept


def answers(server: ScriptedExchange) -> None:
    server.answer(PREMIUM_INDEX, Says(PRICED))
    server.answer(BOOK_TICKER, Says(TOUCHED))
    server.answer(DEPTH, Says(BOOK))
    server.answer("GET /fapi/v1/ticker/24hr", Says(DAY_TICKER))
    server.answer("GET /fapi/v1/exchangeInfo", Says(INFO))
    server.answer("GET /fapi/v1/fundingInfo", Says([]))


async def sooner(seconds: float) -> None:
    """Wait, but not so long."""
    await asyncio.sleep(seconds / 10)


def play(story: Callable[[Scene], Awaitable[None]], *symbols: str) -> None:
    async def run() -> None:
        async with scripted() as server:
            answers(server)
            allowance, kept = Allowance(), Kept()
            venue = Venue("sim", "own", (place_at(server.url),))
            ports = Ports(allowance, ExchangeClock(SystemClock()), sooner, Random(1), kept)
            data = MarketData(venue, symbols or (BTC,), ports)
            running = asyncio.create_task(data.run())
            async with asyncio.timeout(20):
                await until(lambda: running.done() or len(server.streams) == 2)
                await story(Scene(server, data, allowance, kept))
            assert not running.done(), running.result()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_both_streams_are_asked_for_where_the_exchange_keeps_them() -> None:
    async def story(scene: Scene) -> None:
        assert {asked.path for asked in scene.server.asked if asked.method == "STREAM"} == {"/market/ws", "/public/ws"}

    play(story)


def test_a_mark_is_of_what_streams_and_answers_tell() -> None:
    async def story(scene: Scene) -> None:
        await scene.server.say({**PRICE, "p": "1.16"})
        await scene.server.say(TOUCH)
        await until(lambda: scene.kept.of(Mark))

        mark = scene.kept.of(Mark)[0]
        assert (mark.mark, mark.bid, mark.ask) == (Decimal("1.16"), Decimal("1.1"), Decimal("1.2"))

    play(story)


def test_instruments_are_said_once_and_again_when_they_change() -> None:
    async def story(scene: Scene) -> None:
        await scene.server.say(PRICE)
        await until(lambda: scene.kept.of(Instrument))
        await scene.server.say({**PRICE, "T": FUNDING_TS + 28_800_000, "E": TS + 1})
        await until(lambda: len(scene.kept.of(Instrument)) == 2)

        assert len({one.instrument_id for one in scene.kept.of(Instrument)}) == 2

    play(story)


def test_every_question_takes_its_weight_of_the_allowance() -> None:
    async def story(scene: Scene) -> None:
        await until(lambda: len(scene.server.of(DEPTH)) >= 1 and scene.kept.of(Instrument))

        paid = sorted(weight for weight, *_ in scene.allowance.taken)
        asked = [f"{asked.method} {asked.path}" for asked in scene.server.asked if asked.method != "STREAM"]
        assert len(paid) >= len(asked) - 1
        assert {"GET /fapi/v1/time", "GET /fapi/v1/exchangeInfo", BOOK_TICKER} <= set(asked)
        depth = scene.server.of(DEPTH)[0].what
        assert depth["limit"] == "50"
        assert paid[-1] <= 10

    play(story)


def test_without_streams_marks_come_from_answers_of_all_symbols_at_once() -> None:
    symbols = [f"GEN{number:03d}USDT" for number in range(20)]

    async def story(scene: Scene) -> None:
        server = scene.server
        server.answer(PREMIUM_INDEX, Says([{**PRICED, "symbol": symbol} for symbol in [*symbols, "OTHER"]]))
        server.answer(BOOK_TICKER, Says([{**TOUCHED, "symbol": symbol} for symbol in symbols]))
        await until(lambda: {mark.symbol for mark in scene.kept.of(Mark)} == set(symbols))

        assert all("symbol" not in asked.what for asked in server.of(PREMIUM_INDEX))
        assert 10 in [weight for weight, *_ in scene.allowance.taken]
        assert scene.data.silent() == set()

    play(story, *symbols)


def test_an_exchange_that_answers_nothing_is_told_of_once_and_asked_on(caplog: pytest.LogCaptureFixture) -> None:
    async def story(scene: Scene) -> None:
        scene.server.answer(PREMIUM_INDEX, code(-1000, "broken", 503), code(-1000, "broken", 503), Says(PRICED))
        await until(lambda: scene.kept.of(Mark))

        assert [one.message for one in caplog.records if one.message.startswith("prices: ")] == [
            "prices: Retryable -1000 broken",
            "prices: answered again",
        ]

    with caplog.at_level(logging.WARNING):
        play(story)


def test_a_ban_is_kept_and_marks_go_on_with_what_the_streams_tell() -> None:
    async def story(scene: Scene) -> None:
        for question in (PREMIUM_INDEX, BOOK_TICKER, DEPTH):
            scene.server.answer(question, code(-1003, "banned", 418, Retry_After="60"))
        await until(lambda: scene.allowance.paused)
        asked = len(scene.server.of(DEPTH))
        for _ in range(30):
            await scene.server.say(TOUCH)
            await scene.server.say(PRICE)
        await until(lambda: scene.kept.of(Mark))

        assert set(scene.allowance.paused) == {60.0}
        assert scene.kept.of(Mark)[0].depth == 0
        assert len(scene.server.of(DEPTH)) <= asked + 1

    play(story)


def test_a_message_that_cannot_be_read_breaks_nothing_and_is_counted() -> None:
    async def story(scene: Scene) -> None:
        await scene.server.say({**PRICE, "p": "nonsense"})
        await scene.server.say("[1, 2]")
        await scene.server.say(PRICE)
        await scene.server.say(TOUCH)
        await until(lambda: scene.kept.of(Mark))

        assert scene.data.counts.unreadable >= 2, "each of them twice, for both streams"
        assert scene.data.counts.breaks == {"prices": 0, "books": 0}

    play(story)


def test_a_stream_that_is_refused_or_closed_is_opened_again() -> None:
    async def story(scene: Scene) -> None:
        await scene.server.say({"error": {"code": 2, "msg": "no"}, "id": 1})
        await until(lambda: scene.server.opened == 4)
        for stream in list(scene.server.streams):
            await stream.close()
        await until(lambda: scene.server.opened == 6)

        assert scene.data.counts.breaks == {"prices": 2, "books": 2}

    play(story)


def test_what_could_not_be_published_is_said_later_with_its_extremes() -> None:
    async def story(scene: Scene) -> None:
        scene.kept.full = True
        await scene.server.say(TOUCH)
        for at, price in ((1, "9.00"), (2, "1.16")):
            await scene.server.say({**PRICE, "p": price, "E": TS + at})
        await until(lambda: scene.data.counts.not_taken >= 2)
        scene.kept.full = False
        await until(lambda: scene.kept.of(Mark))

        assert str(scene.kept.of(Mark)[0].high) == "9.00"
        await until(lambda: scene.kept.of(Instrument))

    play(story)


def test_a_mark_that_the_desk_would_refuse_is_not_said() -> None:
    async def story(scene: Scene) -> None:
        await scene.server.say({**PRICE, "p": "1.12345678901"})
        await scene.server.say(TOUCH)
        await until(lambda: scene.data.counts.unreadable > 0)

        assert scene.kept.of(Mark) == []

    play(story)


def test_liquidity_is_said_of_a_book_that_is_known() -> None:
    async def story(scene: Scene) -> None:
        await scene.server.say(PRICE)
        await scene.server.say(TOUCH)
        await until(lambda: scene.kept.of(Liquidity))

        assert scene.kept.of(Liquidity)[0].venues == ("own",)

    play(story)


@pytest.mark.parametrize("count", [0, SYMBOLS_MAX + 1])
def test_too_many_symbols_for_a_connection_are_refused(count: int) -> None:
    ports = Ports(Allowance(), ExchangeClock(SystemClock()), asyncio.sleep, Random(1), Kept())

    with pytest.raises(Fatal, match="symbols"):
        MarketData(Venue("sim", "own", (place_at("http://127.0.0.1:1"),)), ["A"] * count, ports)
