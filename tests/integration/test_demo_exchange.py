"""The exchange of a demo: on this machine whatever the environment says, with accounts workers have the keys of, and prices that can be stopped."""

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from connectors.exchange.modes import venue_of
from connectors.exchange.simulator.process import ask
from streams.cli.demo_books import compared
from streams.cli.demo_exchange import DEMO_MARKETS, DemoExchange, exchange
from tests.deployment_kit import until

BALANCES = [("a1", Decimal(50_000)), ("a2", Decimal("3000.5"))]


@pytest.fixture(scope="module")
def venue() -> Iterator[DemoExchange]:
    """Give one that runs."""
    with exchange(7) as there:
        yield there
    assert not there.alive


def marks(venue: DemoExchange) -> dict[str, str]:
    return {row["symbol"]: row["markPrice"] for row in ask(venue.url, "GET", "/fapi/v1/premiumIndex")}


def test_accounts_are_open_with_what_they_are_to_have(venue: DemoExchange) -> None:
    venue.open(BALANCES)

    told = venue.books()

    assert [told["accounts"][name]["balances"] for name, _ in BALANCES] == [{"USDT": "50000"}, {"USDT": "3000.5"}]
    found = compared({}, told, dict(BALANCES))
    assert (found.accounts, found.orders, found.trades, found.cash_differences) == (2, 0, 0, 2)


def test_prices_move_until_they_are_told_to_stand_still(venue: DemoExchange) -> None:
    first = marks(venue)
    assert sorted(first) == sorted(market.symbol for market in DEMO_MARKETS)
    assert until(lambda: marks(venue) != first)

    venue.stand_still()

    still, before_ms = marks(venue), venue.books()["now_ms"]
    assert until(lambda: venue.books()["now_ms"] > before_ms + 1_000)
    assert marks(venue) == still


def test_workers_are_sent_there_whatever_the_environment_says(venue: DemoExchange) -> None:
    elsewhere = {
        "QTS_EXCHANGE_MODE": "live",
        "QTS_EXCHANGE_URL": "https://elsewhere",
        "QTS_EXCHANGE_BACKUP_URL": "https://elsewhere",
    }

    told = venue_of({**elsewhere, **venue.environ})

    assert (told.mode, len(told.places)) == ("sim", 1)
    assert urlsplit(told.places[0].rest_url).hostname == "127.0.0.1"
