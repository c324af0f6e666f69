"""An exchange that counts what arrives in minutes of its own clock, and workers that know that clock not quite, on virtual time.

Decides: how clocks differ, how late requests arrive, what is counted where. Leaves to others: what is let go (the allowance), and what is promised of
it (tests).
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from random import Random
from typing import Final

from connectors.exchange.allowance import Allowance
from connectors.exchange.allowance_sharing import Shares
from connectors.exchange.allowance_windows import LATE_MS
from connectors.exchange.clock import ExchangeClock
from tests.virtual_loop import Clock

MINUTE_MS: Final = 60_000
AHEAD_MS: Final = 40_000
"""The time of day begins 20 s into a minute. So much later a minute begins."""


class Machine:
    """A machine's clocks: off from the time of day, and ticking from somewhere else."""

    def __init__(self, clock: Clock, off_ms: int = 0, ticks_ahead_ms: int = 0) -> None:
        """Be off."""
        self._clock, self._off_ms, self._ticks_ahead_ms = clock, off_ms, ticks_ahead_ms

    def wall_ms(self) -> int:
        return self._clock.wall_ms() + self._off_ms

    def ticking_ms(self) -> int:
        return self._clock.ticking_ms() + self._ticks_ahead_ms


def known(clock: Clock, machine: Machine | None = None, wrong_ms: int = 0, error_ms: int = 10) -> ExchangeClock:
    """Give the exchange's clock as a machine knows it: wrong by so much, and sure of it within `error_ms`."""
    machine = machine or Machine(clock)
    found = ExchangeClock(machine)
    compare(found, clock, machine, wrong_ms, error_ms)
    return found


def compare(found: ExchangeClock, clock: Clock, machine: Machine, wrong_ms: int = 0, error_ms: int = 10) -> None:
    """Let a machine compare clocks: the answer was asked for before, and half the way is the error."""
    tick_ms, half_ms = machine.ticking_ms(), error_ms - 1
    found.learn(tick_ms - 2 * half_ms, clock.wall_ms() - half_ms + wrong_ms, tick_ms)


class Minutes:
    """An exchange's count of what arrives."""

    def __init__(self, clock: Clock, chance: Random, late_ms: int = LATE_MS - 10) -> None:
        """Count from nothing. A request takes up to `late_ms` to arrive."""
        self._clock, self._chance, self._late_ms = clock, chance, late_ms
        self.arrived: Counter[int] = Counter()
        """By minute."""

    def send(self, weight: int, answer: Callable[[Mapping[str, str]], None] | None = None) -> None:
        """Let a request go; its answer's headers come back later, some much later."""
        late_ms = self._chance.choice((0, 50, self._chance.randint(0, self._late_ms)))
        asyncio.get_running_loop().call_later(late_ms / 1_000, self._arrive, weight, answer)

    def _arrive(self, weight: int, answer: Callable[[Mapping[str, str]], None] | None) -> None:
        minute = self._clock.wall_ms() // MINUTE_MS
        self.arrived[minute] += weight
        if answer is not None:
            back_s = self._chance.choice((0.01, 0.01, 0.3, self._chance.uniform(0, 9)))
            asyncio.get_running_loop().call_later(back_s, answer, {"X-MBX-USED-WEIGHT-1M": str(self.arrived[minute])})

    def whole(self) -> list[int]:
        """Give what arrived in each minute, without the two at either end: one is not whole, and the other is its neighbour."""
        return [self.arrived[minute] for minute in sorted(self.arrived)[2:-2]]


class Bus:
    """A topic that loses records, repeats them, and brings them late and out of order."""

    def __init__(self, chance: Random, lost: float, twice: float, late_s: float) -> None:
        """Begin with nobody reading."""
        self._chance, self._lost, self._twice, self._late_s = chance, lost, twice, late_s
        self.readers: dict[str, Callable[[bytes], None]] = {}
        self.told = 0

    def publish(self, record: bytes) -> None:
        """Bring a record to all readers, the writer included."""
        self.told += 1
        for name in self.readers:
            for _ in range(2 if self._chance.random() < self._twice else 1):
                if self._chance.random() >= self._lost:
                    late_s = self._chance.uniform(0, self._late_s) * self._chance.choice((1, 1, 1, 8))
                    asyncio.get_running_loop().call_later(late_s, self._bring, name, record)

    def _bring(self, name: str, record: bytes) -> None:
        if name in self.readers:
            self.readers[name](record)


class Fleet:
    """Workers on one IP, each with its own clocks, and the exchange they ask."""

    def __init__(self, clock: Clock, chance: Random, bus: Bus) -> None:
        """Begin without workers."""
        self._clock, self._chance, self.bus = clock, chance, bus
        self.minutes = Minutes(clock, chance)
        self.workers: dict[str, Worker] = {}
        self._started = 0

    def start(self, part: Fraction, error_ms: int = 100) -> "Worker":
        """Start a worker with a part of the weight, under a name nobody had before."""
        self._started += 1
        machine = Machine(self._clock, self._chance.randint(-(10**7), 10**7), self._chance.randint(0, 10**7))
        exchange = known(self._clock, machine, self._chance.randint(-error_ms, error_ms) // 2, error_ms)
        worker = Worker(f"w{self._started}", exchange, self)
        worker.allowance.hold(part)
        self.workers[worker.name] = worker
        self.bus.readers[worker.name] = worker.allowance.heard
        return worker

    def compare_clocks(self, error_ms: int = 100) -> None:
        """Let all compare clocks with the exchange."""
        for worker in self.workers.values():
            machine = worker.exchange.clocks
            assert isinstance(machine, Machine)
            compare(worker.exchange, self._clock, machine, self._chance.randint(-error_ms, error_ms) // 2, error_ms)

    def kill(self, worker: "Worker") -> None:
        """End a worker without a word."""
        del self.bus.readers[worker.name]
        del self.workers[worker.name]
        for task in worker.tasks:
            task.cancel()


class Worker:
    """A worker that asks on and on, as much as it is told to."""

    def __init__(self, name: str, exchange: ExchangeClock, fleet: Fleet) -> None:
        """Start it; it asks nothing yet."""
        self.name, self.exchange, self._fleet = name, exchange, fleet
        self.allowance = Allowance(exchange, asyncio.sleep, Shares(name), fleet.bus.publish)
        self.used = 0
        self.tasks = [asyncio.create_task(self.allowance.run())]

    def busy(self, askers: int = 20, weights: tuple[int, ...] = (1,), *, urgent: bool = False) -> None:
        """Ask as much as there is."""
        self.tasks += [asyncio.create_task(self._ask(weights, urgent)) for _ in range(askers)]

    def idle(self) -> None:
        """Ask nothing more."""
        for task in self.tasks[1:]:
            task.cancel()
        del self.tasks[1:]

    async def ask(self, weight: int, *, urgent: bool = False) -> None:
        """Ask once."""
        await self.allowance.take(weight, urgent=urgent)
        self.used += weight
        asked_ms = self.exchange.clocks.ticking_ms()
        self._fleet.minutes.send(weight, lambda headers: self.allowance.correct(headers, "", asked_ms))

    async def _ask(self, weights: tuple[int, ...], urgent: bool) -> None:
        for weight in itertools.cycle(weights):
            await self.ask(weight, urgent=urgent)
