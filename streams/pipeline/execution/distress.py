"""Telling the desk that the exchange fails: its accounts may only reduce until it answers again.

Decides: that this is said as an adjustment of nothing, which puts an account in doubt and is reversed when the exchange is well: the desk needs no
further kind of input, and who comes next finds it in the ledger and takes it back. It is durable before it is said, as any adjustment. Leaves to
others: when the exchange counts as failing (its breaker), saying what was decided (differences), holding orders back meanwhile (gate).
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from streams.desk.messages import AccountEvent
from streams.desk.values import ZERO
from streams.pipeline.execution.asking import leased
from streams.pipeline.execution.ledger_adjustments import MADE, UNDONE, reversal
from streams.pipeline.execution.means import Means

LOOK_S: Final = 0.5
"""How often it is looked: the shortest rest of the breaker is ten times as long."""


class Distress:
    """Tells the desk."""

    def __init__(self, means: Means, accounts: Callable[[], Iterable[str]], finish: Callable[[str], Awaitable[None]]) -> None:
        """Tell of these accounts; `finish` says what was decided of one."""
        self._means, self._accounts, self._finish = means, accounts, finish

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            for account in tuple(self._accounts()):
                await self._look(account)
            await self._means.sleep(LOOK_S)

    async def _look(self, account: str) -> None:
        means, ledger = self._means, self._means.ledger
        said, well = ledger.adjustments.open(account, None), means.exchange.allows_risk()
        if well != bool(said):
            return
        await leased(means)
        ts = means.exchange.now_ms()
        if well:
            records = [(event.event_id, UNDONE, reversal(event, "the exchange answers again", ts)) for event in said]
        else:
            event = _failing(account, ts)
            records = [(event.event_id, MADE, event)]
        await means.outbox.note(
            *((ledger.keys.adjustment(account, "", name, part), ledger.encode_message(event)) for name, part, event in records)
        )
        await self._finish(account)


def _failing(account: str, ts: int) -> AccountEvent:
    event_id = f"exchange-fails-{hashlib.blake2b(f'{account} {ts}'.encode(), digest_size=8).hexdigest()}"
    return AccountEvent(event_id, account, "ADJUSTMENT", None, ZERO, ZERO, ZERO, None, "the exchange fails", ts)
