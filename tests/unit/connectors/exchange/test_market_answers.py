"""Market data as the exchange writes it, read exactly; and what is not market data, left out or refused."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.exchange.ccxt_answers import Unreadable
from connectors.exchange.local_book import Change, Picture
from connectors.exchange.market_answers import (
    Fees,
    heard,
    instruments_of,
    intervals_of,
    listed_of,
    picture_of,
    price_of,
    refusal,
    some,
    touch_of,
    volume_of,
)  # fmt: skip
from connectors.exchange.market_watch import Price, Touch, Volume

BTC = "BTCUSDT"
PRICE = {"e": "markPriceUpdate", "E": 5, "s": BTC, "p": "64000.10", "i": "1", "P": "1", "r": "-0.00010000", "T": 9}
TOUCH = {"e": "bookTicker", "u": 1, "E": 6, "T": 5, "s": BTC, "b": "1.10", "B": "2", "a": "1.20", "A": "3"}
CHANGE = {
    "e": "depthUpdate",
    "E": 6,
    "T": 5,
    "s": BTC,
    "U": 2,
    "u": 4,
    "pu": 1,
    "b": [["1.1", "0"]],
    "a": [["1.2", "3"], ["1.3", "4", []]],
}
DAY = {"e": "24hrMiniTicker", "E": 5, "s": BTC, "c": "1", "o": "1", "h": "1", "l": "1", "v": "10", "q": "640000.5"}

PREMIUM = {
    "symbol": BTC, "markPrice": "64000.10", "indexPrice": "1", "estimatedSettlePrice": "1", "lastFundingRate": "0.0001", "interestRate": "0.0001",
    "nextFundingTime": 9, "time": 5,
}  # fmt: skip
BEST = {"symbol": BTC, "bidPrice": "1.1", "bidQty": "2", "askPrice": "1.2", "askQty": "3", "time": 5}
FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "9", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.002", "maxQty": "120", "stepSize": "0.002"},
    {"filterType": "MAX_NUM_ORDERS", "limit": 200},
    {"filterType": "MIN_NOTIONAL", "notional": "100"},
    {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
]
LISTED = {"symbol": BTC, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": FILTERS}
INFO = {"serverTime": 7, "symbols": [LISTED, {**LISTED, "symbol": "ETHUSDT", "status": "SETTLING"}, {"symbol": "XRPUSDT"}]}


def test_a_stream_tells_of_prices_best_prices_books_and_volumes() -> None:
    level = Decimal("1.2"), Decimal(3)
    assert [heard(message) for message in (PRICE, TOUCH, CHANGE, DAY)] == [
        Price(BTC, Decimal("64000.10"), Decimal("-0.0001"), 9, 5),
        Touch(BTC, Decimal("1.1"), Decimal("1.2"), 5),
        Change(BTC, 2, 4, 1, ((Decimal("1.1"), Decimal(0)),), (level, (Decimal("1.3"), Decimal(4))), 5),
        Volume(BTC, Decimal("640000.5")),
    ]
    assert heard({"stream": "btcusdt@markPrice@1s", "data": PRICE}) == heard(PRICE)


def test_that_a_subscription_worked_is_no_news_and_that_it_did_not_is_told() -> None:
    assert heard({"result": None, "id": 1}) is None
    assert refusal({"result": None, "id": 1}) == ""
    assert "Invalid request" in refusal({"error": {"code": 2, "msg": "Invalid request"}, "id": 1})


@pytest.mark.parametrize(
    "message",
    [
        {**PRICE, "p": 64000.1},
        {**PRICE, "p": "0"},
        {**PRICE, "p": "NaN"},
        {**PRICE, "r": ""},
        {**PRICE, "r": "1"},
        {**TOUCH, "b": "1.3"},
        {**TOUCH, "a": "-1"},
        {name: value for name, value in TOUCH.items() if name != "T"},
        {**CHANGE, "b": "none"},
        {**CHANGE, "b": [["1"]]},
        {**CHANGE, "a": [["1", "-1"]]},
        {**CHANGE, "pu": None},
        {**DAY, "q": "-1"},
        [PRICE],
        "hello",
    ],
)
def test_what_cannot_be_read_is_refused(message: Any) -> None:
    with pytest.raises(Unreadable):
        heard(message)


def test_rest_tells_the_same() -> None:
    assert price_of(PREMIUM) == Price(BTC, Decimal("64000.10"), Decimal("0.0001"), 9, 5)
    assert touch_of(BEST) == Touch(BTC, Decimal("1.1"), Decimal("1.2"), 5)
    assert volume_of({"symbol": BTC, "quoteVolume": "5.5"}) == Volume(BTC, Decimal("5.5"))
    book = {"lastUpdateId": 8, "E": 1, "T": 1, "bids": [["1.1", "2"]], "asks": []}
    assert picture_of(BTC, book) == Picture(BTC, 8, ((Decimal("1.1"), Decimal(2)),), ())


def test_of_many_only_those_that_are_wanted_are_read_and_a_strange_one_is_left_out_and_told() -> None:
    told: list[str] = []
    rows = [PREMIUM, {**PREMIUM, "symbol": "ETHUSDT", "markPrice": "0"}, {**PREMIUM, "symbol": "OLDUSDT", "lastFundingRate": ""}]

    found = some(rows, [BTC, "ETHUSDT"], price_of, told.append)

    assert [price.symbol for price in found] == [BTC]
    assert told == ["ETHUSDT: markPrice is no price"]
    assert some(PREMIUM, [BTC], price_of, told.append) == found


def test_an_instrument_has_the_stricter_of_both_lot_sizes_and_an_id_by_what_it_says() -> None:
    listed = listed_of(INFO, [BTC, "ETHUSDT"])
    assert listed.symbols == {BTC}
    intervals = intervals_of([{"symbol": BTC, "fundingIntervalHours": 4}])

    (made,) = instruments_of(listed, intervals, {BTC: 9}, Fees(), print)
    (again,) = instruments_of(listed._replace(ts=99), intervals, {BTC: 9}, Fees(), print)
    (moved,) = instruments_of(listed, intervals, {BTC: 10}, Fees(), print)

    assert made[1:] == (
        BTC, "BTC", "USDT", Decimal("0.1"), Decimal("0.002"), Decimal("0.002"), Decimal(1000), Decimal(120), Decimal(100), Decimal("1.05"),
        Decimal("0.95"), 200, Decimal("0.0002"), Decimal("0.0005"), 14_400, 9, 7,
    )  # fmt: skip
    assert made.instrument_id == again.instrument_id != moved.instrument_id


def test_an_instrument_without_a_filter_is_left_out_and_told_and_one_without_funding_waits() -> None:
    told: list[str] = []
    listed = listed_of({"serverTime": 7, "symbols": [{**LISTED, "filters": FILTERS[1:]}]}, [BTC])

    assert instruments_of(listed, {}, {BTC: 9}, Fees(), told.append) == []
    assert told == [f"{BTC}: there is no filter PRICE_FILTER"]
    assert instruments_of(listed, {}, {}, Fees(), told.append) == []
    assert len(told) == 1
