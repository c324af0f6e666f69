"""The log the workers append to: Kafka, through librdkafka's idempotent producer.

Decides: that records of a partition stay in their order without a gap, or appending fails for good; and whether a record goes out at once or waits
some milliseconds for others (there are two producers, and one only begins when the other has nothing under way). Callbacks run in `poll`, in
the thread that calls it: who appends polls too, and needs no locks. Leaves to others: what is appended, and what to do when it fails (end).
"""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import Producer

from connectors.kafka.settings import KafkaSettings

RECORD_BYTES_MAX = 4 * 1024 * 1024
"""An input of 1 MiB in its envelope, and a dead letter around that, with room."""
QUEUE_RECORDS_MAX = 500_000
"""Far more than the pipeline lets be under way: it stops taking batches before this is full."""
QUEUE_KBYTES_MAX = 512 * 1024
FULL_WAIT_S = 0.05
FULL_TRIES_MAX = 2_400
"""Two minutes of a full queue: the broker is away for longer than anybody should wait in silence."""


MANY_RECORDS = 500
"""Worked on at once: a worker that catches up. At 1,000 a second live, a fetch brings a handful."""
GATHER_MS = 5.0
"""How long records then wait for others. Measured while catching up: a request for every few records takes librdkafka's thread a third of a
processor and the broker as much, with 5 ms a tenth of that; 20 ms brought nothing more."""
GATHER_AT_LEAST_S = 0.2
"""After the last of many: where large fetches of one topic come between small ones of others, it is not gone to and fro with each."""
CHANGE_S_MAX = 0.05
"""How long going from one producer to the other may hold up its caller; where that is too short, things stay as they are for a while."""

Done = Callable[[object, object], None]
Headers = Sequence[tuple[str, bytes]]


STALLED_S_MAX = 120.0
"""As long as anybody should wait for a broker in silence: the worker ends, and whoever starts it again sees that it does."""


class LogFull(OSError):
    """Nothing has been acknowledged for so long that nothing more can be taken."""


class KafkaLog:
    """Appends records. Not shared between threads, but for `poll`: where a thread waits in it, callbacks run there, and nowhere else."""

    is_polled_beside = False
    """A thread of its own polls."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        """Connect when the first record comes."""
        self._settings, self._client_id = settings, client_id
        self._at_once = self._producer = self._made(0)
        self._gathering: Producer | None = None
        self._many_s = self._changed_s = float("-inf")
        self._produce = self._producer.produce
        self._moved_s = time.monotonic()

    def expect(self, records: int) -> None:
        """Hear how many records are about to be worked on at once: of many, the outputs go together, of few each at once.

        Failures may be told of in here as in `poll`: whoever calls looks at them before appending anything more, which the other producer would take.
        """
        now = time.monotonic()
        if records >= MANY_RECORDS:
            self._many_s = now
        gather = now - self._many_s < GATHER_AT_LEAST_S
        if gather == (self._producer is not self._at_once) or now - self._changed_s < GATHER_AT_LEAST_S:
            return
        self._changed_s = now
        if self._producer.flush(CHANGE_S_MAX):
            return
        if gather and self._gathering is None:
            self._gathering = self._made(GATHER_MS)
        self._producer = self._gathering if gather and self._gathering is not None else self._at_once
        self._produce = self._producer.produce

    def _made(self, linger_ms: float) -> Producer:
        return Producer(
            {
                **self._settings.librdkafka(),
                "client.id": self._client_id,
                "acks": "all",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "linger.ms": linger_ms,
                # A record that timed out alone would leave a gap that later ones close over: nothing times out, a log that stalls fails as a whole.
                "message.timeout.ms": 0,
                # A broker works on one request of a connection at a time: what comes meanwhile goes into the next one, together.
                "max.in.flight": 1,
                "message.max.bytes": RECORD_BYTES_MAX,
                "queue.buffering.max.messages": QUEUE_RECORDS_MAX,
                "queue.buffering.max.kbytes": QUEUE_KBYTES_MAX,
                "log_level": 3,
            }
        )

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None,
        done: Done, /,
    ) -> None:  # fmt: skip
        """Append a record without waiting for its acknowledgement."""
        for _ in range(FULL_TRIES_MAX):
            try:
                if headers is None:
                    self._produce(topic, value, key, partition, done)
                else:
                    self._produce(topic, value, key, partition, done, headers=list(headers))
            except BufferError:
                (time.sleep if self.is_polled_beside else self._producer.poll)(FULL_WAIT_S)
            else:
                return
        raise LogFull(f"{QUEUE_RECORDS_MAX} records wait for a broker that does not take them")

    def poll(self, wait_s: float = 0.0) -> bool:
        """Take the acknowledgements that have come, or wait for the first; tell whether there were any."""
        came = bool(self._producer.poll(wait_s))
        if came or not len(self._producer):
            self._moved_s = time.monotonic()
        elif time.monotonic() - self._moved_s > STALLED_S_MAX:
            raise LogFull(f"{len(self._producer)} records are under way and nothing was acknowledged for {STALLED_S_MAX:.0f} s")
        return came

    def flush(self, timeout_s: float) -> int:
        """Wait until everything is acknowledged; tell how much is not."""
        return int(self._producer.flush(timeout_s))
