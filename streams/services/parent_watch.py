"""A worker ends when whoever started it is gone: nobody would start it again, and nobody would know that it runs.

Decides: how soon that is noticed, and that the worker gets the time of an orderly end. Leaves to others: the end
itself (the worker takes SIGTERM).
"""

import logging
import os
import signal
import threading

from streams.agents.ending import OUTSIDE

LOGGER = logging.getLogger(__name__)

LOOK_S = 0.5
"""A look is one system call. Asking for a signal of the kernel instead would end the worker with the thread that started it, not with the process."""
LEAVE_S = 10.0


def end_with_parent(parent: int) -> None:
    """Watch from a thread of its own: the worker may be busy, or not have come as far as taking signals."""
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    never = threading.Event()
    while os.getppid() == parent:
        never.wait(LOOK_S)
    LOGGER.warning("worker ends: process %d, which started it, is gone", parent)
    os.kill(os.getpid(), signal.SIGTERM)
    never.wait(LEAVE_S)
    os._exit(OUTSIDE)
