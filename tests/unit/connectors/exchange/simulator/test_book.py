"""The book of a market: as deep as the market is, taken level by level, new with each step; and the candles of what was traded."""

from decimal import Decimal

import pytest

from connectors.exchange.simulator.candles import DAY_MS
from connectors.exchange.simulator.engine import STEP_MS
from connectors.exchange.simulator.markets import symbols
from streams.simulation.market import FUNDING_INTERVAL_S
from tests.exchange_kit import BTC, Scene, dec


@pytest.mark.parametrize("name", [one.symbol for one in symbols(6)])
@pytest.mark.parametrize("share", ["1", "0.25"])
def test_within_ten_basis_points_a_side_holds_its_depth_times_the_share(name: str, share: str) -> None:
    scene = Scene()
    scene.to("150.5", name, depth_share=dec(share))

    bids, asks, _ = scene.engine.depth(name, 1_000)

    for levels in (bids, asks):
        near = sum(price * quantity for price, quantity in levels if abs(price - levels[0][0]) <= dec("0.1505"))
        assert near == pytest.approx(scene.symbol(name).depth_usd * dec(share), rel=Decimal("0.15"))


def test_bids_fall_asks_rise_and_the_spread_lies_around_the_mark() -> None:
    scene = Scene()
    scene.to(60_000, spread_ticks=7)

    bids, asks, _ = scene.engine.depth(BTC, 20)

    assert [price for price, _ in bids] == sorted({price for price, _ in bids}, reverse=True)
    assert [price for price, _ in asks] == sorted({price for price, _ in asks})
    assert len(bids) == len(asks) == 20
    assert asks[0][0] - bids[0][0] == 7 * scene.symbol().tick_size
    assert bids[0][0] <= 60_000 <= asks[0][0]
    quote = scene.engine.quote(BTC)
    assert (quote.bid, quote.ask) == (bids[0][0], asks[0][0])


def test_what_is_taken_is_gone_until_the_price_makes_its_next_step() -> None:
    scene = Scene()
    _, before, first_id = scene.engine.depth(BTC, 3)
    scene.buy(before[0][1] + dec("0.5"))

    bids, after, second_id = scene.engine.depth(BTC, 2)
    assert [price for price, _ in after] == [before[1][0], before[2][0]]
    assert after[0][1] == before[1][1] - dec("0.5")
    assert scene.engine.quote(BTC).ask == after[0][0]
    assert second_id > first_id
    assert bids[0][0] < before[0][0]

    scene.later()
    _, new, third_id = scene.engine.depth(BTC, 1)
    assert new[0][0] == before[0][0]
    assert third_id > second_id


def test_a_book_is_the_same_whether_anybody_looked_before_or_not() -> None:
    curious, calm = Scene(), Scene()
    for _ in range(5):
        curious.engine.depth(BTC, 5)
        curious.later()
        calm.later()

    assert curious.engine.depth(BTC, 60) == calm.engine.depth(BTC, 60)
    assert Scene(seed=8).engine.depth(BTC, 60)[1] != Scene(seed=7).engine.depth(BTC, 60)[1]


def test_funding_is_exchanged_as_often_as_in_the_generated_market() -> None:
    assert {one.funding_interval_ms for one in symbols(21)} == {FUNDING_INTERVAL_S * 1_000}


def test_a_price_times_a_quantity_has_no_more_decimals_than_money() -> None:
    for one in symbols(21):
        assert (one.tick_size * one.step_size) % dec("0.00000001") == 0


def test_candles_hold_open_high_low_close_and_are_joined_to_longer_ones() -> None:
    scene = Scene()
    minute_ms = 60_000
    scene.later(minute_ms - scene.now_ms % minute_ms)
    for mark in ("60100", "59900", "60050"):
        scene.to(mark)
    scene.later(minute_ms)
    scene.to("60500")

    first, second = scene.engine.candles(BTC, minute_ms, 2)

    assert (first.high, first.low, first.close) == (dec("60100"), dec("59899.9"), dec("60050"))
    assert first.close_ms - first.open_ms == minute_ms - 1
    assert first.open_ms % minute_ms == 0
    assert second.open_ms == first.open_ms + minute_ms
    assert second.high == dec("60500")
    (joined,) = scene.engine.candles(BTC, 60 * minute_ms, 1)
    both = scene.engine.candles(BTC, minute_ms, 10)
    assert (joined.open, joined.close) == (both[0].open, both[-1].close)
    assert joined.high == dec("60500")
    assert joined.volume == sum(one.volume for one in both)
    assert joined.trades == sum(one.trades for one in both)


def test_a_day_has_volume_from_the_first_moment_on_and_ours_comes_on_top() -> None:
    scene = Scene()
    quantity, value = scene.engine.day_volume(BTC)
    assert value > 10 * scene.symbol().depth_usd

    scene.buy(3)

    assert scene.engine.day_volume(BTC)[0] == quantity + 3
    scene.later(DAY_MS)
    assert scene.engine.day_volume(BTC)[1] > 10 * scene.symbol().depth_usd


def test_a_long_pause_costs_a_bounded_number_of_steps() -> None:
    scene = Scene()
    seen = scene.engine.depth(BTC, 1)[2]

    scene.later(7 * DAY_MS + 1)

    assert scene.engine.depth(BTC, 1)[2] - seen <= 3_000
    scene.later(STEP_MS)
    assert scene.engine.quote(BTC).ts == scene.now_ms
