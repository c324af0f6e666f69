"""Which way in to the exchange is used: the first, or the second while the first does not answer.

Decides: after how many questions in a row that reached nothing the other way is taken, and when it is gone back. Leaves to others: asking, when to
probe (ccxt_exchange), and what was in doubt: it is asked for on whatever way is in use, and never sent again.
"""

from collections.abc import Sequence
from typing import Any, Final

import aiohttp

from connectors.exchange.modes import Place

FAILURES_MAX: Final = 3
"""One question may be lost, and two may have been on the way together. Three in a row, and nothing came through in between."""
GOOD_PROBES: Final = 3
"""As many answers in a row bring the first way back: a way that comes and goes is worse than one that is gone."""


async def is_there(session: aiohttp.ClientSession, place: Place, within_s: float) -> bool:
    """Ask whether a way in answers: past ccxt, whose addresses are those of the way in use."""
    try:
        async with session.get(f"{place.rest_url}/fapi/v1/ping", timeout=aiohttp.ClientTimeout(total=within_s)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, OSError):
        return False


class Route:
    """The ways in, and the one that is in use."""

    def __init__(self, places: Sequence[Place]) -> None:
        """Begin with the first."""
        self.places = tuple(places)
        self.current = 0
        self.api: dict[str, Any] = {}
        """What ccxt asks for addresses: one dict for all its instances, so that all of them change over at once."""
        self._failures = self._good = 0
        self._use(0)

    @property
    def elsewhere(self) -> bool:
        """Tell whether another way than the first is in use."""
        return self.current != 0

    def failed(self, used: int) -> None:
        """Count a question that reached nothing. What was asked on a way that is left already proves nothing of this one."""
        if used != self.current:
            return
        self._failures += 1
        if self._failures >= FAILURES_MAX and len(self.places) > 1:
            self._use((self.current + 1) % len(self.places))

    def answered(self, used: int) -> None:
        """Note that a question was answered, whatever the answer."""
        if used == self.current:
            self._failures = 0

    def probed(self, good: bool) -> None:
        """Note how the first way does while another is in use."""
        self._good = self._good + 1 if good else 0
        if self.elsewhere and self._good >= GOOD_PROBES:
            self._use(0)

    def _use(self, index: int) -> None:
        self.current, self._failures, self._good = index, 0, 0
        place = self.places[index]
        self.api.update(
            {
                "fapiPublic": f"{place.rest_url}/fapi/v1",
                "fapiPrivate": f"{place.rest_url}/fapi/v1",
                "fapiPrivateV2": f"{place.rest_url}/fapi/v2",
                "fapiPrivateV3": f"{place.rest_url}/fapi/v3",
                "sapi": f"{place.permissions_url}/sapi/v1",
                "ws": {"linear": place.stream_url},
            }
        )
