"""Where orders go, and what has to be said before they go to the real exchange."""

from decimal import Decimal

import pytest

from connectors.exchange.modes import HERE, LIVE, TESTNET, Live, Place, keys_of, live_refusal, mode_of, venue_of, words_of
from streams.exchange.errors import Fatal
from streams.exchange.port import AccountRef

REF = AccountRef("main", "desk one", Decimal(5))
SAID = Live({"main", "two"}, {"main"})


def test_without_a_word_orders_go_to_the_simulator_of_this_machine() -> None:
    venue = venue_of({})

    assert (venue.mode, venue.name) == ("sim", "sim")
    assert venue.places == (Place(HERE, HERE.replace("http", "ws") + "/ws", HERE),)


def test_the_simulator_may_be_elsewhere_and_have_a_second_way_in() -> None:
    venue = venue_of({"QTS_EXCHANGE_URL": "http://127.0.0.1:1/", "QTS_EXCHANGE_BACKUP_URL": "https://sim.test"})

    assert [place.rest_url for place in venue.places] == ["http://127.0.0.1:1", "https://sim.test"]
    assert [place.stream_url for place in venue.places] == ["ws://127.0.0.1:1/ws", "wss://sim.test/ws"]


def test_the_test_network_and_the_real_one_have_their_own_addresses() -> None:
    assert venue_of({"QTS_EXCHANGE_MODE": "testnet"}).places == (TESTNET,)
    assert venue_of({"QTS_EXCHANGE_MODE": "live"}).places == (LIVE,)


def test_a_second_way_in_to_the_real_exchange_has_its_streams_and_permissions_where_they_always_are() -> None:
    first, second = venue_of({"QTS_EXCHANGE_MODE": "live", "QTS_EXCHANGE_BACKUP_URL": "https://fapi1.binance.com"}).places

    assert second == first._replace(rest_url="https://fapi1.binance.com")


@pytest.mark.parametrize(
    "environment",
    [
        {"QTS_EXCHANGE_MODE": "real"},
        {"QTS_EXCHANGE_URL": "127.0.0.1:1"},
        {"QTS_EXCHANGE_URL": "ftp://there"},
        {"QTS_EXCHANGE_MODE": "live", "QTS_EXCHANGE_URL": "http://127.0.0.1:1"},
        {"QTS_EXCHANGE_MODE": "live", "QTS_EXCHANGE_BACKUP_URL": "http://fapi1.binance.com"},
    ],
)
def test_what_cannot_be_meant_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(Fatal):
        venue_of(environment)


def test_accounts_of_the_simulator_need_no_keys_and_others_do() -> None:
    keys = keys_of(REF, "sim", {})

    assert (keys.key.reveal(), keys.secret.reveal()) == ("sim-main", "sim-secret-main")
    with pytest.raises(Fatal):
        keys_of(REF, "testnet", {})
    found = keys_of(REF, "live", {"QTS_EXCHANGE_DESK_ONE_KEY": "k", "QTS_EXCHANGE_DESK_ONE_SECRET": "s"})
    assert found.key.reveal() == "k"


@pytest.mark.parametrize(
    ("yes", "accounts", "reason"),
    [
        ("", {"main"}, "QTS_LIVE=yes"),
        ("YES", {"main"}, "QTS_LIVE=yes"),
        ("1", {"main"}, "QTS_LIVE=yes"),
        ("yes", set(), "needs an account"),
        ("yes", {"main", "three"}, "three is not enabled"),
        ("yes", {"main", "two"}, "two has no limits"),
        ("yes", {"main"}, ""),
    ],
)
def test_the_real_exchange_needs_all_three_said(yes: str, accounts: set[str], reason: str) -> None:
    refusal = live_refusal({"QTS_EXCHANGE_MODE": "live", "QTS_LIVE": yes}, accounts, SAID)

    assert reason in refusal
    assert bool(refusal) is bool(reason)


def test_nothing_has_to_be_said_for_the_others() -> None:
    assert live_refusal({}, set(), Live((), ())) == ""
    assert mode_of({"QTS_EXCHANGE_MODE": ""}) == "sim"


def test_only_real_money_is_said_in_red() -> None:
    words, red = words_of(venue_of({"QTS_EXCHANGE_MODE": "live"}), {"two", "main"})
    assert red
    assert "LIVE" in words
    assert "main, two" in words
    assert words_of(venue_of({}), {"main"}) == (f"sim: orders of main go to {HERE}", False)
