"""Money that moved without a trade: funding, deposits, withdrawals, what the insurance paid.

Decides: as what the desk hears of it, and that each payment is said once, however late the exchange lists it up to `LATE_MS`: those that were said
are kept in the ledger by their ids until nothing as old can turn up any more. The desk itself knows repeats for an hour only.
Leaves to others: when it is looked (reconciling).
"""

import asyncio
from collections import defaultdict
from typing import Final

from streams.desk.messages import AccountEvent
from streams.desk.values import ZERO
from streams.exchange.port import Payment
from streams.pipeline.execution.ledger_keys import EVERY
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.means import Means

LATE_MS: Final = 600_000
"""How late the exchange may list a payment."""
EVERY_S: Final = 300.0
"""How often it is asked for them: it costs a fifth of a whole sweep, funding is paid a few times a day, and a transfer can wait."""
CASH: Final = "USDT"
"""What the desk's books are in. Coins that fees are paid with are no cash of theirs: they know each fee in its coin."""


class Payments:
    """Says payments."""

    def __init__(self, means: Means) -> None:
        """Say with these."""
        self._means = means
        self._saying: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._due_s: dict[str, float] = {}

    async def sweep(self, account: str) -> None:
        """Ask for what was paid, where that is due. Raises `ExchangeError`."""
        means = self._means
        if means.clock() < self._due_s.get(account, float("-inf")):
            return
        since_ms, asked_ms = means.ledger.paid[account][EVERY], means.exchange.now_ms()
        for payment in await means.exchange.payments(account, since_ms):
            await self.pay(account, payment)
        self._due_s[account] = means.clock() + EVERY_S
        await self._move(account, asked_ms - LATE_MS)

    async def pay(self, account: str, payment: Payment) -> None:
        """Say a payment, once."""
        means, ledger = self._means, self._means.ledger
        async with self._saying[account]:
            paid = ledger.paid[account]
            if not payment.amount or payment.ts < paid[EVERY] or payment.payment_id in paid:
                return
            if payment.currency == CASH:
                await means.outbox.say(self._said(account, payment))
            else:
                means.alert(
                    f"account {account}: {payment.amount} {payment.currency} moved ({payment.payment_id}), which is no cash"
                )
            record = StepRecord(payment.ts, payment.amount)
            await means.outbox.note((ledger.keys.paid(account, payment.payment_id), ledger.encode_step(record)))

    async def _move(self, account: str, until_ms: int) -> None:
        """Forget what can be listed no more."""
        means, ledger = self._means, self._means.ledger
        async with self._saying[account]:
            paid = ledger.paid[account]
            if until_ms - paid[EVERY] >= LATE_MS:
                await means.outbox.note((ledger.keys.paid(account, EVERY), ledger.encode_step(StepRecord(until_ms, ZERO))))
            old = [name for name, ts in paid.items() if name != EVERY and ts < paid[EVERY]]
            await means.outbox.note(*((ledger.keys.paid(account, name), None) for name in old))

    def _said(self, account: str, payment: Payment) -> AccountEvent:
        kind, amount, note = payment.kind, payment.amount, ""
        if kind == "OTHER":  # bonuses, rebates: money from outside all the same, and no profit
            kind, note = "DEPOSIT" if amount > 0 else "WITHDRAWAL", payment.payment_id
            self._means.alert(f"account {account}: {amount} {payment.currency} moved ({payment.payment_id}), booked as {kind}")
        if kind in ("DEPOSIT", "WITHDRAWAL"):
            amount = abs(amount)
        return AccountEvent(
            f"{self._means.exchange.name}-{payment.payment_id}",
            account,
            kind,
            payment.symbol,
            amount,
            ZERO,
            ZERO,
            None,
            note,
            payment.ts,
        )
