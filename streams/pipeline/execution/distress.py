"""Telling the desk that the exchange fails: its accounts may only reduce until it answers again.

Decides: that this is said as an adjustment of nothing, which puts an account in doubt and is reversed when the exchange is well: the desk needs no
further kind of input, and who comes next finds it in the ledger and takes it back, once it was answered itself. It is durable before it is said, as
any adjustment. A desk that does not know the account yet buries it; nothing is lost then, since nothing that adds risk is sent. Leaves to others:
when the exchange counts as failing (its breaker), saying what was decided (differences), holding orders back meanwhile (gate).
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from streams.desk.messages import AccountEvent
from streams.desk.values import ZERO
from streams.pipeline.execution.asking import leased
from streams.pipeline.execution.gate import Standing
from streams.pipeline.execution.ledger_adjustments import MADE, UNDONE, reversal
from streams.pipeline.execution.means import Means

LOOK_S: Final = 0.5
"""How often it is looked: the shortest rest of the breaker is ten times as long."""


class Distress:
    """Tells the desk."""

    def __init__(
        self, means: Means, standing: Standing, accounts: Callable[[], Iterable[str]], finish: Callable[[str], Awaitable[None]]
    ) -> None:
        """Tell of these accounts; `finish` says what was decided of one."""
        self._means, self._standing, self._accounts, self._finish = means, standing, accounts, finish

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            for account in tuple(self._accounts()):
                await self._look(account)
            await self._means.sleep(LOOK_S)

    async def _look(self, account: str) -> None:
        means, ledger = self._means, self._means.ledger
        decided = self._decided(account)
        if decided:
            await leased(means)
            keys = ledger.keys
            await means.outbox.note(
                *((keys.adjustment(account, "", name, part), ledger.encode_message(event)) for name, part, event in decided)
            )
        if any(not one.said or one.undone is not None for one in ledger.adjustments.of(account)):
            await leased(means)
            await self._finish(account)

    def _decided(self, account: str) -> Sequence[tuple[str, str, AccountEvent]]:
        """Give what is to be written. An account that was not compared since this process began has not been answered yet: nothing is taken back."""
        means = self._means
        said, well, ts = means.ledger.adjustments.open(account, None), means.exchange.allows_risk(), means.exchange.now_ms()
        if said and well and account in self._standing.reconciled:
            return [(event.event_id, UNDONE, reversal(event, "the exchange answers again", ts)) for event in said]
        if not said and not well:
            event = _failing(account, ts)
            return [(event.event_id, MADE, event)]
        return []


def _failing(account: str, ts: int) -> AccountEvent:
    event_id = f"exchange-fails-{hashlib.blake2b(f'{account} {ts}'.encode(), digest_size=8).hexdigest()}"
    return AccountEvent(event_id, account, "ADJUSTMENT", None, ZERO, ZERO, ZERO, None, "the exchange fails", ts)
