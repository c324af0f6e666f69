"""The exchange's own books."""

from decimal import Decimal

import pytest

from streams.desk.messages import AccountEvent
from streams.simulation.books import Books


def event(kind: str, amount: str, quantity: str = "0", price: str = "0") -> AccountEvent:
    return AccountEvent("e", "a", kind, "BTCUSDT", Decimal(amount), Decimal(quantity), Decimal(price), None, "", 1)  # type: ignore[arg-type]


def test_a_round_trip_leaves_nothing_but_its_profit() -> None:
    books = Books()
    books.open("a", Decimal(1_000))
    books.trade("a", "BTCUSDT", Decimal("0.5"), Decimal("100.10"))
    books.trade("a", "BTCUSDT", Decimal("-0.5"), Decimal("101.30"))
    assert books.positions("a") == {}
    assert books.flow("a") == Decimal("1000.60")


def test_fees_come_out_of_cash_or_out_of_the_coins() -> None:
    books = Books()
    books.open("a", Decimal(100))
    books.trade("a", "BTCUSDT", Decimal(1), Decimal(10))
    books.shrink("a", "BTCUSDT", Decimal("0.001"))
    books.pay("a", Decimal("0.01"), Decimal(600))
    assert books.position("a", "BTCUSDT") == Decimal("0.999")
    assert books.flow("a") == Decimal(84)


def test_payments_and_transfers_move_cash_and_corrections_positions_too() -> None:
    books = Books()
    books.open("a", Decimal(100))
    books.note(event("FUNDING", "-1.5"))
    books.note(event("DEPOSIT", "10"))
    books.note(event("WITHDRAWAL", "20"))
    books.note(event("ADJUSTMENT", "0.5", "2", "3"))
    assert books.flow("a") == Decimal("83.0")
    assert books.position("a", "BTCUSDT") == Decimal(2)


def test_a_figure_finer_than_the_wire_allows_is_a_broken_invariant() -> None:
    with pytest.raises(ValueError, match="decimal places"):
        Books().trade("a", "BTCUSDT", Decimal("0.00000000001"), Decimal(1))


def test_many_small_trades_add_up_exactly() -> None:
    books = Books()
    books.open("a", Decimal(0))
    for _ in range(10_000):
        books.trade("a", "BTCUSDT", Decimal("0.0000000003"), Decimal("0.0000000007"))
    assert books.position("a", "BTCUSDT") == Decimal("0.000003")
    assert books.flow("a") == Decimal("-0.0000000000000021")
