"""Asking the exchange until it answers.

Decides: how long to leave it alone after it has not, and when a request is certainly over, so that "not there" can be an answer. A failed question is
no answer, and none is made up. Leaves to others: what is asked, and questions whose answer is no (`NotThere`).
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from streams.exchange.errors import ExchangeError, Fatal, NotThere, Retryable
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.means import NOT_FOUND_MS, Means

T = TypeVar("T")


async def leased(means: Means) -> None:
    """Wait until nobody else can be deciding. Who has lost the lease may have missed what whoever holds it has done."""
    while means.lease.left_s() <= 0:
        await means.sleep(means.limits.block_look_s)


LOOKS: Final = 2
"""Looks that have to agree that something is not there: one of them may have read from a copy that was behind."""


class Backoff:
    """Waits longer each time, and tells a person once when it has been too long."""

    def __init__(self, means: Means, about: str) -> None:
        """Begin with the shortest wait."""
        self._means, self._about = means, about
        self._wait_s, self._since_s, self._told = means.limits.ask_first_s, means.clock(), False

    def next_s(self) -> float:
        """Give the next wait."""
        means = self._means
        if not self._told and means.clock() - self._since_s >= means.limits.alert_s:
            self._told = True
            means.alert(f"{self._about}: no answer for {means.limits.alert_s:.0f} s, still asking")
        wait_s, self._wait_s = self._wait_s, min(self._wait_s * 2, means.limits.ask_last_s)
        return wait_s

    async def wait(self, error: ExchangeError | None = None) -> None:
        """Leave it alone for a while, for as long as it has asked for at least."""
        asked_s = error.after_s if isinstance(error, Retryable) and error.after_s is not None else 0.0
        if isinstance(error, Fatal):
            asked_s = self._means.limits.ask_last_s
        await self._means.sleep(max(self.next_s(), asked_s))


async def answer(means: Means, about: str, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer. Raises `NotThere`."""
    backoff = Backoff(means, about)
    while True:
        try:
            return await ask()
        except NotThere:
            raise
        except ExchangeError as error:
            await backoff.wait(error)


def dead_ms(sent: StepRecord) -> int:
    """Give when the last request for it is certainly over, by the exchange's clock."""
    return sent.ts + sent.window_ms + NOT_FOUND_MS


def is_dead(means: Means, sent: StepRecord) -> bool:
    """Tell whether no request for it can be accepted any more."""
    error_ms = means.exchange.clock_error_ms()
    return error_ms is not None and means.exchange.now_ms() - error_ms > dead_ms(sent)
