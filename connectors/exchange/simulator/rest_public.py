"""Answers anybody gets: time, markets, prices, books.

Decides: what is in them. Leaves to others: their shape (wire), weights (routes).
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from connectors.exchange.simulator import wire
from connectors.exchange.simulator.calls import Call
from connectors.exchange.simulator.candles import DAY_MS, MINUTE_MS
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.records import Candle, Refused

HOUR_MS = 60 * MINUTE_MS
INTERVALS = {
    "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS, "1h": HOUR_MS, "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS, "6h": 6 * HOUR_MS, "8h": 8 * HOUR_MS, "12h": 12 * HOUR_MS, "1d": DAY_MS, "3d": 3 * DAY_MS, "1w": 7 * DAY_MS,
}  # fmt: skip
DEPTHS = (5, 10, 20, 50, 100, 500, 1_000)
KLINES_MAX = 1_500


def ping(_house: House, _call: Call) -> object:
    """Answer."""
    return {}


def time(house: House, _call: Call) -> object:
    """Tell the time."""
    return {"serverTime": house.shown_ms()}


def exchange_info(house: House, _call: Call) -> object:
    """Tell limits and markets."""
    limits = house.meter.limits
    return {
        "timezone": "UTC", "serverTime": house.shown_ms(), "futuresType": "U_MARGINED", "exchangeFilters": [],
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limits.weight_1m},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": limits.orders_1m},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": limits.orders_10s},
        ],
        "assets": [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in ("USDT", "BNB")],
        "symbols": [wire.market(symbol) for symbol in house.engine.symbols()],
    }  # fmt: skip


def depth(house: House, call: Call) -> object:
    """Give a book."""
    symbol, limit = house.symbol(call.text("symbol")), call.limit(500, DEPTHS[-1])
    if limit not in DEPTHS:
        raise Refused(-4021, f"{limit} is not valid depth limit. Valid: {', '.join(map(str, DEPTHS))}.")
    bids, asks, update_id = house.engine.depth(symbol, limit)
    house.pictured(symbol)
    now_ms = house.shown_ms()
    return {"lastUpdateId": update_id, "E": now_ms, "T": now_ms, "bids": wire.levels(bids), "asks": wire.levels(asks)}


def klines(house: House, call: Call) -> object:
    """Give candles."""
    symbol, interval, limit = house.symbol(call.text("symbol")), call.text("interval"), call.limit(500, KLINES_MAX)
    if interval not in INTERVALS:
        raise Refused(-1120, "Invalid interval.")
    start, end = call.whole("startTime"), call.whole("endTime")
    if start is None and end is None:
        return [wire.candle(row) for row in house.engine.candles(symbol, INTERVALS[interval], limit)]
    rows = [
        row
        for row in house.engine.candles(symbol, INTERVALS[interval], KLINES_MAX)
        if (start is None or row.open_ms >= start) and (end is None or row.open_ms <= end)
    ]
    return [wire.candle(row) for row in (rows[:limit] if start is not None else rows[-limit:])]


def premium_index(house: House, call: Call) -> object:
    """Give mark price and funding, of one symbol or all."""
    return _one_or_all(house, call, lambda symbol: wire.premium(house.engine.quote(symbol)))


def book_ticker(house: House, call: Call) -> object:
    """Give the best bid and ask, of one symbol or all."""
    return _one_or_all(house, call, lambda symbol: best(house, symbol))


def price_ticker(house: House, call: Call) -> object:
    """Give the last price, of one symbol or all."""

    def made(symbol: str) -> wire.Json:
        quote = house.engine.quote(symbol)
        return {"symbol": symbol, "price": wire.number(quote.last), "time": quote.ts}

    return _one_or_all(house, call, made)


def day_ticker(house: House, call: Call) -> object:
    """Give how the last 24 hours went, of one symbol or all."""
    return _one_or_all(house, call, lambda symbol: day(house, symbol))


def funding_info(house: House, _call: Call) -> object:
    """Tell how often funding is paid."""
    return [
        {"symbol": symbol.symbol, "fundingIntervalHours": symbol.funding_interval_ms // HOUR_MS, "disclaimer": False,
         "adjustedFundingRateCap": "0.003", "adjustedFundingRateFloor": "-0.003"}
        for symbol in house.engine.symbols()
    ]  # fmt: skip


def best(house: House, symbol: str) -> wire.Json:
    """Write the best bid and ask; of a side that is sold out, where its last level was."""
    bids, asks, update_id = house.engine.depth(symbol, 1)
    quote, nothing = house.engine.quote(symbol), Decimal(0)
    return {
        "symbol": symbol, "bidPrice": wire.number(quote.bid), "bidQty": wire.number(bids[0][1] if bids else nothing),
        "askPrice": wire.number(quote.ask), "askQty": wire.number(asks[0][1] if asks else nothing), "time": quote.ts, "lastUpdateId": update_id,
    }  # fmt: skip


def day(house: House, symbol: str) -> wire.Json:
    """Write how the last 24 hours went."""
    quote, candles = house.engine.quote(symbol), house.engine.candles(symbol, HOUR_MS, 24)
    volume, quote_volume = house.engine.day_volume(symbol)
    opened, high, low = _extremes(candles, quote.last)
    change = quote.last - opened
    return {
        "symbol": symbol, "priceChange": wire.number(change),
        "priceChangePercent": wire.number((change * 100 / opened).quantize(Decimal("0.001"))),
        "weightedAvgPrice": wire.number(wire.average(quote_volume, volume)), "lastPrice": wire.number(quote.last), "lastQty": "0",
        "openPrice": wire.number(opened), "highPrice": wire.number(high), "lowPrice": wire.number(low), "volume": wire.number(volume),
        "quoteVolume": wire.number(quote_volume), "openTime": quote.ts - DAY_MS, "closeTime": quote.ts, "firstId": 0,
        "lastId": sum(candle.trades for candle in candles), "count": sum(candle.trades for candle in candles),
    }  # fmt: skip


def _extremes(candles: Sequence[Candle], last: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Give where the candles opened, their highest and their lowest price."""
    if not candles:
        return last, last, last
    return candles[0].open, max(candle.high for candle in candles), min(candle.low for candle in candles)


def _one_or_all(house: House, call: Call, made: Callable[[str], wire.Json]) -> object:
    symbol = call.optional("symbol")
    return [made(each) for each in house.symbols] if symbol is None else made(house.symbol(symbol))
