"""The throttle: which signals wait, and which of them is next.

Decides: the order of waiting signals (closing before opening, then best confidence, then first come), who gives way when the queue is full,
and who has waited too long. Every operation is O(log n). Leaves to others: the budget a second (desk.signals) and the verdicts.
"""

from decimal import Decimal
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from streams.desk.messages import Signal
from streams.desk.values import ONE

_SPARE = 32
"""Dead heap entries tolerated beside the living before a heap is rebuilt: keeps rebuilding rare on small queues."""


class Waiting(NamedTuple):
    """A signal in the queue, with its place in the order of arrival and its last moment."""

    arrival: int
    expires_ms: int
    signal: Signal


def rank(signal: Signal) -> Decimal:
    """Give what decides who goes first: confidence, and a signal that closes before any that opens."""
    return signal.confidence + ONE if signal.side == "CLOSE" else signal.confidence


class SignalQueue:
    """A bounded queue with a best end, a worst end and a soonest-to-expire end.

    Three heaps point into one table of the living; entries of the dead are skipped when met and swept when they outnumber the living.
    """

    __slots__ = ("_best", "_expiring", "_worst", "arrivals", "living")

    def __init__(self, waiting: list[Waiting] | None = None, arrivals: int = 0) -> None:
        """Start empty, or from a snapshot."""
        self.arrivals = arrivals
        self.living: dict[int, Waiting] = {entry.arrival: entry for entry in waiting or ()}
        self._best: list[tuple[Decimal, int]] = []
        self._worst: list[tuple[Decimal, int]] = []
        self._expiring: list[tuple[int, int]] = []
        self._sweep()

    def __len__(self) -> int:
        """Count the signals that wait."""
        return len(self.living)

    def offer(self, signal: Signal, expires_ms: int, room: int) -> Signal | None:
        """Take a signal in; give back the one that has to leave for it, itself where it is no better than the worst."""
        leaving = None
        if len(self.living) >= room:
            worst = self._peek_worst()
            if worst is None or rank(signal) <= rank(worst.signal):
                return signal
            leaving = self._take(worst.arrival).signal
        self.arrivals += 1
        entry = Waiting(self.arrivals, expires_ms, signal)
        self.living[entry.arrival] = entry
        self._push(entry)
        if max(len(self._best), len(self._worst), len(self._expiring)) > 2 * len(self.living) + _SPARE:
            self._sweep()
        return leaving

    def next(self) -> Signal | None:
        """Take out the best signal."""
        best = self._best
        while best:
            arrival = heappop(best)[1]
            if arrival in self.living:
                return self._take(arrival).signal
        return None

    def take_opening(self) -> list[Signal]:
        """Take out every signal that does not close, in order of arrival."""
        return [self._take(entry.arrival).signal for entry in self.waiting() if entry.signal.side != "CLOSE"]

    def expired(self, now_ms: int) -> list[Signal]:
        """Take out every signal whose last moment has passed, oldest deadline first."""
        gone = []
        expiring = self._expiring
        while expiring and (expiring[0][1] not in self.living or expiring[0][0] < now_ms):
            arrival = heappop(expiring)[1]
            if arrival in self.living:
                gone.append(self._take(arrival).signal)
        return gone

    def waiting(self) -> list[Waiting]:
        """List what waits, in order of arrival."""
        return list(self.living.values())

    def _take(self, arrival: int) -> Waiting:
        return self.living.pop(arrival)

    def _peek_worst(self) -> Waiting | None:
        worst = self._worst
        while worst and -worst[0][1] not in self.living:
            heappop(worst)
        return self.living[-worst[0][1]] if worst else None

    def _push(self, entry: Waiting) -> None:
        heappush(self._best, (-rank(entry.signal), entry.arrival))
        heappush(self._worst, (rank(entry.signal), -entry.arrival))
        heappush(self._expiring, (entry.expires_ms, entry.arrival))

    def _sweep(self) -> None:
        self._best = [(-rank(entry.signal), entry.arrival) for entry in self.living.values()]
        self._worst = [(rank(entry.signal), -entry.arrival) for entry in self.living.values()]
        self._expiring = [(entry.expires_ms, entry.arrival) for entry in self.living.values()]
        heapify(self._best)
        heapify(self._worst)
        heapify(self._expiring)
