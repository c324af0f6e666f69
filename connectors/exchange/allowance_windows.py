"""How much of a limit is used, in windows that begin by the clock of the exchange, which is not ours.

Decides: which of what was taken may be counted in the window that runs, and in the next; what a header is worth; how an even pace goes. Leaves to
others: who may take how much (allowance).

The exchange counts a request when it arrives. We know when it was let go, to the millisecond of a clock that never goes back, that it arrives within
`LATE_MS` of that, and what time it is at the exchange, give or take an error. So near the full minute a request may be counted before or after it,
and is taken to be counted both times: a window's count holds what was let go since `LATE_MS` and twice the error before its begin, and begins anew
only when the minute has begun for sure. Nothing then depends on hitting the minute's edge. It costs what is let go in the last two or three seconds
of a minute, and as the pace has used the minute up five seconds before its end where there is work enough, that is nothing.
While nobody knows the exchange's time, everything of the last minute counts.
"""

import math
from typing import Final, NamedTuple

from connectors.exchange.clock import ExchangeClock

LATE_MS: Final = 2_000
"""From being let go to being counted. An order is written down durably in between; the way itself takes a tenth. What is later than that meets the
share of the window that ordinary work never takes."""
STILL_MS: Final = 60_000
"""When to look again where there is no pace at all. Whatever changes that is told before."""
GRAINS: Final = 300
"""What is taken is kept by the 300th of a window, 0.2 s of a minute: exact enough beside `LATE_MS`, and few enough to be added up each time."""


class Moment(NamedTuple):
    """A time, on both clocks."""

    tick_ms: int
    exchange_ms: int
    error_ms: int | None

    @classmethod
    def of(cls, clock: ExchangeClock) -> "Moment":
        """Look at the clocks."""
        return cls(clock.clocks.ticking_ms(), clock.now_ms(), clock.error_ms())


class Window(NamedTuple):
    """The window that has begun for sure. Its times are those of the clock that never goes back."""

    number: int | None
    """Counted from the epoch by the exchange's clock, so it is the same for everybody; None where nobody knows the time."""
    began_ms: int
    """By then it had begun."""
    since_ms: int
    """What was taken from here on may be counted in it."""
    next_since_ms: int
    """And from here on in the next one."""
    left_ms: int
    """Until the next one has begun for sure."""


def window_at(moment: Moment, length_ms: int) -> Window:
    """Give the window of a moment."""
    tick_ms, exchange_ms, error_ms = moment
    if error_ms is None or LATE_MS + 2 * error_ms > length_ms // 2:
        since_ms = tick_ms - length_ms - LATE_MS
        return Window(None, tick_ms, since_ms, since_ms, length_ms)
    number, into_ms = divmod(exchange_ms - error_ms, length_ms)
    began_ms = tick_ms - into_ms
    since_ms = began_ms - 2 * error_ms - LATE_MS
    return Window(number, began_ms, since_ms, since_ms + length_ms, length_ms - into_ms)


class Count:
    """What was used of one limit."""

    def __init__(self, length_ms: int) -> None:
        """Begin with nothing used."""
        self._length_ms = length_ms
        self._grain_ms = max(1, length_ms // GRAINS)
        self._taken: dict[int, int] = {}
        """By the end of the grain: rounded so, it is counted too long rather than too short."""
        self._total = 0
        """All that was ever taken."""
        self._told_ms, self._told, self._total_then = -1, 0, 0

    def add(self, tick_ms: int, amount: int) -> None:
        """Count something."""
        self._total += amount
        grain = tick_ms - tick_ms % self._grain_ms + self._grain_ms - 1
        if grain not in self._taken:
            over_ms = tick_ms - 2 * (self._length_ms + LATE_MS)
            self._taken = {end_ms: taken for end_ms, taken in self._taken.items() if end_ms >= over_ms}
        self._taken[grain] = self._taken.get(grain, 0) + amount

    def since(self, tick_ms: int) -> int:
        """Tell what was taken since then."""
        return sum(taken for end_ms, taken in self._taken.items() if end_ms >= tick_ms)

    def used(self, window: Window) -> int:
        """Tell what is used of a window: by us, or by anybody where the exchange has told of more."""
        ours = self.since(window.since_ms)
        if self._told_ms < window.began_ms:
            return ours
        return max(ours, self._told + self._total - self._total_then)

    def told(self, moment: Moment, used: int, asked_ms: int) -> bool:
        """Take what the exchange says was used when it answered what was asked then; tells whether that is believed.

        An answer can come late, and then tells of the window before. So in the first fifth of a window only those are believed that were asked for in
        it: for a minute that is longer than an answer is waited for, for 10 s it costs one account some seconds if one is later still. While nobody
        knows the time each is believed: at worst too much counts as used, until the next window.
        """
        window = window_at(moment, self._length_ms)
        early = moment.tick_ms - window.began_ms < self._length_ms // 5 and asked_ms < window.began_ms
        if early and window.number is not None:
            return False
        if self._told_ms < window.began_ms or used > self._told:
            self._told_ms, self._told, self._total_then = moment.tick_ms, used, self._total
        return True

    def again_ms(self, window: Window) -> int:
        """Tell how long until less is used."""
        if window.number is not None:
            return window.left_ms
        counted = [end_ms for end_ms in self._taken if end_ms >= window.since_ms]
        return min(counted, default=window.since_ms) - window.since_ms + 1


class Pace:
    """An even pace that may be ahead of itself by a burst, in weight."""

    def __init__(self, tick_ms: int) -> None:
        """Stand still."""
        self._saved, self._at_ms = 0.0, tick_ms
        self._per_ms, self.burst = 0.0, 0.0

    def go(self, tick_ms: int, per_ms: float, burst: float) -> None:
        """Go at another pace from now on. What was saved stays."""
        self._saved, self._at_ms = self.saved(tick_ms), tick_ms
        self._per_ms, self.burst = per_ms, burst

    def saved(self, tick_ms: int) -> float:
        """Tell how far one may go at once; less than nothing after something urgent."""
        if self._saved >= self.burst:
            return self._saved
        return min(self.burst, self._saved + (tick_ms - self._at_ms) * self._per_ms)

    def put(self, tick_ms: int, amount: float) -> None:
        """Save some more, or spend some."""
        self._saved, self._at_ms = self.saved(tick_ms) + amount, tick_ms

    def wait_ms(self, tick_ms: int, amount: int, more: float) -> int:
        """Tell how long until one may go so far. What is larger than the burst goes when the burst is there, and is made up for afterwards."""
        short = min(amount, self.burst) - more - self.saved(tick_ms)
        if short <= 0:
            return 0
        return math.ceil(short / self._per_ms) if self._per_ms else STILL_MS
