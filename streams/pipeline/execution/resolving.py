"""Finding out what became of an attempt nobody has an answer for.

Decides: when "not found" is proof that it was never accepted (the exchange's own clock is past timestamp, window and a margin, and two looks at the
order, open orders, all orders and trades have found nothing); before that, and where a look fails, it is asked on, for ever. Nothing here times out
into a guess. Leaves to others: an order that was found (settling).
"""

from enum import Enum

from streams.exchange.errors import ExchangeError, NotThere
from streams.exchange.port import OrderReport
from streams.pipeline.execution.asking import LOOKS, Backoff, dead_ms, is_dead, leased
from streams.pipeline.execution.ending import Ending
from streams.pipeline.execution.ledger import Attempt, Entry, client_id
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.watch import Watch
from streams.pipeline.execution.words import event
from streams.pipeline.steps import Step

BEFORE_MS = 1_000
"""How long before an attempt's timestamp orders are looked through: the exchange stamps them by its clock."""


class No(Enum):
    """Looked, and not found, or not answered."""

    NOT_FOUND = "not found"
    NO_ANSWER = "no answer"


class Resolving:
    """Asks for attempts in doubt."""

    def __init__(self, means: Means, ending: Ending) -> None:
        """Ask with these."""
        self._means, self._ending = means, ending

    async def resolve(self, entry: Entry, attempt: Attempt, watch: Watch, *, asked: bool) -> OrderReport | None:
        """Find an attempt; None where it is proven that there is none, and said. `asked`: an answer was waited for just now, and did not come."""
        backoff = Backoff(self._means, f"order {client_id(entry.order, attempt.number)} is UNKNOWN")
        found: OrderReport | No | None = None
        if asked:
            await self._doubt(entry, attempt)
            found = await watch.next(backoff.next_s())
        absent = 0
        while not isinstance(found, OrderReport):
            found = await self._look(entry, attempt)
            if isinstance(found, OrderReport):
                break
            await self._doubt(entry, attempt)
            assert attempt.sent is not None
            if found is No.NOT_FOUND and is_dead(self._means, attempt.sent):
                absent = absent + 1 if await self._nowhere(entry, attempt) else 0
            if absent == LOOKS:
                await self._ending.end(entry, attempt, "EXPIRED", ts=dead_ms(attempt.sent), reason="NEVER_ACCEPTED")
                return None
            found = await watch.next(backoff.next_s())
        return found

    async def _doubt(self, entry: Entry, attempt: Attempt) -> None:
        """Say that nobody knows, once."""
        means = self._means
        if attempt.unknown or attempt.sent is None:
            return
        means.watcher.at(Step.IN_DOUBT)
        await leased(means)
        await means.outbox.say(event(entry, attempt, "UNKNOWN", attempt.sent.ts))
        means.watcher.at(Step.EVENT_SAID)
        key = means.ledger.keys.step(entry.order.account, entry.place, attempt.number, "UNKNOWN", 0)
        await means.outbox.note((key, means.ledger.encode_step(StepRecord(attempt.sent.ts, attempt.quantity))))
        means.watcher.at(Step.STEP_NOTED)

    async def _look(self, entry: Entry, attempt: Attempt) -> OrderReport | No:
        order = entry.order
        try:
            return await self._means.exchange.find(order.account, order.symbol, client_id(order, attempt.number))
        except NotThere:
            return No.NOT_FOUND
        except ExchangeError:
            return No.NO_ANSWER

    async def _nowhere(self, entry: Entry, attempt: Attempt) -> bool:
        """Tell whether it is in none of the lists. A trade whose order is in no list may be its own."""
        assert attempt.sent is not None
        exchange, account, symbol = self._means.exchange, entry.order.account, entry.order.symbol
        name, since_ms = client_id(entry.order, attempt.number), attempt.sent.ts - BEFORE_MS
        try:
            open_orders = await exchange.open_orders(account, symbol)
            all_orders = await exchange.orders(account, symbol, since_ms)
            trades = await exchange.trades(account, symbol, since_ms=since_ms)
        except ExchangeError:
            return False
        listed = {report.exchange_id: report.client_id for report in (*open_orders, *all_orders)}
        own = [trade for trade in trades if trade.client_id == name or (not trade.client_id and trade.exchange_id not in listed)]
        return name not in listed.values() and not own
