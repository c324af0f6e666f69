"""The tasks of one partition: each is somebody's whole story, and none may end unheard.

Decides: that the first one that breaks is told of, once, and that all end together. Leaves to others: what they do.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """Tasks that end with their partition."""

    def __init__(self, broken: Callable[[BaseException], None]) -> None:
        """Tell of a task that broke."""
        self._broken = broken
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def spawn(self, what: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begin something beside everything else."""
        task = asyncio.get_running_loop().create_task(what)
        if self._closed:
            task.cancel()
        self._running.add(task)
        task.add_done_callback(self._over)
        return task

    def close(self) -> None:
        """End all."""
        self._closed = True
        for task in self._running:
            task.cancel()

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._closed:
            self._broken(error)
