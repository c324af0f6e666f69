"""Publishing from a command: records go out, and only then does it say so.

Decides: that nothing is begun while the broker is away (a command typed now must not take effect some other day), and how what went wrong
reads. Leaves to others: getting records there (connectors.kafka.publisher), what they are.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from connectors.kafka.publisher import Outgoing, Publisher
from connectors.kafka.receipts import IN_SPOOL, NotPublished, RecordTooLarge
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.spool_settings import SPOOL_BYTES, BadSpoolSettings, spool_bytes_max
from connectors.kafka.spool_status import status_of
from connectors.kafka.spool_tail import SpoolError, SpoolOwned
from connectors.kafka.system_clock import SystemClock
from streams.cli.kafka_options import asked_of_kafka, reader
from streams.cli.output import BadInput, CommandError, Output, Unavailable

ACKNOWLEDGE_S = 30.0
"""A broker acknowledges in milliseconds; one that is away is found out after two seconds, and the record is on disk then."""
COMMANDS_MAX = 8
"""Commands of one deployment that publish at the same time."""
UNDER_WAY_MAX = 10_000
"""Records that wait for their acknowledgement at once; the next waits for the first of them."""


class Settled(Protocol):
    """What a publisher gives for a record."""

    @property
    def state(self) -> int:
        """Tell how far it is."""

    def wait(self, timeout_s: float | None = None) -> object:
        """Wait until it is acknowledged."""


class Publishes(Protocol):
    """What is needed of a publisher."""

    def publish(self, topic: str, key: str, value: bytes, *, partition: int | None = None) -> Settled:
        """Take a record."""


def spool_folders() -> list[Path]:
    """Name where records wait on disk that the broker went away from under, those with records first: whoever comes next sends them.

    There are several so that nobody's command has to wait for somebody else's.
    """
    home = Path(os.environ.get("QTS_HOME") or ".qts") / "spool"
    folders = [home / name for name in ("commands", *(f"commands-{number}" for number in range(2, COMMANDS_MAX + 1)))]
    return sorted(folders, key=lambda folder: not (folder.is_dir() and status_of(folder, SPOOL_BYTES, 0, 0).records))


@contextmanager
def publisher(where: KafkaSettings) -> Iterator[Publishes]:
    """Give a publisher, once the broker has answered."""
    with reader(where) as opened:
        opened.topics()
    try:
        with asked_of_kafka(), free_publisher(where) as publishing:
            yield publishing
    except (SpoolError, OSError) as failed:
        raise Unavailable(str(failed)) from failed


def free_publisher(where: KafkaSettings) -> Publisher:
    """Take the first folder that no other command has."""
    try:
        bound = spool_bytes_max(os.environ)
    except BadSpoolSettings as bad:
        raise BadInput(str(bad)) from bad
    for folder in spool_folders():
        with suppress(SpoolOwned):
            return Publisher(where, folder, clock=SystemClock(), bytes_max=bound)
    raise Unavailable(f"{COMMANDS_MAX} commands of this deployment are publishing already: wait for one to end")


def send_all(out: Output, publishing: Publishes, records: Sequence[Outgoing]) -> int:
    """Publish records and wait for every acknowledgement. Gives how many are on disk instead of at the broker."""
    spooled = acknowledged = 0
    waiting: list[Settled] = []

    def settle(count: int) -> None:
        nonlocal spooled, acknowledged
        for receipt in waiting[:count]:
            receipt.wait(ACKNOWLEDGE_S)
            acknowledged += 1
            spooled += receipt.state == IN_SPOOL
        del waiting[:count]

    try:
        with out.progress("sending", total=len(records)) as advance:
            for record in records:
                waiting.append(publishing.publish(record.topic, record.key, record.value, partition=record.partition))
                if len(waiting) >= UNDER_WAY_MAX:
                    settle(UNDER_WAY_MAX // 2)
                advance(1)
            settle(len(waiting))
    except NotPublished as failed:
        kind: type[CommandError] = BadInput if isinstance(failed, RecordTooLarge) else Unavailable
        raise kind(
            f"{failed}; {acknowledged} of {len(records)} acknowledged", acknowledged=acknowledged, spooled=spooled
        ) from failed
    return spooled


def told(spooled: int) -> str:
    """Say what became of records the broker went away from under."""
    return (
        f"; the broker went away: {spooled:,} of them on disk, sent first by the next command that publishes" if spooled else ""
    )
