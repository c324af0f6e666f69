"""Timers: what has to be looked at when desk time has come to a point.

Decides: which of them are due. A timer is only a reminder: whoever is reminded looks at the state for what is really due, so a timer
that is too many does nothing. They are derived: after a snapshot is read, and when too many are left over, they are set anew from the
state.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from zlib import crc32

from streams.desk.state import Account, OpenOrder, State

ORDER, HOLD, SHOW = "order", "hold", "show"

RETRY_MS = 5_000
"""Between two tries of a cancel or an exit where no policy says otherwise: often enough to get out, rare enough for the rate limit."""
SHOW_EVERY_S = 60
"""An account that holds something is shown at least this often, each in its own second of the minute."""
NEVER_MS = 2**62
"""Due at no time."""
_LEFT_OVER_MAX = 1_024
"""Timers beyond twice the needed ones before they are set anew: keeps the cost of each constant and the memory bounded."""

Timer = tuple[int, str, str, str]


def set_timer(state: State, due_ms: int, account: Account, kind: str, key: str) -> None:
    """Ask for a look at (account, kind, key) at the first tick at or after due_ms."""
    index = state.index
    heappush(index.timers, (due_ms, account.account, kind, key))
    if len(index.timers) > index.timers_max:
        reset_timers(state)


def reset_timers(state: State) -> None:
    """Set every timer anew from what the state says is due."""
    index = state.index
    index.timers = [timer for account in state.accounts.values() for timer in _needed(state, account)]
    heapify(index.timers)
    index.timers_max = 2 * len(index.timers) + _LEFT_OVER_MAX


def due(state: State) -> list[tuple[str, str, str]]:
    """Take out everything that is due, once each, in the order of account, kind and key."""
    timers = state.index.timers
    found = set()
    while timers and timers[0][0] <= state.now_ms:
        found.add(heappop(timers)[1:])
    return sorted(found)


def order_due_ms(order: OpenOrder) -> int:
    """Tell when an order has to be cancelled, or its cancel repeated."""
    return order.cancel_due_ms or order.expires_ms or NEVER_MS


def retry_ms(state: State, account: Account) -> int:
    """Tell how long to wait before a cancel or an exit is tried again."""
    phase = state.phase_of(account)
    return phase.orders.retry_s * 1000 if phase else RETRY_MS


def next_show_ms(state: State, account: Account) -> int:
    """Tell when the account's own second of the minute comes next."""
    slot = crc32(account.account.encode()) % SHOW_EVERY_S
    second = state.second + 1
    return (second + (slot - second) % SHOW_EVERY_S) * 1000


def _needed(state: State, account: Account) -> Iterator[Timer]:
    name = account.account
    for order in account.orders.values():
        when = order_due_ms(order)
        if when != NEVER_MS:
            yield when, name, ORDER, order.order_id
    for position in account.positions.values():
        if position.plan is not None:
            yield position.plan.deadline_ms, name, HOLD, position.symbol
    if account.positions:
        yield next_show_ms(state, account), name, SHOW, ""
