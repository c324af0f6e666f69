"""Market data through real ccxt from the simulated exchange: streams, what takes their place when they die unnoticed, silence when all is gone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any, Final

import pytest

from connectors.exchange.clock import ExchangeClock
from connectors.exchange.market_data import MarketData, Ports, Said
from connectors.exchange.market_venues import OtherVenue, opened
from connectors.exchange.market_watch import EVERY_MS, STALE_MS
from connectors.exchange.modes import Venue, place_at
from connectors.exchange.simulator.process import SimulatorProcess, running
from connectors.exchange.simulator.server import ccxt_urls
from connectors.exchange.simulator.setting_up import Options
from connectors.kafka.system_clock import SystemClock
from streams.desk.messages import Instrument, Liquidity, Mark
from streams.desk.validation import wrong
from tests.integration.exchange.kit import plans
from tests.scripted_exchange import Allowance

BNB: Final = "BNBUSDT"
"""Its ticks are coarse enough for all of ten basis points to be among the levels that are asked for."""
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", BNB)
WAIT_S_MAX: Final = 30.0
"""A dead stream is noticed after three seconds, and a stale price after five, on an idle machine."""
CLOCK: Final = SystemClock()


class Kept:
    """Keeps what is said, with when it was said."""

    away = False

    def __init__(self) -> None:
        self.said: list[tuple[int, Any]] = []

    async def say(self, records: Sequence[Said]) -> Sequence[Said]:
        self.said += [(CLOCK.ticking_ms(), record) for record in records]
        return ()

    def of(self, kind: type[Any], since_ms: int = 0) -> list[Any]:
        return [one for at_ms, one in self.said if isinstance(one, kind) and at_ms >= since_ms]

    def marked(self, since_ms: int = 0) -> set[str]:
        return {mark.symbol for mark in self.of(Mark, since_ms)}


@pytest.fixture(scope="module")
def moving() -> Iterator[SimulatorProcess]:
    """Run an exchange whose prices move."""
    with running(Options(seed=7, markets=6)) as started:
        yield started


@pytest.fixture(autouse=True)
def calm(moving: SimulatorProcess) -> Iterator[None]:
    yield
    moving.ask("PUT", "/sim/faults", plans())


@asynccontextmanager
async def told(exchange: SimulatorProcess, *others: OtherVenue) -> AsyncIterator[tuple[MarketData, Kept]]:
    clock, kept = ExchangeClock(CLOCK), Kept()
    ports = Ports(Allowance(), clock, asyncio.sleep, Random(1), kept)
    data = MarketData(Venue("sim", "sim", (place_at(exchange.url),)), SYMBOLS, ports, others)
    running_data = asyncio.create_task(data.run())
    try:
        yield data, kept
        assert not running_data.done(), running_data.result()
    finally:
        running_data.cancel()
        await asyncio.gather(running_data, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S_MAX):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody when it is
            await asyncio.sleep(0.02)


def test_marks_instruments_and_liquidity_over_two_venues_are_what_the_exchanges_say(moving: SimulatorProcess) -> None:
    async def story() -> Kept:
        other = opened("binanceusdm")
        other.urls["api"] = {**other.urls["api"], **ccxt_urls(moving.url)}
        async with told(moving, OtherVenue("other", other, print)) as (data, kept):
            await until(lambda: [one for one in kept.of(Liquidity) if one.symbol == BNB and one.venues == ("sim", "other")])
            await until(lambda: len(kept.of(Instrument)) >= len(SYMBOLS) and all(mark.depth for mark in kept.of(Mark)[-3:]))
            assert data.silent() == set()
            assert data.counts.breaks == {"prices": 0, "books": 0}
        return kept

    kept = asyncio.run(story())

    marks, liquidity = kept.of(Mark), kept.of(Liquidity)
    assert [found for mark in marks if (found := wrong(mark, mark.ts))] == []
    assert [found for one in kept.of(Instrument) if (found := wrong(one, one.ts))] == []
    for symbol in SYMBOLS:
        at_ms = [at_ms for at_ms, one in kept.said if isinstance(one, Mark) and one.symbol == symbol]
        assert min(later - earlier for earlier, later in pairwise(at_ms)) >= EVERY_MS // 2
        last = [mark for mark in marks if mark.symbol == symbol][-1]
        assert abs(last.mark - last.bid) < last.mark / 100
        assert last.volume_24h > 1_000_000
    # Both venues are the same exchange here, so books and volumes count twice.
    both = next(one for one in liquidity if one.symbol == BNB and one.venues == ("sim", "other"))
    own = next(mark for mark in marks if mark.symbol == BNB and mark.depth)
    assert Decimal("1.2") < both.depth / own.depth < 4
    day = moving.ask("GET", f"/fapi/v1/ticker/24hr?symbol={BNB}")
    assert Decimal("1.5") < both.volume_24h / Decimal(day["quoteVolume"]) < Decimal("2.5")


def test_where_streams_die_without_a_word_answers_take_their_place_until_they_are_back(moving: SimulatorProcess) -> None:
    async def story() -> None:
        async with told(moving) as (data, kept):
            await until(lambda: kept.marked() == set(SYMBOLS))

            moving.ask("PUT", "/sim/faults", plans("market_streams_dead"))
            died_ms, silent = CLOCK.ticking_ms(), set[str]()

            def asked_for_a_while() -> bool:
                silent.update(data.silent())
                return kept.marked(died_ms + STALE_MS + 1_000) == set(SYMBOLS) and data.counts.breaks["prices"] > 0

            await until(asked_for_a_while)
            assert silent == set(), "no symbol fell silent while there were answers"
            assert moving.ask("GET", "/sim/faults").get("asked_while_paused", 0) == 0

            moving.ask("PUT", "/sim/faults", plans())
            back_ms = CLOCK.ticking_ms()
            await until(lambda: len(kept.of(Mark, back_ms)) > 30)

    asyncio.run(story())


def test_where_nothing_is_heard_and_nothing_is_answered_nothing_old_is_said(moving: SimulatorProcess) -> None:
    async def story() -> None:
        async with told(moving) as (data, kept):
            await until(lambda: kept.marked() == set(SYMBOLS))

            moving.ask("PUT", "/sim/faults", plans("market_streams_dead", "server_error"))
            gone_ms = CLOCK.ticking_ms()
            await until(lambda: data.silent() == set(SYMBOLS))
            silent_ms = CLOCK.ticking_ms()
            assert silent_ms - gone_ms < STALE_MS + 2_000
            await until(lambda: CLOCK.ticking_ms() - silent_ms > 1_000)
            assert kept.marked(silent_ms + EVERY_MS) == set()
            assert min(data.ages_ms().values()) > STALE_MS

            moving.ask("PUT", "/sim/faults", plans())
            await until(lambda: data.silent() == set() and kept.marked(silent_ms + EVERY_MS) == set(SYMBOLS))

    asyncio.run(story())
