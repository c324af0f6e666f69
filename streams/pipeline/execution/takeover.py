"""Taking a partition over: nothing is begun there while whoever had it before may still be sending.

Decides: whether that has to be waited for (not where each owner the ledger knows has written that it left), and for how long: a session's length from
when this worker was assigned the partition, since nobody sends without a lease. An owner writes its name first and reads who else there is then: of
two that come at once, one sees the other. What was written up to the end of the wait is read before anything is begun. Leaves to others: what is
begun then (executor), reading and writing (ports).
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from streams.pipeline.execution.ledger import Ledger
from streams.pipeline.execution.means import LeaseLook, Outbox
from streams.pipeline.ports import SnapshotTable

LOOK_S: Final = 0.1
"""How often the clock is looked at: it may have been suspended, while a sleep knows nothing of that."""

Tail = Callable[[], Awaitable[Iterable[tuple[bytes, bytes | None]]]]
"""Reads what stands in the ledger's changelog now, behind what the ledger was made from."""


class Takeover:
    """Takes one partition over, and gives it up."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: Outbox,
        table: SnapshotTable,
        lease: LeaseLook,
        tail: Tail,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        token: str,
    ) -> None:
        """Take over by these. `token` names this process, and no other one ever; `clock` is the lease's."""
        self._ledger, self._outbox, self._table, self._lease, self._tail = ledger, outbox, table, lease, tail
        self._clock, self._sleep, self._token = clock, sleep, token
        self._held = False

    async def take(self) -> None:
        """Come back when nobody else can be sending, all they have written is in the ledger, and the ledger names this owner."""
        self._held = True
        await self._outbox.note((self._ledger.keys.owner(self._token), self._ledger.encode_owner(left=False)))
        await self._read_on()
        if self._others_may_send():
            while self._clock() < self._lease.assigned_s + self._lease.session_s:
                await self._sleep(LOOK_S)
            await self._read_on()
        await self._outbox.note(*((self._ledger.keys.owner(token), None) for token in self._others()))

    async def leave(self) -> None:
        """Write that nothing is sent from here any more, where the ledger may say otherwise. Whatever sends has been ended before."""
        if self._held:
            await self._outbox.note((self._ledger.keys.owner(self._token), self._ledger.encode_owner(left=True)))

    def _others(self) -> list[str]:
        return [token for token in self._ledger.owners if token != self._token]

    def _others_may_send(self) -> bool:
        return any(not self._ledger.owners[token] for token in self._others())

    async def _read_on(self) -> None:
        for key, value in await self._tail():
            self._ledger.take(key, value)
            if value is None:
                self._table.drop(key)
            else:
                self._table.put(key, value)
