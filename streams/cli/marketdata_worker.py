"""The market data worker, put together: connector, publisher of records with its spool, pages. It consumes nothing, so it is no Faust app.

Decides: which symbols and venues there are (QTS_MARKET_SYMBOLS, else those of the policy's phases; QTS_MARKET_VENUES), which part of the allowance
it has, when it counts as ready, and that it ends when its loop stands still. Leaves to others: everything its parts do.
"""

import asyncio
import json
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from fractions import Fraction
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from connectors.exchange.allowance import Allowance
from connectors.exchange.allowance_sharing import Shares
from connectors.exchange.clock import ExchangeClock
from connectors.exchange.market_data import SYMBOLS_MAX, MarketData, Ports, Said
from connectors.exchange.market_venues import other_venues, refuse
from connectors.exchange.modes import Venue, venue_of
from connectors.kafka.outbox import AWAY
from connectors.kafka.publisher import Publisher
from connectors.kafka.receipts import NotPublished
from connectors.kafka.settings import kafka_settings
from connectors.kafka.spool_settings import spool_bytes_max
from connectors.kafka.spool_tail import SpoolError
from connectors.kafka.system_clock import SystemClock
from schemas.codec import Codec
from schemas.registry import open_registry
from streams.agents.ending import Ending
from streams.cli.output import BadInput, Unavailable
from streams.desk.messages import Instrument
from streams.desk.ranges import is_symbol
from streams.exchange.errors import Fatal
from streams.flow import ASIDE, INPUTS
from streams.services.metrics import Metrics, Sample, exposition
from streams.services.policy_source import PHASES_FOLDER, effective_policy
from streams.services.small_pages import Page, serving
from streams.services.watchdog import Limits, Watchdog, Watched
from streams.services.worker_health import memory_bytes

LOGGER = logging.getLogger(__name__)

PART = Fraction(1, 4)
"""Of the allowance: executors share the rest (streams.app.execution)."""
TURN_MS_MAX = 2_000
"""It looks for marks to make ten times a second. A publisher without room holds it up for one second."""
ACKNOWLEDGE_S = 10.0
"""A record is at the broker in milliseconds, or on disk after two seconds."""
WATCH_S = 1.0
TOPICS = {record: topic.name for topic in (*INPUTS, *ASIDE) for record in topic.records}


class MarketSettings(NamedTuple):
    """What is asked for."""

    venue: Venue
    symbols: tuple[str, ...]
    others: tuple[str, ...]
    """Venues besides the one orders go to, by ccxt's names."""


def market_settings(environ: Mapping[str, str]) -> MarketSettings:
    """Read the environment. Raises BadInput."""
    try:
        venue = venue_of(environ)
        others = _names(environ.get("QTS_MARKET_VENUES", ""))
        refuse(others, venue.name)
    except Fatal as bad:
        raise BadInput(str(bad)) from bad
    symbols = _names(environ.get("QTS_MARKET_SYMBOLS", "")) or _symbols_of_phases(environ)
    wrong = [symbol for symbol in symbols if not is_symbol(symbol)]
    if wrong or len(symbols) > SYMBOLS_MAX or len(set(symbols)) < len(symbols):
        raise BadInput(f"QTS_MARKET_SYMBOLS={','.join(symbols)}: give {SYMBOLS_MAX} symbols at most, each once, like BTCUSDT")
    return MarketSettings(venue, symbols, others)


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _symbols_of_phases(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name what may be traded in any phase."""
    effective = effective_policy(PHASES_FOLDER, environ)
    if isinstance(effective, list):
        raise BadInput("; ".join(map(str, effective)))
    return tuple(dict.fromkeys(symbol for phase in effective.policy.phases.values() for symbol in phase.symbols))


class Topics:
    """Publishes what is said, from a thread: the publisher may wait for room, and the loop must not."""

    def __init__(self, publisher: Publisher, codec: Codec) -> None:
        """Publish through this."""
        self._publisher, self._codec = publisher, codec
        self._trouble = ""

    @property
    def away(self) -> bool:
        """Tell whether records go to the disk."""
        return self._publisher.health().mode == AWAY

    async def say(self, records: Sequence[Said]) -> Sequence[Said]:
        """Publish records; give those that were not taken."""
        return await asyncio.to_thread(self._publish, records)

    def _publish(self, records: Sequence[Said]) -> Sequence[Said]:
        """Publish in their order. After the first that is not taken the others are not tried: each might wait for a second."""
        for done, record in enumerate(records):
            try:
                receipt = self._publisher.publish(TOPICS[type(record)], record.symbol, self._codec.encode(record))
                if isinstance(record, Instrument):
                    receipt.wait(ACKNOWLEDGE_S)  # it is said once, and has to arrive; a mark is followed by the next
            except (NotPublished, SpoolError) as failed:
                self._note(f"{type(failed).__name__}: {failed}")
                return records[done:]
        self._note("")
        return ()

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            LOGGER.warning("%s", trouble or "records are published again")


def run_marketdata_worker(name: str, port: int) -> int:
    """Say what the markets do until SIGTERM or Ctrl-C; give the exit code."""
    settings, clock = market_settings(os.environ), SystemClock()
    home = Path(os.environ.get("QTS_HOME") or ".qts")
    try:
        with ExitStack() as opened:
            codec = Codec(open_registry(os.environ.get("QTS_SCHEMA_REGISTRY_URL") or None))
            publisher = opened.enter_context(
                Publisher(kafka_settings(os.environ), home / "spool" / name, clock=clock, bytes_max=spool_bytes_max(os.environ))
            )
            asyncio.run(_run(settings, clock, Topics(publisher, codec), _Pages(name, port, publisher)))
    except ValueError as bad:
        raise BadInput(str(bad)) from bad
    except (SpoolError, OSError) as failed:
        raise Unavailable(str(failed)) from failed
    return 0


async def _run(settings: MarketSettings, clock: SystemClock, says: Topics, pages: "_Pages") -> None:
    venue = settings.venue
    exchange_clock = ExchangeClock(clock)
    allowance = Allowance(exchange_clock, asyncio.sleep, Shares("marketdata"))
    allowance.hold(PART)
    others = other_venues(settings.others, venue.name, LOGGER.warning)
    ports = Ports(allowance, exchange_clock, asyncio.sleep, random.Random(), says)  # noqa: S311 - spreads retries, keeps no secret
    data = MarketData(venue, settings.symbols, ports, others)
    LOGGER.info(
        "market data of %d symbols from %s at %s%s", len(settings.symbols), venue.name, venue.places[0].rest_url,
        f", beside {', '.join(settings.others)}" if settings.others else "",
    )  # fmt: skip
    running = asyncio.create_task(data.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    _watch(data)
    with pages.served(data), suppress(asyncio.CancelledError):
        await running


def _watch(data: MarketData) -> None:
    """Ask the watchdog in a thread of its own: a loop that hangs cannot notice it."""
    watchdog = Watchdog(lambda: Watched(True, data.turned_ms, memory_bytes() or 0), time.monotonic, Limits())
    ending = Ending(os._exit)

    def watch() -> None:
        while True:
            time.sleep(WATCH_S)
            try:
                watchdog.check()
            except Exception as error:
                ending.because(error)
                raise

    threading.Thread(target=watch, name="watchdog", daemon=True).start()


class _Pages:
    """What the worker shows."""

    def __init__(self, name: str, port: int, publisher: Publisher) -> None:
        self._name, self._port, self._publisher = name, port, publisher

    def served(self, data: MarketData) -> AbstractContextManager[int]:
        """Serve the pages while a block runs."""
        made: dict[str, Callable[[], Page]] = {
            "/health/live": self._live,
            "/health/ready": lambda: self._ready(data),
            "/metrics": lambda: Page(HTTPStatus.OK, "text/plain", exposition(lambda: samples(data))),
        }
        return serving(self._port, made, os.environ.get("QTS_WEB_BIND") or "127.0.0.1")

    def _live(self) -> Page:
        return _json(HTTPStatus.OK, {"live": True, "role": "marketdata", "worker": self._name, "pid": os.getpid()})

    def _ready(self, data: MarketData) -> Page:
        ready = is_ready(data)
        said = {
            "ready": ready, "role": "marketdata", "worker": self._name, "silent": sorted(data.silent()), "spool": self._publisher.health()._asdict(),
        }  # fmt: skip
        return _json(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, said)


def is_ready(data: MarketData) -> bool:
    """Tell whether marks of any symbol are made. A symbol that nobody trades must not make a worker look broken that does its work."""
    return len(data.silent()) < len(data.symbols) and data.turned_ms_ago() <= TURN_MS_MAX


def samples(data: MarketData) -> list[Sample]:
    """Give the figures."""
    silent, counts = data.silent(), data.counts
    return [
        Sample(Metrics.READY, int(is_ready(data))),
        Sample(Metrics.MEMORY_BYTES, memory_bytes() or 0),
        *(Sample(Metrics.MARK_AGE_SECONDS, age_ms / 1_000, (symbol,)) for symbol, age_ms in data.ages_ms().items()),
        *(Sample(Metrics.MARKS_SILENT, int(symbol in silent), (symbol,)) for symbol in data.symbols),
        *(Sample(Metrics.STREAM_BREAKS, breaks, (stream,)) for stream, breaks in counts.breaks.items()),
        Sample(Metrics.MARKS_SAID, counts.marks),
        Sample(Metrics.RECORDS_NOT_TAKEN, counts.not_taken),
        Sample(Metrics.UNREADABLE_ANSWERS, counts.unreadable),
    ]


def _json(status: HTTPStatus, said: object) -> Page:
    return Page(status, "application/json", json.dumps(said).encode() + b"\n")
