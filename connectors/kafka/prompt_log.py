"""A log for whoever waits for each acknowledgement: a thread of its own waits for them, and wakes the loop the moment one comes.

Decides: that acknowledgements are taken in the loop all the same (`poll`), in the order they came. Measured with one order at a time: looking once a
millisecond found each of its acknowledgements a millisecond late. Leaves to others: appending (log), and what is done when one has come.
"""

import asyncio
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Final

from connectors.kafka.log import Done, Headers, KafkaLog

WAIT_S: Final = 0.2
"""How long the thread waits before it looks whether it is to end."""


class PromptLog:
    """A log, and what has come of it."""

    def __init__(self, log: KafkaLog) -> None:
        """Append to this one, which nobody else may poll."""
        self._log = log
        self.stirred = asyncio.Event()
        """Set whenever there is something to poll for."""
        self._came: deque[tuple[Done, object, object]] = deque()
        self._trouble: Exception | None = None
        self._ends = threading.Event()

    def start(self) -> None:
        """Wait for acknowledgements from now on, and wake the loop that runs."""
        loop = asyncio.get_running_loop()
        self._log.is_polled_beside = True
        threading.Thread(target=self._wait, args=(loop,), name="acknowledgements", daemon=True).start()

    def stop(self) -> None:
        """Wait for none any more."""
        self._ends.set()

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None, done: Done, /
    ) -> None:  # fmt: skip
        """Append a record without waiting for its acknowledgement."""
        self._log.append(topic, partition, key, value, headers, partial(self._note, done))

    def poll(self) -> None:
        """Take the acknowledgements that have come. Raises what ended the waiting for them."""
        while self._came:
            done, failure, receipt = self._came.popleft()
            done(failure, receipt)
        if self._trouble is not None:
            raise self._trouble

    def _note(self, done: Done, failure: object, receipt: object) -> None:
        self._came.append((done, failure, receipt))

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while not self._ends.is_set() and not loop.is_closed():
                if self._log.poll(WAIT_S):
                    self._wake(loop)
        except Exception as trouble:
            self._trouble = trouble
            self._wake(loop)
            raise

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop has been closed just now
            loop.call_soon_threadsafe(self.stirred.set)
