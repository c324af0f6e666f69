"""What the cluster itself has to tell: its brokers, its topics with their ids, copies and settings; and topics made on it.

Decides: how long a question may take, and how the absence of an answer reads. Leaves to others: which topics there should be and what is wrong
with those found (connectors.kafka.topic_rules).
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # they are public, and the module has no __all__
    AdminClient,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from connectors.kafka.complaints import Complaints
from connectors.kafka.reading import AWAY_S
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.topic_rules import FoundTopic, NewTopics

ASK_S_MAX = 30.0
"""For questions to a broker that has answered before: it may be busy with a change of leaders, which takes some seconds."""
ANSWER_S_MAX = ASK_S_MAX + 5.0
"""For the library's answer to such a question: it has one by then, if only that time is up. Waiting as long as it does would be a race."""
_LOOK_S, _LOOKS_MAX = 0.1, 100
"""Brokers hear of a new topic within milliseconds; ten seconds and more are given to loaded ones."""

Answered = TypeVar("Answered")
Connect = Callable[[dict[str, Any]], Any]
"""Makes a client of librdkafka's from its settings."""


class TopicRefused(Exception):
    """The cluster would not make a topic; the message says which and why, in one line."""


class TopicNow(NamedTuple):
    """A topic as it is in this moment."""

    topic_id: str
    partitions: int


class TopicLook:
    """Looks at topics, again and again through one client."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connect when the first look is taken."""
        self._asking = _Asking(settings, AdminClient)

    def topics(self, names: Iterable[str]) -> dict[str, TopicNow]:
        """Give those of these topics that are there. Raises BrokerAway."""
        self._asking.brokers()  # tells who is away or refuses, sooner than a question about topics would
        self._asking.admin.poll(0)  # what it has to say of connections that came and went would pile up
        described = self._asking.described(list(names))
        return {name: TopicNow(str(found.topic_id), len(found.partitions)) for name, found in described.items()}


class Cluster:
    """A cluster that is asked, and on which topics are made."""

    def __init__(self, settings: KafkaSettings, connect: Connect = AdminClient) -> None:
        """Connect. Raises BrokerAway where nobody answers, and ReadRefused where nobody lets us in."""
        self._asking = _Asking(settings, connect)
        self._admin = self._asking.admin
        self._made: set[str] = set()
        self.brokers = self._asking.brokers()

    def topics(self, names: Iterable[str]) -> dict[str, FoundTopic]:
        """Look at those of these topics that are there. Raises BrokerAway.

        Those that were made here are looked for until they are shown with their settings: whichever broker answers, it may not have heard of them
        yet. Raises TopicRefused where they never are.
        """
        asked = list(names)
        made = self._made.intersection(asked)
        found = self._found(asked)
        for _ in range(_LOOKS_MAX):
            if made <= found.keys():
                return found
            self._admin.poll(_LOOK_S)
            found = self._found(asked)
        raise TopicRefused(f"topics were made, and the broker does not show them: {', '.join(sorted(made - found.keys()))}")

    def _found(self, names: list[str]) -> dict[str, FoundTopic]:
        described = self._asking.described(names)
        if not described:
            return {}
        asked = {ConfigResource(ResourceType.TOPIC, name): name for name in described}
        values = self._asking.known(self._admin.describe_configs(list(asked), request_timeout=ASK_S_MAX))
        settings = {asked[key]: {name: str(entry.value) for name, entry in found.items()} for key, found in values.items()}
        return {
            name: FoundTopic(
                name,
                str(found.topic_id),
                len(found.partitions),
                min((len(partition.replicas) for partition in found.partitions), default=0),
                settings[name],
            )
            for name, found in described.items()
            if name in settings
        }

    def records(self, found: Iterable[FoundTopic]) -> dict[str, int]:
        """Give by topic how many offsets have ever been given out on it."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        spec = {TopicPartition(topic.name, partition): latest for topic in found for partition in range(topic.partitions)}
        counts = {place.topic: 0 for place in spec}
        if spec:
            for place, end in self._asking.results(self._admin.list_offsets(spec, request_timeout=ASK_S_MAX)).items():
                counts[place.topic] += int(end.offset)
        return counts

    def create(self, wanted: NewTopics) -> None:
        """Make topics and wait until the cluster shows them. One that somebody else has just made is fine. Raises TopicRefused."""
        if not wanted.topics:
            return
        new = [NewTopic(topic.name, topic.partitions, wanted.replication, config=dict(topic.settings)) for topic in wanted.topics]
        made = self._admin.create_topics(new, operation_timeout=ASK_S_MAX, request_timeout=ASK_S_MAX)
        for name, outcome in made.items():
            try:
                self._asking.answer(outcome)
            except KafkaException as failed:
                error = failed.args[0]
                if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise TopicRefused(f"topic {name} could not be made: {error.str()}") from failed
        self._made |= made.keys()
        self.topics(made)


class _Asking:
    """Questions, and what it means when they are not answered."""

    def __init__(self, settings: KafkaSettings, connect: Connect) -> None:
        """Connect when the first is asked."""
        self._complaints = Complaints(settings)
        options: Any = {"log_level": 0, "reconnect.backoff.max.ms": 500, "error_cb": self._complaints}
        self.admin = connect({**settings.librdkafka(), **options})

    def brokers(self) -> int:
        return len(self._complaints.metadata(self.admin, None, AWAY_S).brokers)

    def described(self, names: list[str]) -> dict[str, Any]:
        """Describe those of these topics that the broker which answers knows."""
        return self.known(self.admin.describe_topics(TopicCollection(names), request_timeout=AWAY_S)) if names else {}

    def known(self, answers: Mapping[Any, "Future[Any]"]) -> dict[Any, Any]:
        """Wait for answers about topics; those of which the broker knows nothing are left out."""
        found = {}
        for asked, answer in answers.items():
            try:
                found[asked] = self.answer(answer)
            except KafkaException as failed:
                if failed.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self._complaints.failure(failed, self.admin) from failed
        return found

    def results(self, answers: Mapping[Any, "Future[Any]"]) -> dict[Any, Any]:
        try:
            return {asked: self.answer(answer) for asked, answer in answers.items()}
        except KafkaException as failed:
            raise self._complaints.failure(failed, self.admin) from failed

    def answer(self, answer: "Future[Answered]") -> Answered:
        """Wait for one answer. None at all, not even that time is up, is a broker that is away as well."""
        try:
            return answer.result(timeout=ANSWER_S_MAX)
        except TimeoutError as silent:
            late = KafkaError(KafkaError._TIMED_OUT, f"nothing for {ANSWER_S_MAX:.0f} s")  # noqa: SLF001 - its public name for it
            raise self._complaints.failure(KafkaException(late), self.admin) from silent
