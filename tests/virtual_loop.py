"""An event loop whose time is virtual: where nothing is ready, it jumps to the next timer.

    clock = Clock()
    run(lambda: a_run(exchange, Kill()), clock=clock)

Decides: when time moves (only while nothing is ready); that a run which would wait for ever, or spin, fails and names who waits where; how a run is
killed: like a process by kill -9, so that nothing of its tasks runs on, no `finally` and no `except`. Time outlives the loops, so what was killed can
be started again on the same clock. Leaves to others: sockets and threads (there are none here), and where a run may be killed (the fakes, which call
`Kill.at` at each await of theirs).
"""

import asyncio
import ctypes
import inspect
import selectors
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

START_MS: Final = 1_700_000_000_000
"""The time of day when a clock begins."""
LIMIT_S: Final = 3_600.0
"""No story takes more than an hour. One that does has a poll in it that never ends."""
STILL_MAX: Final = 100_000
"""Turns of the loop without time moving on. A spin that waits for something makes as many in a second or two."""
_ASYNCIO: Final = str(Path(asyncio.__file__).parent)


class Killed(BaseException):
    """The run was killed at this point."""


class Stuck(Exception):
    """The run would wait for ever, spin for ever, or has taken too long."""


class Clock:
    """Virtual time. It only goes on while a loop runs on it, or where a test moves it: then everybody was asleep."""

    def __init__(self, now_s: float = 0.0) -> None:
        """Begin."""
        self.now_s = now_s

    def ticking_ms(self) -> int:
        """Give a time that never goes back, in whole milliseconds that are over."""
        return round(self.now_s * 1_000_000) // 1_000

    def wall_ms(self) -> int:
        """Give the time of day."""
        return START_MS + self.ticking_ms()


class Kill:
    """Where a run may be killed, and where it is: at the chosen one of the points it passes, counted from 0, or at none."""

    def __init__(self, chosen: int | None = None) -> None:
        """Begin with no point passed."""
        self._chosen = chosen
        self.points: list[str] = []
        """The points that were passed, in order; the last one is where the run ended, if it was killed."""

    async def at(self, name: str) -> None:
        """Pass a point; never come back from the chosen one."""
        self.points.append(name)
        if len(self.points) - 1 != self._chosen:
            return
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise TypeError("a run can be killed on a virtual loop only")
        loop.die(name)
        await loop.create_future()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self, clock: Clock, limit_s: float) -> None:
        """Begin at the clock's time."""
        super().__init__(_Jumps(self))
        self.clock, self.until_s = clock, clock.now_s + limit_s
        self.killed_at: str | None = None

    def time(self) -> float:
        """Give virtual time."""
        return self.clock.now_s

    def die(self, point: str) -> None:
        """Let nothing run any more."""
        self.killed_at = point
        for handle in self._ready:  # type: ignore[attr-defined]  # asyncio has no other way to drop what is due in this very turn
            handle.cancel()
        self.stop()


class _Jumps(selectors.SelectSelector):
    """Where the loop would wait for sockets, time moves on."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop, self._still = loop, 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        if timeout is None:
            raise Stuck(f"everybody waits for ever:{_who(loop)}")
        if timeout > 0:
            loop.clock.now_s += timeout
            self._still = 0
            if loop.clock.now_s > loop.until_s:
                raise Stuck(f"it takes too long:{_who(loop)}")
            return []
        self._still += 1
        if self._still > STILL_MAX:
            raise Stuck(f"{STILL_MAX} turns, and time stood still:{_who(loop)}")
        return []


def run(main: Callable[[], Coroutine[Any, Any, T]], *, clock: Clock | None = None, limit_s: float = LIMIT_S) -> T:
    """Run it to its end and give its answer. What it left running is cancelled. Raises `Killed` and `Stuck`."""
    loop = VirtualLoop(clock or Clock(), limit_s)
    try:
        task = loop.create_task(main(), name="main")
        _run(loop, task)
        rest = asyncio.all_tasks(loop)
        if rest:
            for one in rest:
                one.cancel()
            _run(loop, asyncio.gather(*rest, return_exceptions=True))
        _run(loop, loop.create_task(loop.shutdown_asyncgens()))
        return task.result()
    finally:
        _bury(asyncio.all_tasks(loop))
        loop.set_exception_handler(lambda _loop, _context: None)
        loop.close()


def _bury(tasks: set[asyncio.Task[Any]]) -> None:
    """Keep tasks that are not over for ever, past the end of Python: a coroutine that is thrown away runs its `finally` then.

    Nobody comes upon them again: whoever asks for the tasks of a loop would look at those of all loops there ever were.
    """
    for task in tasks:
        asyncio.tasks._unregister_task(task)  # noqa: SLF001 - there is no other way
    if tasks:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(tasks))


def _run(loop: VirtualLoop, what: asyncio.Future[Any]) -> None:
    """Run until it is done."""
    what.add_done_callback(lambda _: loop.stop())
    loop.run_forever()
    if loop.killed_at is not None:
        raise Killed(loop.killed_at)


def _who(loop: VirtualLoop) -> str:
    """Tell who waits where."""
    return "".join(sorted(f"\n  {task.get_name()} {_where(task.get_coro())}" for task in asyncio.all_tasks(loop)))


def _where(waiting: Any) -> str:
    """Tell the innermost line that is not asyncio's own."""
    where = ""
    while inspect.iscoroutine(waiting):
        code, frame = waiting.cr_code, waiting.cr_frame
        if frame is not None and not code.co_filename.startswith(_ASYNCIO):
            where = f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
        waiting = waiting.cr_await
    return where
