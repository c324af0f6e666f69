"""The order book as changes tell of it: what follows what, and when a picture is needed again."""

from decimal import Decimal

import pytest

from connectors.exchange import local_book
from connectors.exchange.local_book import Change, Level, LocalBook, Picture, near

BTC = "BTCUSDT"


def level(price: str, quantity: str) -> Level:
    return Decimal(price), Decimal(quantity)


PICTURE = Picture(BTC, 100, (level("999.5", "2"), level("999", "3")), (level("1000.5", "1"), level("1001", "4")))


def change(first: int, last: int, before: int, bids: tuple[Level, ...] = (), asks: tuple[Level, ...] = ()) -> Change:
    return Change(BTC, first, last, before, bids, asks, 0)


def whole(book: LocalBook) -> bool:
    return book.whole


def whole_book() -> LocalBook:
    book = LocalBook()
    book.reset(PICTURE)
    return book


def test_the_depth_is_the_value_of_the_smaller_side_within_ten_basis_points_of_the_middle() -> None:
    assert whole_book().depth() == Decimal("999.5") * 2 + Decimal(999) * 3
    assert near([level("999.5", "2"), level("998.9", "9")], [level("1000.5", "100")]) == Decimal(1999)


@pytest.mark.parametrize(
    ("bids", "asks"), [((), (level("1", "1"),)), ((level("1", "1"),), ()), ((level("2", "1"),), (level("2", "1"),))]
)
def test_a_book_without_a_side_or_with_crossed_sides_has_no_depth(bids: tuple[Level, ...], asks: tuple[Level, ...]) -> None:
    assert near(bids, asks) == 0


def test_the_first_change_may_begin_before_the_picture_and_the_next_have_to_follow() -> None:
    book = whole_book()
    book.apply(change(90, 105, 89, bids=(level("999.5", "0"),)))
    book.apply(change(106, 110, 105, asks=(level("1000.5", "5"),)))

    assert whole(book)
    assert book.depth() == Decimal(999) * 3


def test_changes_that_came_before_the_picture_are_applied_to_it_and_older_ones_are_not() -> None:
    book = LocalBook()
    for one in (
        change(80, 90, 79, bids=(level("999.5", "7"),)),
        change(91, 104, 90, bids=(level("999.5", "1"),)),
        change(105, 107, 104, bids=(level("999", "0"),)),
    ):
        book.apply(one)
    assert not whole(book)

    book.reset(PICTURE)

    assert whole(book)
    assert book.depth() == Decimal("999.5")


def test_a_change_that_does_not_follow_needs_a_new_picture_and_counts_for_it() -> None:
    book = whole_book()
    book.apply(change(101, 105, 100))
    book.apply(change(111, 115, 110, bids=(level("999.5", "9"),)))
    assert not whole(book)

    book.reset(PICTURE._replace(update_id=112))

    assert whole(book)
    assert book.depth() == Decimal("1000.5") + Decimal(1001) * 4


def test_a_change_told_twice_is_applied_once() -> None:
    book = whole_book()
    one = change(101, 105, 100, bids=(level("999.5", "0"),))
    book.apply(one)
    book.apply(change(106, 107, 105, bids=(level("999.5", "1"),)))
    book.apply(one)

    assert whole(book)
    assert book.depth() == Decimal("999.5") + Decimal(999) * 3


def test_a_book_that_was_forgotten_is_not_whole() -> None:
    book = whole_book()
    book.forget()

    assert not whole(book)


def test_a_book_whose_sides_cross_is_wrong_and_needs_a_new_picture() -> None:
    book = whole_book()
    book.apply(change(101, 105, 100, bids=(level("1000.5", "1"),)))

    assert not whole(book)


def test_far_prices_of_a_book_that_has_moved_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_book, "LEVELS_MAX", 10)
    book = whole_book()
    for number in range(20):
        asks = (level(str(2_000 + number), "1"),)
        bids = (level(str(500 - number), "1"),)
        book.apply(change(101 + number, 101 + number, 100 + number, bids, asks))

    assert book.depth() == whole_book().depth()
