"""What time it is at the exchange, and by how much that may be wrong.

Decides: the offset between a clock that never goes back and the exchange's, from questions whose answer told its time, with half the way there and
back as the error; when a comparison is too old; that one is void after the system's clock has jumped or the machine has slept. Leaves to others:
asking (ccxt_exchange), and not sending when the error is too large (pipeline).
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

Sleep = Callable[[float], Awaitable[None]]
"""Waits so many seconds."""

OLD_MS: Final = 180_000
"""Three questions in a row failed at one a minute. Whatever keeps us from asking may as well have moved the clock."""
DRIFT_PPM: Final = 200
"""A quartz is off by up to 100 millionths; twice that for two of them."""
JUMP_MS: Final = 250
"""What the time of day and a ticking clock may drift apart between two comparisons. Slewing is slower; a step or a sleep is more."""


class Clocks(Protocol):
    """This machine's."""

    def wall_ms(self) -> int:
        """Give the time of day."""

    def ticking_ms(self) -> int:
        """Give a time that never goes back."""


class Comparison(NamedTuple):
    """One question for the time."""

    offset_ms: int
    """The exchange's time is the ticking one and this."""
    error_ms: int
    at_ms: int
    wall_ahead_ms: int

    def error_at(self, ticking_ms: int) -> int:
        """Give the error as it has grown since."""
        return self.error_ms + (ticking_ms - self.at_ms) * DRIFT_PPM // 1_000_000


class ExchangeClock:
    """The exchange's clock, as far as it is known."""

    def __init__(self, clocks: Clocks) -> None:
        """Know nothing yet."""
        self.clocks = clocks
        self._best: Comparison | None = None

    def now_ms(self) -> int:
        """Tell the exchange's time; this machine's where it was never compared."""
        if self._best is None:
            return self.clocks.wall_ms()
        return self.clocks.ticking_ms() + self._best.offset_ms

    def error_ms(self) -> int | None:
        """Tell by how much that may be wrong; None where nobody knows."""
        best, now = self._best, self.clocks.ticking_ms()
        if best is None or now - best.at_ms > OLD_MS or self._jumped(best):
            return None
        return best.error_at(now)

    def learn(self, asked_ms: int, server_ms: int, answered_ms: int) -> None:
        """Take an answer, with the ticking times of question and answer. One from nearer by counts, unless both cannot be true."""
        half_ms = (answered_ms - asked_ms + 1) // 2
        offset_ms = server_ms - asked_ms - half_ms
        new = Comparison(offset_ms, half_ms + 1, answered_ms, self.clocks.wall_ms() - answered_ms)
        best = self._best
        if best is not None and self.error_ms() is not None:
            error_ms = best.error_at(answered_ms)
            apart_ms = abs(best.offset_ms - new.offset_ms)
            if error_ms < new.error_ms and apart_ms <= error_ms + new.error_ms:
                return
        self._best = new

    def doubt(self) -> None:
        """Forget how exact it is: the exchange refused a timestamp."""
        if self._best is not None:
            self._best = self._best._replace(at_ms=self._best.at_ms - 2 * OLD_MS)

    def _jumped(self, best: Comparison) -> bool:
        ahead_ms = self.clocks.wall_ms() - self.clocks.ticking_ms()
        return abs(ahead_ms - best.wall_ahead_ms) > JUMP_MS
