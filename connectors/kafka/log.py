"""The log the workers append to: Kafka, through librdkafka's idempotent producer.

Decides: that records of a partition stay in their order without a gap, or appending fails for good. Callbacks run in `poll`, in the thread
that calls it: who appends polls too, and needs no locks. Leaves to others: what is appended, and what to do when it fails (end).
"""

from collections.abc import Callable, Sequence

from confluent_kafka import Producer

from connectors.kafka.settings import KafkaSettings

RECORD_BYTES_MAX = 4 * 1024 * 1024
"""An input of 1 MiB in its envelope, and a dead letter around that, with room."""
QUEUE_RECORDS_MAX = 500_000
"""Far more than the pipeline lets be under way: it stops taking batches before this is full."""
QUEUE_KBYTES_MAX = 512 * 1024
GATHERED_MAX = 500
FEW_UNDER_WAY = 50
"""While few records are under way each leaves at once. While many are, the next ones gather: sent one by one, each would be a request of its own,
which costs the broker and this process more than what else is done with it."""
FULL_WAIT_S = 0.05
FULL_TRIES_MAX = 2_400
"""Two minutes of a full queue: the broker is away for longer than anybody should wait in silence."""


Done = Callable[[object, object], None]


class LogFull(OSError):
    """Nothing has been acknowledged for so long that nothing more can be taken."""


class KafkaLog:
    """Appends records. Not shared between threads."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        """Connect when the first record comes."""
        self._producer = Producer(
            {
                **settings.librdkafka(),
                "client.id": client_id,
                "acks": "all",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "linger.ms": 0,
                # A broker works on one request of a connection at a time: what comes meanwhile goes into the next one, together.
                "max.in.flight": 1,
                "message.max.bytes": RECORD_BYTES_MAX,
                "queue.buffering.max.messages": QUEUE_RECORDS_MAX,
                "queue.buffering.max.kbytes": QUEUE_KBYTES_MAX,
                "log_level": 3,
            }
        )
        self._produce = self._producer.produce
        self._gathered: list[tuple[str, int, bytes | None, bytes | None, Sequence[tuple[str, bytes]] | None, Done]] = []
        self._gather = self._gathered.append

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] | None,
        done: Done, /,
    ) -> None:  # fmt: skip
        """Append a record without waiting for its acknowledgement.

        It leaves with the next poll while few are under way, else when enough have gathered.
        """
        self._gather((topic, partition, key, value, headers, done))
        if len(self._gathered) >= GATHERED_MAX:
            self._send()

    def poll(self) -> None:
        """Take the acknowledgements that have come, and send what has gathered unless much is under way still."""
        producer = self._producer
        producer.poll(0)
        if self._gathered and len(producer) < FEW_UNDER_WAY:
            self._send()

    def _send(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._gather = self._gathered.append
        produce = self._produce
        for topic, partition, key, value, headers, done in gathered:
            try:
                if headers is None:
                    produce(topic, value, key, partition, done)
                else:
                    produce(topic, value, key, partition, done, headers=list(headers))
            except BufferError:
                self._insist(topic, partition, key, value, headers, done)

    def _insist(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] | None, done: Done
    ) -> None:  # fmt: skip
        for _ in range(FULL_TRIES_MAX):
            self._producer.poll(FULL_WAIT_S)
            try:
                self._produce(topic, value, key, partition, on_delivery=done, headers=None if headers is None else list(headers))
            except BufferError:
                continue
            return
        raise LogFull(f"{QUEUE_RECORDS_MAX} records wait for a broker that does not take them")

    def flush(self, timeout_s: float) -> int:
        """Wait until everything is acknowledged; tell how much is not."""
        self._send()
        return int(self._producer.flush(timeout_s))
