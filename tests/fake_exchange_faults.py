"""What goes wrong at the fake exchange: as a test writes it down, and by seeded chance.

    exchange.faults.script("place", Fault("after", wait_ms=10_000))      the next order is taken, and its answer never comes
    exchange.faults.script_events((), (0, 50), (900,))                   an event is lost, one comes twice, one late
    exchange.faults = Faults(Random(7), ROUGH)                           something every now and then, until `calm()`

Decides: what meets a call or an event: the script first, then what is always so, then chance. Leaves to others: doing it (fake_exchange).
"""

from collections import defaultdict, deque
from random import Random
from typing import Final, Literal, NamedTuple, get_args

from streams.exchange.errors import Ambiguous, ClockOff, ExchangeError, Fatal, Paused, Rejected, Retryable

Call = Literal[
    "check", "room", "place", "cancel", "find", "open_orders", "orders", "trades", "positions", "balances", "payments", "place_stop", "cancel_stop",
    "find_stop", "open_stops", "events",
]  # fmt: skip
How = Literal["pass", "before", "after", "late", "ambiguous", "retryable", "paused", "rejected", "clock_off", "fatal"]

AT_ONCE: Final[frozenset[Call]] = frozenset({"place", "place_stop"})
"""They wait for nothing: `room` does that."""
DOING: Final[frozenset[Call]] = AT_ONCE | {"cancel", "cancel_stop"}
"""The calls that change something. A failure on the way leaves them Ambiguous; any other call may just be made again."""
ASKING: Final[frozenset[Call]] = frozenset(get_args(Call)) - DOING - {"room", "events"}
"""The calls that can fail otherwise."""
DONE: Final[frozenset[How]] = frozenset({"pass", "after", "late"})
"""How calls end that reach the exchange."""


class Fault(NamedTuple):
    """What becomes of one call."""

    how: How = "pass"
    """pass: answered. before: no answer, and nothing was done. after: done, and no answer. late: no answer, and it arrives only `late_ms` later.
    ambiguous: that error, to whoever asks. The others are the exchange's word, and nothing was done."""
    wait_ms: int = 0
    """How much later than usual the caller hears of it."""
    late_ms: int = 0
    """How much later than usual it arrives. Only with `late` the caller hears something before."""
    after_s: float | None = None
    code: str = "-4000"

    def error(self, call: Call) -> ExchangeError:
        """Give what the caller gets instead of an answer."""
        if self.how in {"before", "after", "late"}:
            return Ambiguous("no answer") if call in DOING else Retryable("no answer")
        if self.how == "rejected":
            return Rejected(self.code, "refused")
        if self.how == "retryable":
            return Retryable("not now", self.after_s)
        if self.how == "paused":
            return Paused("-1003 too much", self.after_s)
        if self.how == "clock_off":
            return ClockOff("-1021 timestamp")
        return Fatal("the keys are void") if self.how == "fatal" else Ambiguous("nobody knows")


PASS: Final = Fault()


class Odds(NamedTuple):
    """How often something goes wrong, of a thousand."""

    doing: int = 0
    asking: int = 0
    events: int = 0
    """Events late, and so out of order, or twice."""
    breaks: int = 0
    """Events whose stream breaks off, or dies in silence, instead."""


ROUGH: Final = Odds(doing=200, asking=100, events=150, breaks=20)
"""Worse than any day so far. Most calls still get through, so that something happens at all."""
_FAILS_ASKING: Final[tuple[How, ...]] = ("pass", "before", "ambiguous", "retryable", "paused", "clock_off")
_FAILS_CANCELLING: Final[tuple[How, ...]] = ("pass", "before", "after", "late", "retryable", "paused", "clock_off")
_FAILS_PLACING: Final[tuple[How, ...]] = (*_FAILS_CANCELLING, "rejected")
_WAIT_MS: Final = (0, 1_000, 10_000)
"""A connection that is cut, the exchange's own -1007, and nothing until the adapter gives up."""
_LATE_MS: Final = 8_000
"""Up to so late: of what has a window of 5 s, a part is refused for it."""
_PAUSE_S: Final = 5
_EVENT_MS: Final = 3_000
"""Up to so late is an event."""


class Faults:
    """What goes wrong from now on."""

    def __init__(self, chance: Random | None = None, odds: Odds = Odds()) -> None:  # noqa: B008 - it cannot be changed
        """Begin with an empty script."""
        self._chance, self._odds = chance or Random(0), odds
        self._script: dict[Call, deque[Fault]] = defaultdict(deque)
        self._events: deque[tuple[int, ...]] = deque()
        self._always: dict[Call, Fault] = {}

    def script(self, call: Call, *faults: Fault) -> None:
        """Let this meet the next calls of a kind, one after the other; `PASS` lets one through."""
        self._script[call].extend(faults)

    def script_events(self, *delays_ms: tuple[int, ...]) -> None:
        """Let the next events come after so long each time: (0,) as usual, (0, 0) twice, () never."""
        self._events.extend(delays_ms)

    def always(self, fault: Fault, *calls: Call) -> None:
        """Let this meet all calls of these kinds from now on."""
        self._always.update(dict.fromkeys(calls, fault))

    def calm(self) -> None:
        """Let nothing go wrong any more."""
        self._script.clear()
        self._events.clear()
        self._always.clear()
        self._odds = Odds()

    def for_call(self, call: Call) -> Fault:
        """Tell what becomes of a call."""
        if self._script[call]:
            return self._script[call].popleft()
        if call in self._always:
            return self._always[call]
        odds = self._odds.doing if call in DOING else self._odds.asking
        return self._drawn(call) if self._happens(odds) else PASS

    def for_event(self) -> tuple[int, ...]:
        """Tell after how many milliseconds an event is told, each time."""
        if self._events:
            return self._events.popleft()
        if not self._happens(self._odds.events):
            return (0,)
        late_ms = self._chance.randint(1, _EVENT_MS)
        return self._chance.choice([(late_ms,), (0, late_ms)])

    def breaks(self) -> int | None:
        """Tell whether a stream ends instead of telling an event: after so many milliseconds of silence, or None."""
        if self._events or not self._happens(self._odds.breaks):
            return None
        return self._chance.choice([0, 10_000])

    def _happens(self, odds: int) -> bool:
        return odds > 0 and self._chance.randrange(1_000) < odds

    def _drawn(self, call: Call) -> Fault:
        chance = self._chance
        how = chance.choice(
            _FAILS_PLACING if call in {"place", "place_stop"} else _FAILS_CANCELLING if call in DOING else _FAILS_ASKING
        )
        late_ms = chance.randint(1, _LATE_MS) if how in {"pass", "late"} else 0
        after_s = float(chance.randint(1, _PAUSE_S)) if how == "paused" else chance.choice([None, 1.0])
        return Fault(how, chance.choice(_WAIT_MS) if how in {"before", "after", "late"} else 0, late_ms, after_s)
