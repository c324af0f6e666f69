"""Counting the trades of a symbol: those nobody has said yet are said, and all of them come to a position.

Decides: from when on trades are ours to say (from when an account was first served; what it held then is no trade of ours), whose order a trade is
(the ledger knows the exchange's id of what it has heard of; else the exchange is asked, and until its list names the order the trade waits: under a
wrong name it would be said as another trade), and how far the cursor goes. It stays behind by `LATE_MS`: what is younger is asked for again each time
and counted from the answer, so a trade that the exchange lists late, even before others, is neither missed nor counted twice. Saying it again is
saying the same. Leaves to others: what a position that differs means (differences).
"""

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from streams.desk.values import ZERO
from streams.exchange.errors import Retryable
from streams.exchange.port import Trade
from streams.pipeline.execution.ledger import client_id
from streams.pipeline.execution.ledger_keys import EVERY
from streams.pipeline.execution.ledger_records import Cursor
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.trades import Trades

LATE_MS: Final = 600_000
"""How late the exchange may list a trade. The desk remembers for an hour what it was told, and within that saying it again does no harm."""
DAY_MS: Final = 86_400_000
LOOKS_BACK_MS: Final = (1_000, DAY_MS, 10_000 * DAY_MS)
"""How long before its trade an order is looked for: most were sent the moment before; the last look takes all the exchange has."""
AT_ONCE: Final = 500
"""Trades handed to the log together."""


class Tally(NamedTuple):
    """What the trades of a symbol come to, and the last of them."""

    position: Decimal
    newest: str


class Counting:
    """Counts trades."""

    def __init__(self, means: Means, trades: Trades) -> None:
        """Count with these."""
        self._means, self._trades = means, trades

    async def count(self, account: str, symbol: str) -> Tally:
        """Have all trades of a symbol said; give what they come to. Raises `ExchangeError`."""
        means, own = self._means, self._means.ledger.cursors.get((account, symbol))
        cursor = own or means.ledger.cursors[account, EVERY]
        now_ms = means.exchange.now_ms()
        asked = means.exchange.trades
        if cursor.trade_id:
            listed = await asked(account, symbol, after_id=cursor.trade_id)
        else:
            listed = await asked(account, symbol, since_ms=cursor.ts)
        names = await self._names(account, symbol, [trade for trade in listed if not self._trades.knows(account, trade)])
        for first in range(0, len(listed), AT_ONCE):
            part = listed[first : first + AT_ONCE]
            await asyncio.gather(*(self._trades.say(account, trade, names.get(trade.exchange_id, "")) for trade in part))
        await self._move(account, symbol, cursor, listed, now_ms - LATE_MS)
        return Tally(cursor.position + _sum(listed), listed[-1].trade_id if listed else cursor.trade_id)

    async def _names(self, account: str, symbol: str, trades: Sequence[Trade]) -> dict[str, str]:
        """Find out the client ids of trades' orders, which the list of trades leaves out."""
        if not trades:
            return {}
        names = {
            attempt.exchange_id: client_id(entry.order, attempt.number)
            for entry in self._means.ledger.accounts.get(account, {}).values()
            for attempt in entry.attempts
            if entry.order.symbol == symbol
        }
        names |= {trade.exchange_id: trade.client_id for trade in trades if trade.client_id}
        for back_ms in LOOKS_BACK_MS:
            nameless = [trade for trade in trades if trade.exchange_id not in names]
            if not nameless:
                return names
            since_ms = max(0, min(trade.ts for trade in nameless) - back_ms)
            for report in await self._means.exchange.orders(account, symbol, since_ms):
                names[report.exchange_id] = report.client_id
        nameless = [trade for trade in trades if trade.exchange_id not in names]
        if nameless:
            raise Retryable(
                f"trade {nameless[0].trade_id} of {symbol} is listed, and its order {nameless[0].exchange_id} is not yet"
            )
        return names

    async def _move(self, account: str, symbol: str, cursor: Cursor, listed: Sequence[Trade], until_ms: int) -> None:
        """Move the cursor behind what can be no more than complete."""
        passed: list[Trade] = []
        for trade in listed:
            if trade.ts > until_ms:
                break
            passed.append(trade)
        if passed:
            moved = Cursor(passed[-1].trade_id, passed[-1].ts, cursor.position + _sum(passed))
        elif not cursor.trade_id and not listed and until_ms - cursor.ts > DAY_MS:
            moved = cursor._replace(ts=until_ms)  # there was nothing, and asking for ever longer costs more each time
        else:
            return
        ledger = self._means.ledger
        await self._means.outbox.note((ledger.keys.trades(account, symbol), ledger.encode_cursor(moved)))


def _sum(trades: Iterable[Trade]) -> Decimal:
    return sum((trade.quantity if trade.side == "BUY" else -trade.quantity for trade in trades), ZERO)
