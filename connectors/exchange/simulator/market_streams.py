"""Market data streams: which there are, how often they tell what.

Decides: names, intervals, fields. One that is not there is accepted and stays silent, as on the exchange. Leaves to others: connections.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connectors.exchange.simulator import wire
from connectors.exchange.simulator.connections import Hub
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.rest_public import INTERVALS, best, day

DEPTH_MAX = 1_000
"""Levels a book is compared to: as many as the longest answer of /depth has, so that who follows the changes has the same book."""
_NAME = re.compile(r"(?P<symbol>[a-z0-9]+)@(?P<kind>[a-zA-Z]+)(?P<levels>5|10|20)?(_(?P<interval>\w+))?(@(?P<every>\w+))?")
_ALL = re.compile(r"!(?P<kind>[a-zA-Z]+)(@arr)?(@(?P<every>\w+))?")
_EVERY_MS = {"1s": 1_000, "100ms": 100, "250ms": 250, "500ms": 500}
_USUAL_MS = {"markPrice": 3_000, "bookTicker": 0, "depth": 250, "ticker": 1_000, "miniTicker": 1_000, "kline": 250}

Messages = Callable[[int], Sequence[object]]
"""What a stream has to say at a time; nothing where nothing has changed."""


@dataclass
class _Stream:
    """A stream somebody listens to."""

    messages: Messages
    every_ms: int
    due_ms: int = 0
    pictured: Callable[[str], None] = lambda _symbol: None
    """Hears that somebody was shown the book of a symbol."""


class MarketStreams:
    """All market data streams."""

    def __init__(self, house: House, hub: Hub) -> None:
        """Begin with none."""
        self._house, self._hub = house, hub
        self._streams: dict[str, _Stream] = {}
        house.pictured = self._pictured

    def publish(self, now_ms: int) -> None:
        """Publish what is due. Streams nobody listens to any more are forgotten."""
        wanted = self._hub.names()
        for name in self._streams.keys() - wanted:
            del self._streams[name]
        for name in wanted - self._streams.keys():
            made = _made(self._house, name)
            if made is not None:
                self._streams[name] = made
        if self._house.faults.market_streams_dead(now_ms):
            return
        for name, stream in self._streams.items():
            if now_ms >= stream.due_ms:
                stream.due_ms = now_ms + stream.every_ms
                for message in stream.messages(now_ms):
                    self._hub.publish(name, message)

    def _pictured(self, symbol: str) -> None:
        for stream in self._streams.values():
            stream.pictured(symbol)


def _made(house: House, name: str) -> _Stream | None:
    found = _ALL.fullmatch(name) if name.startswith("!") else _NAME.fullmatch(name)
    if found is None or found["kind"] not in _USUAL_MS:
        return None
    kind = found["kind"]
    every_ms = _EVERY_MS.get(found["every"] or "", _USUAL_MS[kind])
    if name.startswith("!"):
        return _all(house, kind, every_ms)
    symbol, groups = found["symbol"].upper(), found.groupdict()
    if symbol not in house.symbols:
        return None
    if kind == "depth":
        levels = int(groups["levels"] or 0)
        if levels:
            return _Stream(_Top(house, symbol, levels).messages, every_ms)
        changes = _Changes(house, symbol)
        return _Stream(changes.messages, every_ms, pictured=changes.pictured)
    if kind == "kline":
        interval = groups["interval"] or ""
        return _Stream(_klines(house, symbol, interval), every_ms) if interval in INTERVALS else None
    if kind == "bookTicker":
        return _Stream(_Best(house, symbol).messages, every_ms)
    return _Stream(lambda now_ms: [_told(house, symbol, kind, now_ms)], every_ms)


def _all(house: House, kind: str, every_ms: int) -> _Stream | None:
    """Make a stream of all symbols: one list of them, but best prices one by one."""
    if kind == "bookTicker":
        each = [_Best(house, symbol) for symbol in house.symbols]
        return _Stream(lambda now_ms: [message for one in each for message in one.messages(now_ms)], every_ms)
    if kind not in {"markPrice", "ticker", "miniTicker"}:
        return None
    return _Stream(lambda now_ms: [[_told(house, symbol, kind, now_ms) for symbol in house.symbols]], every_ms)


def _told(house: House, symbol: str, kind: str, now_ms: int) -> wire.Json:
    if kind == "markPrice":
        quote = house.engine.quote(symbol)
        return {
            "e": "markPriceUpdate", "E": now_ms, "s": symbol, "p": wire.number(quote.mark), "i": wire.number(quote.index_price),
            "P": wire.number(quote.index_price), "r": wire.number(quote.funding_rate), "T": quote.next_funding_ms,
        }  # fmt: skip
    row = day(house, symbol)
    short: wire.Json = {
        "E": now_ms, "s": symbol, "c": row["lastPrice"], "o": row["openPrice"], "h": row["highPrice"], "l": row["lowPrice"],
        "v": row["volume"], "q": row["quoteVolume"],
    }  # fmt: skip
    if kind == "miniTicker":
        return {"e": "24hrMiniTicker", **short}
    return {
        "e": "24hrTicker", **short, "p": row["priceChange"], "P": row["priceChangePercent"], "w": row["weightedAvgPrice"], "Q": row["lastQty"],
        "O": row["openTime"], "C": row["closeTime"], "F": row["firstId"], "L": row["lastId"], "n": row["count"],
    }  # fmt: skip


def _klines(house: House, symbol: str, interval: str) -> Messages:
    def messages(now_ms: int) -> Sequence[object]:
        found = house.engine.candles(symbol, INTERVALS[interval], 1)
        if not found:
            return []
        row = wire.candle(found[-1])
        told = dict(zip(("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B"), row, strict=True))
        told |= {"s": symbol, "i": interval, "f": 0, "L": 0, "x": found[-1].close_ms < now_ms}
        return [{"e": "kline", "E": now_ms, "s": symbol, "k": told}]

    return messages


class _Best:
    """The best bid and ask of a symbol, when they change."""

    def __init__(self, house: House, symbol: str) -> None:
        self._house, self._symbol = house, symbol
        self._last: tuple[object, ...] = ()

    def messages(self, now_ms: int) -> Sequence[object]:
        row = best(self._house, self._symbol)
        shown = (row["bidPrice"], row["bidQty"], row["askPrice"], row["askQty"])
        if shown == self._last:
            return []
        self._last = shown
        told = dict(zip(("b", "B", "a", "A"), shown, strict=True))
        return [{"e": "bookTicker", "u": row["lastUpdateId"], "E": now_ms, "T": now_ms, "s": self._symbol, **told}]


class _Top:
    """The first levels of a book, when it changes."""

    def __init__(self, house: House, symbol: str, levels: int) -> None:
        self._house, self._symbol, self._levels = house, symbol, levels
        self._last_id = 0

    def messages(self, now_ms: int) -> Sequence[object]:
        bids, asks, update_id = self._house.engine.depth(self._symbol, self._levels)
        if update_id == self._last_id:
            return []
        before, self._last_id = self._last_id, update_id
        return [_depth(self._symbol, now_ms, (before, update_id), wire.levels(bids), wire.levels(asks))]


class _Changes:
    """What changes in a book."""

    def __init__(self, house: House, symbol: str) -> None:
        self._house, self._symbol = house, symbol
        self._bids, self._asks, self._last_id = self._look()
        self._shown_bids, self._shown_asks = set[Decimal](), set[Decimal]()
        """Prices that were in a picture since the last change was told. Those that have come and gone in between count as changed, too."""

    def pictured(self, symbol: str) -> None:
        if symbol == self._symbol:
            bids, asks, _ = self._look()
            self._shown_bids.update(bids)
            self._shown_asks.update(asks)

    def messages(self, now_ms: int) -> Sequence[object]:
        bids, asks, update_id = self._look()
        if update_id == self._last_id:
            return []
        told = _depth(
            self._symbol, now_ms, (self._last_id, update_id), wire.levels(_changed(self._bids, bids, self._shown_bids)),
            wire.levels(_changed(self._asks, asks, self._shown_asks)),
        )  # fmt: skip
        self._bids, self._asks, self._last_id = bids, asks, update_id
        self._shown_bids.clear()
        self._shown_asks.clear()
        return [told]

    def _look(self) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal], int]:
        bids, asks, update_id = self._house.engine.depth(self._symbol, DEPTH_MAX)
        return dict(bids), dict(asks), update_id


def _changed(before: dict[Decimal, Decimal], after: dict[Decimal, Decimal], shown: set[Decimal]) -> list[tuple[Decimal, Decimal]]:
    """Give the levels that are new, changed or gone; gone ones with a quantity of 0."""
    gone = [(price, Decimal(0)) for price in sorted(shown.union(before)) if price not in after]
    return gone + [(price, quantity) for price, quantity in after.items() if before.get(price) != quantity]


def _depth(symbol: str, now_ms: int, ids: tuple[int, int], bids: list[list[str]], asks: list[list[str]]) -> wire.Json:
    before, update_id = ids
    return {
        "e": "depthUpdate", "E": now_ms, "T": now_ms, "s": symbol, "U": before + 1, "u": update_id, "pu": before, "b": bids, "a": asks
    }  # fmt: skip
