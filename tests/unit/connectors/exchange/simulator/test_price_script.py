"""Scripted events move what is shown and leave the path beneath alone."""

from decimal import Decimal

import pytest

from connectors.exchange.simulator.markets import symbols
from connectors.exchange.simulator.plan_file import BadPlan
from connectors.exchange.simulator.price_script import EVENTS_MAX, Crash, ScriptedPrices, Standstill, read_script
from connectors.exchange.simulator.prices import SeededPrices

START_MS = 1_000_000
THREE = symbols(3)


def scripted(*events: Crash | Standstill) -> ScriptedPrices:
    return ScriptedPrices(SeededPrices(3, THREE, START_MS), START_MS, events)


def share(with_events: ScriptedPrices, symbol: str, at_ms: int) -> Decimal:
    """Give the shown price as a share of the one without events."""
    plain = SeededPrices(3, THREE, START_MS).at(symbol, START_MS + at_ms).mark
    return (with_events.at(symbol, START_MS + at_ms).mark / plain).quantize(Decimal("0.0001"))


def test_a_crash_falls_evenly_holds_and_recovers() -> None:
    crash = Crash("BTCUSDT", Decimal(20), 1_000, 4_000, hold_ms=2_000, recovery_ms=10_000, recovery_percent=Decimal(50))
    prices = scripted(crash)

    shares = [share(prices, "BTCUSDT", at_ms) for at_ms in (0, 1_000, 3_000, 5_000, 7_000, 12_000, 17_000, 90_000)]

    assert shares == [Decimal(one) for one in ("1", "1", "0.9", "0.8", "0.8", "0.85", "0.9", "0.9")]


def test_a_crash_concerns_its_symbol_and_one_of_all_everybody() -> None:
    prices = scripted(Crash("BTCUSDT", Decimal(10), 0, 1_000), Crash(None, Decimal(50), 5_000, 0))

    assert share(prices, "ETHUSDT", 2_000) == 1
    assert share(prices, "ETHUSDT", 6_000) == Decimal("0.5")
    assert share(prices, "BTCUSDT", 6_000) == Decimal("0.45")


def test_a_negative_crash_is_a_squeeze() -> None:
    assert share(scripted(Crash("BTCUSDT", Decimal(-30), 0, 1_000)), "BTCUSDT", 2_000) == Decimal("1.3")


def test_a_crash_can_be_ordered_while_it_runs() -> None:
    prices = scripted()
    before = prices.at("BTCUSDT", START_MS + 60_000)
    prices.crash("BTCUSDT", Decimal(15), over_ms=5_000, at_ms=START_MS + 60_000)

    assert prices.at("BTCUSDT", START_MS + 60_000).mark == before.mark
    assert share(prices, "BTCUSDT", 65_000) == Decimal("0.85")


def test_books_are_thin_in_a_crash() -> None:
    plain, prices = scripted(), scripted(Crash("BTCUSDT", Decimal(15), 0, 5_000))

    usual, scared = (one.at("BTCUSDT", START_MS + 3_000) for one in (plain, prices))

    assert scared.depth_share == usual.depth_share / 4
    assert scared.spread_ticks > usual.spread_ticks
    assert prices.at("BTCUSDT", START_MS + 60_000).depth_share == plain.at("BTCUSDT", START_MS + 60_000).depth_share


@pytest.mark.parametrize("spacing_ms", [100, 700, 19_000])
def test_a_price_stands_still_and_then_is_where_it_would_have_been(spacing_ms: int) -> None:
    prices, plain = scripted(Standstill("ETHUSDT", 10_000, 20_000)), scripted()
    held = plain.at("ETHUSDT", START_MS + 10_000)

    shown = {prices.at("ETHUSDT", START_MS + at_ms) for at_ms in range(10_000, 30_000, spacing_ms)}

    assert shown == {held}
    assert prices.at("ETHUSDT", START_MS + 30_000) == plain.at("ETHUSDT", START_MS + 30_000)


def test_a_standstill_ordered_now_holds_the_price_of_now() -> None:
    prices = scripted()
    now = prices.at("ETHUSDT", START_MS + 5_000)
    prices.stand_still("ETHUSDT", for_ms=60_000, at_ms=START_MS + 5_000)

    assert prices.at("ETHUSDT", START_MS + 50_000) == now


def test_a_price_never_reaches_nothing() -> None:
    fallen = scripted(*[Crash(None, Decimal(99), 0, 0)] * 10)

    assert fallen.at("BNBUSDT", START_MS + 1).mark == Decimal("0.01")


def test_events_are_bounded_and_of_listed_symbols() -> None:
    prices = scripted(*[Standstill(None, 0, 1)] * EVENTS_MAX)

    with pytest.raises(ValueError, match="1000 events already"):
        prices.crash("BTCUSDT", Decimal(1), 1, START_MS)
    with pytest.raises(ValueError, match="no symbol NOPE"):
        scripted().crash("NOPE", Decimal(1), 1, START_MS)


def test_a_script_is_read() -> None:
    text = """
prices:
  - {event: crash, symbol: BTCUSDT, percent: 12.5, at_s: 60, over_s: 0.5, hold_s: 1, recovery_s: 2, recovery_percent: 80}
  - {event: crash, percent: 3, at_s: 1, over_s: 2}
  - event: standstill
    symbol: ETHUSDT
    at_s: 30
    for_s: 20
"""
    assert read_script("plan.yaml", text) == (
        Crash("BTCUSDT", Decimal("12.5"), 60_000, 500, 1_000, 2_000, Decimal(80)),
        Crash(None, Decimal(3), 1_000, 2_000, 0, 0, Decimal(100)),
        Standstill("ETHUSDT", 30_000, 20_000),
    )


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("event: flood", r"plan.yaml:2: event: there is no 'flood'; known are crash, standstill"),
        ("event: crash, percent: 100, at_s: 0, over_s: 1", r"percent: 100 is not within -1000 and 99"),
        ("event: crash, percent: 1, at_s: 0", r"has no over_s"),
        ("event: standstill, at_s: 0, for_s: 1, percent: 3", r"percent: is not known here"),
    ],
)
def test_a_bad_script_is_refused_with_its_line(entry: str, problem: str) -> None:
    with pytest.raises(BadPlan, match=problem):
        read_script("plan.yaml", f"prices:\n  - {{{entry}}}\n")
