"""Other venues: what of them is ours, and that none of their troubles is anybody else's."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from ccxt.base.errors import BadSymbol, ExchangeNotAvailable, RateLimitExceeded  # type: ignore[import-untyped]  # ccxt says nothing about its types

from connectors.exchange.ccxt_answers import Unreadable
from connectors.exchange.liquidity import Liquidities
from connectors.exchange.market_venues import EVERY_S, VENUES_MAX, WAIT_S_MAX, OtherVenue, known, opened, refuse
from streams.exchange.errors import Fatal
from tests.virtual_loop import Clock, run

BTC = "BTCUSDT"
PAIRS = {BTC: ("BTC", "USDT")}


class Venue:
    """A venue as ccxt shows it."""

    def __init__(self, **market: Any) -> None:
        self.market_row = {"symbol": "BTC/USDT:USDT", "swap": True, "linear": True, "contractSize": None, **market}
        self.book: Mapping[str, Any] = {"bids": [[999.5, 2.0]], "asks": [[1000.5, 4.0, 7]]}
        self.ticker: Mapping[str, Any] = {"quoteVolume": 1234.5}
        self.failure: Exception | None = None
        self.asked: list[str] = []

    async def load_markets(self) -> None:
        self.asked.append("markets")
        if self.failure is not None:
            raise self.failure

    def market(self, symbol: str) -> Mapping[str, Any]:
        if symbol != self.market_row["symbol"]:
            raise BadSymbol(symbol)
        return self.market_row

    async def fetch_order_book(self, symbol: str, limit: int) -> Mapping[str, Any]:
        self.asked.append(f"book {symbol} {limit}")
        return self.book

    async def fetch_ticker(self, symbol: str) -> Mapping[str, Any]:
        self.asked.append(f"ticker {symbol}")
        return self.ticker

    async def close(self) -> None:
        self.asked.append("closed")


class Rig:
    """A venue that is asked for a while, in virtual time."""

    def __init__(self, venue: Venue, pairs: Mapping[str, tuple[str, str]] = PAIRS) -> None:
        self.venue, self.pairs, self.told = venue, dict(pairs), list[str]()
        self.liquidities = Liquidities(["own", "other"])
        self.clock = Clock()
        self.other = OtherVenue("other", venue, self.told.append)

    def run(self, seconds: float) -> None:
        async def story() -> None:
            asking = asyncio.create_task(self.other.run(self.pairs, self.liquidities, self.clock.ticking_ms, asyncio.sleep))
            await asyncio.sleep(seconds)
            asking.cancel()

        run(story, clock=self.clock)

    def depth(self) -> Decimal | None:
        said = self.liquidities.of(BTC, Decimal(0), (Decimal(1), Decimal(1)), 1, self.clock.ticking_ms())
        return said.depth if said.venues == ("own", "other") else None


def test_depth_and_volume_are_taken() -> None:
    rig = Rig(Venue())
    rig.liquidities.take_volume("own", BTC, Decimal(1), 0)
    rig.run(1)

    assert rig.depth() == 1999
    assert rig.liquidities.volume_24h(BTC, 0) == Decimal("1235.5")
    assert rig.told == []


def test_contracts_are_turned_into_coins() -> None:
    rig = Rig(Venue(contractSize=0.01))
    rig.run(1)

    assert rig.depth() == Decimal("19.99")


def test_books_are_asked_for_every_ten_seconds_and_volumes_every_minute() -> None:
    rig = Rig(Venue())
    rig.run(60 + EVERY_S / 2)

    assert (rig.venue.asked.count("book BTC/USDT:USDT 100"), rig.venue.asked.count("ticker BTC/USDT:USDT")) == (7, 2)


def test_a_volume_that_is_not_said_stays_unknown() -> None:
    rig = Rig(Venue())
    rig.venue.ticker = {"quoteVolume": None}
    rig.run(1)

    assert rig.depth() == 1999
    assert rig.liquidities.volume_due("other", BTC, 60_000, 0)


@pytest.mark.parametrize(
    "failure",
    [ExchangeNotAvailable("down"), RateLimitExceeded("slow down"), OSError("no way"), ValueError("nonsense"), KeyError("bids")],
)
def test_a_venue_in_trouble_raises_nothing_is_told_of_once_and_left_alone_for_longer(failure: Exception) -> None:
    rig = Rig(Venue())
    rig.venue.failure = failure
    rig.run(2 * WAIT_S_MAX)

    assert len(rig.told) == 1
    assert rig.told[0].startswith(f"other does not tell about {BTC}: {type(failure).__name__}")
    assert len(rig.venue.asked) < 8
    assert rig.depth() is None

    rig.venue.failure = None
    rig.run(1)
    assert rig.told[1:] == [f"other tells about {BTC} again"]
    assert rig.depth() == 1999


def test_a_market_it_does_not_have_is_nothing_and_no_trouble() -> None:
    rig = Rig(Venue(), {"ADAUSDT": ("ADA", "USDT"), **PAIRS})
    rig.run(EVERY_S * 1.5)

    assert rig.depth() == 1999
    assert len(rig.told) == 1
    assert "has no market for ADAUSDT" in rig.told[0]


@pytest.mark.parametrize("market", [{"swap": False}, {"linear": False}])
def test_only_a_linear_swap_is_the_same_thing(market: dict[str, bool]) -> None:
    rig = Rig(Venue(**market))
    rig.run(1)

    assert rig.depth() is None


def test_a_book_that_cannot_be_read_is_no_book() -> None:
    rig = Rig(Venue())
    rig.venue.book = {"bids": [[float("nan"), 1.0]], "asks": [[1.0, 1.0]]}
    rig.run(1)

    assert rig.depth() is None
    assert "Unreadable" in rig.told[0]


def test_figures_keep_their_digits() -> None:
    assert known(0.1) == Decimal("0.1")
    assert known(Decimal("1.123456789019")) == Decimal("1.1234567890")
    for bad in (True, "1", None, -1, float("inf")):
        with pytest.raises(Unreadable):
            known(bad)


@pytest.mark.parametrize(
    ("names", "own"),
    [(["bybit", "bybit"], "sim"), (["nowhere"], "sim"), (["binanceusdm"], "binance"), (["kraken"] * (VENUES_MAX + 1), "sim")],
)
def test_venues_that_cannot_be_meant_are_refused(names: list[str], own: str) -> None:
    with pytest.raises(Fatal, match="QTS_MARKET_VENUES"):
        refuse(names, own)


def test_every_venue_is_opened_without_keys_and_repeats_nothing() -> None:
    async def story() -> tuple[str, Any]:
        venue = opened("bybit")
        await venue.close()
        return venue.apiKey or "", venue.options["maxRetriesOnFailure"]

    assert asyncio.run(story()) == ("", 0)
