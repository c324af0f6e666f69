"""The real time, for who is wired to the real world.

Decides: nothing. Leaves to others: what time is for.
"""

import time


class SystemClock:
    """This machine's clocks."""

    def wall_ms(self) -> int:
        """Give the time of day."""
        return time.time_ns() // 1_000_000

    def ticking_ms(self) -> int:
        """Give a time that never goes back."""
        return time.monotonic_ns() // 1_000_000


def boottime_s() -> float:
    """Give the seconds since this machine was started, those in which it was suspended too: what was promised for a while is over by then."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
