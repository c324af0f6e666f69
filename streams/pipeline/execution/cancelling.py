"""Taking orders back.

Decides: that a cancel is asked for until the order is over, that one goes out for each order which adds risk when a stop is read, past the tape, and
when the desk hears that a cancel was not done. Leaves to others: orders that were not sent yet (gate), what became of the order (settling).
"""

from streams.exchange.errors import ExchangeError, NotThere, Rejected
from streams.pipeline.execution.asking import Backoff
from streams.pipeline.execution.ledger import Entry, client_id
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.watch import Watch
from streams.pipeline.execution.words import cancel_rejected

TELL_AFTER = 3
"""Tries after which the desk hears that the order is still open; it is tried on all the same."""


class Cancelling:
    """Cancels orders."""

    def __init__(self, means: Means) -> None:
        """Cancel with these."""
        self._means = means
        self._at_it: set[str] = set()

    async def cancel(self, entry: Entry, watch: Watch) -> None:
        """Cancel the attempt that is out, however often that takes."""
        order, attempt = entry.order, entry.attempt
        name = client_id(order, attempt.number)
        if name in self._at_it:
            return
        self._at_it.add(name)
        backoff = Backoff(self._means, f"cancel of {name}")
        tries, told = 0, False
        while attempt.done is None and not entry.over:
            refused, error = False, None
            try:
                watch.put(await self._means.exchange.cancel(order.account, order.symbol, name))
                break
            except NotThere:  # over, or not there yet: its fate is being found out, and this here tried again
                watch.stir()
            except ExchangeError as failed:
                error, refused = failed, isinstance(failed, Rejected)
            tries += 1
            if entry.cancel is not None and not told and (refused or tries >= TELL_AFTER):
                told = True
                await self._means.outbox.say(cancel_rejected(entry))
            await backoff.wait(error)
        self._at_it.discard(name)
