"""Looking at Kafka beside the consumer: the tape's records, the ends of the outputs, the topics' identity.

Decides: how far back the ends of the outputs are searched. Leaves to others: what follows from it (pipeline.resuming, pipeline.identity).
"""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock

from connectors.kafka.log_reader import Found, LogReader
from streams.pipeline.identity import Identity, OtherTape, compare
from streams.pipeline.ports import Read
from streams.pipeline.resuming import place_in
from streams.pipeline.write_pipeline import LANES

TAIL_RECORDS = 200
"""The desk alone writes most output topics, so the last record there tells; on `control` operators write too."""


class TapeView:
    """One tape partition."""

    def __init__(self, reader: LogReader, lock: Lock, topic: str, partition: int) -> None:
        """Look at this partition, one look after the other."""
        self._reader, self._lock, self._topic, self._partition = reader, lock, topic, partition

    def bounds(self) -> tuple[int, int]:
        """Give the first offset there is, and the one the next record will get."""
        with self._lock:
            return self._reader.bounds(self._topic, self._partition)

    def read(self, offset: int) -> Read | None:
        """Read the record at an offset."""
        with self._lock:
            found = self._reader.read(self._topic, self._partition, offset)
        return None if found is None else Read(found.offset, found.key, found.value)


class KafkaLook:
    """Looks at Kafka, one look after the other, from whichever thread asks."""

    def __init__(
        self,
        reader: LogReader,
        identity: Identity,
        topics: Callable[[Iterable[str]], Mapping[str, tuple[str, int]]],
        epoch: Callable[[], int | None],
    ) -> None:
        """Look for this identity. `topics` asks for ids and partitions of topics, `epoch` for the one the cluster is in now."""
        self._reader, self._identity, self._topics, self._epoch = reader, identity, topics, epoch
        self._lock = Lock()
        self.answers = 0
        """How often the cluster has told its identity: a watchdog sees that this goes on."""

    def tape(self, partition: int) -> TapeView:
        """Give a partition of the tape."""
        return TapeView(self._reader, self._lock, self._identity.tape, partition)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Give the first offset there is, and the one the next record will get."""
        with self._lock:
            return self._reader.bounds(topic, partition)

    def holds_records(self, topic: str, partition: int, start: int, end: int) -> bool:
        """Tell whether there is any record from one offset to before another."""
        with self._lock:
            return any(True for _ in self._reader.between(topic, partition, start, end))

    def records(self, topic: str, partition: int, start: int) -> list[Found]:
        """Read a partition from an offset on, to where it ends now."""
        with self._lock:
            low, high = self._reader.bounds(topic, partition)
            return list(self._reader.between(topic, partition, max(low, start), high))

    def sent(self, partition: int, epoch: int) -> Mapping[str, tuple[int, int]]:
        """Give by topic the last output of an epoch that is on it."""
        with self._lock:
            ends = {topic: _last_place(self._reader.tail(topic, partition, TAIL_RECORDS), epoch) for topic in LANES}
        return {topic: place for topic, place in ends.items() if place is not None}

    def check_identity(self) -> None:
        """Make sure that the topics are those the tape was begun with, and its epoch the present one.

        A broker without topic ids has nothing to compare.
        """
        if self._identity.topics:
            now = self._epoch()
            if now != self._identity.epoch:
                raise OtherTape(f"the tape is in epoch {now}, this worker began in epoch {self._identity.epoch}: start it again")
            compare(self._identity, self._topics(list(self._identity.topics)))
            self.answers += 1


def _last_place(records: Iterable[Found], epoch: int) -> tuple[int, int] | None:
    places = [place for record in records if (place := place_in(record.headers, epoch)) is not None]
    return max(places, default=None)
