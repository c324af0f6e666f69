"""An exchange that takes each order once."""

import pytest

from streams.simulation import once_only
from streams.simulation.once_only import OnceOnly
from tests.unit.simulation.test_venue import NOW_MS, cancel, order, venue


def test_an_order_that_comes_again_is_dropped_and_counted() -> None:
    exchange = OnceOnly(venue())

    first = exchange.place(order("o1", "BUY", "0.5"), NOW_MS)
    again = exchange.place(order("o1", "BUY", "0.5"), NOW_MS + 10)

    assert first
    assert again == ()
    assert (exchange.placed, exchange.duplicate_orders) == (1, 1)
    assert exchange.books.trades == 1


def test_an_order_that_was_dropped_for_its_id_trades_nothing_whatever_else_it_says() -> None:
    exchange = OnceOnly(venue())
    exchange.place(order("o1", "BUY", "0.5"), NOW_MS)

    assert exchange.place(order("o1", "SELL", "9"), NOW_MS) == ()
    assert exchange.books.trades == 1


def test_cancels_prices_and_funding_pass_through() -> None:
    exchange = OnceOnly(venue())
    exchange.place(order("o1", "BUY", "0.5", limit="40000"), NOW_MS)

    assert exchange.cancel(cancel("o1"), NOW_MS)
    assert exchange.cancel(cancel("o1"), NOW_MS) == []
    exchange.place(order("o2", "BUY", "0.5"), NOW_MS)
    assert len(exchange.pay_funding("BTCUSDT", NOW_MS)) == 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once_only, "ORDER_IDS_MAX", 3)
    exchange = OnceOnly(venue())

    for number in range(10):
        exchange.place(order(f"o{number}", "BUY", "0.001"), NOW_MS)

    assert exchange.place(order("o9", "BUY", "0.001"), NOW_MS) == ()
    assert exchange.place(order("o0", "BUY", "0.001"), NOW_MS) != ()
