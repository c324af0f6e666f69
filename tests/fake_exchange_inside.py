"""The inside of the fake exchange: the simulator's engine on virtual time, requests under way, streams.

Decides: that a request that was sent arrives whatever became of who sent it, that what it asks outside its window is refused, and that what happens
is told to who is connected then. Leaves to others: trading (engine), answers (fake_exchange_answers), what goes wrong (fake_exchange_faults).
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any, Generic, NamedTuple, TypeVar, cast

from connectors.exchange.ccxt_answers import events_of
from connectors.exchange.simulator.engine import SimulatedExchange
from connectors.exchange.simulator.markets import symbols
from connectors.exchange.simulator.records import Refused
from connectors.exchange.simulator.signing import AHEAD_MS_MAX
from connectors.exchange.simulator.wire_events import event
from streams.exchange.errors import ClockOff, ExchangeError
from streams.exchange.port import Placing, StopPlacing, UserEvent
from tests.exchange_kit import GivenPrices
from tests.fake_exchange_answers import Answers, error_of
from tests.fake_exchange_faults import DOING, Call, Faults
from tests.fake_exchange_stream import FOR_EVER_MS, Stream
from tests.virtual_loop import Clock

T = TypeVar("T")


class What(NamedTuple):
    """What is sent: which call, for whom, in which window of time, and what it names."""

    call: Call
    account: str
    client_id: str = ""
    placing: Placing | StopPlacing | None = None
    """None of what cancels or asks."""
    sent_ms: int = 0
    window_ms: int = 0


class Arrived(NamedTuple):
    """A request that changes something, as it arrived."""

    at_ms: int
    call: Call
    account: str
    client_id: str
    placing: Placing | StopPlacing | None
    """None of what cancels."""
    refused: str
    """Why; empty where it was done."""


class Sent(Generic[T]):
    """A request under way."""

    def __init__(self, what: What, act: Callable[[int], T]) -> None:
        """Take what it does when it arrives."""
        self.what, self._act = what, act
        self._answer: T | None = None
        self._error: ExchangeError | None = None

    def arrive(self, now_ms: int) -> str:
        """Do it; gives why not, where it is refused."""
        what = self.what
        try:
            if not now_ms - what.window_ms <= what.sent_ms <= now_ms + AHEAD_MS_MAX:
                raise ClockOff("-1021 Timestamp for this request is outside of the recvWindow.")
            self._answer = self._act(now_ms)
        except Refused as refused:
            self._error = error_of(refused, what.call)
        except ExchangeError as error:
            self._error = error
        return "" if self._error is None else f"{type(self._error).__name__} {self._error}"

    def answer(self) -> T:
        """Give the answer, or raise it."""
        if self._error is not None:
            raise self._error
        return cast("T", self._answer)


class Inside:
    """The inside."""

    def __init__(self, clock: Clock, faults: Faults, seed: int, markets: int, step_ms: int) -> None:
        """Open, with no accounts."""
        self.clock, self.faults = clock, faults
        self._opened_ms, self._step_ms = clock.wall_ms(), step_ms
        self.prices = GivenPrices(symbols(markets))
        self.engine = SimulatedExchange(self.prices, seed, self._opened_ms, step_ms)
        self.answers = Answers(self.engine)
        self.requests: list[Arrived] = []
        self.streams: list[Stream] = []
        self._under_way: list[tuple[int, int, Sent[Any]]] = []
        self._sent = 0
        self._moved_ms = 0

    def pass_time(self) -> int:
        """Let happen what is due; gives the time."""
        now_ms = self.clock.wall_ms()
        while self._under_way and self._under_way[0][0] <= now_ms:
            at_ms, _, sent = heappop(self._under_way)
            self._advance(at_ms)
            refused, what = sent.arrive(at_ms), sent.what
            if what.call in DOING:
                self.requests.append(Arrived(at_ms, what.call, what.account, what.client_id, what.placing, refused))
        self._advance(now_ms)
        return now_ms

    def next_ms(self) -> int:
        """Tell when something may happen by itself: a request arrives, or the engine makes a step with something to do in it."""
        now_ms = self.clock.wall_ms()
        busy = now_ms < self._moved_ms or any(self.engine.open_orders(account, None) for account in self.engine.accounts())
        arrives_ms = self._under_way[0][0] if self._under_way else FOR_EVER_MS
        return min(arrives_ms, self._step_after(now_ms) if busy else FOR_EVER_MS)

    async def until(self, at_ms: int) -> int:
        """Wait for a time, but let others have a turn first; gives the time then."""
        await asyncio.sleep(max(0, at_ms - self.clock.wall_ms()) / 1_000)
        return self.pass_time()

    def send(self, at_ms: int, what: What, act: Callable[[int], T]) -> Sent[T]:
        """Let a request arrive then."""
        sent = Sent(what, act)
        self._sent += 1
        heappush(self._under_way, (at_ms, self._sent, sent))
        self._stir()
        return sent

    def put(self, symbol: str, mark: Decimal, **changes: Any) -> int:
        """Put a price somewhere else; gives when the engine will have looked at it."""
        now_ms = self.pass_time()
        self.prices.put(symbol, mark, **changes)
        self._moved_ms = self._step_after(now_ms)
        self._stir()
        return self._moved_ms

    def connect(self, account: str) -> Stream:
        """Connect a stream."""
        self.pass_time()
        stream = Stream(account)
        self.streams.append(stream)
        return stream

    def streams_of(self, account: str) -> Sequence[Stream]:
        """Give the connections that are there."""
        return [stream for stream in self.streams if stream.account == account and not stream.gone]

    def _step_after(self, now_ms: int) -> int:
        return now_ms + self._step_ms - (now_ms - self._opened_ms) % self._step_ms

    def _advance(self, now_ms: int) -> None:
        """Let time pass at the exchange, and tell what happened."""
        self.engine.advance(now_ms)
        for update in self.engine.take_updates():
            account, _kind, message = event(update)
            events = events_of(message)
            for stream in self.streams_of(account) if events else ():
                self._tell(stream, update.ts, events)

    def _tell(self, stream: Stream, now_ms: int, events: Sequence[UserEvent]) -> None:
        silent_ms = self.faults.breaks()
        if silent_ms is not None:
            stream.end(now_ms, silent_ms)
        for delay_ms in self.faults.for_event():
            stream.tell(now_ms + delay_ms, events)
        stream.stir()

    def _stir(self) -> None:
        self.streams = [stream for stream in self.streams if not stream.gone]
        for stream in self.streams:
            stream.stir()
