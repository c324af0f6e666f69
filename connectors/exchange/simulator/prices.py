"""Seeded prices: a market that drifts, calms down, storms and jumps, and symbols that follow it more or less.

Decides: where the price, spread, depth and funding of a symbol stand at a time. Time goes in steps of 100 ms from the start, each step drawn from
the seed and the symbol's name alone: how often, and for which symbols, anybody asks changes nothing. All in whole numbers, prices in millionths of
a tick moved by billionths: the same on every machine. Leaves to others: crashes and standstills (price_script), prices from files (played_prices).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isqrt
from random import Random
from typing import NamedTuple

from connectors.exchange.simulator.markets import Market, market_for
from connectors.exchange.simulator.ports import PricePoint
from connectors.exchange.simulator.records import Symbol

STEP_MS = 100
"""Finer than any stream of the exchange tells prices, and still 40 days of a symbol in a minute of computing."""
_GRAIN = 1_000_000
"""Parts of a tick a price is kept in: rounding a move by one of them is no drift anybody could see."""
_PPB = 1_000_000_000
_NOISE_SD = 4
"""Standard deviation of the count of ones in 64 fair bits: the noise of one step, near enough to a normal one."""
_ROOT = isqrt(STEP_MS * 1_000)
"""What one step's standard deviation in billionths is of one second's in millionths."""
_MARKET_SIGMA_PPM = 70
_JUMP_PPB_MAX = 8_000_000
"""0.8 %: the largest jump in one step."""
_BOUND = 50
"""No price leaves start / 50 … start × 50: a simulated day is not a delisting."""
_FUNDING_STEPS = 60_000 // STEP_MS
_FUNDING_BASE, _FUNDING_MAX = 10_000, 300_000
"""In hundred-millionths: 0.01 % is what the rate comes back to, ±0.3 % where the exchange caps it."""


class _Regime(NamedTuple):
    sigma_pct: int
    """Of the usual volatility."""
    drift_share: int
    """The drift of a second is sigma divided by this; 0: none."""
    jump_one_in: int
    """Steps of a symbol between two jumps."""
    depth_pct: int
    spread_times: int
    steps: int
    """How long it lasts, on average."""
    then: tuple[int, ...]


_CALM, _TREND, _STORM = 0, 1, 2
_REGIMES = (
    _Regime(70, 0, 60_000, 110, 1, 12_000, (_TREND, _TREND, _CALM, _STORM)),
    _Regime(90, 20, 30_000, 90, 1, 9_000, (_CALM, _CALM, _STORM, _TREND)),
    _Regime(230, 0, 3_000, 35, 2, 2_400, (_CALM, _TREND, _TREND)),
)


class _MarketWalk:
    """What all symbols share. Every symbol walks a copy of its own, made of the same seed: so none has to wait for another."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(f"{seed}/market")  # noqa: S311 - seeded chance is the point
        self._left = 0
        self._drift_ppb = 0
        self._kind = _below(self._chance, len(_REGIMES))
        self._enter(self._kind)

    def step(self) -> int:
        """Go one step; gives the market's move in billionths."""
        if not self._left:
            then = self.regime.then
            self._enter(then[_below(self._chance, len(then))])
        self._left -= 1
        noise = self._chance.getrandbits(64).bit_count() - 32
        return noise * _MARKET_SIGMA_PPM * _ROOT * self.regime.sigma_pct // (100 * _NOISE_SD) + self._drift_ppb

    def _enter(self, kind: int) -> None:
        self.regime = regime = _REGIMES[kind]
        self._left = regime.steps // 2 + _below(self._chance, regime.steps)
        drift_ppb = _MARKET_SIGMA_PPM * STEP_MS // regime.drift_share if regime.drift_share else 0
        self._drift_ppb = drift_ppb if self._chance.getrandbits(1) else -drift_ppb


@dataclass(slots=True)
class _Path:
    """Where a symbol stands."""

    market: Market
    walk: _MarketWalk
    chance: Random
    start: int
    price: int
    funding: int = _FUNDING_BASE
    depth_noise: int = 32
    steps: int = 0


class SeededPrices:
    """Prices of one seed, as `Prices` wants them."""

    def __init__(self, seed: int, symbols: Sequence[Symbol], start_ms: int) -> None:
        """Open every symbol at its starting price (markets)."""
        self.symbols = tuple(symbols)
        self._start_ms = start_ms
        self._paths = {symbol.symbol: _open(seed, symbol) for symbol in self.symbols}

    def at(self, symbol: str, now_ms: int) -> PricePoint:
        """Give the price of a symbol at a time; before the start it is the first one. Times of a symbol never go back."""
        path = self._paths[symbol]
        for _ in range((now_ms - self._start_ms) // STEP_MS - path.steps):
            _step(path)
        return _point(path)


def _open(seed: int, symbol: Symbol) -> _Path:
    market = market_for(symbol.symbol)
    price = int(market.start_price / symbol.tick_size) * _GRAIN
    chance = Random(f"{seed}/{symbol.symbol}")  # noqa: S311 - seeded chance is the point
    return _Path(market._replace(symbol=symbol), _MarketWalk(seed), chance, price, price)


def _step(path: _Path) -> None:
    market, chance = path.market, path.chance
    shared_ppb = path.walk.step()
    regime = path.walk.regime
    bits = chance.getrandbits(102)
    noise = (bits & 0xFFFFFFFFFFFFFFFF).bit_count() - 32
    ppb = noise * market.sigma_ppm * _ROOT * regime.sigma_pct // (100 * _NOISE_SD) + shared_ppb * market.beta_pct // 100
    if not (bits >> 64 & 0xFFFFFFFF) % regime.jump_one_in:
        ppb += _below(chance, 2 * _JUMP_PPB_MAX + 1) - _JUMP_PPB_MAX
    path.price = min(max(path.price + path.price * ppb // _PPB, path.start // _BOUND, _GRAIN), path.start * _BOUND)
    path.depth_noise += ((bits >> 96) - path.depth_noise) // 4
    path.steps += 1
    if not path.steps % _FUNDING_STEPS:
        drawn = (_below(chance, 8_001) - 4_000) * (3 if regime is _REGIMES[_STORM] else 1)
        path.funding += (_FUNDING_BASE - path.funding) // 40 + drawn
        path.funding = min(max(path.funding, -_FUNDING_MAX), _FUNDING_MAX)


def _point(path: _Path) -> PricePoint:
    """Show where a symbol stands. The mark is above the index by what the funding rate is above its base: that is what the rate is made of."""
    regime, tick = path.walk.regime, path.market.symbol.tick_size
    mark = path.price + path.price * (path.funding - _FUNDING_BASE) // 100_000_000
    return PricePoint(
        mark=max(1, mark // _GRAIN) * tick,
        index_price=max(1, path.price // _GRAIN) * tick,
        spread_ticks=path.market.spread_ticks * regime.spread_times,
        depth_share=Decimal(regime.depth_pct * (68 + path.depth_noise)).scaleb(-4),
        funding_rate=Decimal(path.funding).scaleb(-8),
    )


def _below(chance: Random, bound: int) -> int:
    """Draw a whole number from 0 to bound - 1 with integer arithmetic alone."""
    return chance.getrandbits(32) * bound >> 32
