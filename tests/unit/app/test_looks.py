"""Looking at the identity: another epoch, other topics and other partitions are another tape, and only whole answers count as answers."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from connectors.kafka.reading import BrokerAway
from streams.app.looks import KafkaLook
from streams.pipeline.identity import Identity, OtherTape

KNOWN = Identity(3, 4, "tape", {"tape": "id-1", "fills": "id-2"})
SAME = {"tape": ("id-1", 4), "fills": ("id-2", 4)}


class Cluster:
    """What a cluster tells of itself."""

    def __init__(self, identity: Identity = KNOWN) -> None:
        self.epoch_now: int | None = 3
        self.found: Mapping[str, tuple[str, int]] | None = SAME
        no_reader: Any = None  # looking at the identity reads no records
        self.look = KafkaLook(no_reader, identity, self.topics, lambda: self.epoch_now)

    def topics(self, names: Iterable[str]) -> Mapping[str, tuple[str, int]]:
        assert list(names) == ["tape", "fills"]
        if self.found is None:
            raise BrokerAway("away")
        return self.found


def test_the_same_tape_is_let_pass_and_each_answer_counts() -> None:
    cluster = Cluster()
    for times in range(1, 4):
        cluster.look.check_identity()
        assert cluster.look.answers == times


def test_silence_is_no_answer() -> None:
    cluster = Cluster()
    cluster.found = None
    with pytest.raises(BrokerAway):
        cluster.look.check_identity()

    assert cluster.look.answers == 0


def test_another_epoch_ends_this_worker() -> None:
    cluster = Cluster()
    cluster.epoch_now = 4

    with pytest.raises(OtherTape, match="epoch 4, this worker began in epoch 3"):
        cluster.look.check_identity()


def test_a_topic_that_was_given_more_partitions_is_named_with_both_counts() -> None:
    cluster = Cluster()
    cluster.found = {**SAME, "fills": ("id-2", 5)}

    with pytest.raises(OtherTape, match=r"topic fills has 5 partitions, and epoch 3 of the tape was begun with 4: .*new-epoch"):
        cluster.look.check_identity()


def test_a_broker_without_topic_ids_is_not_asked() -> None:
    cluster = Cluster(Identity(1, 4, "tape", {}))
    cluster.found = cluster.epoch_now = None
    cluster.look.check_identity()

    assert cluster.look.answers == 0
