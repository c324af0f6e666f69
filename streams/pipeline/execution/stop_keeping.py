"""One stop at the exchange: placing it, finding out what became of it, taking it back.

Decides: the order of writes (the intent is durable before the request, as with orders), what an error means, and when "not found" is proof that a
request was never accepted: as with orders. What was certainly not done is tried again under the same name until it is done, refused, or no longer
wanted. Leaves to others: which stop is wanted (protecting).
"""

from collections.abc import Callable
from typing import Final

from streams.exchange.errors import ExchangeError, Fatal, NotThere, Rejected, Retryable
from streams.exchange.port import StopPlacing, StopReport
from streams.pipeline.execution.asking import LOOKS, Backoff, is_dead, leased
from streams.pipeline.execution.gate import Gate
from streams.pipeline.execution.ledger_keys import Step
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.ledger_stops import Stop
from streams.pipeline.execution.means import Means

NEVER: Final = "NEVER_ACCEPTED"


class StopKeeping:
    """Does things about single stops."""

    def __init__(self, means: Means, gate: Gate) -> None:
        """Do them with these."""
        self._means, self._gate = means, gate

    async def place(self, stop: Stop, wanted: Callable[[Stop], bool]) -> Rejected | None:
        """Place a stop; give the refusal, if it was refused. It may be in doubt afterwards."""
        means, told = self._means, False
        backoff = Backoff(means, f"stop {stop.client_id}")
        while True:
            await self._cleared()
            try:
                await means.exchange.room(stop.account, urgent=True)
            except Retryable as error:
                await backoff.wait(error)
                continue
            if self._gate.holds():
                continue
            if not wanted(stop):
                await self.end(stop, "CANCELLED", "NOT_SENT")
                return None
            sent = StepRecord(means.exchange.now_ms(), stop.price, means.limits.window_ms)
            await self.note(stop, "SENDING", sent)
            if self._gate.holds() or means.exchange.now_ms() - sent.ts > sent.window_ms:
                continue  # it was certainly not sent, and may be in the next turn
            try:
                report = await means.exchange.place_stop(_placing(stop, sent))
            except Rejected as refusal:
                await self.end(stop, "REJECTED", f"{refusal.code} {refusal.reason}")
                return refusal
            except (Retryable, Fatal) as error:
                if not told:
                    told = True
                    means.alert(f"account {stop.account}: stop {stop.client_id} of {stop.symbol} is not placed yet: {error}")
                await backoff.wait(error)
            except ExchangeError:
                return None
            else:
                await self.hear(stop, report)
                return None

    async def find_out(self, stop: Stop) -> None:
        """Ask for a stop in doubt until it is known, or proven that it was never accepted."""
        means, absent = self._means, 0
        backoff = Backoff(means, f"stop {stop.client_id} is in doubt")
        while stop.doubtful:
            assert stop.sent is not None
            try:
                report = await means.exchange.find_stop(stop.account, stop.symbol, stop.client_id)
            except NotThere:
                if is_dead(means, stop.sent):
                    absent = absent + 1 if await self._unlisted(stop) else 0
            except ExchangeError as error:
                await backoff.wait(error)
                continue
            else:
                await self.hear(stop, report)
                return
            if absent == LOOKS:
                await self.end(stop, "EXPIRED", NEVER)
                return
            await means.sleep(backoff.next_s())

    async def take_back(self, stop: Stop) -> None:
        """Cancel a stop, however often that takes."""
        backoff = Backoff(self._means, f"cancel of stop {stop.client_id}")
        while stop.done is None:
            await self._cleared()
            try:
                report = await self._cancelled(stop)
            except ExchangeError as error:
                await backoff.wait(error)
                continue
            if report is None:
                await self.end(stop, "CANCELLED", "GONE")
            elif report.status == "OPEN":  # one of the two answers is from a copy that is behind
                await self._means.sleep(backoff.next_s())
            else:
                await self.hear(stop, report)

    async def look(self, stop: Stop) -> None:
        """Ask for a stop that is in no list any more. Raises `ExchangeError`."""
        try:
            await self.hear(stop, await self._means.exchange.find_stop(stop.account, stop.symbol, stop.client_id))
        except NotThere:
            await self.end(stop, "EXPIRED", "GONE")

    async def hear(self, stop: Stop, report: StopReport) -> None:
        """Write down how a stop stands, unless that is known."""
        record = StepRecord(report.updated_ms, stop.price, exchange_id=report.exchange_id, kind=report.status)
        if report.status != "OPEN" and stop.done is None:
            await self.note(stop, "DONE", record)
        elif report.status == "OPEN" and not stop.exchange_id:
            await self.note(stop, "WORKING", record)

    async def end(self, stop: Stop, kind: str, reason: str) -> None:
        """Write down that a stop is over."""
        ts = self._means.exchange.now_ms()
        await self.note(stop, "DONE", StepRecord(ts, stop.price, exchange_id=stop.exchange_id, kind=kind, reason=reason))

    async def note(self, stop: Stop, step: Step, record: StepRecord) -> None:
        """Write a step down. An end only under the lease: whoever holds it next may have placed that stop again."""
        ledger = self._means.ledger
        if step == "DONE":
            await leased(self._means)
        key = ledger.keys.stop(stop.account, stop.symbol, stop.client_id, step, record.ts)
        await self._means.outbox.note((key, ledger.encode_step(record)))

    async def _cleared(self) -> None:
        while self._gate.holds():
            await self._means.sleep(self._means.limits.block_look_s)

    async def _cancelled(self, stop: Stop) -> StopReport | None:
        """Cancel, or look what became of it; nothing where nobody knows it any more."""
        exchange = self._means.exchange
        try:
            return await exchange.cancel_stop(stop.account, stop.symbol, stop.client_id)
        except NotThere:
            pass
        try:
            return await exchange.find_stop(stop.account, stop.symbol, stop.client_id)
        except NotThere:
            return None

    async def _unlisted(self, stop: Stop) -> bool:
        try:
            listed = await self._means.exchange.open_stops(stop.account)
        except ExchangeError:
            return False
        return all(report.client_id != stop.client_id for report in listed)


def _placing(stop: Stop, sent: StepRecord) -> StopPlacing:
    return StopPlacing(stop.account, stop.client_id, stop.symbol, stop.side, stop.price, sent.ts, sent.window_ms)
