"""librdkafka's broker in memory, by the C interface of the library that confluent_kafka brings (rdkafka_mock.h).

Decides: how it is set up. The setting `test.mock.num.brokers` would do with less, but neither lets topics have other counts of partitions than 4
nor groups start without waiting three seconds. Leaves to others: the process it lives in (connectors.kafka.embedded).
"""

import ctypes

from confluent_kafka import KafkaException, cimpl
from confluent_kafka.admin import AdminClient

PARTITIONS_MAX = 1_000
"""Every partition takes up to 5 MB: far more than anybody tries out with."""
TOPIC_NAME_MAX = 249
"""As Kafka has it."""
_PRODUCER = 0
_ERROR_BYTES = 512
_TOPIC_EXISTS = 36


class MockFailed(Exception):
    """It could not be set up, or refused a topic."""


class MockCluster:
    """A cluster of one broker, on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        """Start it within this process, in a thread of librdkafka's own. It ends with the process: its destruction waits for every client."""
        # A lookup through confluent_kafka's own module finds the very library it is linked with, wherever that lies.
        self._library = ctypes.CDLL(cimpl.__file__)
        try:
            self._handle, self._cluster = self._new()
            self._library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
            self._library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
            self.servers: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
            self._library.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [ctypes.c_void_p, ctypes.c_int32]
            self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
            self._library.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
        except AttributeError as missing:
            raise MockFailed(f"this build of librdkafka has no such broker: {missing}") from missing

    def wait_until_it_answers(self, timeout_s: float) -> None:
        """Ask it for its topics."""
        try:
            AdminClient({"bootstrap.servers": self.servers, "log_level": 0}).list_topics(timeout=timeout_s)
        except KafkaException as silent:
            raise MockFailed(f"it does not answer: {silent}") from silent

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic."""
        if not (0 < len(topic) <= TOPIC_NAME_MAX and topic.replace(".", "").replace("_", "").replace("-", "").isalnum()):
            raise MockFailed("that is no name for a topic")
        if not 0 < partitions <= PARTITIONS_MAX:
            raise MockFailed(f"a topic has 1 to {PARTITIONS_MAX} partitions")
        error = self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1)
        if error not in (0, _TOPIC_EXISTS):
            raise MockFailed(f"librdkafka refused it with error {error}")

    def _new(self) -> tuple[int, int]:
        """Make the client whose threads serve the cluster, and the cluster. Gives both."""
        library = self._library
        library.rd_kafka_conf_new.restype = ctypes.c_void_p
        library.rd_kafka_new.restype = ctypes.c_void_p
        library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
        library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
        why = ctypes.create_string_buffer(_ERROR_BYTES)
        handle = library.rd_kafka_new(_PRODUCER, library.rd_kafka_conf_new(), why, _ERROR_BYTES)
        if handle is None:
            raise MockFailed(why.value.decode(errors="replace"))
        cluster = library.rd_kafka_mock_cluster_new(handle, 1)
        if cluster is None:
            raise MockFailed("no port of 127.0.0.1 could be had")
        return handle, cluster
