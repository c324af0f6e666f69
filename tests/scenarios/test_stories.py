"""The days with a story tell it."""

from collections import Counter

import pytest

from streams.desk.outputs import Cancel, Decision, Order
from streams.simulation.scenarios import SCENARIOS, Scenario


def told(name: str, seed: int = 1) -> tuple[Scenario, Counter[str]]:
    scenario = SCENARIOS[name](seed)
    heard: Counter[str] = Counter()
    for _, outcome in scenario.run():
        for output in outcome.outputs:
            if isinstance(output, Decision):
                heard[f"{output.kind} {output.verdict} {output.code}"] += 1
                if output.kind == "ESS":
                    heard[" ".join(output.reason.split()[:2])] += 1
            elif isinstance(output, Order | Cancel):
                heard[type(output).__name__] += 1
    return scenario, heard


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_a_story_is_the_same_every_time(name: str) -> None:
    first, second = told(name), told(name)
    assert first[1] == second[1]
    assert {name: account.chain for name, account in first[0].world.state.accounts.items()} == {
        name: account.chain for name, account in second[0].world.state.accounts.items()
    }


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_at_the_end_of_a_story_the_books_agree(name: str) -> None:
    world = told(name)[0].world
    for account in world.accounts:
        held = {symbol: position.quantity for symbol, position in world.state.accounts[account].positions.items()}
        assert held == world.venue.books.positions(account)


def test_a_quiet_day_trips_nothing() -> None:
    heard = told("quiet-day")[1]
    assert heard["Order"] > 20
    assert not any(line.startswith("TRIPPED") for line in heard)


def test_a_flash_crash_trips_its_holders_and_silence_trips_too() -> None:
    heard = told("flash-crash")[1]
    assert heard["TRIPPED cause=FLASH_CRASH"] > 0
    assert heard["TRIPPED cause=STALE_MARK"] > 0
    assert heard["EXIT APPROVED FLATTEN"] > 0
    assert heard["COMMAND APPLIED RESET"] > 0


def test_a_flood_fills_the_queue_drops_and_expires() -> None:
    heard = told("signal-flood")[1]
    assert heard["SIGNAL DROPPED QUEUE_FULL"] > 500
    assert heard["SIGNAL DROPPED SIGNAL_EXPIRED"] > 50


def test_a_day_of_partial_fills_shows_every_trouble_of_an_order() -> None:
    scenario, heard = told("partial-fills")
    assert scenario.world.kinds["Fill"] > 2 * heard["Order"]
    assert heard["ALERT ALERT FILL_AFTER_END"] > 0
    assert heard["ALERT ALERT ORDER_FATE_UNKNOWN"] > 0
    assert heard["Cancel"] > 5


def test_the_emergency_stop_lives_through_its_whole_cycle() -> None:
    heard = told("ess-life-cycle")[1]
    assert heard["TRIPPED cause=DRAWDOWN"] == 1
    assert heard["TRIPPED cause=COMMAND"] == 2
    assert heard["COMMAND REFUSED RESET_UNSIGNED"] == 1
    assert heard["COMMAND REFUSED ESS_COOLDOWN"] == 1
    assert heard["COMMAND REFUSED ESS_NOT_TRIPPED"] == 2
    assert heard["COMMAND APPLIED RESET"] == 3


def test_fees_and_funding_reach_the_books() -> None:
    scenario, heard = told("fees-and-funding")
    accounts = scenario.world.state.accounts
    assert all(account.fees > 0 for account in accounts.values())
    assert any(account.funding != 0 for account in accounts.values())
    assert heard["ALERT ALERT ADJUSTED"] == heard["ALERT ALERT ADJUSTMENT_REVERSED"] == 1
