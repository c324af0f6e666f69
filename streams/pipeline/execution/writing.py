"""Writes the ledger, and what execution says, through the log.

Decides: that a record counts here only when it is durable, and that what was written for a partition that has gone touches nothing any more. Leaves
to others: when acknowledgements are taken (the log is polled by the shell), and what is written.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from streams.flow import TOPIC_OF
from streams.pipeline.execution.ledger import CHANGELOG, Ledger
from streams.pipeline.outgoing import key_of
from streams.pipeline.ports import AppendFailed, Log, SnapshotTable


class Writing:
    """The outbox of one partition."""

    def __init__(
        self, log: Log, table: SnapshotTable, ledger: Ledger, encode: Callable[[Any], bytes], partition_of: Callable[[str], int]
    ) -> None:
        """Write there. `partition_of` tells where a key belongs in a topic."""
        self._log, self._table, self._ledger, self._encode, self._partition_of = log, table, ledger, encode, partition_of
        self.closed = False

    async def note(self, *records: tuple[bytes, bytes | None]) -> None:
        """Write to the ledger, in this order; come back when all of it is durable and the ledger has taken it in."""
        if not records:
            return
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        left = len(records)

        def noted(key: bytes, value: bytes | None) -> Callable[[], None]:
            def take() -> None:
                nonlocal left
                left -= 1
                if not self.closed:
                    self._ledger.take(key, value)
                    if value is None:
                        self._table.drop(key)
                    else:
                        self._table.put(key, value)
                if left == 0 and not durable.done():
                    durable.set_result(None)

            return take

        for key, value in records:
            self._append(CHANGELOG, self._ledger.keys.partition, key, value, durable, noted(key, value))
        await durable

    async def say(self, message: Any) -> None:
        """Publish an event, a fill, a command; come back when it is durable."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def said() -> None:
            if not durable.done():
                durable.set_result(None)

        key = key_of(message, None)
        assert key is not None
        partition = self._partition_of(key.decode())
        self._append(TOPIC_OF[type(message)], partition, key, self._encode(message), durable, said)
        await durable

    def _append(
        self,
        topic: str,
        partition: int,
        key: bytes,
        value: bytes | None,
        durable: "asyncio.Future[None]",
        then: Callable[[], None],
    ) -> None:
        def done(failure: object, _receipt: object) -> None:
            if failure is None:
                then()
            elif not durable.done():
                durable.set_exception(AppendFailed(str(failure)))

        self._log.append(topic, partition, key, value, None, done)
