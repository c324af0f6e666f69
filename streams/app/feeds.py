"""What every executor reads by itself, past the tape: all commands, the newest prices, what the exchange demands of an order, others' allowances.

Decides: that records are decoded in the thread that reads them and taken in the loop, batch after batch; that what nobody can read is passed over,
and that a schema registry which is away is waited for, since it may be a stop that cannot be read. Leaves to others: reading (connectors.kafka.feed),
what a stop stops (pipeline.execution.brakes).
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from connectors.kafka.feed import Ends, Feed, Wanted
from connectors.kafka.reading import Seen
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec, Undecodable
from schemas.errors import RegistryUnavailable
from schemas.registry import Registry
from streams.desk.messages import Control, Instrument, Mark
from streams.desk.validation import wrong
from streams.pipeline.execution.brakes import Brakes
from streams.pipeline.execution.mark_board import MarkBoard

LOGGER = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often a thread whose batch waits for the loop looks whether all ends."""
STOP_S_MAX = 1.0
"""A look for records takes milliseconds. One for the ends may hang on a broker that is away: nobody waits for it."""


ALLOWANCES: Final = "allowances"


class Known(NamedTuple):
    """Where it is kept."""

    brakes: Brakes
    board: MarkBoard
    instruments: MutableMapping[str, Instrument]
    allowances: Callable[[bytes], None]
    """Takes what another worker tells of its allowance: no record of a schema."""


class Feeds:
    """Keeps it up to date, from `start` on."""

    def __init__(
        self,
        settings: KafkaSettings,
        registry: Registry,
        partitions: int,
        known: Known,
        clock: Callable[[], float],
        broken: Callable[[BaseException], None],
        client_id: str,
    ) -> None:
        """Be ready. `clock` is the one of the brakes."""
        self._known, self._broken = known, broken
        self._stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        market = Wanted({"marks": "end", "instruments": "beginning", ALLOWANCES: "end"}, partitions)
        ends = Ends(clock, lambda asked_s: self._in_loop(partial(known.brakes.read_up_to, asked_s)))
        self._feeds = (
            Feed(
                settings,
                Wanted({"control": "beginning"}, partitions),
                partial(self._control, Codec(registry)),
                broken,
                f"{client_id}-control",
                ends,
            ),
            Feed(settings, market, partial(self._market, Codec(registry)), broken, f"{client_id}-market"),
        )

    def start(self) -> None:
        """Begin; what is read is taken in the loop that runs."""
        self._loop = asyncio.get_running_loop()
        for feed in self._feeds:
            feed.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        for feed in self._feeds:
            feed.stop()

    def _control(self, codec: Codec, seen: Sequence[Seen]) -> None:
        read = [(one, said) for one, said in self._decoded(codec, seen) if isinstance(said, Control)]

        def take() -> None:
            for one, control in read:
                self._known.brakes.take(one.partition, one.offset, one.timestamp_ms, control)

        self._in_loop(take)

    def _market(self, codec: Codec, seen: Sequence[Seen]) -> None:
        told = [one.value for one in seen if one.topic == ALLOWANCES and one.value is not None]
        others = [one for one in seen if one.topic != ALLOWANCES]
        read = [(one, said) for one, said in self._decoded(codec, others) if isinstance(said, Mark | Instrument)]

        def take() -> None:
            for record in told:
                self._known.allowances(record)
            for one, said in read:
                if isinstance(said, Mark):
                    self._known.board.take(said, one.timestamp_ms)
                elif not wrong(said, one.timestamp_ms):
                    self._known.instruments[said.symbol] = said

        self._in_loop(take)

    def _decoded(self, codec: Codec, seen: Sequence[Seen]) -> Iterator[tuple[Seen, Any]]:
        for one in seen:
            while one.value is not None and not self._stopped.is_set():
                try:
                    yield one, codec.decode(one.value)
                except Undecodable as bad:
                    LOGGER.warning("%s/%d at offset %d is passed over: %s", one.topic, one.partition, one.offset, bad)
                except RegistryUnavailable as away:
                    LOGGER.warning("%s/%d at offset %d cannot be read yet: %s", one.topic, one.partition, one.offset, away)
                    self._stopped.wait(away.after_s)
                    continue
                break

    def _in_loop(self, call: Callable[[], None]) -> None:
        """Have something done in the loop, and wait until it is done: no more than one batch of a feed is ever under way."""
        done = threading.Event()

        def take() -> None:
            try:
                call()
            except Exception as error:
                self._broken(error)
                raise
            finally:
                done.set()

        assert self._loop is not None
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(take)
        while not done.wait(LOOK_S) and not self._stopped.is_set():
            continue
