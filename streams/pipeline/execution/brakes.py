"""The brakes: what `control` itself says, read past the tape, so that no backlog delays a stop.

Decides: whether a stop stands above the positions an order names. Such an order was approved by a desk that did not know of the stop yet, and may
add no risk any more, whatever came after the stop. Reset and Enable are therefore not looked at: an order made after them names a position above
the stop. Also which accounts are known, and where their keys are. What the desk drops as a repeat counts for nothing here either; a stop that it
refuses counts all the same, an opening does not. Leaves to others: whether an order adds risk, what is done about open ones, and reading the topic.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from streams.desk.commands import AGE_MS_MAX, command_key
from streams.desk.messages import EVERY_ACCOUNT, CloseAccount, Control, Disable, OpenAccount, Trip
from streams.desk.ranges import is_account
from streams.desk.validation import wrong
from streams.exchange.port import AccountRef

LOGGER = logging.getLogger(__name__)

UNREAD_S_MAX = 3.0
"""Where the topic ends is asked twice a second. Whoever was not told for so long may have missed a stop: nothing that adds risk is sent."""
STOPS_KNOWN_MAX = 100_000
"""Ids of stops remembered to know repeats: years of them. A repeat of one that was forgotten stops again, until the next command."""

_STOPS: dict[type, str] = {Trip: "TRIPPED", Disable: "DISABLED", CloseAccount: "CLOSED"}


class StopAt(NamedTuple):
    """The newest stop of an account, and where it stands."""

    position: int
    code: str


class Brakes:
    """What has been read of `control`."""

    def __init__(self, clock: Callable[[], float], partition_of: Callable[[str], int]) -> None:
        """Know nothing. `clock` runs on while the machine is suspended; `partition_of` tells where a key belongs in the topic."""
        self._clock, self._partition_of = clock, partition_of
        self._read_up_to_s = float("-inf")
        self.was_read = False
        """All of it was, once: before, nobody knows by which keys an account goes."""
        self._stops: dict[str, StopAt] = {}
        self._known: dict[tuple[str, str], None] = {}
        self._open: set[str] = set()
        self.accounts: dict[str, AccountRef] = {}
        """Everybody who was ever opened, as of the last time: a closed account still has orders to cancel and positions to close."""
        self.openings = 0
        """How often one was: whoever goes by the accounts looks at them again."""
        self._on_stop: list[Callable[[str], None]] = []

    @property
    def caught_up(self) -> bool:
        """Tell whether everything has been read that was there a moment ago."""
        return self._clock() - self._read_up_to_s <= UNREAD_S_MAX

    def read_up_to(self, asked_s: float) -> None:
        """Take it that everything has been taken that was on the topic then."""
        self._read_up_to_s, self.was_read = asked_s, True

    def on_stop(self, call: Callable[[str], None]) -> Callable[[], None]:
        """Have something called with the account, or `*`, at each stop; gives what ends that."""
        self._on_stop.append(call)
        return lambda: self._on_stop.remove(call)

    def refuses(self, account: str, control_position: int, every_control_position: int) -> str | None:
        """Say which stop stands above the positions an order names, or nothing."""
        for name, applied in ((account, control_position), (EVERY_ACCOUNT, every_control_position)):
            stop = self._stops.get(name)
            if stop is not None and stop.position > applied:
                return f"{stop.code} account={name} position={stop.position} applied={applied}"
        return None

    def take(self, partition: int, position: int, recorded_ms: int, control: Control) -> None:
        """Take a command in, in the order of its partition. `recorded_ms`: when it was written, by its record."""
        code = _STOPS.get(type(control.command))
        if code is not None:
            if partition != self._partition_of(control.account):
                # The desk compares its position with others all the same, so it is done here too; somebody writes with another partitioner.
                LOGGER.warning(
                    "a stop of %s stands in partition %d of control, where its key does not belong", control.account, partition
                )
            self._take_stop(control, StopAt(position, code))
        elif isinstance(control.command, OpenAccount) and self._opens(control, recorded_ms):
            self._open.add(control.account)
            self.accounts[control.account] = AccountRef(control.account, control.command.credentials, control.command.leverage)
            self.openings += 1

    def _take_stop(self, control: Control, stop: StopAt) -> None:
        account = control.account
        if control.control_id:
            key = (account, command_key(control))
            if key in self._known:
                return
            self._known[key] = None
            if len(self._known) > STOPS_KNOWN_MAX:
                del self._known[next(iter(self._known))]
        if isinstance(control.command, CloseAccount):
            self._open.discard(account)
        known = self._stops.get(account)
        if known is None or stop.position > known.position:
            self._stops[account] = stop
        for call in tuple(self._on_stop):
            call(account)

    def _opens(self, control: Control, recorded_ms: int) -> bool:
        """Tell whether the desk opens the account: one that is open already keeps the keys it has."""
        return (
            control.account not in self._open
            and is_account(control.account)
            and bool(control.user.strip())
            and recorded_ms - control.ts <= AGE_MS_MAX
            and not wrong(control, recorded_ms)
        )
