"""Liquidity over several venues: sums of what is known, and who it is of."""

from decimal import Decimal

from connectors.exchange.liquidity import DEPTH_AGE_MS, VOLUME_AGE_MS, Liquidities, spread_bps

BTC = "BTCUSDT"
TOUCH = Decimal("999.5"), Decimal("1000.5")


def known() -> Liquidities:
    liquidities = Liquidities(["own", "other", "third"])
    liquidities.take_volume("own", BTC, Decimal(1_000), 0)
    liquidities.take_volume("other", BTC, Decimal(500), 0)
    liquidities.take_depth("other", BTC, Decimal(70), 0)
    return liquidities


def test_depth_and_volume_are_sums_over_the_venues_that_answered_and_these_are_named() -> None:
    said = known().of(BTC, Decimal(100), TOUCH, 7, 1_000)

    assert (said.depth, said.volume_24h, said.venues, said.ts) == (Decimal(170), Decimal(1_500), ("own", "other"), 7)
    assert said.spread_bps == 10


def test_a_venue_that_has_fallen_silent_counts_as_nothing() -> None:
    liquidities = known()

    assert liquidities.of(BTC, Decimal(100), TOUCH, 7, DEPTH_AGE_MS).venues == ("own", "other")
    assert liquidities.of(BTC, Decimal(100), TOUCH, 7, DEPTH_AGE_MS + 1).venues == ("own",)


def test_without_the_own_venues_volume_nobody_knows_it() -> None:
    liquidities = Liquidities(["own", "other"])
    liquidities.take_volume("other", BTC, Decimal(500), 0)
    assert liquidities.volume_24h(BTC, 0) is None

    liquidities.take_volume("own", BTC, Decimal(1_000), 0)
    assert liquidities.volume_24h(BTC, VOLUME_AGE_MS) == 1_500
    assert liquidities.volume_24h(BTC, VOLUME_AGE_MS + 1) is None


def test_a_volume_is_asked_for_again_after_a_while() -> None:
    liquidities = known()

    assert liquidities.volume_due("third", BTC, 60_000, 0)
    assert not liquidities.volume_due("own", BTC, 60_000, 59_999)
    assert liquidities.volume_due("own", BTC, 60_000, 60_000)


def test_the_same_said_twice_has_the_same_id_and_anything_else_another() -> None:
    ids = [
        known().of(BTC, depth, touch, ts, 0).liquidity_id
        for depth, touch, ts in ((Decimal(1), TOUCH, 7), (Decimal(1), TOUCH, 7), (Decimal(2), TOUCH, 7), (Decimal(1), TOUCH, 8))
    ]

    assert (len(set(ids)), ids[0]) == (3, ids[1])


def test_a_spread_is_rounded_up() -> None:
    assert spread_bps(Decimal(3), Decimal(4)) == Decimal("2857.1428571429")
