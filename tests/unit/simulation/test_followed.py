"""A market that is followed by its marks: what is made of them."""

from decimal import Decimal

from streams.desk.messages import Mark
from streams.simulation.followed import FollowedMarket
from streams.simulation.market import MARKETS

START_MS = 1_780_000_000_000
BTC, ETH = MARKETS[:2]
OPEN = Decimal("64321.0")


def mark(price: Decimal, after_ms: int = 0, symbol: str = BTC.symbol, wick: Decimal = Decimal(0)) -> Mark:
    figures = (price, price + wick, price - wick, price, price, Decimal(10**6), Decimal("0.0001"))
    return Mark(f"{symbol}-{after_ms}", symbol, *figures, START_MS + after_ms)


def market() -> FollowedMarket:
    return FollowedMarket((BTC, ETH))


def test_it_is_complete_once_every_symbol_has_a_price() -> None:
    followed = market()
    looks = [followed.complete]
    for one in (mark(OPEN), mark(Decimal("3415.50"), symbol=ETH.symbol)):
        followed.take(one)
        looks.append(followed.complete)

    assert looks == [False, False, True]
    assert [followed.last(0), followed.last(1)] == [mark(OPEN), mark(Decimal("3415.50"), symbol=ETH.symbol)]


def test_a_mark_that_is_late_and_one_of_another_symbol_say_nothing() -> None:
    followed = market()
    followed.take(mark(OPEN, 1_000))
    followed.take(mark(OPEN + 100, 900))
    followed.take(mark(OPEN, symbol="NOTLISTEDUSDT"))

    assert followed.last(0) == mark(OPEN, 1_000)
    assert followed.momentum_ppm(0) == 0


def test_momentum_is_how_far_the_price_has_left_its_slow_average_and_wears_off() -> None:
    followed = market()
    followed.take(mark(OPEN))
    assert followed.momentum_ppm(0) == 0
    followed.take(mark(OPEN * Decimal("1.001"), 1_000))
    risen = followed.momentum_ppm(0)
    for second in range(2, 600):
        followed.take(mark(OPEN * Decimal("1.001"), 1_000 * second))

    assert 900 < risen < 1_000
    assert 0 <= followed.momentum_ppm(0) < 20


def test_before_there_are_bars_the_range_is_the_one_the_market_is_known_for() -> None:
    followed = market()

    assert Decimal("0.002") < followed.atr(0) / OPEN < Decimal("0.005")
    assert followed.atr(0) % BTC.tick == 0


def test_the_range_follows_the_bars() -> None:
    followed = market()
    expected = followed.atr(0)
    for second in range(1_300):
        followed.take(mark(OPEN, 1_000 * second, wick=expected * 2))

    assert followed.atr(0) > 2 * expected


def test_far_from_its_average_is_a_trend_and_a_wide_bar_is_volatile() -> None:
    followed = market()
    followed.take(mark(OPEN))
    assert followed.regime(0) == "RANGE"
    followed.take(mark(OPEN + followed.atr(0), 100))
    assert followed.regime(0) == "TREND"
    followed.take(mark(OPEN, 200, wick=followed.atr(0) * 2))
    assert followed.regime(0) == "VOLATILE"


def test_without_a_price_there_is_no_momentum_and_no_mark() -> None:
    followed = market()

    assert (followed.last(1), followed.momentum_ppm(1), followed.regime(1)) == (None, 0, "RANGE")
