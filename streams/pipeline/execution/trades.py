"""Trades of ours: each is said as a fill, by whichever way it is heard of first.

Decides: whose order a trade is, and that a trade that is being said already is waited for instead of said again. The desk drops repeats; what is kept
here saves them only. Leaves to others: asking for trades (settling, reconciling).
"""

import asyncio
from decimal import Decimal
from typing import Final, NamedTuple

from streams.desk.values import ZERO
from streams.exchange.port import Trade
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.tasks import Tasks
from streams.pipeline.execution.words import fill
from streams.pipeline.steps import Step

SAID_MAX: Final = 20_000
"""Trades remembered as said: hours of a busy partition."""


class _Said(NamedTuple):
    quantity: Decimal
    saying: "asyncio.Task[None]"


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

    async def say(self, account: str, trade: Trade, client_id: str) -> None:
        """Say a trade of an order of that name, once; come back when it is durable."""
        key = (account, trade.symbol, trade.trade_id)
        said = self._said.get(key)
        if said is None:
            order = (account, trade.exchange_id)
            said = self._said[key] = _Said(trade.quantity, self._tasks.spawn(self._say(account, trade, client_id)))
            self._orders.setdefault(order, {})[key] = said
            self._make_room(order)
        await asyncio.shield(said.saying)

    def _make_room(self, order: tuple[str, str]) -> None:
        """Forget the oldest orders. One that is still followed is asked for again."""
        while len(self._said) > SAID_MAX and len(self._orders) > 1:
            oldest = next(one for one in self._orders if one != order)
            for key in self._orders.pop(oldest):
                del self._said[key]

    async def _say(self, account: str, trade: Trade, client_id: str) -> None:
        await self._means.outbox.say(fill(self._means.exchange.name, account, trade, client_id))
        self._means.watcher.at(Step.FILLS_SAID)
