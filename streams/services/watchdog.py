"""The watchdog of a worker: notices that recovery hangs, that nothing is polled or answered any more, that memory runs away.

Decides: when a worker is no use any more. It ends then and is started again: coming back is what workers are made for, hanging is not. Leaves to
others: the figures (ports), ending, starting again.
"""

from collections.abc import Callable
from typing import NamedTuple

RECOVERY_S_MAX = 120.0
"""A changelog is read in seconds. Faust's recovery can hang with its errors swallowed; nobody waits longer than this for it."""
SILENT_S_MAX = 60.0
"""Once it is ready the consumer polls at least once a second, whether or not there is anything to fetch, and the broker is asked for the tape's
identity every other second. Polling goes on over a broker that stands still; answers do not. A change of leaders takes some ten seconds."""
ASLEEP_S = 20.0
"""Between two looks, of which there is one a second: then the worker itself stood still (a paused container, a machine that slept)."""
MEMORY_BYTES_MAX = 2 * 1024**3
"""Ten times what a worker of 1,000 accounts takes."""


class Stuck(Exception):
    """The worker is no use any more."""


class Limits(NamedTuple):
    """From where on something is wrong."""

    recovery_s_max: float = RECOVERY_S_MAX
    silent_s_max: float = SILENT_S_MAX
    memory_bytes_max: int = MEMORY_BYTES_MAX


class Watched(NamedTuple):
    """What the watchdog looks at, in this moment."""

    ready: bool
    polls: int
    memory_bytes: int
    answers: int | None = None
    """How often the broker has answered; None where nobody asks it."""


class Watchdog:
    """Looks at a worker every so often."""

    def __init__(self, look: Callable[[], Watched], clock: Callable[[], float], limits: Limits) -> None:
        """Begin to watch now."""
        self._look, self._clock, self._limits = look, clock, limits
        self._looked_at = clock()
        self._unready_since: float | None = clock()
        self._polled, self._answered = _Moving(clock()), _Moving(clock())
        self.recovery_s = 0.0
        """How long the last recovery took."""

    def check(self) -> None:
        """Raise Stuck if something has been wrong for too long."""
        now, seen, limits = self._clock(), self._look(), self._limits
        asleep, self._looked_at = now - self._looked_at > ASLEEP_S, now
        if asleep:
            self._polled, self._answered = _Moving(now), _Moving(now)
            self._unready_since = None if self._unready_since is None else now
        if seen.memory_bytes > limits.memory_bytes_max:
            raise Stuck(f"{seen.memory_bytes / 1e6:.0f} MB of memory, more than {limits.memory_bytes_max / 1e6:.0f}")
        if not seen.ready:
            self._recovers(now)
        elif self._unready_since is not None:
            self.recovery_s, self._unready_since = now - self._unready_since, None
        silences = {"nothing polled": self._polled.still_s(seen.polls, now)}
        if seen.answers is not None:
            silences["the broker has not answered"] = self._answered.still_s(seen.answers, now)
        if max(silences.values()) > limits.silent_s_max:
            # A broker that stands still may hold up polling as well: whichever is found first, both are told.
            told = [f"{what} for {silent_s:.0f} s" for what, silent_s in silences.items() if silent_s > limits.silent_s_max / 2]
            raise Stuck(f"{', '.join(told)}, more than {limits.silent_s_max:.0f}")

    def _recovers(self, now: float) -> None:
        self._polled = _Moving(now)  # nothing may be assigned yet: how long that may take has a limit of its own
        if self._unready_since is None:
            self._unready_since = now
        elif now - self._unready_since > self._limits.recovery_s_max:
            raise Stuck(f"recovering for {now - self._unready_since:.0f} s, more than {self._limits.recovery_s_max:.0f}")


class _Moving:
    """A figure that changes for as long as all is well."""

    def __init__(self, now: float) -> None:
        self._figure = -1
        self._changed_at = now

    def still_s(self, figure: int, now: float) -> float:
        """Note a figure; give for how long it has been the same."""
        if figure != self._figure:
            self._figure, self._changed_at = figure, now
        return now - self._changed_at
