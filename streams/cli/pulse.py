"""The pulse of workers: a thread asks each how it is, so that nobody who draws or watches has to wait for an answer.

Decides: how often. Leaves to others: who is asked (supervisor), what the answers mean.
"""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from streams.services.supervisor import Watched
from streams.services.worker_health import Health, health

EVERY_S, SOON_S = 1.0, 0.1
"""Once a second; ten times a second while somebody waits for workers to become ready."""


class Pulse:
    """What workers last said of themselves."""

    def __init__(self, workers: Sequence[Watched]) -> None:
        """Ask these."""
        self._workers = workers
        self._last: dict[str, Health] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join()

    def of(self, one: Watched) -> Health | None:
        """Give what a worker last said; nothing where it does not run or does not answer."""
        return self._last.get(one.spec.name) if one.state == "running" else None

    def ready(self, one: Watched) -> bool:
        """Tell whether a worker runs and says that it is ready."""
        said = self.of(one)
        return said is not None and said.ready

    @property
    def all_ready(self) -> bool:
        """Tell whether all are."""
        return all(self.ready(one) for one in self._workers)

    def _ask(self) -> None:
        while not self._stop.wait(EVERY_S if self.all_ready else SOON_S):
            for one in self._workers:
                process = one.process
                said = None if process is None or one.state != "running" else health(process.port)
                if said is None:
                    self._last.pop(one.spec.name, None)
                else:
                    self._last[one.spec.name] = said
