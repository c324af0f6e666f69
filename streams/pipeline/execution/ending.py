"""The end of an attempt, and of an order.

Decides: the order of writes at the end (fills are durable before the decision that it is over, and that is durable before it is said; each only while
the lease is held, so that whoever holds it next knows of it and decides nothing else), whether there is one more attempt, and when orders that are
over are forgotten. Leaves to others: that it has ended (sending, settling, resolving).
"""

from collections.abc import Callable
from decimal import Decimal
from typing import get_args

from streams.desk.values import ZERO
from streams.pipeline.execution.asking import leased
from streams.pipeline.execution.gate import Refusal, price_of
from streams.pipeline.execution.ledger import Attempt, End, Entry
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.remainder import remainder
from streams.pipeline.execution.words import Kind, event
from streams.pipeline.steps import Step


class Ending:
    """Ends attempts."""

    def __init__(self, means: Means, goes_on: Callable[[Entry], None]) -> None:
        """Write with these; an order that gets one more attempt goes on there."""
        self._means, self._goes_on = means, goes_on
        self._forgetting: set[str] = set()

    async def refuse(self, entry: Entry, attempt: Attempt, refusal: Refusal) -> None:
        """End what is not sent, or was, and certainly not done."""
        assert refusal.kind in get_args(End)
        kind: End = refusal.kind  # type: ignore[assignment]  # mypy does not know get_args
        await self.end(entry, attempt, kind, ts=self._means.exchange.now_ms(), reason=refusal.reason)

    async def end(
        self,
        entry: Entry,
        attempt: Attempt,
        kind: End,
        *,
        ts: int,
        reason: str = "",
        filled: Decimal = ZERO,
        exchange_id: str = "",
    ) -> None:
        """End an attempt, with everything it has brought said before."""
        means, order = self._means, entry.order
        # Read before the lease is looked at: whoever is paused in between decided that before the next owner sent anything. And our idea of the
        # exchange's time may be put back: an end is after its own sending all the same.
        decided_ms = max(means.exchange.now_ms(), attempt.sent.ts if attempt.sent else 0)
        await leased(means)
        attempt.filled = filled
        rest = ZERO
        if kind == "EXPIRED" and entry.cancel is None:
            made, price = attempt.number + 1, price_of(means, order)
            rest = remainder(order, entry.filled, made, means.instruments.get(order.symbol), price, means.limits)
        record = StepRecord(ts, attempt.quantity, 0, filled, rest, exchange_id, kind, reason)
        key = means.ledger.keys.step(order.account, entry.place, attempt.number, "DONE", decided_ms)
        await means.outbox.note((key, means.ledger.encode_step(record)))
        means.watcher.at(Step.STEP_NOTED)
        if rest:
            self._goes_on(entry)
        else:
            await self.tell(entry, attempt, record)

    async def tell(self, entry: Entry, attempt: Attempt, record: StepRecord) -> None:
        """Say an end that is durable, where fills do not say it. Who has lost the lease says nothing: somebody else may not know of it."""
        means, order = self._means, entry.order
        await leased(means)
        if entry.filled < order.quantity and not entry.over:
            word = _word(entry, record.kind)
            said = event(entry, attempt, word, record.ts, exchange_id=record.exchange_id, reason=record.reason)
            await means.outbox.say(said)
            means.watcher.at(Step.EVENT_SAID)
            key = means.ledger.keys.step(order.account, entry.place, attempt.number, "OVER", 0)
            await means.outbox.note((key, means.ledger.encode_step(record)))
            means.watcher.at(Step.STEP_NOTED)
        entry.over = True
        means.watcher.at(Step.ORDER_OVER)
        await self.forget(order.account, means.limits.forget_at)

    async def forget(self, account: str, at_least: int) -> None:
        """Forget the orders of an account that are over and that no open one comes before, if there are that many. Only who holds the lease knows."""
        means, ledger = self._means, self._means.ledger
        place = ledger.finished(account, at_least)
        if place is None or account in self._forgetting or means.lease.left_s() <= 0:
            return
        self._forgetting.add(account)
        await means.outbox.note((ledger.keys.high(account, place), ledger.encode_step(StepRecord(0, ZERO))))
        means.watcher.at(Step.LEDGER_FORGETS)
        await means.outbox.note(*((key, None) for key in ledger.outdated(account)))
        self._forgetting.discard(account)


def _word(entry: Entry, kind: str) -> Kind:
    """Give the word for the end of an order: one that has brought something was not rejected, one that was filled as far as it went expired."""
    if kind == "FILLED" or (kind == "REJECTED" and entry.filled > ZERO):
        return "EXPIRED"
    return kind  # type: ignore[return-value]  # the other ends are words for events as they are
