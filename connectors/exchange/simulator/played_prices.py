"""Prices played from a file: marks as they were noted, or candles as the exchange publishes them.

Two kinds of file, told apart by their first line:
- marks: a header `ts_ms,symbol,mark`, after it any of `bid`, `ask`, `depth` (USD within 10 basis points of a side). A price stands until the next.
- klines: the exchange's own columns (open time, open, high, low, close, volume, …), with or without a header; one file, one symbol. A candle goes
  from its open to its nearer extreme, the other extreme, its close, a third of its time each.

Decides: the price at a time, as whole ticks between two points. The file's first time is the start of the run; after its last one prices stand still.
Leaves to others: crashes over it (price_script). All of a file is in memory: what is too long is refused.
"""

import csv
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from connectors.exchange.simulator.ports import PricePoint
from connectors.exchange.simulator.records import Symbol

ROWS_MAX = 2_000_000
"""Four years of minute candles, or 23 days of a mark a second: some 100 MB. More is refused."""
_FUNDING = Decimal("0.0001")
"""The base rate: files do not tell one."""
_MICROSECONDS = 10**14
"""From here on a time is no milliseconds of this millennium; the exchange's spot files count microseconds."""


class BadPrices(ValueError):
    """A file that cannot be played: file:line and what is wrong there."""


class _Row(NamedTuple):
    """What is known of a symbol from a time on."""

    ts_ms: int
    symbol: str
    ticks: int
    spread_ticks: int
    depth_pct: int


class _Track:
    """The points of a symbol, each figure in an array of its own."""

    def __init__(self) -> None:
        self.times, self.ticks, self.spreads, self.depths = array("q"), array("q"), array("q"), array("q")

    def add(self, row: _Row) -> None:
        self.times.append(row.ts_ms)
        self.ticks.append(row.ticks)
        self.spreads.append(row.spread_ticks)
        self.depths.append(row.depth_pct)


class PlayedPrices:
    """Prices of a file, as `Prices` wants them."""

    def __init__(self, symbols: Sequence[Symbol], tracks: dict[str, _Track], *, sloping: bool, start_ms: int) -> None:
        """Play from the first time of the tracks; `sloping` prices go evenly from one point to the next. Made by `played`."""
        self.symbols = tuple(symbol for symbol in symbols if symbol.symbol in tracks)
        self._tracks = tracks
        self._sloping = sloping
        self._shift_ms = min(track.times[0] for track in tracks.values()) - start_ms
        self._sizes = {symbol.symbol: symbol.tick_size for symbol in self.symbols}

    def at(self, symbol: str, now_ms: int) -> PricePoint:
        """Give the price of a symbol at a time; before its first point it is the first one."""
        track, ts_ms = self._tracks[symbol], now_ms + self._shift_ms
        index = max(0, bisect_right(track.times, ts_ms) - 1)
        ticks = track.ticks[index]
        if self._sloping and index + 1 < len(track.times) and ts_ms > track.times[index]:
            from_ms, to_ms = track.times[index], track.times[index + 1]
            ticks += (track.ticks[index + 1] - ticks) * (ts_ms - from_ms) // (to_ms - from_ms)
        mark = ticks * self._sizes[symbol]
        return PricePoint(mark, mark, track.spreads[index], Decimal(track.depths[index]).scaleb(-2), _FUNDING)


def played(file: str, lines: Iterable[str], symbols: Sequence[Symbol], start_ms: int) -> PlayedPrices:
    """Read a file of either kind. Symbols of a marks file that are not listed are refused; klines are of the one symbol given. Raises BadPrices."""
    known = {symbol.symbol: symbol for symbol in symbols}
    rows = _numbered(file, lines)
    first = next(rows, None)
    if first is None:
        raise BadPrices(f"{file}:1: is empty")
    marks = first[1][0] == "ts_ms"
    found = _marks(file, first[1], rows, known) if marks else _klines(file, first, rows, symbols)
    tracks: dict[str, _Track] = {}
    for line, row in found:
        track = tracks.setdefault(row.symbol, _Track())
        if track.times and row.ts_ms <= track.times[-1]:
            raise BadPrices(f"{file}:{line}: {row.symbol} is not later than before")
        track.add(row)
    if not tracks:
        raise BadPrices(f"{file}:{first[0]}: has no prices")
    return PlayedPrices(symbols, tracks, sloping=not marks, start_ms=start_ms)


def _numbered(file: str, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(csv.reader(lines), 1):
        if number > ROWS_MAX:
            raise BadPrices(f"{file}:{number}: has more than {ROWS_MAX} lines")
        if row:
            yield number, [cell.strip() for cell in row]


def _marks(
    file: str, header: list[str], rows: Iterable[tuple[int, list[str]]], known: dict[str, Symbol]
) -> Iterator[tuple[int, _Row]]:
    if (
        header[:3] != ["ts_ms", "symbol", "mark"]
        or not set(header[3:]) <= {"bid", "ask", "depth"}
        or len(set(header)) < len(header)
    ):
        raise BadPrices(f"{file}:1: a header ts_ms,symbol,mark[,bid][,ask][,depth] is wanted")
    for line, cells in rows:
        if len(cells) != len(header):
            raise BadPrices(f"{file}:{line}: has {len(cells)} columns, the header has {len(header)}")
        row = dict(zip(header, cells, strict=True))
        symbol = known.get(row["symbol"])
        if symbol is None:
            raise BadPrices(f"{file}:{line}: {row['symbol']} is not listed")
        where = f"{file}:{line}"
        spread = 1
        if row.get("bid") and row.get("ask"):
            spread = _ticks(where, row["ask"], symbol) - _ticks(where, row["bid"], symbol)
            if spread <= 0:
                raise BadPrices(f"{where}: the ask is not above the bid")
        depth_pct = int(_number(where, row["depth"]) * 100 / symbol.depth_usd) if row.get("depth") else 100
        yield line, _Row(_time_ms(where, row["ts_ms"]), symbol.symbol, _ticks(where, row["mark"], symbol), spread, depth_pct)


def _klines(
    file: str, first: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]], symbols: Sequence[Symbol]
) -> Iterator[tuple[int, _Row]]:
    if len(symbols) != 1:
        raise BadPrices(f"{file}:1: a file of candles is of one symbol, {len(symbols)} were named")
    symbol = symbols[0]
    if first[1][0][:1].isdigit():
        yield from _candle(file, *first, symbol)
    for line, cells in rows:
        yield from _candle(file, line, cells, symbol)


def _candle(file: str, line: int, cells: list[str], symbol: Symbol) -> Iterator[tuple[int, _Row]]:
    where = f"{file}:{line}"
    if len(cells) < 7:
        raise BadPrices(f"{where}: a candle has open time, open, high, low, close, volume, close time, …")
    from_ms, to_ms = _time_ms(where, cells[0]), _time_ms(where, cells[6])
    start, high, low, end = (_ticks(where, cell, symbol) for cell in cells[1:5])
    if not low <= min(start, end) <= max(start, end) <= high or to_ms - from_ms < 3:
        raise BadPrices(f"{where}: is no candle: its low, open, close and high, or its times, are not in their order")
    path = (start, low, high, end) if end >= start else (start, high, low, end)
    for third, ticks in enumerate(path):
        yield line, _Row(from_ms + (to_ms - from_ms) * third // 3, symbol.symbol, ticks, 1, 100)


def _ticks(where: str, text: str, symbol: Symbol) -> int:
    ticks = int(_number(where, text) / symbol.tick_size)
    if ticks < 1:
        raise BadPrices(f"{where}: {text} is below one tick of {symbol.symbol}")
    return ticks


def _number(where: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise BadPrices(f"{where}: {text!r} is no number") from None
    if not value.is_finite() or value < 0:
        raise BadPrices(f"{where}: {text} is no price")
    return value


def _time_ms(where: str, text: str) -> int:
    if not text.isdigit() or int(text) >= _MICROSECONDS:
        raise BadPrices(f"{where}: {text!r} is no time in milliseconds")
    return int(text)
