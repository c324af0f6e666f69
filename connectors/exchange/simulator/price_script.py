"""Scripted trouble of prices: a crash and its recovery, a symbol whose price stands still.

    prices:
      - event: crash
        symbol: BTCUSDT          # every symbol where left out
        percent: 12.5            # of the price that is lost; negative: gained
        at_s: 60
        over_s: 5
        hold_s: 10               # it stays there,
        recovery_s: 120          # then comes back within so long,
        recovery_percent: 80     # by so much of the fall (100 unless told; 0: it stays down)
      - event: standstill
        symbol: ETHUSDT
        at_s: 30
        for_s: 20

Decides: how an event changes the prices below it. These go on as if nothing were: an event moves what is shown, never the path. Whole numbers only.
Leaves to others: the prices themselves (prices, played_prices).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from connectors.exchange.simulator.plan_file import Entry, read_all
from connectors.exchange.simulator.ports import PricePoint, Prices
from connectors.exchange.simulator.records import Symbol

EVENTS_MAX = 1_000
"""Each price asked for looks at all of them; one more is refused."""
_PPB = 1_000_000_000
_SCARED_MS = 30_000
"""How long after a crash the book stays thin: makers of markets come back within a minute."""
_SCARED_DEPTH, _SCARED_SPREAD = Decimal("0.25"), 4
"""What is left of a book, and how wide it gets, in the crashes that were published: a quarter, and several ticks."""


class Crash(NamedTuple):
    """A fall over `over_ms` from `at_ms`, and what is regained of it. Times count from the start of the run."""

    symbol: str | None
    percent: Decimal
    at_ms: int
    over_ms: int
    hold_ms: int = 0
    recovery_ms: int = 0
    recovery_percent: Decimal = Decimal(0)

    def level_ppb(self, at_ms: int) -> int:
        """Tell what is left of the price, in billionths."""
        fall = int(self.percent * _PPB / 100)
        if at_ms <= self.at_ms:
            return _PPB
        gone_ms = at_ms - self.at_ms
        if gone_ms < self.over_ms:
            return _PPB - fall * gone_ms // self.over_ms
        back = int(fall * self.recovery_percent / 100)
        since_ms = gone_ms - self.over_ms - self.hold_ms
        if since_ms <= 0 or not self.recovery_ms:
            return _PPB - fall
        return _PPB - fall + back * min(since_ms, self.recovery_ms) // self.recovery_ms

    def scares(self, at_ms: int) -> bool:
        """Tell whether the book is thin because of it."""
        return self.at_ms <= at_ms < self.at_ms + self.over_ms + self.hold_ms + _SCARED_MS


class Standstill(NamedTuple):
    """A price that does not move for a while. Times count from the start of the run."""

    symbol: str | None
    at_ms: int
    for_ms: int

    def holds(self, at_ms: int) -> bool:
        """Tell whether it lasts."""
        return self.at_ms <= at_ms < self.at_ms + self.for_ms


Event = Crash | Standstill


class ScriptedPrices:
    """Prices with events over them; more events may be added while it runs."""

    def __init__(self, prices: Prices, start_ms: int, events: Sequence[Event] = ()) -> None:
        """Put events over prices."""
        self.symbols: Sequence[Symbol] = prices.symbols
        self._prices = prices
        self._start_ms = start_ms
        self._events: list[Event] = []
        self._shown: dict[str, PricePoint] = {}
        self._held: dict[str, Standstill] = {}
        self._sizes = {symbol.symbol: symbol.tick_size for symbol in prices.symbols}
        for event in events:
            self.add(event)

    def at(self, symbol: str, now_ms: int) -> PricePoint:
        """Give the price of a symbol at a time; times of a symbol never go back."""
        at_ms = now_ms - self._start_ms
        still = next((one for one in self._about(symbol) if isinstance(one, Standstill) and one.holds(at_ms)), None)
        if still is not None:
            if self._held.get(symbol) is not still:
                self._held[symbol] = still
                self._shown[symbol] = self._changed(symbol, still.at_ms)
            return self._shown[symbol]
        return self._changed(symbol, at_ms)

    def add(self, event: Event) -> None:
        """Add an event; its times count from the start of the run. One of the past begins to show at once."""
        if event.symbol is not None and event.symbol not in self._sizes:
            raise ValueError(f"there is no symbol {event.symbol}")
        if len(self._events) >= EVENTS_MAX:
            raise ValueError(f"there are {EVENTS_MAX} events already")
        self._events.append(event)

    def crash(self, symbol: str | None, percent: Decimal, over_ms: int, at_ms: int) -> None:
        """Let a price fall by so many percent, for good, beginning at a time of the clock."""
        self.add(Crash(symbol, percent, at_ms - self._start_ms, over_ms))

    def stand_still(self, symbol: str | None, for_ms: int, at_ms: int) -> None:
        """Let a price stand still, beginning at a time of the clock."""
        self.add(Standstill(symbol, at_ms - self._start_ms, for_ms))

    def _about(self, symbol: str) -> list[Event]:
        return [event for event in self._events if event.symbol in (None, symbol)]

    def _changed(self, symbol: str, at_ms: int) -> PricePoint:
        point = self._prices.at(symbol, self._start_ms + at_ms)
        level, scared = _PPB, False
        for event in self._about(symbol):
            if isinstance(event, Crash):
                level = level * event.level_ppb(at_ms) // _PPB
                scared = scared or event.scares(at_ms)
        if level == _PPB and not scared:
            return point
        tick = self._sizes[symbol]
        return PricePoint(
            mark=_scaled(point.mark, level, tick),
            index_price=_scaled(point.index_price, level, tick),
            spread_ticks=point.spread_ticks * (_SCARED_SPREAD if scared else 1),
            depth_share=point.depth_share * _SCARED_DEPTH if scared else point.depth_share,
            funding_rate=point.funding_rate,
        )


def read_script(file: str, text: str) -> Sequence[Event]:
    """Read the `prices` of a plan. Raises BadPlan."""
    return read_all(file, text, "prices", _read)


def _read(entry: Entry) -> Event:
    kind = entry.text("event")
    symbol = entry.text("symbol") if entry.has("symbol") else None
    if kind == "crash":
        crash = Crash(
            symbol,
            entry.number("percent", None, -1_000, 99),
            entry.seconds_ms("at_s", None),
            entry.seconds_ms("over_s", None),
            entry.seconds_ms("hold_s", "0"),
            entry.seconds_ms("recovery_s", "0"),
            entry.number("recovery_percent", "100", 0, 100),
        )
        entry.done({"event", "symbol", "percent", "at_s", "over_s", "hold_s", "recovery_s", "recovery_percent"})
        return crash
    if kind == "standstill":
        still = Standstill(symbol, entry.seconds_ms("at_s", None), entry.seconds_ms("for_s", None))
        entry.done({"event", "symbol", "at_s", "for_s"})
        return still
    raise entry.refuse(f"there is no {kind!r}; known are crash, standstill", "event")


def _scaled(price: Decimal, level_ppb: int, tick: Decimal) -> Decimal:
    """Move a price to a level, on its grid and never to nothing."""
    return max(1, int(price / tick) * level_ppb // _PPB) * tick
