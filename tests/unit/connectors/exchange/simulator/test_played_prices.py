"""Prices from a file: marks stand until the next, candles are walked from open over both extremes to close."""

from decimal import Decimal

import pytest

from connectors.exchange.simulator.markets import market_for
from connectors.exchange.simulator.played_prices import BadPrices, PlayedPrices, played

BITCOIN, ETHER = market_for("BTCUSDT").symbol, market_for("ETHUSDT").symbol
START_MS = 5_000_000
MARKS = """ts_ms,symbol,mark,bid,ask,depth
1000,BTCUSDT,60000,59999.9,60000.2,1250000
1500,ETHUSDT,3000.05,,,
2000,BTCUSDT,59000.5,59000.4,59000.5,
"""
KLINES = """open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore
1704067200000,100.0,130.0,90.0,120.0,5,1704067259999,500,10,2,200,0
1704067260000,120.0,125.0,60.0,80.0,5,1704067319999,500,10,2,200,0
"""


def marks(text: str = MARKS) -> PlayedPrices:
    return played("marks.csv", text.splitlines(), [BITCOIN, ETHER], START_MS)


def klines(text: str = KLINES) -> PlayedPrices:
    return played("BTCUSDT-1m.csv", text.splitlines(), [BITCOIN], START_MS)


def test_the_file_begins_with_the_run_and_a_mark_stands_until_the_next() -> None:
    prices = marks()

    shown = [prices.at("BTCUSDT", START_MS + at_ms).mark for at_ms in (-5, 0, 999, 1_000, 10_000_000)]

    assert shown == [Decimal(one) for one in ("60000.0", "60000.0", "60000.0", "59000.5", "59000.5")]
    assert prices.at("ETHUSDT", START_MS).mark == Decimal("3000.05")


def test_spread_and_depth_are_those_of_the_file_where_it_has_them() -> None:
    first, second = (marks().at("BTCUSDT", START_MS + at_ms) for at_ms in (0, 1_000))

    assert (first.spread_ticks, first.depth_share) == (3, Decimal("0.5"))
    assert (second.spread_ticks, second.depth_share) == (1, Decimal(1))
    assert marks("ts_ms,symbol,mark\n1,BTCUSDT,5").at("BTCUSDT", START_MS).mark == 5


@pytest.mark.parametrize("with_header", [True, False])
def test_a_candle_goes_to_its_nearer_extreme_first(with_header: bool) -> None:
    prices = klines(KLINES if with_header else KLINES.partition("\n")[2])

    thirds_ms = (0, 19_999, 39_999, 59_999, 60_000, 79_999, 99_999, 119_999)
    thirds = [round(prices.at("BTCUSDT", START_MS + at_ms).mark) for at_ms in thirds_ms]

    assert thirds == [100, 90, 130, 120, 120, 125, 60, 80]


def test_between_two_points_a_candle_is_walked_evenly_and_after_the_last_it_stands() -> None:
    prices = klines()

    assert prices.at("BTCUSDT", START_MS + 10_000).mark == Decimal("94.9")  # 95 would be a hair later
    assert prices.at("BTCUSDT", START_MS + 10_000_000).mark == 80


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":1: is empty"),
        ("ts_ms,symbol\n", ":1: a header"),
        ("ts_ms,symbol,mark,volume\n", ":1: a header"),
        ("ts_ms,symbol,mark\n", ":1: has no prices"),
        ("ts_ms,symbol,mark\n1,BTCUSDT", ":2: has 2 columns, the header has 3"),
        ("ts_ms,symbol,mark\n1,NOPE,5", ":2: NOPE is not listed"),
        ("ts_ms,symbol,mark\n1,BTCUSDT,NaN", ":2: NaN is no price"),
        ("ts_ms,symbol,mark\n1,BTCUSDT,0.01", ":2: 0.01 is below one tick"),
        ("ts_ms,symbol,mark\n1,BTCUSDT,x", ":2: 'x' is no number"),
        ("ts_ms,symbol,mark\nnow,BTCUSDT,5", ":2: 'now' is no time"),
        ("ts_ms,symbol,mark\n2,BTCUSDT,5\n2,BTCUSDT,5", ":3: BTCUSDT is not later"),
        ("ts_ms,symbol,mark,bid,ask\n2,BTCUSDT,5,6,6", ":2: the ask is not above the bid"),
    ],
)
def test_a_bad_file_of_marks_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(BadPrices, match=problem):
        marks(text)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1,100,90,80,85,5,60000", ":1: is no candle"),
        ("1,100,110,90,105", ":1: a candle has"),
        ("1704067200000000,100,110,90,105,5,1704067259999999", "is no time in milliseconds"),
    ],
)
def test_a_bad_candle_is_refused_with_its_line(row: str, problem: str) -> None:
    with pytest.raises(BadPrices, match=problem):
        klines(row)


def test_candles_are_of_one_symbol() -> None:
    with pytest.raises(BadPrices, match="of one symbol, 2 were named"):
        played("x.csv", KLINES.splitlines(), [BITCOIN, ETHER], START_MS)
