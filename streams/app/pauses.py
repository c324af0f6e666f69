"""Pauses of the interpreter itself: its collector of cycles, and the turns its threads take.

Decides: that the collector looks at what is young only, and at everything rarely; and that a thread that has something to hand over waits a
millisecond for its turn, not five. Our state has no cycles: what nobody needs any more goes at once. Leaves to others: memory that grows all the
same (services.watchdog).
"""

import gc
import sys
from collections.abc import Callable

YOUNG, MIDDLE = 700, 10
"""As Python has it: a few tenths of a millisecond each time."""
NEVER = 10**9
ALL_EVERY_S = 600.0
"""Looking at everything takes a tenth of a second where there are 1,000 accounts. What libraries leave in cycles waits for it."""
TURN_S = 0.001
"""Python's own 5 ms are what a fetched record waits for while the desk steps: many times the way through Kafka."""


class Pauses:
    """Keeps them short, from when it is made."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Set the interpreter up."""
        self._clock, self._looked_s, self._ready = clock, clock(), False
        gc.set_threshold(YOUNG, MIDDLE, NEVER)
        sys.setswitchinterval(TURN_S)

    def every_second(self, ready: bool) -> None:
        """Look at everything when a worker has just read its state back, and at what has come since when it is time to."""
        recovered, self._ready = ready and not self._ready, ready
        if recovered:
            gc.unfreeze()
        elif self._clock() - self._looked_s < ALL_EVERY_S:
            return
        self._looked_s = self._clock()
        gc.collect()
        if recovered:
            gc.freeze()
