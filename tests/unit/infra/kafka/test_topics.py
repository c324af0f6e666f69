"""The catalogue of topics: everything the flow names, each once, large enough for what is on it."""

from connectors.kafka.identity import TOPIC as IDENTITY
from infra.kafka.topics import MADE_BY_THE_TAPE, catalogue
from streams.flow import ASIDE, INPUTS, OUTPUTS, TAPE
from streams.pipeline.execution.ledger import CHANGELOG as LEDGER
from streams.pipeline.views import CHANGELOGS
from streams.pipeline.write_pipeline import CHANGELOG

MIB = 1024 * 1024


def test_every_topic_of_the_flow_and_every_changelog_is_there_once() -> None:
    names = [topic.name for topic in catalogue()]

    flow = {topic.name for topic in (*INPUTS, TAPE, *OUTPUTS, *ASIDE)}
    assert sorted(names) == sorted({*flow, CHANGELOG, LEDGER, *CHANGELOGS.values(), IDENTITY})
    assert set(MADE_BY_THE_TAPE) <= set(names)
    assert not set(MADE_BY_THE_TAPE) & {topic.name for topic in INPUTS}


def test_all_have_one_count_of_partitions_but_the_identity() -> None:
    assert {topic.partitions for topic in catalogue(6) if topic.name != IDENTITY} == {6}
    assert {topic.partitions for topic in catalogue(6) if topic.name == IDENTITY} == {1}


def test_cleanup_is_the_flows() -> None:
    cleanup = {topic.name: topic.settings["cleanup.policy"] for topic in catalogue()}

    assert {name: cleanup[name] for name in ("signals", "tape", "control")} == dict.fromkeys(
        ("signals", "tape", "control"), "delete"
    )
    assert {topic.name for topic in (*INPUTS, *OUTPUTS) if topic.cleanup == "compact"} == {"instruments", "portfolio"}
    assert {name for name, found in cleanup.items() if found == "compact"} == {
        "instruments", "portfolio", CHANGELOG, LEDGER, *CHANGELOGS.values(), IDENTITY
    }  # fmt: skip


def test_the_tape_carries_the_largest_input_with_where_it_came_from() -> None:
    size = {topic.name: int(topic.settings["max.message.bytes"]) for topic in catalogue()}

    for topic in INPUTS:
        assert MIB <= size[topic.name] < size[TAPE.name]
    assert min(size[TAPE.name], size["dead-letters"], size["decisions"], size[CHANGELOG]) == 2 * MIB


def test_what_is_deleted_says_when_and_a_compacted_topic_never_loses_its_newest() -> None:
    for topic in catalogue():
        deleted = topic.settings["cleanup.policy"] == "delete"
        assert ("retention.ms" in topic.settings) == deleted, topic.name
    kept = {topic.name: int(topic.settings["retention.ms"]) for topic in catalogue() if "retention.ms" in topic.settings}
    assert min(kept["control"], kept["decisions"]) > 365 * 24 * 3_600_000
    assert kept["tape"] >= kept["signals"] > kept["marks"]


def test_old_snapshots_soon_give_way() -> None:
    (desk,) = (topic.settings for topic in catalogue() if topic.name == CHANGELOG)

    assert (desk["segment.ms"], desk["segment.bytes"], desk["min.cleanable.dirty.ratio"]) == ("60000", str(16 * MIB), "0.1")


def test_what_was_deleted_of_the_ledger_can_be_seen_by_whoever_reads_it_slowly() -> None:
    (ledger,) = (topic.settings for topic in catalogue() if topic.name == LEDGER)

    assert ledger["cleanup.policy"] == "compact"
    assert int(ledger["delete.retention.ms"]) >= 24 * 3_600_000
