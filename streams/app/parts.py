"""What every role is put together from: the log, looks, identity, how to end, who watches.

Decides: what of it is made from the environment. Leaves to others: the roles.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from faust.types import TP

from connectors.kafka.faust_app import BatchedApp
from connectors.kafka.identity import read_identity
from connectors.kafka.identity_look import IdentityLook, KafkaClients
from connectors.kafka.log import KafkaLog
from connectors.kafka.log_reader import LogReader
from connectors.kafka.reading import BrokerAway, ReadRefused
from connectors.steps import DieAt, StepFile
from schemas.registry import Registry, open_registry
from streams.agents.ending import Ending
from streams.app.environment import WorkerSettings
from streams.app.looks import KafkaLook
from streams.app.recording import Recorder
from streams.pipeline.identity import Identity, OtherTape
from streams.pipeline.steps import NOBODY_WATCHES, Watcher

LOGGER = logging.getLogger(__name__)

IDENTITY_S_MAX = 30.0
IDENTITY_EVERY_S = 2.0
"""How soon a topic that was changed under a running worker is noticed. The watchdog counts the answers: a broker that gives none stands still."""


class Parts(NamedTuple):
    """What roles are put together from."""

    settings: WorkerSettings
    identity: Identity
    registry: Registry
    log: KafkaLog
    look: KafkaLook
    ending: Ending
    watcher: Watcher
    recorder: Recorder | None


class Role(Protocol):
    """What every role's agent can do."""

    ready: bool

    async def tending(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Tend for ever."""

    async def leave(self) -> None:
        """Write everything down before the worker ends."""

    def revoked(self) -> None:
        """Drop everything."""

    def idle(self) -> None:
        """Be ready with nothing to do: there are more workers than partitions."""


def make_parts(settings: WorkerSettings) -> Parts:
    """Make what the environment names."""
    identity = known_identity(settings)
    client_id = f"qts-{settings.name}"
    reader = LogReader(settings.kafka, client_id)
    now = IdentityLook(lambda: KafkaClients(settings.kafka))
    look = KafkaLook(reader, identity, now.topics, now.epoch)
    return Parts(
        settings, identity, open_registry(settings.registry_url), KafkaLog(settings.kafka, client_id), look, Ending(os._exit),
        _watcher(settings), None if settings.record_folder is None else Recorder(settings.record_folder, settings.name),
    )  # fmt: skip


def known_identity(settings: WorkerSettings) -> Identity:
    """Read what the tape was begun with. The embedded broker has no topic ids and forgets everything with its end: there it begins now."""
    if settings.embedded_partitions is not None:
        return Identity(1, settings.embedded_partitions, "tape", {})
    found = read_identity(settings.kafka, IDENTITY_S_MAX)
    if found is None:
        raise OtherTape("this cluster has no tape yet: `./qts topics create` makes its topics and notes their identity")
    return Identity(found.epoch, found.partitions, found.tape, found.topics, found.desk_version)


def _watcher(settings: WorkerSettings) -> Watcher:
    watcher: Watcher = NOBODY_WATCHES if settings.steps_file is None else StepFile(settings.steps_file)
    return watcher if settings.die_at is None else DieAt(settings.die_at, watcher)


def tend_for_ever(app: BatchedApp, role: Role) -> None:
    """Have Faust call a role when there is something to do."""

    async def tending() -> None:
        await role.tending(asyncio.sleep)

    async def revoked(*_: Any, **__: Any) -> None:
        role.revoked()

    async def assigned(*said: Any, **_: Any) -> None:
        # Without a partition Faust asks for no positions, and nobody would ever be told that this worker is ready.
        if not said[-1]:
            role.idle()

    async def leaving(*_: Any, **__: Any) -> None:
        await role.leave()

    app.task(tending)
    app.on_partitions_revoked.connect(revoked, weak=False)
    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_before_shutdown.connect(leaving, weak=False)


class Take(Protocol):
    """Takes a batch, and acknowledges it when that may be."""

    async def __call__(self, partition: int, generation: int, records: Any, acknowledge: Callable[[], None], /) -> None:
        """Take it."""


async def take_batches(stream: Any, take: Take) -> None:
    """Hand on what an agent's stream brings, for ever. A batch waits for what acknowledges it; its records need not, so nothing here keeps them."""
    async for event in stream.noack().events():
        message = event.message
        records, message.value, event.value = message.value, None, None
        await take(message.partition, message.generation_id, records, event.ack)


def committed(app: BatchedApp, source: tuple[str, int]) -> int | None:
    """Give where the group stands on a source; nothing where it never was."""
    consumer: Any = app.consumer
    offset: int | None = consumer._committed_offset.get(TP(*source))  # noqa: SLF001 - Faust has no other name for it
    return offset


def watch_identity(parts: Parts) -> None:
    """Look at the topics' identity every so often, in a thread of its own: the loop may be busy, the tape must not be another one meanwhile.

    A broker that gives no answer may be back soon, so it is only told of here. The watchdog counts the answers, and says when that is too long.
    """

    def watch() -> None:
        while True:
            time.sleep(IDENTITY_EVERY_S)
            try:
                parts.look.check_identity()
            except (BrokerAway, ReadRefused) as silent:
                LOGGER.warning("the topics' identity cannot be looked at: %s", silent)
            except Exception as other:
                parts.ending.because(other)
                raise

    threading.Thread(target=watch, name="identity", daemon=True).start()
