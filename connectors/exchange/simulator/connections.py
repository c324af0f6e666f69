"""WebSocket connections: what each has subscribed to, and what waits to be sent.

Decides: the answers to SUBSCRIBE and its kind, that a connection whose reader is too slow is closed, as the exchange does. A listen key is a stream
like any other, by its name. Leaves to others: what is published (market_streams, user_events).
"""

import asyncio
import json
from collections.abc import Iterable

from aiohttp import WSMsgType, web

QUEUE_MAX = 2_000
"""Ten seconds of a connection that has everything of all symbols. A reader further behind is closed, and reads nothing old."""
NAMES_MAX = 1_024
"""Streams a connection may have on the real exchange."""


class Connection:
    """One connection."""

    def __init__(self, socket: web.WebSocketResponse, *, combined: bool, names: Iterable[str] = ()) -> None:
        """Begin; a combined one tells with each message which stream it is of."""
        self.names = set(names)
        self._socket, self._combined = socket, combined
        self._waiting: asyncio.Queue[str] = asyncio.Queue(QUEUE_MAX)
        self._behind = asyncio.Event()

    def send(self, name: str, text: str) -> None:
        """Send a message of a stream."""
        self._put(f'{{"stream":"{name}","data":{text}}}' if self._combined else text)

    async def run(self) -> None:
        """Read and write until it ends."""
        writing = asyncio.create_task(self._write())
        behind = asyncio.create_task(self._end_when_behind())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._put(json.dumps(self._answer(message.data), separators=(",", ":")))
        finally:
            writing.cancel()
            behind.cancel()
            await asyncio.wait((writing, behind))

    async def close(self) -> None:
        """End it."""
        await self._socket.close()

    def _put(self, text: str) -> None:
        try:
            self._waiting.put_nowait(text)
        except asyncio.QueueFull:
            self._behind.set()

    async def _write(self) -> None:
        while True:
            text = await self._waiting.get()
            try:
                await self._socket.send_str(text)
            except ConnectionError:
                return  # it is gone, which the reading side sees, too

    async def _end_when_behind(self) -> None:
        await self._behind.wait()
        await self._socket.close(code=1008, message=b"too slow")

    def _answer(self, text: str) -> dict[str, object]:
        try:
            asked = json.loads(text)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            return {"error": {"code": 2, "msg": "Invalid request: request must be a JSON object"}}
        number, method, names = asked.get("id"), asked.get("method"), asked.get("params", [])
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": sorted(self.names), "id": number}
        if method not in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            return {"error": {"code": 2, "msg": "Invalid request: unknown method"}, "id": number}
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return {"error": {"code": 2, "msg": "Invalid request: params must be a list of strings"}, "id": number}
        if method == "UNSUBSCRIBE":
            self.names.difference_update(names)
        elif len(self.names.union(names)) > NAMES_MAX:
            return {"error": {"code": 4, "msg": f"Too many subscriptions: {NAMES_MAX} at most"}, "id": number}
        else:
            self.names.update(names)
        return {"result": None, "id": number}


class Hub:
    """All connections."""

    def __init__(self) -> None:
        """Begin with none."""
        self.connections: set[Connection] = set()

    def names(self) -> set[str]:
        """Give every stream anybody has subscribed to."""
        return {name for connection in self.connections for name in connection.names}

    def publish(self, name: str, message: object) -> None:
        """Send a message to whoever has subscribed to its stream."""
        listening = [connection for connection in self.connections if name in connection.names]
        if listening:
            text = json.dumps(message, separators=(",", ":"))
            for connection in listening:
                connection.send(name, text)
