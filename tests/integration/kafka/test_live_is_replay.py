"""What was decided live, with a worker killed in between, is what a replay of the exported tape decides."""

from pathlib import Path

import pytest

from tests.fleet_kit import Deployed, until

pytestmark = pytest.mark.kafka


def test_the_exported_tape_of_a_run_with_a_crash_replays_to_the_same_decisions(deployment: Deployed, tmp_path: Path) -> None:
    sequencer, desk = deployment.pair()
    with deployment.fed() as feed:
        until(lambda: feed.published > 400, "some are published")
        desk.kill()
        desk.start()
        sequencer.kill()
        sequencer.start()
        deployment.ready(sequencer, desk)
        until(lambda: feed.published > 1_500 and len(deployment.states()) == deployment.partitions, "more is published")
    deployment.rest([sequencer], [desk])
    live = deployment.proven()

    exported = deployment.qts("tape", "export", "--out", str(tmp_path / "live.tape"))
    assert exported.code == 0, exported.said
    assert sum(file["events"] for file in exported.data["files"]) == live.tape_events
    for partition in range(deployment.partitions):
        file = str(tmp_path / f"live-{partition}.tape")
        assert deployment.qts("tape", "verify", file).code == 0
        replayed = deployment.qts("replay", file, "--diff")
        assert (replayed.code, replayed.data.get("identical")) == (0, True), replayed.said
        assert replayed.data["decisions_hash"] == live.decisions_hashes[partition]
        assert replayed.data["recorded_decisions"] == exported.data["files"][partition]["decisions"]
