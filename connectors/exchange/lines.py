"""The lines of accounts, and their private streams.

Decides: when an account gets another line (it was opened again with other keys), and that nothing is asked of an account nobody has met. Leaves to
others: what a line is (ccxt_line), what a stream tells (user_stream).
"""

import asyncio
from collections.abc import Callable

from connectors.exchange.ccxt_line import Line
from connectors.exchange.user_stream import UserStream
from streams.exchange.errors import Fatal
from streams.exchange.port import AccountRef


class Lines:
    """What there is of each account."""

    def __init__(self, new_line: Callable[[AccountRef], Line], new_stream: Callable[[Line], UserStream]) -> None:
        """Know nobody."""
        self._new_line, self._new_stream = new_line, new_stream
        self._refs: dict[str, AccountRef] = {}
        self._lines: dict[str, Line] = {}
        self._streams: dict[str, UserStream] = {}
        self._replaced: list[Line] = []

    def meet(self, ref: AccountRef) -> bool:
        """Have a line for an account, with the keys it goes by now; tell whether it is a new one."""
        account, before = ref.account, self._lines.get(ref.account)
        if self._refs.get(account) == ref:
            return False
        line = self._lines[account] = self._new_line(ref)
        self._refs[account], self._streams[account] = ref, self._new_stream(line)
        if before is not None:
            self._replaced.append(before)  # what was asked through it may still be answered
        return True

    def line(self, account: str) -> Line:
        """Give the line of an account. Raises `Fatal` where nobody has met it."""
        if account not in self._lines:
            raise Fatal(f"account {account} was never checked")
        return self._lines[account]

    def stream(self, account: str) -> UserStream:
        """Give the stream of an account. Raises `Fatal` where nobody has met it."""
        self.line(account)
        return self._streams[account]

    async def close(self) -> None:
        """Close all lines."""
        await asyncio.gather(*(line.client.close() for line in (*self._lines.values(), *self._replaced)))
