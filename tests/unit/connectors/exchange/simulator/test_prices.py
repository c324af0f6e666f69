"""Simulated prices are a function of the seed and the time alone, and do what prices do: storm, jump, move together."""

import math
from decimal import Decimal
from itertools import pairwise

import pytest

from connectors.exchange.simulator.markets import LISTED, market_for, symbols
from connectors.exchange.simulator.ports import PricePoint
from connectors.exchange.simulator.prices import SeededPrices

START_MS = 1_700_000_000_000
THREE = symbols(3)
MINUTE_MS = 60_000


def opened(seed: int = 7) -> SeededPrices:
    return SeededPrices(seed, THREE, START_MS)


def returns(prices: SeededPrices, symbol: str, every_ms: int, count: int) -> list[float]:
    marks = [prices.at(symbol, START_MS + every_ms * number).mark for number in range(count + 1)]
    return [float(now / before - 1) for before, now in pairwise(marks)]


def correlation(left: list[float], right: list[float]) -> float:
    both = sum(one * other for one, other in zip(left, right, strict=True))
    norm = sum(one * one for one in left) * sum(other * other for other in right)
    return both / math.sqrt(norm)


@pytest.mark.parametrize("spacing_ms", [37, 100, 1_000, 59_999])
def test_how_often_anybody_asks_changes_nothing(spacing_ms: int) -> None:
    often, once = opened(), opened()
    for now_ms in range(START_MS, START_MS + MINUTE_MS * 5, spacing_ms):
        often.at("BTCUSDT", now_ms)

    end_ms = START_MS + MINUTE_MS * 5
    assert often.at("BTCUSDT", end_ms) == once.at("BTCUSDT", end_ms)


def test_for_which_symbols_anybody_asks_changes_nothing() -> None:
    alone, among = opened(), SeededPrices(7, symbols(20), START_MS)
    for number in range(600):
        for name in LISTED:
            among.at(name, START_MS + number * 100)

    assert alone.at("BNBUSDT", START_MS + 60_000) == among.at("BNBUSDT", START_MS + 60_000)


def test_a_seed_is_a_market_of_its_own_and_the_same_on_every_machine() -> None:
    hour_ms = START_MS + 60 * MINUTE_MS

    assert opened(1).at("BTCUSDT", hour_ms) != opened(2).at("BTCUSDT", hour_ms)
    assert opened(7).at("BTCUSDT", hour_ms) == PricePoint(
        Decimal("64515.7"), Decimal("64524.9"), 1, Decimal("0.8550"), Decimal("-0.00004264")
    )


def test_it_opens_at_the_starting_price_and_stays_on_the_grid() -> None:
    prices = opened()

    assert prices.at("BTCUSDT", START_MS).index_price == market_for("BTCUSDT").start_price
    for number in range(500):
        point = prices.at("BTCUSDT", START_MS + number * 1_000)
        assert point.mark % Decimal("0.1") == 0
        assert point.mark > 0
        assert point.spread_ticks >= 1
        assert 0 < point.depth_share < 2


def test_symbols_move_together_but_not_alike() -> None:
    prices = opened()
    bitcoin, ether = (returns(prices, name, 10_000, 1_000) for name in ("BTCUSDT", "ETHUSDT"))

    assert 0.2 < correlation(bitcoin, ether) < 0.9


def test_volatility_comes_and_goes_and_thins_the_book() -> None:
    prices = opened()
    moves: dict[bool, list[float]] = {True: [], False: []}
    mark = prices.at("BTCUSDT", START_MS + 1_000).mark
    for number in range(2, 20_000):
        point = prices.at("BTCUSDT", START_MS + number * 1_000)
        moves[point.depth_share < Decimal("0.5")].append(abs(float(point.mark / mark - 1)))
        mark = point.mark

    assert len(moves[True]) > 100
    assert sum(moves[True]) / len(moves[True]) > 1.8 * sum(moves[False]) / len(moves[False])


def test_prices_jump_now_and_then() -> None:
    prices = opened()
    steps = returns(prices, "BTCUSDT", 100, 200_000)

    assert max(abs(step) for step in steps) > 0.002
    assert sum(abs(step) > 0.002 for step in steps) < 100


def test_funding_wanders_around_its_base() -> None:
    prices = opened()
    rates = {prices.at("ETHUSDT", START_MS + number * MINUTE_MS).funding_rate for number in range(500)}

    assert len(rates) > 300
    assert all(abs(rate) <= Decimal("0.003") for rate in rates)
    assert abs(sum(rates, Decimal(0)) / len(rates) - Decimal("0.0001")) < Decimal("0.0005")


def test_an_unlisted_symbol_has_a_price_too() -> None:
    made_up = symbols(22)[-1]

    point = SeededPrices(1, [made_up], START_MS).at(made_up.symbol, START_MS)

    assert point.mark == market_for(made_up.symbol).start_price
