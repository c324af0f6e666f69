"""The bare hop of a benchmark: records of a topic as aiokafka hands them over, one by one, and nothing else.

Decides: that it fetches as our workers do (how long a broker may wait, how many records at once), since waiting is what is measured. Leaves to
others: what is done with a record, when it ends.
"""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]  # it has no py.typed

from connectors.kafka.faust_app import EMBEDDED_FETCH_WAIT_MS, FETCH_BYTES_MAX, FETCH_WAIT_MS, POLL_RECORDS_MAX
from connectors.kafka.settings import KafkaSettings


async def consumed(settings: KafkaSettings, topic: str, *, embedded: bool = False) -> AsyncIterator[bytes]:
    """Give the records of a topic from now on, for ever."""
    consumer = AIOKafkaConsumer(
        topic,
        **settings.aiokafka(),
        group_id=f"bench-{topic}",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=EMBEDDED_FETCH_WAIT_MS if embedded else FETCH_WAIT_MS,
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
        max_poll_records=POLL_RECORDS_MAX,
    )
    await consumer.start()
    try:
        async for record in consumer:
            yield record.value
    finally:
        await consumer.stop()
