"""Questions to a cluster: silence is a broker that is away, and topics made here are looked for, whichever broker answers."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.cimpl import NewTopic

from connectors.kafka.admin import Cluster, TopicRefused
from connectors.kafka.reading import BrokerAway
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.topic_rules import NewTopics, WantedTopic

TAPE, FILLS = WantedTopic("tape", 4, {"retention.ms": "-1"}), WantedTopic("fills", 4, {"retention.ms": "5"})
NEVER = 10**9


class Brokers:
    """A cluster that answers through the next of its brokers each time; each hears of a new topic after so many waits of whoever asks."""

    def __init__(self, *hear_after: int) -> None:
        self._hear_after, self._asked, self._waits = hear_after, 0, 0
        self._topics: dict[str, tuple[NewTopic, int]] = {}
        self.silent: set[str] = set()
        """Questions that get no answer at all."""
        self.fails: KafkaError | None = None

    def cluster(self) -> Cluster:
        return Cluster(KafkaSettings("127.0.0.1:9"), lambda _settings: self)

    def poll(self, _timeout: float = 0) -> None:
        self._waits += 1

    def list_topics(self, _topic: str | None = None, _timeout: float = -1) -> Any:
        return SimpleNamespace(brokers=dict.fromkeys(range(len(self._hear_after))))

    def create_topics(self, new: list[NewTopic], **_: float) -> dict[str, "Future[None]"]:
        return {topic.topic: self._answer("create_topics", partial(self._create, topic)) for topic in new}

    def _create(self, topic: NewTopic) -> None:
        if topic.topic in self._topics:
            raise KafkaException(KafkaError(KafkaError.TOPIC_ALREADY_EXISTS))
        self._topics[topic.topic] = topic, self._waits

    def describe_topics(self, topics: TopicCollection, **_: float) -> dict[str, "Future[Any]"]:
        heard = self._heard()
        return {name: self._answer("describe_topics", partial(_described, heard, name)) for name in topics.topic_names}

    def describe_configs(self, resources: Iterable[Any], **_: float) -> dict[Any, "Future[Any]"]:
        heard = self._heard()
        return {one: self._answer("describe_configs", partial(_settings, heard, one.name)) for one in resources}

    def list_offsets(self, places: dict[Any, Any], **_: float) -> dict[Any, "Future[Any]"]:
        return {place: self._answer("list_offsets", lambda: SimpleNamespace(offset=1)) for place in places}

    def _heard(self) -> dict[str, NewTopic]:
        """Give what the broker knows that answers this time."""
        late = self._hear_after[self._asked % len(self._hear_after)]
        self._asked += 1
        return {name: topic for name, (topic, made_at) in self._topics.items() if self._waits - made_at >= late}

    def _answer(self, question: str, answer: Callable[[], Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        if self.fails is not None:
            future.set_exception(KafkaException(self.fails))
        elif question not in self.silent:
            try:
                future.set_result(answer())
            except KafkaException as unknown:
                future.set_exception(unknown)
        return future


def _described(heard: dict[str, NewTopic], name: str) -> Any:
    topic = _known(heard, name)
    partitions = [SimpleNamespace(replicas=[1] * topic.replication_factor)] * topic.num_partitions
    return SimpleNamespace(topic_id=f"id-of-{name}", partitions=partitions)


def _settings(heard: dict[str, NewTopic], name: str) -> Any:
    return {key: SimpleNamespace(value=value) for key, value in (_known(heard, name).config or {}).items()}


def _known(heard: dict[str, NewTopic], name: str) -> NewTopic:
    if name not in heard:
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    return heard[name]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no answer that is not there."""
    monkeypatch.setattr("connectors.kafka.admin.ANSWER_S_MAX", 0.0)


def test_what_was_made_is_shown_as_it_was_wanted() -> None:
    cluster = Brokers(0).cluster()
    cluster.create(NewTopics((TAPE, FILLS), 1))

    found = cluster.topics(["tape", "fills", "orders"])
    assert sorted(found) == ["fills", "tape"]
    assert found["tape"] == ("tape", "id-of-tape", 4, 1, {"retention.ms": "-1"})


@pytest.mark.parametrize("hear_after", [(0, 7), (7, 0), (0, 3, 9), (2, 2), (0, 0, 0, 25)])
def test_topics_made_here_are_looked_for_until_the_broker_that_answers_has_heard_of_them(hear_after: tuple[int, ...]) -> None:
    cluster = Brokers(*hear_after).cluster()
    cluster.create(NewTopics((TAPE,), 1))
    cluster.create(NewTopics((FILLS,), 1))

    for _ in range(20):
        assert sorted(cluster.topics(["tape", "fills", "orders"])) == ["fills", "tape"]


def test_topics_that_nobody_made_here_are_not_waited_for() -> None:
    brokers = Brokers(0)
    assert brokers.cluster().topics(["tape"]) == {}
    assert brokers.cluster().topics([]) == {}


def test_topics_that_were_made_and_never_show_are_named() -> None:
    with pytest.raises(TopicRefused, match="topics were made, and the broker does not show them: fills, tape"):
        Brokers(NEVER).cluster().create(NewTopics((TAPE, FILLS), 1))


def test_one_that_somebody_else_has_just_made_is_fine() -> None:
    brokers = Brokers(0)
    for _ in range(2):
        brokers.cluster().create(NewTopics((TAPE,), 1))

    assert sorted(brokers.cluster().topics(["tape"])) == ["tape"]


def test_any_other_refusal_is_told() -> None:
    brokers = Brokers(0)
    cluster = brokers.cluster()
    brokers.fails = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "you may not")

    with pytest.raises(TopicRefused, match="topic tape could not be made: you may not"):
        cluster.create(NewTopics((TAPE,), 1))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("question", ["create_topics", "describe_topics", "describe_configs", "list_offsets"])
def test_a_question_without_any_answer_is_a_broker_that_is_away(question: str) -> None:
    brokers = Brokers(0)
    brokers.silent = {question}
    cluster = brokers.cluster()

    def everything() -> None:
        cluster.create(NewTopics((TAPE,), 1))
        cluster.records(cluster.topics(["tape"]).values())

    with pytest.raises(BrokerAway, match=r"the broker at .* does not answer: nothing for"):
        everything()


def test_any_other_failure_than_an_unknown_topic_is_a_broker_that_is_away() -> None:
    brokers = Brokers(0)
    cluster = brokers.cluster()
    brokers.fails = KafkaError(KafkaError.NOT_CONTROLLER, "somebody else is")

    with pytest.raises(BrokerAway, match="somebody else is"):
        cluster.topics(["tape"])
