"""Consumer groups, seen from outside: who is in one, where it stands, and moving it while nobody is.

Decides: how long a question may take. Leaves to others: why a group is moved.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.kafka.reading import BrokerAway
from connectors.kafka.settings import KafkaSettings

ASK_S_MAX = 20.0
ANSWER_S_MAX = ASK_S_MAX + 5.0
"""For the library's answer to such a question: it has one by then, if only that time is up."""

Place = tuple[str, int]


class Groups:
    """Asks about consumer groups."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connect when the first question is asked."""
        self._servers = settings.servers
        self._admin = AdminClient({**settings.librdkafka(), "log_level": 0})

    def names(self, prefix: str) -> list[str]:
        """Give the groups whose names begin like this."""
        with self._answering():
            listed = self._admin.list_consumer_groups(request_timeout=ASK_S_MAX).result(timeout=ANSWER_S_MAX)
        return sorted(group.group_id for group in listed.valid if group.group_id.startswith(prefix))

    def members(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Give who is in some groups."""
        wanted = list(names)
        if not wanted:
            return {}
        with self._answering():
            asked = self._admin.describe_consumer_groups(wanted, request_timeout=ASK_S_MAX)
            found = {name: answer.result(timeout=ANSWER_S_MAX) for name, answer in asked.items()}
        return {
            name: [str(member.group_instance_id or member.member_id) for member in about.members] for name, about in found.items()
        }

    def committed(self, group: str) -> dict[Place, int]:
        """Give where a group stands."""
        with self._answering():
            asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=ASK_S_MAX)
            found = asked[group].result(timeout=ANSWER_S_MAX)
        return {(place.topic, place.partition): place.offset for place in found.topic_partitions if place.offset >= 0}

    def move(self, group: str, to: Mapping[Place, int]) -> None:
        """Have a group go on elsewhere. Nobody may be in it."""
        if not to:
            return
        places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in to.items()]
        with self._answering():
            asked = self._admin.alter_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, places)], request_timeout=ASK_S_MAX
            )
            asked[group].result(timeout=ANSWER_S_MAX)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Say that the broker is away where it gives no answer."""
        try:
            yield
        except (KafkaException, TimeoutError) as failed:
            why = failed.args[0].str() if isinstance(failed, KafkaException) else f"nothing for {ANSWER_S_MAX:.0f} s"
            raise BrokerAway(f"the broker at {self._servers} does not answer: {why}") from failed
