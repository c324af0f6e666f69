"""Sending an attempt: the intent is durable before the request goes out, and what may have been done is never done again.

Decides: the order of writes up to the exchange's answer, what an error means for the attempt, and how often what was certainly not done is tried.
Leaves to others: whether it may be sent (gate), its end (ending), and finding out what nobody knows (resolving).
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from streams.exchange.errors import AlreadyKnown, Ambiguous, ExchangeError, Fatal, NotThere, Rejected, Retryable
from streams.exchange.port import OrderReport, Placing
from streams.pipeline.execution.ending import Ending
from streams.pipeline.execution.gate import Gate, Refusal, Standing
from streams.pipeline.execution.ledger import Attempt, Entry, client_id
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.means import Means
from streams.pipeline.steps import Step


class Fate(Enum):
    """What became of an attempt that has no report."""

    OVER = "over"
    IN_DOUBT = "in doubt"


class _Held(NamedTuple):
    """An attempt that may have to wait."""

    entry: Entry
    attempt: Attempt
    less_waits: Callable[[], bool]
    """Tells whether one behind it that takes risk away could go."""


class Sending:
    """Sends attempts."""

    def __init__(self, means: Means, standing: Standing, gate: Gate, ending: Ending) -> None:
        """Send with these."""
        self._means, self._standing, self._gate, self._ending = means, standing, gate, ending

    async def send(self, entry: Entry, attempt: Attempt, less_waits: Callable[[], bool]) -> OrderReport | Fate:
        """Send an attempt, or have it refused. `less_waits` tells whether one behind it that takes risk away could go."""
        means, order = self._means, entry.order
        failures = 0
        while True:
            held = _Held(entry, attempt, less_waits)
            refusal = await self._until(held, lambda: not self._gate.waits_for(order)) or await self._room(held)
            if refusal is not None:
                await self._ending.refuse(entry, attempt, refusal)
                return Fate.OVER
            sent = await self._intend(entry, attempt)
            if not self._gate.still(entry, attempt) or means.exchange.now_ms() - sent.ts > sent.window_ms:
                continue  # it was certainly not sent, and may be in the next turn
            means.watcher.at(Step.REQUEST_DUE)
            opening = self._standing.openings[order.account]
            try:
                report = await means.exchange.place(self._placing(entry, attempt, sent))
            except Retryable as error:
                if failures == len(means.limits.waits_s):
                    await self._ending.end(entry, attempt, "REJECTED", ts=sent.ts, reason=f"NOT_DONE {error}")
                    return Fate.OVER
                refusal = await self._pause(held, self._pause_s(failures, error))
                if refusal is not None:
                    await self._ending.refuse(entry, attempt, refusal)
                    return Fate.OVER
                failures += 1
            except ExchangeError as error:
                return await self._failed(entry, attempt, sent, error, opening)
            else:
                means.watcher.at(Step.REQUEST_ANSWERED)
                return report

    async def _pause(self, held: _Held, wait_s: float) -> Refusal | None:
        """Leave the exchange alone for a while."""
        over_s = self._means.clock() + wait_s
        return await self._until(held, lambda: self._means.clock() >= over_s)

    async def _room(self, held: _Held) -> Refusal | None:
        """Wait for the allowance."""
        means, order = self._means, held.entry.order
        while True:
            room = asyncio.ensure_future(means.exchange.room(order.account, urgent=order.reduce_only))
            try:
                refusal = await self._until(held, room.done, room)
                if refusal is not None:
                    return refusal
                room.result()
            except Retryable:  # too many wait already
                await means.sleep(means.limits.block_look_s)
            else:
                return None
            finally:
                room.cancel()

    async def _until(
        self, held: _Held, passed: Callable[[], bool], awaited: "asyncio.Future[None] | None" = None
    ) -> Refusal | None:
        """Wait until what holds an order back has passed; give what refuses it meanwhile. It does not hold back less risk for long."""
        means, look_s = self._means, self._means.limits.block_look_s
        began_s = means.clock()
        while True:
            refusal, has_passed = self._gate.refuses(held.entry, held.attempt), passed()
            if has_passed or (refusal is not None and self._standing.taken_over):
                return refusal
            if means.clock() - began_s > means.limits.overtake_s and held.less_waits():
                return Refusal("REJECTED", f"OVERTAKEN waited_for={self._gate.waits_for(held.entry.order) or 'ALLOWANCE'}")
            if awaited is None:
                await means.sleep(look_s)
            else:
                await asyncio.wait((awaited,), timeout=look_s)

    async def _intend(self, entry: Entry, attempt: Attempt) -> StepRecord:
        """Write that it is being sent."""
        means = self._means
        sent = StepRecord(means.exchange.now_ms(), attempt.quantity, means.limits.window_ms)
        key = means.ledger.keys.step(entry.order.account, entry.place, attempt.number, "SENDING", sent.ts)
        means.watcher.at(Step.SENDING_NOTED)
        await means.outbox.note((key, means.ledger.encode_step(sent)))
        return sent

    async def _failed(self, entry: Entry, attempt: Attempt, sent: StepRecord, error: ExchangeError, opening: int) -> Fate:
        if isinstance(error, Rejected):
            await self._ending.end(entry, attempt, "REJECTED", ts=sent.ts, reason=f"{error.code} {error.reason}")
            return Fate.OVER
        if isinstance(error, Fatal):
            if opening == self._standing.openings[entry.order.account]:
                self._standing.halted[entry.order.account] = str(error)
                self._means.alert(f"account {entry.order.account} is halted: {error}")
            await self._ending.end(entry, attempt, "REJECTED", ts=sent.ts, reason=f"FATAL {error}")
            return Fate.OVER
        assert isinstance(error, AlreadyKnown | Ambiguous | NotThere)
        return Fate.IN_DOUBT

    def _placing(self, entry: Entry, attempt: Attempt, sent: StepRecord) -> Placing:
        order = entry.order
        return Placing(
            order.account, client_id(order, attempt.number), order.symbol, order.side, order.type, attempt.quantity,
            order.limit_price, order.reduce_only, sent.ts, sent.window_ms,
        )  # fmt: skip

    def _pause_s(self, failures: int, error: Retryable) -> float:
        """Give how long to wait: what the exchange says, else longer each time, by chance up to half as much again. Never longer than it lives."""
        limits = self._means.limits
        own_s = limits.waits_s[failures] * (1 + self._means.chance.random() / 2)
        return min(max(own_s, error.after_s or 0.0), limits.age_ms_max / 1000)
