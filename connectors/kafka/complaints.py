"""Why a broker does not answer, as far as librdkafka knows.

Decides: that a refused login and a certificate nobody trusts are told as such. librdkafka's calls only time out on them, because it tries again for
ever; the reason comes by another way. Leaves to others: asking.
"""

import math
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException

from connectors.kafka.reading import BrokerAway, ReadRefused
from connectors.kafka.settings import KafkaSettings

SLICE_S = 1.0
"""A question that a refusal will never let be answered is given up within this, not after its whole time."""


class Client(Protocol):
    """A client of librdkafka."""

    def poll(self, timeout: float, /) -> Any:
        """Hand over what it has to say."""

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Ask for the cluster's brokers and topics."""


class Complaints:
    """Remembers the last refusal a client told of. Give it to the client as `error_cb`."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Listen to a client with these settings."""
        self._settings = settings
        self._refusal: str | None = None

    def __call__(self, error: KafkaError) -> None:
        """Hear what the client has to say."""
        servers, user = self._settings.servers, self._settings.username
        words = " ".join(error.str().split())
        if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001 - its public name for it
            self._refusal = f"the broker at {servers} refuses the login of {user} (QTS_KAFKA_USERNAME and its password): {words}"
        elif error.code() == KafkaError._SSL:  # noqa: SLF001 - see above
            self._refusal = f"no TLS with the broker at {servers} (QTS_KAFKA_SECURITY, QTS_KAFKA_CA_FILE): {words}"

    def metadata(self, client: Client, topic: str | None, timeout_s: float) -> Any:
        """Ask for the cluster's brokers and topics. Raises BrokerAway, and ReadRefused as soon as a refusal is known."""
        slices = max(1, math.ceil(timeout_s / SLICE_S))
        for left in reversed(range(slices)):
            try:
                return client.list_topics(topic, SLICE_S)
            except KafkaException as failed:
                told = self.failure(failed, client)
                if left == 0 or isinstance(told, ReadRefused):
                    raise told from failed
        raise AssertionError("a question has at least one slice")

    def failure(self, failed: KafkaException, client: Client) -> BrokerAway | ReadRefused:
        """Say why a call of the client's failed."""
        client.poll(0)
        if self._refusal is not None:
            return ReadRefused(self._refusal)
        return BrokerAway(f"the broker at {self._settings.servers} does not answer: {failed.args[0].str()}")
