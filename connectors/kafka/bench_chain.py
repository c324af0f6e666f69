"""A bare produce–consume chain: what Kafka itself costs on the way from one topic to another and on to a third.

Decides: how it passes records on (librdkafka, one at a time, nothing waits). Run as processes of their own by `./qts bench kafka`:
python -m connectors.kafka.bench_chain SERVERS FROM TO. Leaves to others: what goes in, what is measured (bench_probe).
"""

import signal
import sys
from types import FrameType

from confluent_kafka import Consumer, Producer

from connectors.kafka.settings import KafkaSettings

POLL_S = 0.2


def relay(settings: KafkaSettings, source: str, sink: str) -> None:
    """Pass records on until told to end."""
    ended = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    group = {"group.id": f"bench-{source}", "auto.offset.reset": "earliest", "enable.auto.commit": True, "log_level": 0}
    consumer = Consumer({**settings.librdkafka(), **group})
    producer = Producer({**settings.librdkafka(), "linger.ms": 0, "enable.idempotence": True, "acks": "all", "log_level": 0})
    consumer.subscribe([source])
    while not ended:
        message = consumer.poll(POLL_S)
        if message is not None and message.error() is None:
            partition = message.partition()
            assert partition is not None
            producer.produce(sink, message.value(), message.key(), partition)
        producer.poll(0)
    producer.flush(POLL_S)
    consumer.close()


if __name__ == "__main__":
    relay(KafkaSettings(sys.argv[1]), sys.argv[2], sys.argv[3])
