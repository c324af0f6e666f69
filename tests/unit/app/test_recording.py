"""The tape in files: only what was acknowledged, each value once, and whole again after a torn end."""

from pathlib import Path

import pytest

from streams.app.recording import RecordedLog, Recorder, kept
from streams.pipeline.resuming import place_header
from tests.log_kit import Cluster, Producer, Receipt


def test_what_was_acknowledged_is_kept_under_its_offset(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "worker")
    recorder.tape(0, b"first")(None, Receipt(0))
    recorder.tape(0, b"lost")("failed", Receipt(-1))
    recorder.tape(1, b"other")(None, Receipt(7))
    recorder.close()

    assert (kept(tmp_path, "tape", 0), kept(tmp_path, "tape", 1)) == ({0: [b"first"]}, {7: [b"other"]})


def test_what_is_kept_twice_by_two_workers_is_there_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        recorder = Recorder(tmp_path, name)
        recorder.decision(0, 5, b"yes")
        recorder.decision(0, 5, b"no")
        recorder.close()

    assert kept(tmp_path, "decisions", 0) == {5: [b"yes", b"no"]}


@pytest.mark.parametrize("cut", [1, 3, 10, 20])
def test_a_restart_goes_on_behind_the_last_whole_frame(tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture) -> None:
    first = Recorder(tmp_path, "worker")
    for offset in range(3):
        first.tape(0, b"value %d" % offset)(None, Receipt(offset))
    first.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-cut])

    second = Recorder(tmp_path, "worker")
    second.tape(0, b"value 3")(None, Receipt(3))
    second.close()

    assert kept(tmp_path, "tape", 0) == {0: [b"value 0"], 1: [b"value 1"], 3: [b"value 3"]}
    assert "ends within a frame" in caplog.text


def test_decisions_that_go_through_the_log_are_kept_and_nothing_else(tmp_path: Path) -> None:
    cluster, recorder = Cluster(), Recorder(tmp_path, "worker")
    log = RecordedLog(Producer(cluster), recorder)
    for topic in ("decisions", "orders"):
        log.append(topic, 2, b"acc", b"said", place_header(1, 40, 0), lambda *_: None)
    recorder.close()

    assert kept(tmp_path, "decisions", 2) == {40: [b"said"]}
    assert kept(tmp_path, "orders", 2) == {}
