"""Which partition a key belongs to: Kafka's own rule, the same for every producer of ours.

Decides: murmur2 of the key's bytes, as Kafka's Java client has it. librdkafka's own default is another, so no producer of ours relies on
a default: each names the partition. Leaves to others: how many partitions there are.
"""

from aiokafka.partitioner import murmur2  # type: ignore[import-untyped] # it has no py.typed


def partition_of(key: bytes, partitions: int) -> int:
    """Give the partition of a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
