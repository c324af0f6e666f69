"""The newest word of the exchange on one attempt, for the one who follows it.

Decides: which of two reports is the newer: an end is never taken back, and what is filled only grows; events come late, twice and out of order.
Leaves to others: hearing and asking.
"""

import asyncio

from streams.exchange.port import OrderReport


class Watch:
    """What was heard of an attempt."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._report: OrderReport | None = None
        self._new = False
        self._stirred = asyncio.Event()

    def put(self, report: OrderReport) -> None:
        """Hear a report."""
        known = self._report
        if known is None or (known.status == "OPEN" and (report.status != "OPEN" or report.filled > known.filled)):
            self._report, self._new = report, True
            self._stirred.set()

    def stir(self) -> None:
        """Have it asked for now."""
        self._stirred.set()

    async def next(self, wait_s: float) -> OrderReport | None:
        """Wait for a report, no longer than that; give it if it is new."""
        try:
            async with asyncio.timeout(wait_s):
                await self._stirred.wait()
        except TimeoutError:
            pass
        self._stirred.clear()
        new, self._new = self._new, False
        return self._report if new else None
