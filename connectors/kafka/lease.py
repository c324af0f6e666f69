"""The lease of a group member: until when what it was assigned is certainly nobody else's.

Decides: a member is believed to be alive for the length of its session, counted from when the last request was sent that the group's coordinator
answered with yes (a heartbeat, or the one that brought the assignment), and not a moment longer once a rebalance begins. Nobody has to tell it
anything for it to run out. Leaves to others: how much of it has to be left for what (pipeline.execution), the clock, which has to run on while
the machine is suspended.

A coordinator that was cut off from its cluster goes on saying yes. What is written with acks from all replicas does not get through there.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.protocol.group import (  # type: ignore[import-untyped] # it has no py.typed
    HeartbeatRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    SyncGroupRequest,
)

_OVER = float("-inf")
_YES = 0
_NOT_ABOUT_US = frozenset({14, 15, 16})
"""Loading the group, not available, not its coordinator (any more): no confirmation, and no word of a rebalance either."""


class Lease:
    """A lease. Written by the consumer's thread alone; read from any: each figure is one float."""

    def __init__(self, session_s: float, clock: Callable[[], float]) -> None:
        """Hold nothing yet."""
        self.session_s = session_s
        self._clock = clock
        self._until_s = _OVER
        self._turn = 0
        """Changes when a lease ends: a confirmation of what was asked before that counts no more."""
        self._held = False
        self.assigned_s = float("inf")
        """When the last assignment came: whoever had the partitions before may have acted for a session's length from then on, at most."""

    def left_s(self) -> float:
        """Tell for how long this worker may act; nothing may be sent at 0 and below."""
        return max(0.0, self._until_s - self._clock())

    def asked(self) -> tuple[float, int]:
        """Note when a request is sent that may be confirmed."""
        return self._clock(), self._turn

    def begins(self, asked: tuple[float, int]) -> None:
        """Take it that the coordinator has given an assignment."""
        if asked[1] == self._turn:
            self._held, self.assigned_s = True, self._clock()
            self._until_s = asked[0] + self.session_s

    def confirmed(self, asked: tuple[float, int]) -> None:
        """Take it that the coordinator has said yes to a sign of life."""
        if self._held and asked[1] == self._turn:
            self._until_s = asked[0] + self.session_s

    def ends(self) -> None:
        """Hold nothing until the next assignment."""
        self._until_s = _OVER
        self._turn += 1
        self._held = False


def watch(coordinator: Any, lease: Lease) -> None:
    """Have a group coordinator of aiokafka keep a lease. It has to be done in its own thread, before it joins its group."""
    send: Callable[[Any], Awaitable[Any]] = coordinator._send_req  # noqa: SLF001 - all it says to the broker goes through it
    rejoin: Callable[[], None] = coordinator.request_rejoin

    async def sending(request: Any) -> Any:
        if isinstance(request, JoinGroupRequest | LeaveGroupRequest):
            lease.ends()
        asked = lease.asked()
        response = await send(request)
        if isinstance(request, SyncGroupRequest) and response.error_code == _YES:
            lease.begins(asked)
        elif isinstance(request, HeartbeatRequest):
            if response.error_code == _YES:
                lease.confirmed(asked)
            elif response.error_code not in _NOT_ABOUT_US:
                lease.ends()
        return response

    def rejoining() -> None:
        # A rebalance the group tells of, in whatever answer it was told; or one that this member begins itself, for new partitions.
        lease.ends()
        rejoin()

    coordinator._send_req = sending  # noqa: SLF001 - see above
    coordinator.request_rejoin = rejoining
