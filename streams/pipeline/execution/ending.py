"""The end of an attempt, and of an order.

Decides: the order of writes at the end (what is said is durable before the ledger calls it over; a refusal is durable before it is said, because only
who still holds the lease may refuse), whether there is one more attempt, and when orders that are over are forgotten. Leaves to others: that it has
ended (sending, settling, resolving).
"""

from collections.abc import Callable
from decimal import Decimal
from typing import get_args

from streams.desk.values import ZERO
from streams.pipeline.execution.gate import Refusal, price_of
from streams.pipeline.execution.ledger import Attempt, End, Entry, StepRecord
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
        """End what is not sent."""
        means = self._means
        assert refusal.kind in get_args(End)
        kind: End = refusal.kind  # type: ignore[assignment]  # mypy does not know get_args
        if attempt.sent is not None:  # it was tried, and certainly not done
            await self.end(entry, attempt, kind, ts=attempt.sent.ts, reason=refusal.reason)
            return
        record = StepRecord(means.exchange.now_ms(), attempt.quantity, kind=kind, reason=refusal.reason)
        key = means.ledger.keys.step(entry.order.account, entry.place, attempt.number, "REFUSED", 0)
        await means.outbox.note((key, means.ledger.encode_step(record)))
        await self.say_refused(entry, attempt, record)

    async def say_refused(self, entry: Entry, attempt: Attempt, record: StepRecord) -> None:
        """Say a refusal that is durable. Who has lost the lease says nothing: somebody else may not know of it, and send."""
        means = self._means
        while means.lease.left_s() <= 0:
            await means.sleep(means.limits.block_look_s)
        await means.outbox.say(event(entry, attempt, _word(entry, record.kind), record.ts, reason=record.reason))
        means.watcher.at(Step.EVENT_SAID)
        key = means.ledger.keys.step(entry.order.account, entry.place, attempt.number, "DONE", 0)
        await means.outbox.note((key, means.ledger.encode_step(record)))
        means.watcher.at(Step.STEP_NOTED)
        await self._over(entry)

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
        """End what was sent, with everything it has brought said before."""
        means, order = self._means, entry.order
        attempt.filled = filled
        total, rest = entry.filled, ZERO
        if kind == "EXPIRED" and entry.cancel is None:
            rest = remainder(
                order, total, attempt.number + 1, means.instruments.get(order.symbol), price_of(means, order), means.limits
            )
        if not rest and total < order.quantity:
            await means.outbox.say(event(entry, attempt, _word(entry, kind), ts, exchange_id=exchange_id, reason=reason))
            means.watcher.at(Step.EVENT_SAID)
        record = StepRecord(ts, attempt.quantity, 0, filled, rest, exchange_id, kind, reason)
        key = means.ledger.keys.step(order.account, entry.place, attempt.number, "DONE", ts)
        await means.outbox.note((key, means.ledger.encode_step(record)))
        means.watcher.at(Step.STEP_NOTED)
        if rest:
            self._goes_on(entry)
        else:
            await self._over(entry)

    async def _over(self, entry: Entry) -> None:
        entry.over = True
        self._means.watcher.at(Step.ORDER_OVER)
        await self.forget(entry.order.account, self._means.limits.forget_at)

    async def forget(self, account: str, at_least: int) -> None:
        """Forget the orders of an account that are over and that no open one comes before, if there are that many."""
        means, ledger = self._means, self._means.ledger
        place = ledger.finished(account, at_least)
        if place is None or account in self._forgetting:
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
