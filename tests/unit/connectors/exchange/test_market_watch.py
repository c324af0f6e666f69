"""Marks out of what is heard: how many, with which extremes, and that nothing old is said."""

from decimal import Decimal
from typing import Any

from connectors.exchange.liquidity import Liquidities
from connectors.exchange.local_book import Change, Picture
from connectors.exchange.market_watch import (
    EVERY_MS,
    LIQUIDITY_EVERY_MS,
    SILENT_MS,
    STALE_MS,
    UNCHANGED_MS,
    MarketWatch,
    Price,
    Touch,
)  # fmt: skip
from streams.desk.messages import Mark

BTC, ETH = "BTCUSDT", "ETHUSDT"
START = 1_000_000
TS = 1_700_000_000_000
"""The exchange's time at the start."""


class Market:
    """A watch, and who it hears."""

    def __init__(self, *symbols: str) -> None:
        self.now_ms = START
        self.liquidities = Liquidities(["own", "other"])
        self.watch = MarketWatch(symbols or (BTC,), self.liquidities, START)

    @property
    def ts(self) -> int:
        return TS + self.now_ms - START

    def price(self, mark: str, symbol: str = BTC, *, streamed: bool = True, **other: Any) -> None:
        price = Price(symbol, Decimal(mark), Decimal("0.0001"), TS + 28_800_000, self.ts)._replace(**other)
        self.watch.take_price(price, self.now_ms, streamed=streamed)

    def touch(self, bid: str = "999.5", ask: str = "1000.5", symbol: str = BTC, *, streamed: bool = True, **other: Any) -> None:
        self.watch.take_touch(
            Touch(symbol, Decimal(bid), Decimal(ask), self.ts)._replace(**other), self.now_ms, streamed=streamed
        )

    def book(self, symbol: str = BTC, update_id: int = 1) -> None:
        level = ((Decimal("999.5"), Decimal(2)),), ((Decimal("1000.5"), Decimal(1)),)
        self.watch.take_picture(Picture(symbol, update_id, *level), self.now_ms)

    def alive(self) -> None:
        """Let the stream tell that nothing changed."""
        self.watch.take_change(Change(BTC, 2, 2, 1, (), (), self.ts), self.now_ms)

    def due(self, **more: int) -> list[Mark]:
        return self.watch.due(self.now_ms, **more)

    def later(self, ms: int = EVERY_MS) -> None:
        self.now_ms += ms


def running() -> Market:
    """Give a market all of which is heard."""
    market = Market()
    market.watch.books_opened(market.now_ms)
    market.price("1000")
    market.touch()
    market.book()
    return market


def test_a_mark_says_what_was_heard() -> None:
    market = running()
    market.liquidities.take_volume("own", BTC, Decimal(5), market.now_ms)
    market.liquidities.take_volume("other", BTC, Decimal(6), market.now_ms)

    (mark,) = market.due()

    assert mark[1:] == (
        BTC, Decimal(1000), Decimal(1000), Decimal(1000), Decimal("999.5"), Decimal("1000.5"), Decimal("1000.5"), Decimal("0.0001"), TS, Decimal(11)
    )  # fmt: skip


def test_marks_of_a_symbol_keep_a_distance_and_lose_no_extreme() -> None:
    market = running()
    market.due()
    for price in ("1010", "980", "1001"):
        market.later(EVERY_MS // 4)
        market.price(price)
        assert market.due() == []
    market.later(EVERY_MS // 4)

    (mark,) = market.due()

    assert (mark.mark, mark.high, mark.low) == (Decimal(1001), Decimal(1010), Decimal(980))


def test_a_symbol_without_news_gets_no_mark() -> None:
    market = running()
    market.due()
    market.later()
    market.touch()

    assert market.due() == []


def test_marks_are_further_apart_where_they_are_asked_to_be() -> None:
    market = running()
    market.due()
    market.later(999)
    market.price("1001")

    assert market.due(every_ms=1_000) == []
    market.later(1)
    assert len(market.due(every_ms=1_000)) == 1


def test_best_prices_alone_are_news() -> None:
    market = running()
    market.due()
    market.later()
    market.touch("999.6")

    assert [mark.bid for mark in market.due()] == [Decimal("999.6")]


def test_a_mark_that_did_not_get_out_leaves_its_extremes_to_the_next() -> None:
    market = running()
    market.price("1050", ts=market.ts + 1)
    market.price("1000", ts=market.ts + 2)
    (lost,) = market.due()
    market.watch.put_back(lost)
    market.later()

    assert [(mark.mark, mark.high) for mark in market.due()] == [(Decimal(1000), Decimal(1050))]


def test_a_price_from_before_the_last_mark_widens_nothing() -> None:
    market = running()
    market.due()
    market.later()
    market.price("5000", ts=TS - 1)
    market.price("1001")

    assert [mark.high for mark in market.due()] == [Decimal(1001)]


def test_a_symbol_whose_price_is_stale_says_nothing() -> None:
    market = running()
    market.due()
    for _ in range(STALE_MS // 100 + 1):
        market.later(100)
        market.touch(bid=f"999.{market.now_ms // 100 % 5}")
        market.due()
    market.later(EVERY_MS)
    market.touch("999.9")

    assert market.due() == []
    assert market.watch.silent(market.now_ms) == {BTC}
    assert market.watch.ages_ms(market.now_ms) == {BTC: STALE_MS + 200}


def test_a_symbol_whose_best_prices_are_stale_says_nothing() -> None:
    market = running()
    for _ in range(STALE_MS // 1_000 + 1):
        market.later(1_000)
        market.price("1001")

    assert market.due() == []
    assert market.watch.silent(market.now_ms) == {BTC}


def test_best_prices_that_do_not_change_are_believed_for_longer_while_their_stream_is_alive() -> None:
    market = running()
    market.later(UNCHANGED_MS)
    market.alive()
    market.price("1001")
    assert len(market.due()) == 1

    market.later(1_000)
    market.alive()
    market.price("1002")
    assert market.due() == []


def test_best_prices_of_before_the_stream_was_opened_again_are_no_longer_believed_for_longer() -> None:
    market = running()
    market.later(STALE_MS + 1)
    market.watch.books_opened(market.now_ms)
    market.price("1001")

    assert market.due() == []


def test_best_prices_of_a_stream_that_is_late_are_not_taken() -> None:
    market = running()
    market.due()
    market.later(10_000)
    market.price("1001")
    market.touch("990", ts=market.ts - STALE_MS - 1)
    market.watch.take_change(Change(BTC, 2, 2, 1, (), (), market.ts - STALE_MS - 1), market.now_ms)

    assert market.due() == []
    market.touch("990")
    assert [mark.bid for mark in market.due()] == [Decimal(990)]


def test_without_its_book_a_symbol_has_no_depth_and_says_no_liquidity() -> None:
    market = running()
    market.watch.take_change(Change(BTC, 9, 9, 8, (), (), TS), market.now_ms)

    assert [mark.depth for mark in market.due()] == [0]
    assert market.watch.liquidity(market.now_ms) == []


def test_one_symbols_silence_is_not_the_others() -> None:
    market = Market(BTC, ETH)
    for symbol in (BTC, ETH):
        market.price("1000", symbol)
        market.touch(symbol=symbol)
    market.later(STALE_MS + 1)
    market.price("1001", ETH)
    market.touch(symbol=ETH)

    assert [mark.symbol for mark in market.due()] == [ETH]


def test_liquidity_is_said_every_ten_seconds_with_what_other_venues_have() -> None:
    market = running()
    market.liquidities.take_depth("other", BTC, Decimal(7), market.now_ms)

    (said,) = market.watch.liquidity(market.now_ms)
    assert (said.depth, said.venues, said.spread_bps) == (Decimal("1007.5"), ("own", "other"), Decimal(10))
    market.later(LIQUIDITY_EVERY_MS - 1)
    running_again(market)
    assert market.watch.liquidity(market.now_ms) == []
    market.later(1)
    assert len(market.watch.liquidity(market.now_ms)) == 1


def running_again(market: Market) -> None:
    market.price("1000")
    market.touch()
    market.book(update_id=market.now_ms)


def test_nothing_is_asked_for_while_the_streams_tell_it() -> None:
    market = running()
    market.later(SILENT_MS)

    assert market.watch.wanted(market.now_ms)[:3] == ([], [], [])


def test_what_no_stream_tells_is_asked_for_before_it_is_stale() -> None:
    market = running()
    market.later(SILENT_MS + 1)

    assert market.watch.wanted(market.now_ms) == ([BTC], [BTC], [BTC], False)
    market.price("1001", streamed=False)
    market.touch(streamed=False)
    market.book()
    assert [mark.mark for mark in market.due()] == [Decimal(1001)]
    assert market.watch.wanted(market.now_ms) == ([BTC], [], [], False)


def test_books_are_asked_for_in_turn_and_deep_where_a_stream_will_tell_of_changes() -> None:
    market = Market(BTC, ETH)
    market.watch.books_opened(market.now_ms)
    assert market.watch.wanted(market.now_ms).books == [BTC, ETH]
    assert market.watch.wanted(market.now_ms).deep

    market.watch.book_asked(BTC, market.now_ms)

    assert market.watch.wanted(market.now_ms).books == [ETH, BTC]


def test_the_same_mark_has_the_same_id_wherever_it_is_made() -> None:
    assert running().due() == running().due()


def test_strangers_are_not_listened_to() -> None:
    market = Market()
    market.price("1", "XRPUSDT")
    market.touch(symbol="XRPUSDT")
    market.book("XRPUSDT")
    market.watch.take_change(Change("XRPUSDT", 1, 1, 0, (), (), TS), market.now_ms)

    assert market.due() == []
    assert market.watch.next_funding_ms(BTC) is None
