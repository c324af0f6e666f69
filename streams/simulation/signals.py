"""A heuristic source of signals: scores made from the price process, not by a trained model, and its name says so.

Decides: sides, scores, agreement, confidence, and how a signal can be poor (unsure, disputed, degraded, late, ahead of time, for a
symbol nobody trades, malformed). Leaves to others: for whom and when (world), what a signal is worth (the desk).
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from random import Random
from typing import Protocol

from streams.desk.messages import Mark, Regime, Signal, SignalSide
from streams.simulation.market import Market, below

SOURCE = "heuristic-sim"
SHADOW_SOURCE = "heuristic-sim-candidate"
"""A second source, whose signals are made to be looked at only."""
MODELS = ("momentum", "mean_reversion", "breakout", "carry", "flow")
FOREIGN_SYMBOL = "NOTLISTEDUSDT"
_DELAY_MS_MIN, _DELAY_MS_SPREAD = 40, 400


class Wish(Enum):
    """What kind of signal is asked for."""

    NATURAL = "natural"
    ENTRY = "entry"
    """Sure, agreed on, complete: likely to pass where there is room."""
    CLOSE = "close"
    POOR = "poor"
    """Something is wrong with it."""


class Fault(Enum):
    """What can be wrong with a poor signal, by weight."""

    UNSURE = "unsure"
    DISPUTED = "disputed"
    DEGRADED = "degraded"
    LATE = "late"
    AHEAD = "ahead"
    FOREIGN_SYMBOL = "foreign symbol"
    SHADOW = "shadow"
    MALFORMED = "malformed"


_FAULTS = (
    (Fault.UNSURE,) * 34 + (Fault.DISPUTED,) * 20 + (Fault.DEGRADED,) * 14 + (Fault.LATE,) * 12 + (Fault.SHADOW,) * 10 + (Fault.AHEAD,) * 4
    + (Fault.FOREIGN_SYMBOL,) * 4 + (Fault.MALFORMED,) * 2
)  # fmt: skip


class Watched(Protocol):
    """A market as somebody sees it who trades there: symbols by their index."""

    @property
    def markets(self) -> Sequence[Market]:
        """The symbols."""
        ...

    def last(self, index: int, /) -> Mark | None:
        """Give the newest mark of a symbol."""
        ...

    def regime(self, index: int, /) -> Regime:
        """Tell the regime a symbol is in."""
        ...

    def atr(self, index: int, /) -> Decimal:
        """Give the average true range, on the price grid and never zero."""
        ...

    def momentum_ppm(self, index: int, /) -> int:
        """Tell how far the price stands above its slow average, in millionths."""
        ...


class SignalSource:
    """Makes signals, each with an id of its own."""

    def __init__(self, seed: int, prices: Watched) -> None:
        """Watch these prices."""
        self._chance = Random(f"{seed}/signals")
        self._prices = prices
        self._made = 0

    def make(self, account: str, index: int, now_ms: int, wish: Wish = Wish.NATURAL, side: SignalSide | None = None) -> Signal:
        """Make a signal of a kind for an account in the symbol of this index."""
        chance, prices = self._chance, self._prices
        if wish is Wish.CLOSE:
            side = "CLOSE"
        lean = prices.momentum_ppm(index)
        if side is None:
            follow = lean + (below(chance, 4_001) - 2_000) >= 0
            side = "LONG" if follow else "SHORT"
        strength = 640 + below(chance, 300) if wish in (Wish.ENTRY, Wish.CLOSE) else 330 + below(chance, 320) + below(chance, 320)
        noise = 250 if wish is Wish.ENTRY else 420
        aligned = [min(1_000, max(-1_000, strength + below(chance, 2 * noise + 1) - noise)) for _ in MODELS]
        signal = self._signal(account, index, now_ms, side, aligned)
        if wish is Wish.POOR:
            return self._spoiled(signal, index, now_ms, _FAULTS[below(chance, len(_FAULTS))])
        return signal

    def _signal(self, account: str, index: int, now_ms: int, side: SignalSide, aligned: list[int]) -> Signal:
        prices, chance = self._prices, self._chance
        self._made += 1
        sign = -1 if side == "SHORT" else 1
        agreeing = sum(1 for score in aligned if score > 0)
        confidence = max(0, sum(aligned)) // len(aligned)
        return Signal(
            f"s{self._made}",
            account,
            prices.markets[index].symbol,
            side,
            Decimal(confidence).scaleb(-3),
            {model: sign * score / 1_000 for model, score in zip(MODELS, aligned, strict=True)},
            Decimal(agreeing * 1_000 // len(aligned)).scaleb(-3),
            SOURCE,
            False,
            prices.regime(index),
            prices.atr(index),
            now_ms - _DELAY_MS_MIN - below(chance, _DELAY_MS_SPREAD),
        )

    def _spoiled(self, signal: Signal, index: int, now_ms: int, fault: Fault) -> Signal:
        chance = self._chance
        if fault is Fault.UNSURE:
            return self._signal(signal.account, index, now_ms, signal.side, [120 + below(chance, 250) for _ in MODELS])
        if fault is Fault.DISPUTED:
            return self._signal(signal.account, index, now_ms, signal.side, [980, 950, -40, -30, -20 - below(chance, 30)])
        if fault is Fault.DEGRADED:
            return signal._replace(degraded=True)
        if fault is Fault.LATE:
            return signal._replace(ts=now_ms - 15_000 - below(chance, 60_000))
        if fault is Fault.AHEAD:
            return signal._replace(ts=now_ms + 5_000 + below(chance, 60_000))
        if fault is Fault.SHADOW:
            return signal._replace(source=SHADOW_SOURCE)
        if fault is Fault.FOREIGN_SYMBOL:
            return signal._replace(symbol=FOREIGN_SYMBOL)
        return signal._replace(confidence=Decimal("1.200"))
