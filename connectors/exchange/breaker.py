"""A circuit breaker for a venue: when asking fails again and again, nothing that adds risk is sent any more, until it answers.

    breaker = Breaker(opened)
    breaker.learn(now_ms, error)            # after each question, None for an answer
    if breaker.allows(now_ms): …            # before an order that adds risk goes out

Decides: what counts as a failure, when it opens, and how long it stays open at least; after that the first question that is answered closes it, and
one that fails opens it anew. Questions are asked all along: clocks are compared and accounts looked at whatever happens. Leaves to others: telling a
person (`opened`), holding orders back (pipeline.execution.gate).
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Literal

from streams.exchange.errors import Ambiguous, ClockOff, Paused, Retryable

State = Literal["CLOSED", "OPEN", "HALF_OPEN"]
Event = Literal["TOO_MANY", "RESTED", "FAILED", "ANSWERED"]

NEXT: Final[dict[tuple[State, Event], State]] = {
    ("CLOSED", "TOO_MANY"): "OPEN",
    ("OPEN", "RESTED"): "HALF_OPEN",
    ("HALF_OPEN", "FAILED"): "OPEN",
    ("HALF_OPEN", "ANSWERED"): "CLOSED",
}
"""Every other pair stays where it is."""

LOOKED_AT: Final = 20
"""So many of the last outcomes are looked at,"""
FAILURES_MAX: Final = 5
"""and with so many failures among them it opens: a quarter. Orders that all fail show so even where each is followed by three questions that are
answered; one failure in a hundred never does."""
FORGOTTEN_MS: Final = 60_000
"""What failed longer ago than this says nothing of now."""
REST_MS_MIN: Final = 5_000
"""The first rest: a matching engine that restarts takes longer, a lost packet does not."""
REST_MS_MAX: Final = 300_000
"""Each question that fails after a rest doubles the rest, up to this: a maintenance of hours is found over within five minutes of its end."""


def is_failure(error: Exception | None) -> bool:
    """Tell whether the venue failed: it could not be asked, or nobody knows what it did.

    Paused is the allowance's: the venue works, we asked too much. ClockOff is ours: nothing is sent then anyhow. Everything else is an answer.
    """
    return isinstance(error, Ambiguous) or (isinstance(error, Retryable) and not isinstance(error, Paused | ClockOff))


class Breaker:
    """The breaker of one venue."""

    def __init__(self, opened: Callable[[str], None]) -> None:
        """Begin closed: everything may be asked."""
        self.state: State = "CLOSED"
        self._opened = opened
        self._failed_ms: deque[int | None] = deque(maxlen=LOOKED_AT)
        """When the last ones failed; None for an answer."""
        self._rest_ms, self._until_ms = REST_MS_MIN, 0

    def allows(self, now_ms: int) -> bool:
        """Tell whether risk may be added."""
        self._rest(now_ms)
        return self.state == "CLOSED"

    def learn(self, now_ms: int, error: Exception | None) -> None:
        """Take how something came out. While it rests nothing counts: what comes back then was sent before."""
        self._rest(now_ms)
        failed = is_failure(error)
        if self.state == "HALF_OPEN":
            self._rest_ms = min(2 * self._rest_ms, REST_MS_MAX) if failed else REST_MS_MIN
            self._until_ms = now_ms + self._rest_ms
            self._failed_ms.clear()
            self._go("FAILED" if failed else "ANSWERED")
        elif self.state == "CLOSED":
            self._failed_ms.append(now_ms if failed else None)
            failures = sum(at_ms is not None and now_ms - at_ms < FORGOTTEN_MS for at_ms in self._failed_ms)
            if failures >= FAILURES_MAX:
                self._until_ms = now_ms + self._rest_ms
                self._go("TOO_MANY")
                self._opened(f"{failures} of the last {len(self._failed_ms)} questions failed, the last with: {error}")

    def _rest(self, now_ms: int) -> None:
        if self.state == "OPEN" and now_ms >= self._until_ms:
            self._go("RESTED")

    def _go(self, event: Event) -> None:
        self.state = NEXT.get((self.state, event), self.state)
