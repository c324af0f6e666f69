"""Following an order that the exchange has, until its last word and its trades add up.

Decides: that an end counts only when the trades of it come to what the exchange says was filled, and when an order is asked for because nobody has
told of it. Leaves to others: the end itself (ending), the stream (accounts).
"""

from collections.abc import Callable

from streams.exchange.errors import NotThere
from streams.exchange.port import OrderReport
from streams.pipeline.execution.asking import Backoff, answer, leased
from streams.pipeline.execution.ending import Ending
from streams.pipeline.execution.ledger import Attempt, Entry, client_id
from streams.pipeline.execution.ledger_keys import Step
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.protecting import Protecting
from streams.pipeline.execution.trades import Trades
from streams.pipeline.execution.watch import Watch
from streams.pipeline.execution.words import event
from streams.pipeline.steps import Step as At

STREAM_S = 0.5
"""How long the stream may take to tell of trades that a report counts already: it takes milliseconds, and asking costs weight."""
QUIET_S = 30.0
"""How often a resting order is asked for whose account has a stream: the stream tells, and sweeps find what it did not."""


class Settling:
    """Follows orders."""

    def __init__(
        self, means: Means, trades: Trades, ending: Ending, protecting: Protecting, hears: Callable[[str], bool]
    ) -> None:
        """Follow with these. `hears` tells whether an account's stream runs."""
        self._means, self._trades, self._ending, self._protecting, self._hears = means, trades, ending, protecting, hears

    async def follow(self, entry: Entry, attempt: Attempt, watch: Watch, report: OrderReport | None) -> None:
        """Follow an attempt from a report on, or from what the exchange says when it is asked."""
        if report is None:
            report = await self._asked(entry, attempt)
        await self._protect(entry, report)
        await self._acknowledge(entry, attempt, report)
        while report.status == "OPEN" or not await self._settled(entry, attempt, watch, report):
            heard = await watch.next(self._poll_s(entry))
            report = heard or await self._asked(entry, attempt)
            await self._protect(entry, report)
            if report.status == "OPEN" and report.filled > attempt.filled:
                await self._settled(entry, attempt, watch, report)
                await self._note(entry, attempt, "PARTIAL", report)
        await self._end(entry, attempt, report)

    def _poll_s(self, entry: Entry) -> float:
        resting = entry.order.type == "LIMIT" and entry.cancel is None and self._hears(entry.order.account)
        return QUIET_S if resting else self._means.limits.poll_s

    async def _asked(self, entry: Entry, attempt: Attempt) -> OrderReport:
        """Ask until it is told. One that was accepted and is not there for a while: the exchange reads from a copy."""
        order, name = entry.order, client_id(entry.order, attempt.number)
        backoff = Backoff(self._means, f"order {name}")
        while True:
            try:
                return await answer(
                    self._means, f"order {name}", lambda: self._means.exchange.find(order.account, order.symbol, name)
                )
            except NotThere:
                await backoff.wait()

    async def _protect(self, entry: Entry, report: OrderReport) -> None:
        """Have the position protected as soon as there is one, before its trades are known one by one."""
        if report.filled:
            await self._protecting.filled(entry)

    async def _acknowledge(self, entry: Entry, attempt: Attempt, report: OrderReport) -> None:
        if attempt.accepted:
            return
        await leased(self._means)
        ts = report.updated_ms if attempt.sent is None else attempt.sent.ts
        await self._means.outbox.say(event(entry, attempt, "ACKNOWLEDGED", ts, exchange_id=report.exchange_id))
        self._means.watcher.at(At.EVENT_SAID)
        await self._note(entry, attempt, "WORKING", report)

    async def _note(self, entry: Entry, attempt: Attempt, step: Step, report: OrderReport) -> None:
        means = self._means
        filled = self._trades.sum_of(entry.order.account, report.exchange_id)
        record = StepRecord(report.updated_ms, attempt.quantity, filled=filled, exchange_id=report.exchange_id)
        key = means.ledger.keys.step(entry.order.account, entry.place, attempt.number, step, 0)
        await means.outbox.note((key, means.ledger.encode_step(record)))
        means.watcher.at(At.STEP_NOTED)

    async def _settled(self, entry: Entry, attempt: Attempt, watch: Watch, report: OrderReport) -> bool:
        """Have all trades of a report said; tell whether they add up to it. The stream is given the time it usually takes."""
        account = entry.order.account
        until_s = self._means.clock() + STREAM_S
        while self._missing(account, report) and self._hears(account) and self._means.clock() < until_s:
            await watch.next(STREAM_S)
        if self._missing(account, report):
            await self._fetch(entry, attempt, report)
        return self._trades.sum_of(account, report.exchange_id) == report.filled

    def _missing(self, account: str, report: OrderReport) -> bool:
        return self._trades.sum_of(account, report.exchange_id) < report.filled

    async def _fetch(self, entry: Entry, attempt: Attempt, report: OrderReport) -> None:
        order, name = entry.order, client_id(entry.order, attempt.number)
        ask = self._means.exchange.trades
        trades = await answer(
            self._means, f"trades of {name}", lambda: ask(order.account, order.symbol, exchange_id=report.exchange_id)
        )
        for trade in trades:
            if not self._trades.pass_over(order.account, trade):
                await self._trades.say(order.account, trade, name)

    async def _end(self, entry: Entry, attempt: Attempt, report: OrderReport) -> None:
        assert report.status != "OPEN"
        await self._trades.said(entry.order.account, report.exchange_id)
        await self._ending.end(
            entry,
            attempt,
            report.status,
            ts=report.updated_ms,
            reason=report.reason,
            filled=report.filled,
            exchange_id=report.exchange_id,
        )
        if entry.order.reduce_only and report.filled:
            self._protecting.closed(entry)
