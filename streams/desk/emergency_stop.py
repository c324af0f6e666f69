"""The emergency stop (ESS): a machine of three states, written as a table.

Decides: which event leads from which state to which, and what is remembered of a trip. Nothing re-arms by itself: the only ways
back to ARMED are RESET and OVERRIDDEN, both an operator's. Leaves to others: what counts as a breach
(desk.valuation, desk.marks, desk.ticks, desk.total), what is cancelled or closed (desk.stopping), who may reset (desk.stop_commands).
"""

from dataclasses import dataclass
from enum import Enum


class StopState(Enum):
    """Where the stop stands."""

    ARMED = "ARMED"
    TRIPPED = "TRIPPED"
    COOLDOWN = "COOLDOWN"


class StopEvent(Enum):
    """What can happen to it."""

    BREACHED = "BREACHED"
    SETTLED = "SETTLED"
    RESET = "RESET"
    OVERRIDDEN = "OVERRIDDEN"


NEXT = {
    (StopState.ARMED, StopEvent.BREACHED): StopState.TRIPPED,
    (StopState.TRIPPED, StopEvent.SETTLED): StopState.COOLDOWN,
    (StopState.TRIPPED, StopEvent.OVERRIDDEN): StopState.ARMED,
    (StopState.COOLDOWN, StopEvent.RESET): StopState.ARMED,
    (StopState.COOLDOWN, StopEvent.OVERRIDDEN): StopState.ARMED,
}
"""Every pair that moves. Any other pair leaves the state as it is."""


@dataclass(slots=True)
class Stop:
    """One emergency stop and what it remembers."""

    state: StopState = StopState.ARMED
    trip_ms: int | None = None
    trip_reason: str = ""
    cooldown_start_ms: int | None = None
    reset_count: int = 0
    reset_by: str = ""
    reset_reason: str = ""

    @property
    def armed(self) -> bool:
        """Tell whether new risk is allowed by this stop."""
        return self.state is StopState.ARMED

    def on(self, event: StopEvent, now_ms: int, reason: str = "", user: str = "") -> bool:
        """Apply an event; tell whether the state moved."""
        following = NEXT.get((self.state, event))
        if following is None:
            return False
        self.state = following
        if following is StopState.TRIPPED:
            self.trip_ms, self.trip_reason = now_ms, reason
        elif following is StopState.COOLDOWN:
            self.cooldown_start_ms = now_ms
        else:
            self.trip_ms, self.trip_reason, self.cooldown_start_ms = None, "", None
            self.reset_count += 1
            self.reset_by, self.reset_reason = user, reason
        return True

    def left_ms(self, now_ms: int, cooldown_s: int) -> int:
        """Tell how long the cooldown still runs: all of it while TRIPPED, nothing while ARMED."""
        if self.state is StopState.ARMED:
            return 0
        if self.cooldown_start_ms is None:
            return cooldown_s * 1000
        return max(0, self.cooldown_start_ms + cooldown_s * 1000 - now_ms)
