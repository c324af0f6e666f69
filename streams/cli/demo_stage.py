"""What happens in a demo, from the start of its workers to the last snapshot.

Decides: when the market opens (all workers ready), when it closes, and the order of the end: what is under way settles, the sequencer leaves, the
desk steps the rest of the tape and writes its last snapshot. Leaves to others: the world (simulation.live), the flow (demo_run), drawing.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from types import TracebackType
from typing import NamedTuple, Self

from connectors.kafka.following import Follower
from connectors.kafka.partitioner import partition_of
from connectors.kafka.publisher import Publisher
from connectors.kafka.reading import BrokerAway, ReadRefused
from connectors.kafka.receipts import NotPublished
from connectors.kafka.spool_tail import SpoolError
from connectors.kafka.system_clock import SystemClock
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.demo_run import Ends, Flow, Hashes, beginnings, ends_now, final_hashes
from streams.cli.demo_tally import Tally
from streams.cli.deployment import Broker, Deployment, Place
from streams.cli.output import BadInput, Unavailable
from streams.cli.pulse import Pulse
from streams.desk.messages import EVERY_ACCOUNT
from streams.desk.outputs import Portfolio
from streams.services.policy_source import PHASES_FOLDER, effective_policy
from streams.simulation.live import LiveWorld
from streams.simulation.policies import PHASE

READY_S_MAX = 90.0
"""Workers are ready three seconds after their start on an idle machine; a loaded one gets many times that."""
PAUSE_S = 0.04
"""How often the world moves: prices come three times a second."""
SETTLE_S_MAX = 15.0
FAREWELL_S = 4.0
"""Closing orders are filled within a second."""
SAMPLE_S = 2.0
FLUSH_S = 5.0
ROTATE_S = 60.0
_CLOCK = SystemClock()


class Options(NamedTuple):
    """What was asked for."""

    seconds: float | None
    seed: int
    accounts: int
    broker: str
    began_s: float


class Result(NamedTuple):
    """How it stood at the end."""

    accounts: list[Portfolio]
    hashes: Hashes | None
    why_no_hash: str
    tape_events: int


class Stage:
    """A demo under way. Use it in a block: what it has opened is closed after it."""

    def __init__(self, options: Options, place: Place, found: Broker, running: Deployment, pulse: Pulse) -> None:
        """Have workers, and no market yet."""
        self.options, self.broker, self.running, self.pulse = options, found, running, pulse
        self.world: LiveWorld | None = None
        self.limits = _limits()
        self.log_file = place.log / "demo.log"
        self.said = "workers start"
        self.ready_s: float | None = None
        self._place, self._codec = place, Codec(BundledRegistry())
        self.tally = Tally((), 0)
        self._flow: Flow | None = None
        self._starts: Ends | None = None
        self._opened = ExitStack()
        self._opened_s = self._sampled_s = 0.0
        self.played_s = 0.0
        """For how long the market was open, once it is closed."""
        self.final_accounts: list[Portfolio] = []
        self._rotated_s = time.monotonic()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close what was opened."""
        self._opened.__exit__(kind, error, trace)

    @property
    def passed_s(self) -> float:
        """Tell for how long the market has been open."""
        return time.monotonic() - self._opened_s if self._opened_s else 0.0

    @property
    def orders(self) -> int:
        """Count the orders that reached the exchange."""
        return self.world.exchange.placed if self.world else 0

    def play(self, told: Callable[[], bool], draw: Callable[[], None]) -> str:
        """Let it run until the time is up or somebody ends it; tells which."""
        with _outside():
            while not told():
                if self.options.seconds is not None and self.passed_s >= self.options.seconds:
                    return "seconds"
                self._turn()
                draw()
        return "interrupted"

    def finish(self, draw: Callable[[], None]) -> Result:
        """End in order, and tell how it stands."""
        supervisor, flow = self.running.supervisor, self._flow
        if flow is None or self.world is None or self._starts is None:
            return Result([], None, "it ended before the market opened", 0)
        with _outside():
            self.played_s, self.said = self.passed_s, "the market is closed"
            draw()
            before = self._take_leave(flow, self.world, draw) if self.broker.pid is None else None
            flow.flush(FLUSH_S)
            supervisor.stop({"policy", "sequencer"})
            why = self._settle(flow, draw)
            self.said = "workers leave"
            draw()
            supervisor.stop()
            ends = ends_now(self.broker.kafka, self.broker.partitions)
            hashes = None if why else final_hashes(self.broker.kafka, self.broker.partitions, self.broker.epoch, self._codec)
            events = sum(ends.tape[part] - start for part, start in self._starts.tape.items())
        self.final_accounts = before or self.tally.accounts
        return Result(self.final_accounts, hashes, "" if hashes else why or "a partition has no snapshot", events)

    def _turn(self) -> None:
        now_s = time.monotonic()
        if not self.broker.alive():
            raise Unavailable("the embedded broker has ended, and everything on it is gone")
        self.running.supervisor.look()
        if gone := self.running.supervisor.left_alone:
            name = gone[0].spec.name
            raise Unavailable(f"worker {name} ended: {gone[0].why}; its log is {self.running.launcher.log_of(name)}")
        if now_s - self._rotated_s >= ROTATE_S:
            self._rotated_s = now_s
            self.running.launcher.rotate()
        if self._flow is None:
            self._start(now_s)
            return
        self._flow.advance(_CLOCK.wall_ms())
        self._flow.take(PAUSE_S, _CLOCK.wall_ms)
        if now_s - self._sampled_s >= SAMPLE_S:
            self._sampled_s = now_s
            self.tally.sample()

    def _start(self, now_s: float) -> None:
        if self.pulse.all_ready:
            self._open(now_s)
        elif now_s - self.options.began_s > READY_S_MAX:
            raise Unavailable(f"not ready after {READY_S_MAX:.0f} s: {self._waited()}; logs are in {self._place.log}")
        else:
            time.sleep(PAUSE_S)

    def _waited(self) -> str:
        """Name the workers that are not ready, with what the first of them said last."""
        names = [one.spec.name for one in self.running.supervisor.workers if not self.pulse.ready(one)]
        words = self.running.launcher.last_words(names[0]) if names else ""
        return f"{', '.join(names)} ({words})" if words else ", ".join(names)

    def _open(self, now_s: float) -> None:
        """Open the market."""
        kafka, partitions = self.broker.kafka, self.broker.partitions
        self._starts = ends_now(kafka, partitions) if self.broker.pid is None else beginnings(partitions)
        now_ms = _CLOCK.wall_ms()
        names = account_names(self.options.accounts, None if self.broker.pid is not None else now_ms)
        self.world = LiveWorld(self.options.seed, names, now_ms)
        self.tally = Tally(names, partition_of(EVERY_ACCOUNT.encode(), partitions))
        publisher = self._opened.enter_context(Publisher(kafka, self._place.home / "spool" / "demo", clock=_CLOCK))
        follower = self._opened.enter_context(Follower(kafka, self._starts.followed))
        self._flow = Flow(self.world, self.tally, self._codec, publisher, follower)
        self.ready_s, self._opened_s, self.said = now_s - self.options.began_s, now_s, "the market is open"

    def _take_leave(self, flow: Flow, world: LiveWorld, draw: Callable[[], None]) -> list[Portfolio]:
        """Close what the accounts hold: on this broker they live on. Gives how they stood before."""
        accounts = self.tally.accounts
        for body in world.farewell():
            flow.publish(body)
        until_s = time.monotonic() + FAREWELL_S
        while time.monotonic() < until_s:
            flow.advance(_CLOCK.wall_ms())
            flow.take(PAUSE_S, _CLOCK.wall_ms)
            draw()
        for body in world.close_accounts():
            flow.publish(body)
        return accounts

    def _settle(self, flow: Flow, draw: Callable[[], None]) -> str:
        """Wait until the desk has stepped the whole tape and everything it said was taken; tells what kept it from that."""
        until_s = time.monotonic() + SETTLE_S_MAX
        while time.monotonic() < until_s:
            self.running.supervisor.look()
            ends = ends_now(self.broker.kafka, self.broker.partitions)
            flow.take(PAUSE_S, _CLOCK.wall_ms)
            draw()
            if self._stepped(ends) and flow.caught_up(ends.followed):
                return ""
        return "the desk did not step the whole tape in time"

    def _stepped(self, ends: Ends) -> bool:
        """Tell whether the desk says that it has stepped the tape to its end."""
        said: dict[str, float] = {}
        for one in self.running.supervisor.workers:
            health = self.pulse.of(one) if one.spec.role == "desk" else None
            said |= health.figures.get("qts_tape_offset", {}) if health else {}
        return all(said.get(str(part), -1.0) >= end - 1 for part, end in ends.tape.items())


class _outside:  # noqa: N801 - reads like the context manager it is
    """Tell in a line what outside has failed."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(error, (BrokerAway, ReadRefused, NotPublished, SpoolError)):
            raise Unavailable(str(error)) from error


def account_names(count: int, now_ms: int | None) -> list[str]:
    """Name the accounts; where others have been before, like nobody else: their positions are not this exchange's."""
    if now_ms is None:
        return [f"acc{number:05d}" for number in range(count)]
    return [f"d{_digits(now_ms // 1_000)}-{number}" for number in range(count)]


def _digits(number: int) -> str:
    """Write a number with letters too, so that it is short."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + text
    return text[-6:]


def _limits() -> Callable[[str], Decimal | None]:
    """Give the drawdown at which an account's stop trips, as the phase of the demo has it."""
    effective = effective_policy(PHASES_FOLDER, {})
    if isinstance(effective, list):
        raise BadInput(f"{effective[0]}: ./qts policy check")
    limit = effective.policy.phases[PHASE].ess.drawdown_pct
    return lambda _account: limit
