"""How a worker ends: why, with which exit code, and whether starting it again helps.

Decides: the exit codes. A supervisor starts again what ended for reasons outside; it leaves alone what would end the same way again. Leaves to
others: noticing that something is broken (the pipeline), starting again (streams.services.supervisor).
"""

import logging
from collections.abc import Callable

from streams.desk.desk import WrongReign
from streams.pipeline.flood import Flood
from streams.pipeline.identity import NEW_EPOCH, OtherTape
from streams.pipeline.ports import AppendFailed
from streams.pipeline.resuming import ReignEnded, TapeBroken
from streams.pipeline.snapshots import BadSnapshot
from streams.pipeline.write_pipeline import ReignOver
from streams.services.watchdog import Stuck

LOGGER = logging.getLogger(__name__)

BROKEN_TAPE = 65
"""The tape, or a source of it, is not the one the state was made from: somebody has to decide (`./qts tape new-epoch`)."""
OTHER_REIGN = 66
"""An older desk version has to step this part of the tape first; once it has, starting again helps."""
REIGN_OVER = 67
"""This desk version has done all that was its to do."""
FLOODED = 68
"""Too many records cannot be used."""
STUCK = 74
"""A watchdog found that nothing moves."""
OUTSIDE = 75
"""Something outside failed: the broker, the disk, the memory. Starting again may help."""
DEFECT = 70

FOR_GOOD = frozenset({BROKEN_TAPE, REIGN_OVER, FLOODED})
"""Codes with which starting again would end the same way."""

_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (TapeBroken, BROKEN_TAPE), (OtherTape, BROKEN_TAPE), (BadSnapshot, BROKEN_TAPE), (ReignEnded, REIGN_OVER), (WrongReign, OTHER_REIGN),
    (ReignOver, REIGN_OVER), (Flood, FLOODED), (Stuck, STUCK), (AppendFailed, OUTSIDE), (OSError, OUTSIDE), (MemoryError, OUTSIDE),
)  # fmt: skip

End = Callable[[int], None]
"""Ends the process at once, without cleaning up: whatever is half done is what a crash would leave, and coming back is made for that."""


def code_for(error: BaseException) -> int:
    """Give the exit code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), DEFECT)


class Ending:
    """Ends the worker, once, with the reason said."""

    def __init__(self, end: End) -> None:
        """Take the way to end the process."""
        self._end = end
        self._ended = False

    def because(self, error: BaseException) -> None:
        """Say why and end. What comes after the first reason follows from it."""
        if self._ended:
            return
        self._ended = True
        code = code_for(error)
        if code == REIGN_OVER:
            LOGGER.info("worker ends: %s", error)
        else:
            helps = f"; {NEW_EPOCH}" if code == BROKEN_TAPE and NEW_EPOCH not in str(error) else ""
            LOGGER.critical(
                "worker ends: %s: %s%s", type(error).__name__, error, helps, exc_info=error if code == DEFECT else None
            )
        try:
            for handler in logging.getLogger().handlers:
                handler.flush()
        finally:
            self._end(code)  # also where nobody listens any more: a worker must not live on because its last words cannot be said
