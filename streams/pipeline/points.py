"""When a snapshot is due.

Decides: the points of the tape at which one is taken, which of them a worker that catches up passes over, and that it makes up for the last of
these when it has caught up. Leaves to others: what is written (snapshots), when it goes out (write_pipeline).
"""

from collections.abc import Callable

from streams.desk.messages import Body, Tick
from streams.desk.outputs import Fate

SNAPSHOT_EVERY_S = 10
"""Every tenth tick: what a restart has to step again is ten seconds of tape, and a snapshot costs a few milliseconds."""
SNAPSHOT_EVERY_OFFSETS = 50_000
"""And every so many offsets: a flood, or a tape on which time stands still, must not make a restart long."""
PAUSE_S = 8.0
"""Between two snapshots of a worker that catches up: ten seconds of old tape pass in milliseconds, and each snapshot costs some of its own."""
AHEAD_S = 4
"""Seconds before a point in which accounts are written down ahead: what is written down sooner changes again."""


class Points:
    """The points of one partition, each partition's at other seconds."""

    def __init__(self, partition: int, every_offsets: int, clock: Callable[[], float] | None) -> None:
        """Begin with nothing owed. Without a clock no point is passed over."""
        self._partition, self._every_offsets, self._clock = partition, every_offsets, clock
        self._taken_s = float("-inf")
        self._owed = False

    def due(self, body: Body, fate: Fate, offset: int, busy: bool) -> bool:
        """Tell whether a snapshot is to be taken at this record; none is while the one before is still under way."""
        if type(body) is Tick:
            due = fate is Fate.APPLIED and (body.second - self._partition) % SNAPSHOT_EVERY_S == 0
        else:
            due = offset % self._every_offsets == 0 and offset > 0
        if not due or self._clock is None:
            return due and not busy
        now_s = self._clock()
        self._owed = busy or now_s - self._taken_s < PAUSE_S
        if not self._owed:
            self._taken_s = now_s
        return not self._owed

    def made_up(self) -> bool:
        """Tell whether one that was passed over is to be taken now that there is time for it. It is told once."""
        owed, self._owed = self._owed, False
        if owed and self._clock is not None:
            self._taken_s = self._clock()
        return owed

    def near(self, second: int) -> bool:
        """Tell whether the next point is some seconds ahead."""
        return (second - self._partition) % SNAPSHOT_EVERY_S >= SNAPSHOT_EVERY_S - AHEAD_S
