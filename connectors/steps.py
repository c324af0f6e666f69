"""Watchers of the order of writes, for proofs: one notes in a file where a worker stands, one ends it there.

Decides: how a step is noted so that it survives kill -9 (a byte in memory that is mapped from a file). Leaves to others: which steps there are
(the pipeline), and what is proven.
"""

import mmap
import os
import signal
from enum import Enum
from pathlib import Path
from typing import Any, Protocol


class Watching(Protocol):
    """Is told of every step."""

    def at(self, step: Any, /) -> None:
        """Note a step."""


_BYTES = 2


class StepFile:
    """Notes the newest step in the first byte of a file, and dies at the step the second byte names."""

    def __init__(self, path: Path) -> None:
        """Map the file; it is made where it is missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.ftruncate(number, _BYTES)  # whoever looks meanwhile sees the step of the life before
            self._bytes = mmap.mmap(number, _BYTES)
        finally:
            os.close(number)
        self._bytes[0] = self._bytes[1] = 0

    def at(self, step: Enum, /) -> None:
        """Note a step, or die there if that was asked for: nothing is flushed, nothing is said."""
        number = step.value
        self._bytes[0] = number
        if number and self._bytes[1] == number:  # at the first one, idle, nobody is asked to die: that byte says nothing yet
            os.kill(os.getpid(), signal.SIGKILL)


def ask_to_die(path: Path, step: int) -> None:
    """Ask the process that notes its steps in a file to die when it comes to a step."""
    with path.open("r+b") as file:
        file.seek(1)
        file.write(bytes([step]))


def noted_step(path: Path) -> int:
    """Read the step a worker was at."""
    noted = path.read_bytes()
    return noted[0] if noted else 0


class DieAt:
    """Kills this process with SIGKILL at the Nth time it is at a step: nothing is flushed, nothing is said."""

    def __init__(self, plan: str, inner: Watching) -> None:
        """Take a plan, NAME:N."""
        name, _, times = plan.partition(":")
        self._name, self._left, self._inner = name, int(times or "1"), inner

    def at(self, step: Enum, /) -> None:
        """Die, or pass it on."""
        self._inner.at(step)
        if step.name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
