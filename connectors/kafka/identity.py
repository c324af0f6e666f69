"""The record that says which tape this is: its epoch, its partitions, and the ids of the topics it was begun with.

Decides: how the record reads, where it is kept, and what counts as another tape. A topic that was deleted and made again has the same name and
another id; its offsets begin anew, and everything on it would be taken for a repeat. Leaves to others: when an epoch begins (`./qts topics create`,
`./qts tape new-epoch`), what a worker does about a problem.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from connectors.kafka.admin import TopicLook
from connectors.kafka.complaints import Complaints
from connectors.kafka.reading import AWAY_S
from connectors.kafka.settings import KafkaSettings

TOPIC = "tape-identity"
KEY = b"identity"
PARTITION = 0

_POLL_S = 0.25


class BadIdentity(ValueError):
    """There is a record, and it does not say what it has to; the message says what is wrong, in one line."""


class IdentityNotWritten(Exception):
    """It is not known to be on the topic."""


@dataclass(frozen=True)
class TapeIdentity:
    """Which tape this is."""

    epoch: int
    partitions: int
    tape: str
    topics: Mapping[str, str]
    """The id of each topic, by its name."""
    desk_version: str = "1"
    """The desk version that steps the first record of the tape: without a snapshot nobody else may begin."""

    def to_json(self) -> bytes:
        """Write it down."""
        record = {
            "epoch": self.epoch, "partitions": self.partitions, "tape": self.tape, "topics": dict(self.topics),
            "desk_version": self.desk_version,
        }  # fmt: skip
        return json.dumps(record, sort_keys=True, allow_nan=False).encode()

    @classmethod
    def from_json(cls, written: bytes) -> "TapeIdentity":
        """Read what `to_json` wrote. Raises BadIdentity."""
        try:
            record = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise BadIdentity(f"the tape's identity is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise BadIdentity("the tape's identity is not a JSON object")
        topics, desk_version = record.get("topics"), record.get("desk_version", "1")
        sound = {
            "epoch": _count(record.get("epoch")),
            "partitions": _count(record.get("partitions")),
            "tape": _name(record.get("tape")),
            "topics": isinstance(topics, dict) and all(_name(name) and _name(found) for name, found in topics.items()),
            "desk_version": _name(desk_version),
        }
        for name, good in sound.items():
            if not good:
                raise BadIdentity(f"the tape's identity has no usable {name!r}: {str(record.get(name))[:100]}")
        return cls(record["epoch"], record["partitions"], record["tape"], record["topics"], desk_version)


class IdentityReader:
    """Reads the record, again and again through one client."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connect when it is first read."""
        self._complaints = Complaints(settings)
        self._consumer = Consumer(
            {
                **settings.librdkafka(), "group.id": "qts-identity", "enable.auto.commit": False, "auto.offset.reset": "error",
                "enable.partition.eof": True, "allow.auto.create.topics": False, "fetch.wait.max.ms": 50, "log_level": 0,
                "error_cb": self._complaints,
            }
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()

    def read(self, timeout_s: float) -> TapeIdentity | None:
        """Read the newest record; None where there is no topic or no record. Raises BrokerAway, ReadRefused and BadIdentity."""
        try:
            found = self._complaints.metadata(self._consumer, TOPIC, timeout_s).topics.get(TOPIC)
            if found is None or not found.partitions:
                return None
            self._consumer.assign([TopicPartition(TOPIC, PARTITION, OFFSET_BEGINNING)])
            newest = _newest(self._consumer, timeout_s)
            self._consumer.unassign()
        except KafkaException as failed:
            raise self._complaints.failure(failed, self._consumer) from failed
        return newest

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()


def read_identity(settings: KafkaSettings, timeout_s: float) -> TapeIdentity | None:
    """Read the newest record, once. Raises what an IdentityReader raises."""
    with IdentityReader(settings) as reader:
        return reader.read(timeout_s)


def write_identity(settings: KafkaSettings, identity: TapeIdentity) -> None:
    """Write the record and return when every replica in sync has it. Raises IdentityNotWritten."""
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: object) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer(
        {
            **settings.librdkafka(), "acks": "all", "enable.idempotence": True, "linger.ms": 0, "log_level": 0,
            "allow.auto.create.topics": False, "delivery.timeout.ms": int(AWAY_S * 1_000),
        }
    )  # fmt: skip
    producer.produce(TOPIC, value=identity.to_json(), key=KEY, partition=PARTITION, on_delivery=delivered)
    if producer.flush(2 * AWAY_S) or failures:
        why = failures[0].str() if failures else "no answer"
        raise IdentityNotWritten(f"the tape's identity could not be written to {TOPIC} at {settings.servers}: {why}")


def topic_ids(settings: KafkaSettings, names: Iterable[str]) -> dict[str, str]:
    """Give the ids of those of these topics that are there. Raises BrokerAway."""
    return {name: found.topic_id for name, found in TopicLook(settings).topics(names).items()}


def identity_problems(identity: TapeIdentity, found_ids: Mapping[str, str], partition_counts: Mapping[str, int]) -> list[str]:
    """Hold the topics found against those the tape was begun with. Gives a line for each that is another one; none is good."""
    problems = []
    for name, begun_with in sorted(identity.topics.items()):
        now = found_ids.get(name)
        if now is None:
            problems.append(f"topic {name} is gone; epoch {identity.epoch} of the tape was begun with it")
        elif now != begun_with:
            problems.append(
                f"topic {name} was made anew: its id is {now}, and epoch {identity.epoch} was begun with {begun_with}"
            )
        elif name in partition_counts and partition_counts[name] != identity.partitions:
            problems.append(
                f"topic {name} has {partition_counts[name]} partitions, and epoch {identity.epoch} was begun with {identity.partitions}"
            )
    return problems


def _newest(consumer: Consumer, timeout_s: float) -> TapeIdentity | None:
    """Read to the end and keep the last record. The topic holds a handful: it is compacted, and grows by one an epoch."""
    written: bytes | None = None
    silent_polls_max = math.ceil(timeout_s / _POLL_S)
    silent = 0
    while silent < silent_polls_max:
        message = consumer.poll(_POLL_S)
        if message is None:
            silent += 1
            continue
        silent, error = 0, message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name for it
            return None if written is None else TapeIdentity.from_json(written)
        if error is not None:
            raise KafkaException(error)
        if message.key() == KEY:
            written = message.value()
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"nothing for {timeout_s:.0f} s"))  # noqa: SLF001 - see above


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _name(value: object) -> bool:
    return isinstance(value, str) and value != ""
