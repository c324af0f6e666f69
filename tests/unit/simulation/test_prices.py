"""The price processes: reproducible, on the grid, and obedient to the script."""

from decimal import Decimal
from itertools import pairwise

from streams.desk.messages import Mark
from streams.simulation.market import MARKETS, instrument, market_for, markets_for
from streams.simulation.plan import START_MS
from streams.simulation.prices import Crash, Prices, Silence

STEP_MS = 100
KNOWN = ("64592.4", "64593.8", "64592.4", "64592.3", "64592.4", "2200000")
"""The twenty thousandth mark of seed 1: another figure here is another generator, and every generated tape is another."""


def marks_of(prices: Prices, index: int, count: int, from_step: int = 1) -> list[Mark]:
    made = (prices.mark(index, START_MS + number * prices.step_ms) for number in range(from_step, from_step + count))
    return [mark for mark in made if mark is not None]


def test_the_same_seed_gives_the_same_marks() -> None:
    first, second = (Prices(7, MARKETS, START_MS) for _ in range(2))
    assert marks_of(first, 0, 500) == marks_of(second, 0, 500)


def test_another_seed_gives_another_day() -> None:
    assert marks_of(Prices(7, MARKETS, START_MS), 0, 500) != marks_of(Prices(8, MARKETS, START_MS), 0, 500)


def test_a_known_seed_gives_known_prices_on_every_machine() -> None:
    last = marks_of(Prices(1, MARKETS[:1], START_MS), 0, 20_000)[-1]
    assert tuple(str(figure) for figure in (last.mark, last.high, last.low, last.bid, last.ask, last.depth)) == KNOWN


def test_every_mark_is_on_the_grid_and_in_order() -> None:
    for index, market in enumerate(MARKETS):
        for mark in marks_of(Prices(3, MARKETS, START_MS), index, 300):
            for price in (mark.mark, mark.high, mark.low, mark.bid, mark.ask):
                assert price % market.tick == 0
            assert 0 < mark.low <= mark.mark <= mark.high
            assert 0 < mark.bid < mark.ask
            assert mark.depth > 0


def test_marks_have_distinct_ids_and_rising_times() -> None:
    marks = marks_of(Prices(3, MARKETS, START_MS), 2, 1_000)
    assert len({mark.mark_id for mark in marks}) == len(marks)
    assert all(before.ts < after.ts for before, after in pairwise(marks))


def test_a_mark_covers_the_way_from_the_one_before() -> None:
    for before, after in pairwise(marks_of(Prices(3, MARKETS, START_MS), 1, 1_000)):
        assert after.low <= before.mark <= after.high


def test_symbols_follow_the_market_together() -> None:
    prices = Prices(11, MARKETS[:2], START_MS)
    same = steps = 0
    before = [Decimal(0), Decimal(0)]
    for number in range(1, 40_001):
        marks = [prices.mark(index, START_MS + number * STEP_MS) for index in range(2)]
        if number % 600 == 0:
            now = [mark.mark for mark in marks if mark is not None]
            if before[0]:
                steps += 1
                same += (now[0] > before[0]) == (now[1] > before[1])
            before = now
    assert same / steps > 0.55


def test_every_regime_comes_in_its_turn() -> None:
    prices = Prices(5, MARKETS[:1], START_MS, 1_000)
    seen = set()
    for number in range(1, 20_000):
        prices.mark(0, START_MS + number * 1_000)
        seen.add(prices.regime(0))
    assert seen == {"TREND", "RANGE", "VOLATILE"}


def test_a_crash_takes_as_much_as_was_written_in_the_time_that_was_written() -> None:
    prices = Prices(2, MARKETS[:2], START_MS, 100, [Crash("ETHUSDT", START_MS + 10_000, 2_500, 60_000)])
    marks = marks_of(prices, 1, 720)
    before, after = marks[98].mark, marks[699].mark
    assert Decimal("0.749") < after / before < Decimal("0.751")
    assert prices.regime(1) == "VOLATILE"


def test_a_crash_of_one_symbol_leaves_the_others() -> None:
    crashed = Prices(2, MARKETS[:2], START_MS, 100, [Crash("ETHUSDT", START_MS + 1_000, 2_500, 5_000)])
    assert marks_of(crashed, 0, 200)[-1].mark > Decimal(63_000)


def test_a_silent_feed_sends_nothing_for_as_long_as_was_written() -> None:
    prices = Prices(2, MARKETS[:1], START_MS, 100, [Silence("BTCUSDT", START_MS + 5_000, 3_000)])
    given = [prices.mark(0, START_MS + number * 100) is not None for number in range(1, 200)]
    assert [number for number, there in enumerate(given, 1) if not there] == list(range(50, 80))


def test_the_average_range_is_a_price_of_the_grid_and_never_zero() -> None:
    prices = Prices(2, MARKETS, START_MS)
    for index, market in enumerate(MARKETS):
        assert prices.atr(index) > 0
        assert prices.atr(index) % market.tick == 0


def test_a_symbol_nobody_listed_gets_plain_figures_by_its_name() -> None:
    assert market_for("FOOUSDT") == market_for("FOOUSDT")
    assert market_for("FOOUSDT").base == "FOO"
    assert len({market.symbol for market in markets_for(25)}) == 25


def test_an_instrument_says_what_its_market_says() -> None:
    told = instrument(MARKETS[0], START_MS, START_MS + 1)
    assert (told.symbol, told.base, told.quote, told.tick_size, told.step_size) == (
        "BTCUSDT",
        "BTC",
        "USDT",
        Decimal("0.1"),
        Decimal("0.001"),
    )
