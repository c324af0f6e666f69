"""What happens in a demo, from the start of its workers to the last snapshot.

Decides: when accounts are opened (all workers ready), when the market opens (every symbol has a price and a book, and execution has compared every
account with the exchange: before, it sends nothing that adds risk), and when it closes. Leaves to others: the traders (simulation.traders), the
exchange (demo_exchange), the flow (demo_run), the order of the end (demo_closing), drawing.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from types import TracebackType
from typing import NamedTuple, Self

from connectors.exchange.simulator.process import SimulatorFailed
from connectors.kafka.following import Follower
from connectors.kafka.partitioner import partition_of
from connectors.kafka.publisher import Publisher
from connectors.kafka.reading import BrokerAway, ReadRefused
from connectors.kafka.receipts import NotPublished
from connectors.kafka.spool_tail import SpoolError
from connectors.kafka.system_clock import SystemClock
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.demo_closing import FLUSH_S, TAKE_S, UNOPENED, Closing, Ground, Result
from streams.cli.demo_exchange import DEMO_MARKETS
from streams.cli.demo_run import Ends, Flow, beginnings, ends_now
from streams.cli.demo_tally import Tally
from streams.cli.deployment import Place
from streams.cli.output import BadInput, Unavailable
from streams.desk.messages import EVERY_ACCOUNT
from streams.services.policy_source import PHASES_FOLDER, effective_policy
from streams.simulation.followed import FollowedMarket
from streams.simulation.policies import PHASE
from streams.simulation.traders import Traders

READY_S_MAX = 90.0
"""Workers are ready five seconds after their start on an idle machine, and the market is open two later; a loaded one gets many times that."""
SAMPLE_S = 2.0
ROTATE_S = 60.0
_CLOCK = SystemClock()


class Options(NamedTuple):
    """What was asked for."""

    seconds: float | None
    seed: int
    accounts: int
    broker: str
    began_s: float


class Stage:
    """A demo under way. Use it in a block: what it has opened is closed after it."""

    def __init__(self, options: Options, place: Place, ground: Ground) -> None:
        """Have workers, and no market yet."""
        self.options, self.ground = options, ground
        self.traders: Traders | None = None
        self.limits = _limits()
        self.log_file = place.log / "demo.log"
        self.said = "workers start"
        self.ready_s: float | None = None
        self._place, self._codec = place, Codec(BundledRegistry())
        self.tally = Tally((), 0)
        self._market = FollowedMarket(DEMO_MARKETS)
        self._flow: Flow | None = None
        self._starts: Ends | None = None
        self._opened = ExitStack()
        self._opened_s = self._sampled_s = 0.0
        self.played_s = 0.0
        """For how long the market was open, once it is closed."""
        self._rotated_s = time.monotonic()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close what was opened."""
        self._opened.__exit__(kind, error, trace)

    @property
    def is_open(self) -> bool:
        """Tell whether the market has opened."""
        return self.ready_s is not None

    @property
    def passed_s(self) -> float:
        """Tell for how long the market has been open."""
        return time.monotonic() - self._opened_s if self.is_open else 0.0

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
        flow, traders, starts = self._flow, self.traders, self._starts
        if flow is None or traders is None or starts is None:
            return UNOPENED
        if not self.is_open:
            with _outside():
                self._close_unopened(flow, traders)
            return UNOPENED
        self.played_s = self.passed_s

        def say(what: str) -> None:
            self.said = what
            draw()

        with _outside():
            return Closing(self.ground, traders, self.tally, flow, say, draw).close(starts, self._codec)

    def _close_unopened(self, flow: Flow, traders: Traders) -> None:
        """Leave no account in service on a broker that lives on."""
        if self.ground.broker.pid is None:
            flow.publish(traders.close_accounts())
            flow.flush(FLUSH_S)

    def _turn(self) -> None:
        now_s = time.monotonic()
        self._look(now_s)
        if self._flow is None or self.traders is None:
            if self._waited_for(self.ground.pulse.all_ready, now_s, self._not_ready):
                self._open_accounts()
            else:
                time.sleep(TAKE_S)
            return
        self._flow.advance(_CLOCK.wall_ms())
        self._flow.take(TAKE_S, _CLOCK.wall_ms)
        if not self.is_open and self._waited_for(self._market.complete and self._are_compared, now_s, self._not_compared):
            self.traders.begin()
            self.ready_s, self._opened_s, self.said = now_s - self.options.began_s, now_s, "the market is open"
        if now_s - self._sampled_s >= SAMPLE_S:
            self._sampled_s = now_s
            self.tally.sample()

    def _look(self, now_s: float) -> None:
        """See that everything lives that has to."""
        broker, running, _, exchange = self.ground
        if not broker.alive():
            raise Unavailable("the embedded broker has ended, and everything on it is gone")
        if not exchange.alive:
            raise Unavailable("the simulated exchange has ended, and everything on it is gone")
        running.supervisor.look()
        if gone := running.supervisor.left_alone:
            name = gone[0].spec.name
            raise Unavailable(f"worker {name} ended: {gone[0].why}; its log is {running.launcher.log_of(name)}")
        if now_s - self._rotated_s >= ROTATE_S:
            self._rotated_s = now_s
            running.launcher.rotate()

    def _waited_for(self, so: bool, now_s: float, why_not: Callable[[], str]) -> bool:
        """Tell whether something is so; complains where it has not been for too long."""
        if not so and now_s - self.options.began_s > READY_S_MAX:
            raise Unavailable(f"not ready after {READY_S_MAX:.0f} s: {why_not()}; logs are in {self._place.log}")
        return so

    def _not_ready(self) -> str:
        """Name the workers that are not ready, with what the first of them said last."""
        _, running, pulse, _ = self.ground
        names = [one.spec.name for one in running.supervisor.workers if not pulse.ready(one)]
        words = running.launcher.last_words(names[0]) if names else ""
        return f"{', '.join(names)} ({words})" if words else ", ".join(names)

    def _not_compared(self) -> str:
        """Tell what the market waits for."""
        if not self._market.complete:
            return f"no price with a book has come of {', '.join(self._market.missing)}"
        return "execution has not compared the accounts with the exchange"

    @property
    def _are_compared(self) -> bool:
        """Tell whether execution says that it has compared every account with the exchange."""
        _, running, pulse, _ = self.ground
        executors = [pulse.of(one) for one in running.supervisor.workers if one.spec.role == "execution"]
        counted = sum(sum(one.figures.get("qts_accounts_reconciled", {}).values()) for one in executors if one is not None)
        return counted >= self.options.accounts

    def _open_accounts(self) -> None:
        """Open the accounts: first at the exchange, then here."""
        broker, exchange, now_ms = self.ground.broker, self.ground.exchange, _CLOCK.wall_ms()
        self._starts = ends_now(broker.kafka, broker.partitions) if broker.pid is None else beginnings(broker.partitions)
        names = account_names(self.options.accounts, None if broker.pid is not None else now_ms)
        self.tally = Tally(names, partition_of(EVERY_ACCOUNT.encode(), broker.partitions))
        self.traders = Traders(self.options.seed, names, now_ms, self._market, self.tally)
        exchange.open(self.traders.balances)
        publisher = self._opened.enter_context(Publisher(broker.kafka, self._place.home / "spool" / "demo", clock=_CLOCK))
        follower = self._opened.enter_context(Follower(broker.kafka, self._starts.followed))
        self._flow = Flow(self.traders, self._market, self.tally, self._codec, publisher, follower)
        self.said = "accounts are opened, and compared with the exchange"


class _outside:  # noqa: N801 - reads like the context manager it is
    """Tell in a line what outside has failed."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(error, SimulatorFailed):
            raise Unavailable(f"the simulated exchange: {error}") from error
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
