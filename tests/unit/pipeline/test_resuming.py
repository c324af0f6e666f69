"""Coming back: only on the tape the snapshot was taken from, only in its own reign, and otherwise with words that say what is wrong."""

import pytest

from streams.desk.desk import WrongReign
from streams.desk.messages import Control, TapeEvent, VersionChange
from streams.desk.state import DESK_VERSION, new_state
from streams.pipeline import resuming
from streams.pipeline.resuming import ReignEnded, TapeBroken, place_header, place_in, tape_hash
from streams.pipeline.snapshots import SnapshotWriter
from streams.pipeline.stored_snapshots import Place, cut
from streams.pipeline.write_pipeline import CHANGELOG, ReignOver
from tests.log_kit import Cluster, Eager
from tests.pipeline_kit import CODEC, Desk, cluster_with, generated_tape, resumed

TAPE = generated_tape(5, 300)


def lived() -> Cluster:
    """Give a cluster on which a desk has stepped a tape to its end and left."""
    cluster = cluster_with(TAPE)
    Desk(cluster, Eager(cluster)).finish()
    return cluster


def test_it_goes_on_after_the_newest_snapshot() -> None:
    back = resumed(lived())

    assert (back.next_offset, back.state.offset, back.passed_over) == (300, 299, ())


def test_with_nothing_to_come_back_to_it_begins_at_the_start() -> None:
    back = resumed(cluster_with(TAPE))

    assert (back.next_offset, back.state.accounts, dict(back.sent)) == (0, {}, {})


def test_a_tape_that_begins_later_than_its_epoch_needs_a_snapshot() -> None:
    cluster = cluster_with(TAPE)
    cluster.cut("tape", 0, 5)

    with pytest.raises(TapeBroken, match="begins at offset 5, and there is no snapshot"):
        resumed(cluster)


def test_a_tape_that_is_cut_behind_the_snapshot_is_no_matter() -> None:
    cluster = lived()
    cluster.cut("tape", 0, 299)

    assert resumed(cluster).next_offset == 300


def test_a_tape_that_begins_after_the_snapshot_has_lost_what_lies_between() -> None:
    cluster = lived()
    cluster.cut("tape", 0, 300)

    with pytest.raises(TapeBroken, match="begins at offset 300, the snapshot stands at 299"):
        resumed(cluster)


def test_a_tape_made_anew_ends_before_the_snapshot() -> None:
    cluster = lived()
    del cluster.logs["tape", 0], cluster.ends["tape", 0]

    with pytest.raises(TapeBroken, match="this is another tape"):
        resumed(cluster)


def test_another_record_where_the_snapshot_stands_is_another_tape() -> None:
    cluster = lived()
    cluster.logs["tape", 0][299] = cluster.logs["tape", 0][299]._replace(value=TAPE[0])

    with pytest.raises(TapeBroken, match="has another record at offset 299"):
        resumed(cluster)


def test_no_record_where_the_snapshot_stands_is_another_tape() -> None:
    cluster = lived()
    cluster.put("tape", 0, b"acc", TAPE[0])
    del cluster.logs["tape", 0][299]

    with pytest.raises(TapeBroken, match="has no record at offset 299"):
        resumed(cluster)


def test_outputs_of_offsets_the_tape_does_not_have_are_of_another_tape() -> None:
    cluster = lived()
    del cluster.logs[CHANGELOG, 0]
    cluster.logs["tape", 0] = cluster.logs["tape", 0][:100]
    cluster.ends["tape", 0] = 100

    with pytest.raises(TapeBroken, match=r"ends before offset 100, .* what was made at"):
        resumed(cluster)


def test_a_snapshot_of_another_number_of_partitions_is_refused() -> None:
    with pytest.raises(TapeBroken, match="the snapshot is of 1 partitions, the tape has 4"):
        resumed(lived(), partitions=4)


def test_a_later_epoch_begins_with_a_snapshot_or_not_at_all() -> None:
    with pytest.raises(TapeBroken, match="no whole snapshot of epoch 2"):
        resumed(lived(), epoch=2)


def damaged(cluster: Cluster, newest: int) -> None:
    """Damage so many of the newest snapshots: a byte of each is another one."""
    table = cluster.table(CHANGELOG, 0)
    for key in sorted(table, key=lambda key: int(key.split(b"/")[2]))[-newest:]:
        value = bytearray(table[key])
        value[len(value) // 2] ^= 1
        cluster.put(CHANGELOG, 0, key, bytes(value))


def test_a_damaged_snapshot_gives_way_to_the_one_before() -> None:
    cluster = lived()
    damaged(cluster, 1)

    back = resumed(cluster)

    assert 0 < back.next_offset < 300
    assert len(back.passed_over) == 1
    assert "0" in back.passed_over[0]


def test_with_all_snapshots_damaged_it_begins_at_the_start_where_there_still_is_one() -> None:
    cluster = lived()
    damaged(cluster, 3)

    back = resumed(cluster)
    assert (back.next_offset, len(back.passed_over)) == (0, 3)
    cluster.cut("tape", 0, 1)
    with pytest.raises(TapeBroken, match="there is no snapshot"):
        resumed(cluster)


def test_an_epoch_that_begins_with_a_snapshot_begins_at_offset_0() -> None:
    cluster = cluster_with(TAPE)
    for chunk in cut(0, Place(1, -1), SnapshotWriter(CODEC).write(new_state(1, 0, 1))):
        cluster.put(CHANGELOG, 0, *chunk)
    assert resumed(cluster).next_offset == 0

    cluster.cut("tape", 0, 1)
    with pytest.raises(TapeBroken, match="begins at offset 1, the epoch at 0"):
        resumed(cluster)


def version_change(version: str, offset: int) -> bytes:
    event = CODEC.decode_event(TAPE[-1], offset)
    body = Control("c-version", "*", "operator", "upgrade", event.stamp_ms, VersionChange(version))
    return CODEC.encode_event(TapeEvent(offset, event.stamp_ms, "control", 9, 1, body))


def handed_over(to: str) -> Cluster:
    """Give a cluster on which the tape names another version in the middle, stepped by this one as far as it may."""
    cluster = cluster_with([*TAPE[:150], version_change(to, 150), *TAPE[150:]])
    desk = Desk(cluster, Eager(cluster))
    with pytest.raises(ReignOver, match=f"desk version {to} at offset 151"):
        desk.finish()
    return cluster


def test_the_last_snapshot_of_a_reign_carries_the_next_and_nothing_after_it_is_answered() -> None:
    cluster = handed_over("2")

    assert max(cluster.sent(0, 1).values())[0] <= 150
    assert cluster.committed.get(("tape", 0), 0) <= 151
    with pytest.raises(ReignEnded, match="from offset 151 on is for desk version 2"):
        resumed(cluster)


def test_the_next_version_takes_the_reign_up_at_the_offset_after(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = handed_over("2")
    monkeypatch.setattr(resuming, "DESK_VERSION", "2")
    monkeypatch.setattr("streams.desk.desk.DESK_VERSION", "2")

    back = resumed(cluster)

    assert (back.next_offset, back.state.version, back.state.next_version) == (151, "2", "")


def test_a_partition_that_a_later_version_has_taken_up_is_over_for_this_one() -> None:
    cluster = cluster_with(TAPE)
    state = new_state(1, 0, 1)
    state.version, state.offset = "2", 299
    for chunk in cut(0, Place(1, 299), SnapshotWriter(CODEC).write(state, tape_hash(TAPE[299]))):
        cluster.put(CHANGELOG, 0, *chunk)

    with pytest.raises(ReignEnded, match="is for desk version 2, this is 1"):
        resumed(cluster)


def test_an_older_reign_is_refused_by_the_next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = lived()
    monkeypatch.setattr(resuming, "DESK_VERSION", "2")

    with pytest.raises(WrongReign, match=f"from offset 300 on is for desk version {DESK_VERSION}, this is 2") as refused:
        resumed(cluster)
    assert not isinstance(refused.value, ReignEnded)


def test_a_place_is_read_back_and_what_is_none_of_ours_is_none() -> None:
    assert place_in(place_header(3, 7, 2), 3) == (7, 2)
    assert place_in(place_header(3, 7, 2), 4) is None
    for headers in (
        None,
        [],
        [("other", b"3/7/2")],
        [("qts-place", b"3/7")],
        [("qts-place", b"\xff/x/y")],
        [("qts-place", None)],
    ):
        assert place_in(headers, 3) is None


def test_a_tape_record_is_named_by_its_bytes() -> None:
    assert tape_hash(TAPE[0]) == tape_hash(bytes(TAPE[0])) != tape_hash(TAPE[1])


def test_without_a_snapshot_only_the_version_that_began_the_tape_may_begin() -> None:
    with pytest.raises(WrongReign):
        resuming.resume(1, 0, 1, [], CODEC, Cluster().tape(0), {}, begun_by="0")
