"""Each row of `./qts bench kafka`, run small on real Kafka: structure and sanity. No figure is asserted: they are of a machine at a moment."""

import json
from pathlib import Path

import pytest

from streams.bench.peers import PeerMissing, peer_python
from streams.cli.main import main
from streams.cli.output import OK

pytestmark = pytest.mark.kafka

SMALL = ("--rounds", "1", "--accounts", "40", "--fills", "2000", "--events", "2000", "--records", "2000", "--seconds", "2")


def rows(capsys: pytest.CaptureFixture[str], part: str) -> dict[str, dict[str, object]]:
    """Run one part, and give its rows by name."""
    assert main(["bench", "kafka", "--only", part, *SMALL, "--json"]) == OK
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    for row in answer["rows"]:
        assert set(row) == {"name", "figure", "unit", "ratio"}
        assert row["figure"] > 0
    return {row["name"]: row for row in answer["rows"]}


@pytest.fixture
def peer() -> Path:
    """Give the peer's Python, or skip: it is installed only by who asks for it."""
    try:
        return peer_python()
    except PeerMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.usefixtures("kafka", "peer")
def test_the_write_pipeline_and_its_peer_both_get_through_the_same_fills(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "write")

    ours, theirs = found["write pipeline beside Quix Streams, simple work"], found["Quix Streams, simple work"]
    assert ours["ratio"] == pytest.approx(float(str(ours["figure"])) / float(str(theirs["figure"])))


@pytest.mark.usefixtures("kafka", "peer")
def test_the_desk_worker_and_its_peer_both_get_through_the_same_tape(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "desk")

    assert set(found) == {"desk worker beside Quix Streams, the same step", "Quix Streams, the same step"}


@pytest.mark.usefixtures("kafka")
def test_signals_become_orders_under_load_and_again_after_kill_9(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "live")

    p50, p99 = (float(str(found[f"signal to order, {name}, at 1,000 tape events/s"]["figure"])) for name in ("p50", "p99"))
    assert p50 <= p99
    assert found["kill -9 of the only desk worker to its next order"]["unit"] == "s"


@pytest.mark.usefixtures("kafka")
def test_the_memory_of_a_desk_is_more_than_an_interpreters_and_less_than_the_watchdogs_bound(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (row,) = rows(capsys, "memory").values()

    assert 20 < float(str(row["figure"])) < 1_000


@pytest.mark.usefixtures("kafka")
def test_the_publisher_and_bare_librdkafka_get_the_same_records_acknowledged(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "publisher")

    told = {name for name, row in found.items() if row["ratio"] is not None}
    assert told == {"publisher, acknowledged", "publisher, acknowledged, publish_all", "draining the spool"}
