"""The private streams: takes what has happened out of the engine and brings it to who listens, as late and as often as the fault plan says.

Decides: when a listen key ends and what is said then. Leaves to others: what an event looks like (wire_events), connections, which faults strike
(faults).
"""

import asyncio

from connectors.exchange.simulator import wire
from connectors.exchange.simulator.connections import Hub
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.journal import Journal
from connectors.exchange.simulator.wire_events import event

LATE_MAX = 10_000
"""Events that are held back at once. One more is brought at once: late enough are there."""


class UserEvents:
    """Brings events."""

    def __init__(self, house: House, hub: Hub, journal: Journal) -> None:
        """Begin."""
        self._house, self._hub, self._journal = house, hub, journal
        self._late: set[asyncio.Task[None]] = set()

    def flush(self, now_ms: int) -> None:
        """Bring what has happened."""
        for update in self._house.engine.take_updates():
            self._tell(*event(update), now_ms)
        for account in self._house.listen_keys.ended(now_ms):
            self.end_key(account, now_ms)

    def end_key(self, account: str, now_ms: int) -> None:
        """End the listen key of an account, and say so on its stream."""
        name = self._house.listen_keys.of(account)
        if name is not None:
            self._tell(account, "listenKeyExpired", {"e": "listenKeyExpired", "E": now_ms, "listenKey": name}, now_ms, name)
            self._house.listen_keys.end(account)

    def stop(self) -> None:
        """Forget what is held back."""
        for task in self._late:
            task.cancel()

    def _tell(self, account: str, kind: str, message: wire.Json, now_ms: int, name: str | None = None) -> None:
        """Send an event to a stream; where none is named, to the one the account has when the event arrives."""
        delays_ms = self._house.faults.for_event(account, kind, now_ms)
        self._journal.write(now_ms, "event", account, {"event": kind, "after_ms": delays_ms, "message": message})
        for delay_ms in delays_ms:
            if not delay_ms or len(self._late) >= LATE_MAX:
                self._bring(account, message, name)
                continue
            task = asyncio.create_task(self._bring_late(account, message, name, delay_ms))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _bring_late(self, account: str, message: wire.Json, name: str | None, delay_ms: int) -> None:
        await self._house.clock.wait(delay_ms)
        self._bring(account, message, name)

    def _bring(self, account: str, message: wire.Json, name: str | None) -> None:
        stream = name or self._house.listen_keys.of(account)
        if stream is not None:
            self._hub.publish(stream, message)
