"""The pages of a worker: is it alive, is it ready, its figures. Read-only, on 127.0.0.1 unless the deployment says otherwise.

Decides: that ready means recovered, and that the watchdog is asked once a second. Leaves to others: the figures of the roles.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from connectors.kafka.faust_app import BatchedApp
from streams.app.parts import Parts, Role
from streams.services.metrics import Metrics, Sample, exposition
from streams.services.watchdog import Watchdog, Watched

WATCH_EVERY_S = 1.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def add_pages(
    app: BatchedApp, parts: Parts, role: Role, sampler: Callable[[], Iterable[Sample]], clock: Callable[[], float]
) -> None:
    """Add the pages and the watchdog to an app."""
    watchdog = Watchdog(lambda: Watched(role.ready, _polls(app), memory_bytes(), _answers(parts)), clock, parts.settings.watchdog)
    lag = _Lag(clock)

    def samples() -> Iterator[Sample]:
        yield Sample(Metrics.READY, int(role.ready))
        yield Sample(Metrics.MEMORY_BYTES, memory_bytes())
        yield Sample(Metrics.RECOVERY_SECONDS, watchdog.recovery_s)
        yield Sample(Metrics.REBALANCES, app.rebalancing_count)
        yield Sample(Metrics.LOOP_LAG_SECONDS, lag.late_s)
        yield from sampler()

    @app.page("/health/live", name="live")
    async def live(self: Any, _request: Any) -> Any:
        return self.json({"live": True, "role": parts.settings.role, "worker": parts.settings.name, "pid": os.getpid()})

    @app.page("/health/ready", name="ready")
    async def ready(self: Any, _request: Any) -> Any:
        said = {"ready": role.ready, "role": parts.settings.role, "worker": parts.settings.name, "epoch": parts.identity.epoch}
        return self.json(said, status=200 if role.ready else 503)

    @app.page("/metrics", name="metrics")
    async def metrics(self: Any, _request: Any) -> Any:
        return self.bytes(exposition(samples), content_type="text/plain")

    async def every_second() -> None:
        lag.looked()
        if parts.recorder is not None:
            parts.recorder.flush()

    app.timer(interval=WATCH_EVERY_S)(every_second)
    _watch(watchdog, parts)


def _watch(watchdog: Watchdog, parts: Parts) -> None:
    """Ask the watchdog in a thread of its own: Faust starts timers when it has recovered, and a loop that hangs cannot notice it."""

    def watch() -> None:
        while True:
            time.sleep(WATCH_EVERY_S)
            try:
                watchdog.check()
            except Exception as error:
                parts.ending.because(error)
                raise

    threading.Thread(target=watch, name="watchdog", daemon=True).start()


class _Lag:
    """How late the loop comes to what it has promised to do every second."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._last, self.late_s = clock, clock(), 0.0

    def looked(self) -> None:
        """Note that the loop came round."""
        now = self._clock()
        self.late_s, self._last = max(0.0, now - self._last - WATCH_EVERY_S), now


def _polls(app: BatchedApp) -> int:
    return getattr(app.consumer, "polls", 0)


def _answers(parts: Parts) -> int | None:
    """Count the broker's answers, where `watch_identity` asks it."""
    return parts.look.answers if parts.identity.topics else None


def memory_bytes() -> int:
    """Give the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
