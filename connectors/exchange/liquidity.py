"""Liquidity over several venues: what is known of each, and what it comes to.

Decides: depth and volume are sums over the venues that answered lately; a silent one counts as nothing, so the sum may be too small and is never too
large. The spread is that of the venue orders go to, alone: nobody can trade across venues with one order, and the best of all would hide that our own
book is gone. Without our own venue's figure there is no sum. Pure. Leaves to others: asking (market_data, market_venues).
"""

import hashlib
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final

from streams.desk.messages import Liquidity

VOLUME_AGE_MS: Final = 600_000
"""A day's volume changes by less than a hundredth in ten minutes: ten questions that failed in a row."""
DEPTH_AGE_MS: Final = 60_000
"""How old another venue's book may be: it is only asked every ten seconds, and orders do not go there."""
_QUANTUM: Final = Decimal("1E-10")


class Liquidities:
    """What is known of all venues. Times are of a clock that never goes back."""

    def __init__(self, venues: Sequence[str]) -> None:
        """Begin with nothing; the first venue is the one orders go to."""
        self._venues = tuple(venues)
        self._depth: dict[tuple[str, str], tuple[Decimal, int]] = {}
        self._volume: dict[tuple[str, str], tuple[Decimal, int]] = {}

    @property
    def own(self) -> str:
        """Name the venue orders go to."""
        return self._venues[0]

    def take_depth(self, venue: str, symbol: str, depth: Decimal, now_ms: int) -> None:
        """Take what another venue's book holds."""
        self._depth[venue, symbol] = depth, now_ms

    def take_volume(self, venue: str, symbol: str, volume: Decimal, now_ms: int) -> None:
        """Take what was traded on a venue in 24 hours."""
        self._volume[venue, symbol] = volume, now_ms

    def volume_due(self, venue: str, symbol: str, every_ms: int, now_ms: int) -> bool:
        """Tell whether a venue's volume is to be asked for again."""
        known = self._volume.get((venue, symbol))
        return known is None or now_ms - known[1] >= every_ms

    def volume_24h(self, symbol: str, now_ms: int) -> Decimal | None:
        """Give what was traded in 24 hours; None where the own venue does not say."""
        found = {venue: self._fresh(self._volume, venue, symbol, VOLUME_AGE_MS, now_ms) for venue in self._venues}
        if found[self.own] is None:
            return None
        return sum((volume for volume in found.values() if volume is not None), Decimal(0))

    def of(self, symbol: str, own_depth: Decimal, touch: tuple[Decimal, Decimal], ts: int, now_ms: int) -> Liquidity:
        """Say how liquid a symbol is, with the own venue's depth and best prices."""
        others = {venue: self._fresh(self._depth, venue, symbol, DEPTH_AGE_MS, now_ms) for venue in self._venues[1:]}
        known = {self.own: own_depth, **{venue: depth for venue, depth in others.items() if depth is not None}}
        figures = (spread_bps(*touch), sum(known.values(), Decimal(0)), self.volume_24h(symbol, now_ms), tuple(known))
        return Liquidity(named(symbol, ts, *figures), symbol, *figures, ts)

    @staticmethod
    def _fresh(
        kept: dict[tuple[str, str], tuple[Decimal, int]], venue: str, symbol: str, age_ms_max: int, now_ms: int
    ) -> Decimal | None:
        value, heard_ms = kept.get((venue, symbol), (None, 0))
        return value if now_ms - heard_ms <= age_ms_max else None


def spread_bps(bid: Decimal, ask: Decimal) -> Decimal:
    """Give the spread in ten-thousandths of the middle, rounded up."""
    return ((ask - bid) * 20_000 / (bid + ask)).quantize(_QUANTUM, ROUND_CEILING)


def named(symbol: str, ts: int, *said: object) -> str:
    """Make an id of what is said: the same for a repeat, also after a restart or from another connector, and another one for anything else."""
    digest = hashlib.blake2b("\x1f".join(map(str, said)).encode(), digest_size=8).hexdigest()
    return f"{symbol}-{ts}-{digest}"
