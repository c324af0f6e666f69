"""What execution needs of the world, and the figures it goes by.

Decides: the shape of each port, and how long and how often. Leaves to others: the exchange (streams.exchange), Kafka and Faust (shells), time.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any, Final, NamedTuple, Protocol

from streams.desk.messages import Instrument
from streams.exchange.port import Exchange
from streams.pipeline.execution.brakes import Brakes
from streams.pipeline.execution.ledger import Ledger
from streams.pipeline.execution.mark_board import MarkBoard
from streams.pipeline.steps import Watcher

NOT_FOUND_MS: Final = 10_000
"""A request whose window is over for this long is not on its way any more, however the exchange queues inside."""
CLOCK_ERROR_MS_MAX: Final = 250
"""Beyond it nothing may be sent: a request could be older than its window says."""


class Outbox(Protocol):
    """Writes what has to last, for one partition. Raises `AppendFailed`, after which nothing goes on."""

    async def note(self, *records: tuple[bytes, bytes | None]) -> None:
        """Write to the ledger, in this order; come back when all of it is durable and the ledger has taken it in."""

    async def say(self, message: Any) -> None:
        """Publish an event, a fill, a command; come back when it is durable."""


class LeaseLook(Protocol):
    """Until when what was assigned is certainly nobody else's."""

    session_s: float
    assigned_s: float

    def left_s(self) -> float:
        """Tell for how long this worker may act."""


class Limits(NamedTuple):
    """The figures."""

    window_ms: int = 3_000
    """How long the exchange takes a request after its timestamp. It has to be well below a session, or nobody's lease would ever be long enough."""
    margin_s: float = 1.0
    """What has to be left of the lease beside the window: writing a line and a socket take less, and clocks that differ are in it."""
    age_ms_max: int = 5_000
    price_age_ms_max: int = 5_000
    """Marks come several times a second."""
    waits_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    """Before what was certainly not done is tried again."""
    ask_first_s: float = 0.5
    ask_last_s: float = 8.0
    alert_s: float = 30.0
    poll_s: float = 2.0
    """How often an order is asked for whose end is due, or whose account has no stream."""
    attempts_max: int = 3
    enough: Decimal = Decimal("0.9")
    """Of what the desk approved: with so much filled, nothing more is sent after it."""
    forget_at: int = 64
    """Orders that are over before they are forgotten together: deleting costs as many records as writing did."""
    sweep_s: float = 30.0
    """How often an account is compared with the exchange at least, where few share the allowance."""
    sweep_account_s: float = 25.0
    """Until 30 % of the allowance have paid for one sweep: about 150 of 360 a minute. All accounts, of all executors, take turns."""
    sweep_s_max: float = 1_800.0
    """The desk remembers for an hour what it was told; trades that were said and are read again after a restart must not be older."""
    overtake_s: float = 1.0
    """How long less risk waits behind more that is held back: a restart takes less, and whoever wants out wants it now."""
    block_look_s: float = 0.02
    """How often it is looked whether what holds an order back has passed."""


class Means(NamedTuple):
    """Everything execution of one partition works with."""

    ledger: Ledger
    outbox: Outbox
    exchange: Exchange
    brakes: Brakes
    board: MarkBoard
    instruments: Mapping[str, Instrument]
    lease: LeaseLook
    clock: Callable[[], float]
    """Runs on while the machine is suspended."""
    sleep: Callable[[float], Awaitable[None]]
    chance: Random
    watcher: Watcher
    alert: Callable[[str], None]
    """Tells a person."""
    limits: Limits = Limits()
