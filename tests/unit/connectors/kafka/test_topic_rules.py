"""What a topic has to be like: every deviation is told, nothing else is."""

import pytest

from connectors.kafka.topic_rules import (
    FoundTopic,
    WantedTopic,
    default_replication,
    deviations,
    holds_money,
    replication_problem,
    with_copies,
)

TAPE = WantedTopic("tape", 4, {"cleanup.policy": "delete", "retention.ms": "1000", "max.message.bytes": "2000"})


def as_wanted(brokers: int, **other: str) -> FoundTopic:
    """Give the tape as it should be, with some settings that are otherwise."""
    settings = {**with_copies(TAPE, brokers).settings, **{name.replace("_", "."): value for name, value in other.items()}}
    return FoundTopic("tape", "an-id", 4, default_replication(brokers), settings)


def told(found: FoundTopic | None, brokers: int = 3) -> list[str]:
    return deviations((TAPE,), {} if found is None else {"tape": found}, brokers, default_replication(brokers))


@pytest.mark.parametrize("brokers", [1, 2, 3, 5])
def test_a_topic_as_it_should_be_is_good(brokers: int) -> None:
    assert told(as_wanted(brokers), brokers) == []


def test_three_brokers_hold_money_and_fewer_do_not() -> None:
    assert [holds_money(brokers) for brokers in (1, 2, 3)] == [False, False, True]
    assert [default_replication(brokers) for brokers in (1, 2, 3, 9)] == [1, 1, 3, 3]


def test_a_missing_topic_is_told() -> None:
    assert told(None) == ["tape: missing"]


def test_other_partitions_are_told() -> None:
    assert told(as_wanted(3)._replace(partitions=5)) == ["tape: 5 partitions instead of 4"]


def test_too_few_copies_are_told_and_more_are_good() -> None:
    assert told(as_wanted(3)._replace(replication=2)) == ["tape: replication 2 instead of 3"]
    assert told(as_wanted(5)._replace(replication=5), 5) == []


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("cleanup.policy", "compact", "delete"),
        ("cleanup.policy", "compact,delete", "delete"),
        ("min.insync.replicas", "1", "3"),
        ("unclean.leader.election.enable", "true", "false"),
        ("retention.ms", "999", "-1"),
        ("max.message.bytes", "1999", "2001"),
    ],
)
def test_a_setting_that_deviates_is_told(name: str, bad: str, good: str) -> None:
    wanted = with_copies(TAPE, 3).settings[name]

    assert told(as_wanted(3, **{name: bad})) == [f"tape: {name}={bad} instead of {wanted}"]
    assert told(as_wanted(3, **{name: good})) == []


def test_a_setting_that_is_unknown_is_told() -> None:
    found = as_wanted(3)
    settings = {name: value for name, value in found.settings.items() if name != "min.insync.replicas"}

    assert told(found._replace(settings=settings)) == ["tape: min.insync.replicas=(unknown) instead of 2"]


def test_copies_that_may_not_be_asked_for_are_refused() -> None:
    assert replication_problem(1, 1) is None
    assert replication_problem(3, 3) is None
    assert "there are 1" in (replication_problem(3, 1) or "")
    assert "may hold money" in (replication_problem(2, 3) or "")
