"""Trades of ours: each is said as a fill, by whichever way it is heard of first.

Decides: whose order a trade is, and that a trade that is being said already is waited for instead of said again. The desk drops repeats; what is kept
here saves them only. Leaves to others: asking for trades (settling, reconciling).
"""

import asyncio
from decimal import Decimal
from typing import Final, NamedTuple

from streams.desk.values import ZERO
from streams.exchange.port import Trade
from streams.pipeline.execution.ledger_records import Cursor
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.tasks import Tasks
from streams.pipeline.execution.words import fill
from streams.pipeline.steps import Step

SAID_MAX: Final = 20_000
"""Trades remembered as said: hours of a busy partition."""

OLD_MS: Final = 1_800_000
"""Half of the hour that the desk remembers. What is younger and was listed late may never have been said."""


class _Said(NamedTuple):
    quantity: Decimal
    saying: "asyncio.Future[None]"


class Trades:
    """What was said of trades."""

    def __init__(self, means: Means, tasks: Tasks) -> None:
        """Begin with none."""
        self._means, self._tasks = means, tasks
        self._said: dict[tuple[str, str, str], _Said] = {}
        self._orders: dict[tuple[str, str], dict[tuple[str, str, str], _Said]] = {}
        """By account and the exchange's id of the order, the oldest first. An order is remembered whole or not at all: its trades are added up."""

    def knows(self, account: str, trade: Trade) -> bool:
        """Tell whether a trade was said, or is being said."""
        return (account, trade.symbol, trade.trade_id) in self._said

    def sum_of(self, account: str, exchange_id: str) -> Decimal:
        """Give how much of an order was said, or is being said."""
        return sum((said.quantity for said in self._orders.get((account, exchange_id), {}).values()), ZERO)

    async def said(self, account: str, exchange_id: str) -> None:
        """Wait until all of an order is durable."""
        for said in tuple(self._orders.get((account, exchange_id), {}).values()):
            await asyncio.shield(said.saying)

    def pass_over(self, account: str, trade: Trade) -> bool:
        """Count an old trade as said that was counted before: what is behind the cursor was said then. Tells whether it was.

        Said again after more than an hour, the desk could not tell whether it knows it. What is younger may as well be said again.
        """
        cursor = self._means.ledger.cursors.get((account, trade.symbol))
        if cursor is None or self._means.exchange.now_ms() - trade.ts < OLD_MS or not is_counted(trade, cursor):
            return False
        if not self.knows(account, trade):
            over = asyncio.get_running_loop().create_future()
            over.set_result(None)
            self._note(account, trade, over)
        return True

    async def say(self, account: str, trade: Trade, client_id: str) -> None:
        """Say a trade of an order of that name, once; come back when it is durable."""
        said = self._said.get((account, trade.symbol, trade.trade_id))
        if said is None:
            said = self._note(account, trade, self._tasks.spawn(self._say(account, trade, client_id)))
        await asyncio.shield(said.saying)

    def _note(self, account: str, trade: Trade, saying: "asyncio.Future[None]") -> _Said:
        order, key = (account, trade.exchange_id), (account, trade.symbol, trade.trade_id)
        said = self._said[key] = _Said(trade.quantity, saying)
        self._orders.setdefault(order, {})[key] = said
        self._make_room(order)
        return said

    def _make_room(self, order: tuple[str, str]) -> None:
        """Forget the oldest orders. One that is still followed is asked for again."""
        while len(self._said) > SAID_MAX and len(self._orders) > 1:
            oldest = next(one for one in self._orders if one != order)
            for key in self._orders.pop(oldest):
                del self._said[key]

    async def _say(self, account: str, trade: Trade, client_id: str) -> None:
        await self._means.outbox.say(fill(self._means.exchange.name, account, trade, client_id))
        self._means.watcher.at(Step.FILLS_SAID)


def is_counted(trade: Trade, cursor: Cursor) -> bool:
    """Tell whether a trade is behind the cursor: by its time, and by its id, which grows with each trade of a symbol."""
    return trade.ts <= cursor.ts and (len(trade.trade_id), trade.trade_id) <= (len(cursor.trade_id), cursor.trade_id)
