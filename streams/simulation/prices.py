"""Price processes: how the marks of the generated market move.

Decides: regimes and when they change, the market factor all symbols share, jumps, spreads, depth and funding rates, and scripted
trouble (a crash, a silent feed). All in whole numbers from one seed: prices are kept in millionths of a tick and moved by billionths, so
the same seed gives the same marks on every machine. Leaves to others: when marks are sent (world).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isqrt
from random import Random
from typing import NamedTuple

from streams.desk.messages import Mark, Regime
from streams.simulation.market import Market, below

GRAIN = 1_000_000
"""Parts of a tick a price is kept in: rounding a move down by one of them is no drift anybody could see."""
PPB = 1_000_000_000
_NOISE_SD = 4
"""Standard deviation of the count of ones in 64 fair bits: the noise of one step, near enough to a normal one."""
_FACTOR_SIGMA_PPM = 70
"""Standard deviation of the market factor over one second, in millionths."""
_TREND_SHARE = 20
"""A trend drifts this part of sigma a second: over ten minutes about as far as the noise."""
_RANGE_PULL_MS = 90_000
"""Time in which a range pulls a price back to its middle."""
_BAR_MS = 300_000
"""Bars the average true range is taken from."""
_ATR_BARS = 4
_JUMP_ONE_IN = {"TREND": 30_000, "RANGE": 60_000, "VOLATILE": 3_000}
_SIGMA_PCT = {"TREND": 90, "RANGE": 70, "VOLATILE": 230}
_REGIME_MS = {"TREND": 900_000, "RANGE": 1_200_000, "VOLATILE": 240_000}
_NEXT: dict[Regime, tuple[Regime, ...]] = {
    "TREND": ("RANGE", "RANGE", "VOLATILE", "TREND"),
    "RANGE": ("TREND", "TREND", "RANGE", "VOLATILE"),
    "VOLATILE": ("RANGE", "TREND", "TREND"),
}
_FUNDING_EVERY_MS = 60_000
_FLOOR_SHARE, _CEILING_SHARE = 50, 50
"""No price leaves start / 50 … start × 50: a generated day is not a delisting."""


class Crash(NamedTuple):
    """A scripted fall: the symbol (every symbol where None) loses fall_bps of its price over over_ms."""

    symbol: str | None
    at_ms: int
    fall_bps: int
    over_ms: int


class Silence(NamedTuple):
    """A scripted gap: no mark of the symbol (of any where None) for for_ms."""

    symbol: str | None
    at_ms: int
    for_ms: int


Trouble = Crash | Silence


@dataclass(slots=True)
class _Path:
    """Where one symbol stands. Prices in millionths of a tick."""

    market: Market
    chance: Random
    price: int
    tick: Decimal
    factor_seen: int = 0
    regime: Regime = "RANGE"
    until_ms: int = 0
    drift_ppb: int = 0
    anchor: int = 0
    bar_end_ms: int = 0
    bar_high: int = 0
    bar_low: int = 0
    atr: int = 0
    slow: int = 0
    """A slow average of the price: what momentum is measured against."""
    funding_1e8: int = 10_000
    funding: Decimal = Decimal("0.0001")
    funding_due_ms: int = 0
    spread_ticks: int = 1
    marks: int = 0
    crash_from: int = 0
    last: Mark | None = None
    troubles: list[Trouble] = field(default_factory=list)


class Prices:
    """The prices of all symbols, moved one step of `step_ms` at every mark."""

    def __init__(
        self, seed: int, markets: Sequence[Market], start_ms: int, step_ms: int = 100, troubles: Sequence[Trouble] = ()
    ) -> None:
        """Start every symbol at its opening price."""
        self.markets = tuple(markets)
        self.step_ms = step_ms
        self._root = isqrt(step_ms * 1_000)
        self._chance = Random(f"{seed}/factor")
        self._factor_ppb = 0
        self._factor_due_ms = start_ms
        self._paths = [self._open(seed, market, start_ms, troubles) for market in self.markets]

    def _open(self, seed: int, market: Market, start_ms: int, troubles: Sequence[Trouble]) -> _Path:
        price = market.start_ticks * GRAIN
        path = _Path(market, Random(f"{seed}/{market.symbol}"), price, market.tick, anchor=price, slow=price)
        path.atr = price * market.sigma_ppm * 16 * isqrt(_BAR_MS // 1_000) // 10_000_000
        path.bar_end_ms, path.bar_high, path.bar_low = start_ms + _BAR_MS, price, price
        path.funding_due_ms = start_ms
        path.troubles = [trouble for trouble in troubles if trouble.symbol in (None, market.symbol)]
        self._enter(path, ("RANGE", "TREND", "VOLATILE")[below(path.chance, 3)], start_ms)
        return path

    def mark(self, index: int, now_ms: int) -> Mark | None:
        """Move a symbol one step and give its mark; nothing while its feed is silent."""
        path = self._paths[index]
        before = path.price
        price = self._forced(path, now_ms) if path.troubles else None
        if price is None:
            price = self._moved(path, now_ms)
        path.price = price
        path.slow += (price - path.slow) * self.step_ms // 120_000
        if price > path.bar_high:
            path.bar_high = price
        elif price < path.bar_low:
            path.bar_low = price
        if now_ms >= path.bar_end_ms:
            self._close_bar(path, now_ms)
        if path.troubles and any(
            isinstance(one, Silence) and one.at_ms <= now_ms < one.at_ms + one.for_ms for one in path.troubles
        ):
            return None
        return self._shown(path, before, now_ms)

    def last(self, index: int) -> Mark | None:
        """Give the newest mark of a symbol."""
        return self._paths[index].last

    def regime(self, index: int) -> Regime:
        """Tell the regime a symbol is in."""
        return self._paths[index].regime

    def atr(self, index: int) -> Decimal:
        """Give the average true range, on the price grid and never zero."""
        path = self._paths[index]
        return max(1, path.atr // GRAIN) * path.tick

    def momentum_ppm(self, index: int) -> int:
        """Tell how far the price stands above its slow average, in millionths."""
        path = self._paths[index]
        return (path.price - path.slow) * 1_000_000 // path.slow

    def _moved(self, path: _Path, now_ms: int) -> int:
        while now_ms >= self._factor_due_ms:
            noise = self._chance.getrandbits(64).bit_count() - 32
            self._factor_ppb += noise * _FACTOR_SIGMA_PPM * self._root // _NOISE_SD
            self._factor_due_ms += self.step_ms
        if now_ms >= path.until_ms:
            self._enter(path, _NEXT[path.regime][below(path.chance, len(_NEXT[path.regime]))], now_ms)
        market, chance = path.market, path.chance
        bits = chance.getrandbits(96)
        noise = (bits >> 32).bit_count() - 32
        ppb = noise * market.sigma_ppm * self._root * _SIGMA_PCT[path.regime] // (100 * _NOISE_SD)
        ppb += (self._factor_ppb - path.factor_seen) * market.beta_pct // 100 + path.drift_ppb
        path.factor_seen = self._factor_ppb
        if not (bits & 0xFFFFFFFF) % _JUMP_ONE_IN[path.regime]:
            ppb += (below(chance, 1_600_001) - 800_000) * 10
        price = path.price + path.price * ppb // PPB
        if path.regime == "RANGE":
            price += (path.anchor - price) * self.step_ms // _RANGE_PULL_MS
        start = market.start_ticks * GRAIN
        return min(max(price, start // _FLOOR_SHARE), start * _CEILING_SHARE)

    def _forced(self, path: _Path, now_ms: int) -> int | None:
        """Give the price a running crash demands."""
        for one in path.troubles:
            if isinstance(one, Crash) and one.at_ms <= now_ms:
                if not path.crash_from:
                    path.crash_from = path.price
                gone_ms = min(now_ms - one.at_ms, one.over_ms)
                price = max(GRAIN, path.crash_from - path.crash_from * one.fall_bps * gone_ms // (10_000 * one.over_ms))
                if gone_ms == one.over_ms:
                    path.troubles.remove(one)
                    path.crash_from, path.price = 0, price
                    self._enter(path, "VOLATILE", now_ms)
                return price
        return None

    def _enter(self, path: _Path, regime: Regime, now_ms: int) -> None:
        path.regime = regime
        path.until_ms = now_ms + _REGIME_MS[regime] // 2 + below(path.chance, _REGIME_MS[regime])
        path.anchor = path.price
        drift_ppb = path.market.sigma_ppm * self.step_ms // _TREND_SHARE
        path.drift_ppb = 0 if regime != "TREND" else drift_ppb if path.chance.getrandbits(1) else -drift_ppb
        wide = 2 if regime == "VOLATILE" else 1
        path.spread_ticks = path.market.spread_ticks * wide + (below(path.chance, 2) if path.market.spread_ticks > 1 else 0)

    def _close_bar(self, path: _Path, now_ms: int) -> None:
        path.atr += (path.bar_high - path.bar_low - path.atr) // _ATR_BARS
        path.bar_high = path.bar_low = path.price
        path.bar_end_ms = now_ms + _BAR_MS

    def _shown(self, path: _Path, before: int, now_ms: int) -> Mark:
        market, price, tick = path.market, path.price, path.tick
        bits = path.chance.getrandbits(32)
        if now_ms >= path.funding_due_ms:
            path.funding_due_ms = now_ms + _FUNDING_EVERY_MS
            pull = (10_000 - path.funding_1e8) // 40
            path.funding_1e8 += pull + (below(path.chance, 8_001) - 4_000) * (4 if path.regime == "VOLATILE" else 1)
            path.funding = Decimal(path.funding_1e8).scaleb(-8)
        ticks = max(2, price // GRAIN)
        wick = (path.spread_ticks >> 1) if bits & 7 else path.spread_ticks
        highest = max(ticks, before // GRAIN) + wick
        lowest = max(1, min(ticks, before // GRAIN) - wick)
        bid = max(1, ticks - (path.spread_ticks >> 1) - (1 if bits & 8 and path.spread_ticks == 1 else 0))
        ask = bid + path.spread_ticks
        depth = market.depth_usd * (60 + (bits >> 8 & 63)) // (100 if path.regime != "VOLATILE" else 250)
        path.marks += 1
        made = Mark(
            f"{market.symbol}-{path.marks}", market.symbol, ticks * tick, highest * tick, lowest * tick, bid * tick, ask * tick,
            Decimal(depth), path.funding, now_ms - 2 - (bits >> 16 & 31),
        )  # fmt: skip
        path.last = made
        return made
