"""The newest prices: which mark counts, and how old it is."""

from decimal import Decimal

import pytest

from streams.desk.messages import Mark
from streams.pipeline.execution import mark_board as module
from streams.pipeline.execution.mark_board import MarkBoard, Price

NOW_MS = 1_700_000_000_000


def mark(price: str, ts: int = NOW_MS, symbol: str = "BTCUSDT") -> Mark:
    at = Decimal(price)
    return Mark(f"{symbol}-{ts}-{price}", symbol, at, at, at, at - 1, at + 1, Decimal(10), Decimal(0), ts)


def test_the_newest_mark_by_the_exchanges_clock_is_the_price_with_its_age() -> None:
    board = MarkBoard()
    assert board.price("BTCUSDT", NOW_MS) is None
    board.take(mark("100", NOW_MS + 500), NOW_MS)
    board.take(mark("90", NOW_MS), NOW_MS)
    assert board.price("BTCUSDT", NOW_MS + 1_700) == Price(Decimal(99), Decimal(101), Decimal(100), 1_200)
    assert board.price("ETHUSDT", NOW_MS) is None


def test_a_mark_from_a_little_ahead_is_not_younger_than_now() -> None:
    board = MarkBoard()
    board.take(mark("100", NOW_MS + 500), NOW_MS)
    price = board.price("BTCUSDT", NOW_MS)
    assert price is not None
    assert price.age_ms == 0


def test_what_cannot_be_true_moves_no_price() -> None:
    board = MarkBoard()
    board.take(mark("100"), NOW_MS)
    for bad in (mark("-5", NOW_MS + 1), mark("200", NOW_MS + 3_600_000), mark("NaN", NOW_MS + 1)):
        board.take(bad, NOW_MS)
    board.take(mark("100", symbol="no symbol"), NOW_MS)
    price = board.price("BTCUSDT", NOW_MS)
    assert price is not None
    assert price.mark == 100
    assert board.price("no symbol", NOW_MS) is None


def test_there_is_a_place_for_so_many_symbols_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SYMBOLS_MAX", 2)
    board = MarkBoard()
    for symbol in ("AUSDT", "BUSDT", "CUSDT", "AUSDT"):
        board.take(mark("100", symbol=symbol), NOW_MS)
    assert [board.price(symbol, NOW_MS) is not None for symbol in ("AUSDT", "BUSDT", "CUSDT")] == [True, True, False]
