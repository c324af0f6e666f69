"""The exchange's own books: whole, exact, and they tell who sent something twice."""

import json
from decimal import Decimal

from connectors.exchange.simulator.clocks import ManualClock
from connectors.exchange.simulator.faults import FaultPlan
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.truth import SentTwice, books, sent_twice, state
from tests.exchange_kit import BTC, ETH, START_MS, Scene


def house_of(scene: Scene) -> House:
    """Put a scene into a house, whose clock stands where the scene's does."""
    return House(scene.engine, ManualClock(scene.now_ms), FaultPlan((), 7, START_MS), 7, START_MS)


def test_they_hold_everything_of_an_account_and_survive_json_to_the_last_digit() -> None:
    scene = Scene()
    scene.buy("0.123")
    scene.buy("0.1", 59_000)
    scene.stop("SELL", 58_000)
    told = books(house_of(scene))
    alice = json.loads(json.dumps(told))["accounts"]["alice"]

    assert [(row["quantity"], row["status"]) for row in alice["orders"]] == [("0.123", "FILLED"), ("0.1", "NEW")]
    assert [row["status"] for row in alice["algos"]] == ["NEW"]
    assert sum(Decimal(row["quantity"]) for row in alice["trades"]) == Decimal("0.123")
    assert Decimal(alice["balances"]["USDT"]) == scene.wallet()
    assert sum(Decimal(row["amount"]) for row in alice["incomes"]) == scene.wallet() - 100_000
    assert [(row["symbol"], row["quantity"]) for row in alice["positions"]] == [(BTC, "0.123")]
    assert Decimal(alice["available"]) == scene.engine.available("alice")


def test_a_name_that_was_accepted_twice_is_found_whoever_else_uses_it_once() -> None:
    scene = Scene()
    scene.account("bob")
    for account in ("alice", "alice", "bob"):
        scene.buy("0.01", client_id="same", account=account)
    scene.buy("0.01", client_id="once")
    scene.buy("0.01")
    scene.buy("0.01")

    assert sent_twice(books(house_of(scene))) == [SentTwice("alice", "same", 2)]


def test_one_that_is_used_in_two_markets_is_found_too() -> None:
    scene = Scene()
    scene.buy("0.01", client_id="same")
    scene.buy("0.01", client_id="same", symbol=ETH)

    assert sent_twice(books(house_of(scene))) == [SentTwice("alice", "same", 2)]


def test_what_a_stop_became_was_not_sent() -> None:
    scene = Scene()
    scene.buy("0.1")
    scene.stop("SELL", 59_000, client_id="stop")
    scene.to(58_900)
    told = books(house_of(scene))

    assert [row["client_id"] for row in told["accounts"]["alice"]["orders"]][1:] == ["stop"]  # type: ignore[index]  # it is JSON
    assert sent_twice(told) == []


def test_a_liquidation_was_not_sent_either() -> None:
    scene = Scene()
    scene.account("bob", 2_000)
    scene.buy("0.3", account="bob")
    scene.buy("5", account="bob", symbol=ETH)
    scene.to(1_000, ETH)
    told = books(house_of(scene))

    names = [row["client_id"] for row in told["accounts"]["bob"]["orders"]]  # type: ignore[index]  # it is JSON
    assert sum(name.startswith("autoclose-") for name in names) == 2
    assert sent_twice(told) == []


def test_what_was_asked_is_counted_by_account_and_bans_by_address() -> None:
    scene = Scene()
    house = house_of(scene)
    house.meter.take("1.2.3.4", "alice", 5, 1, START_MS)
    house.meter.take("1.2.3.4", "", 2, 0, START_MS)
    told = books(house)

    assert told["accounts"]["alice"]["requests"] == {"requests": 1, "weight": 5, "orders": 1}  # type: ignore[index]  # it is JSON
    assert told["requests_without_key"] == {"requests": 1, "weight": 2, "orders": 0}
    assert told["bans"] == {}
    assert state(house)["seed"] == 7
