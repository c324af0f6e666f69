"""The partition of a key, against what Kafka's own Java client gives."""

import pytest

from connectors.kafka.partitioner import partition_of

MURMUR2_OF_JAVA = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
"""As Kafka's own tests of its Java client have them (UtilsTest.testMurmur2)."""


@pytest.mark.parametrize("partitions", [1, 3, 4, 100])
def test_a_key_is_where_kafkas_java_client_puts_it(partitions: int) -> None:
    for key, murmur2 in MURMUR2_OF_JAVA.items():
        assert partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions


def test_keys_spread_over_all_partitions() -> None:
    counts = [0] * 4
    for n in range(4_000):
        counts[partition_of(f"account-{n}".encode(), 4)] += 1

    assert min(counts) > 800
