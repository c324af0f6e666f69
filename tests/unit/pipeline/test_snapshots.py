"""Snapshots: written record by record, believed only when whole, and only encoded again where something changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import Codec, Undecodable
from schemas.registry import BundledRegistry
from streams.desk.desk import step
from streams.desk.messages import Enable
from streams.desk.state import State, new_state
from streams.pipeline.snapshots import ACCOUNT, SNAPSHOT, BadSnapshot, SnapshotWriter, read_snapshot
from streams.replay.generate import generate
from tests.desk_kit import Rig
from tests.tape_kit import events_of, small_tape


class Counting:
    """A codec that counts what it encodes."""

    def __init__(self) -> None:
        self.codec = Codec(BundledRegistry())
        self.accounts = 0

    def encode_record(self, name: str, record: Any) -> bytes:
        self.accounts += record["body"][0] == ACCOUNT
        return self.codec.encode_record(name, record)

    def decode_record(self, name: str, raw: bytes) -> dict[str, Any]:
        return self.codec.decode_record(name, raw)


@pytest.fixture
def codec() -> Counting:
    return Counting()


def lived() -> State:
    """Give a state with everything in it: positions, orders, queues, a tripped stop."""
    state = new_state(1, 0)
    for event, outcome in generate(3, 3_000, 6, 5):
        state, _ = outcome.state, event
    return state


def test_a_state_read_back_is_the_state_that_was_written(codec: Counting) -> None:
    state = lived()
    records = SnapshotWriter(codec).write(state, "tape-hash")

    back, marker = read_snapshot(codec, records)

    assert (marker.offset, marker.tape_hash) == (state.offset, "tape-hash")
    assert SnapshotWriter(codec).state_hash(back) == SnapshotWriter(codec).state_hash(state) == marker.state_hash
    assert SnapshotWriter(codec).write(back, "tape-hash") == records


def test_a_state_read_back_steps_to_the_same_hash(codec: Counting, tmp_path: Path) -> None:
    events = list(events_of(small_tape(tmp_path / "a.tape", seed=4, events=2_000)))
    live, half = new_state(1, 0), len(events) // 2
    for event in events[:half]:
        step(live, event)
    restored, _ = read_snapshot(codec, SnapshotWriter(codec).write(live))

    for event in events[half:]:
        assert step(restored, event).outputs == step(live, event).outputs
    assert SnapshotWriter(codec).state_hash(restored) == SnapshotWriter(codec).state_hash(live)


def test_only_what_changed_is_encoded_again(codec: Counting) -> None:
    rig = Rig().ready("alice", "bob", "carol")
    writer = SnapshotWriter(codec)
    first = writer.write(rig.state)
    assert codec.accounts == 3

    rig.command("bob", Enable())
    second = writer.write(rig.state)

    assert codec.accounts == 4
    assert [one == other for one, other in zip(first, second, strict=True)] == [True, True, False, True, False]


def test_what_is_reused_is_what_a_fresh_writer_writes(codec: Counting) -> None:
    writer, state = SnapshotWriter(codec), new_state(1, 0)
    for count, (_, outcome) in enumerate(generate(5, 2_500, 8, 5)):
        state = outcome.state
        if count % 250 == 0:
            assert writer.write(state) == SnapshotWriter(codec).write(state)


def test_the_hash_does_not_depend_on_the_place_of_the_tape_or_the_id_of_the_schema(codec: Counting) -> None:
    class Elsewhere(BundledRegistry):
        """Another registry with other ids."""

        def id_of(self, name: str) -> int:
            return super().id_of(name) + 1_000

    state = lived()
    here = SnapshotWriter(codec).state_hash(state)

    assert SnapshotWriter(Codec(Elsewhere())).state_hash(state) == here
    state.offset += 1
    assert SnapshotWriter(codec).state_hash(state) == here


@pytest.mark.parametrize("missing", [0, 1, -1])
def test_a_snapshot_with_a_record_missing_is_none(codec: Counting, missing: int) -> None:
    records = SnapshotWriter(codec).write(Rig().ready("alice", "bob").state)
    del records[missing]

    with pytest.raises(BadSnapshot):
        read_snapshot(codec, records)


def test_records_of_two_snapshots_are_none(codec: Counting) -> None:
    rig = Rig().ready("alice", "bob")
    old = SnapshotWriter(codec).write(rig.state)
    rig.command("bob", Enable())
    new = SnapshotWriter(codec).write(rig.state)

    with pytest.raises(BadSnapshot, match="hash"):
        read_snapshot(codec, [new[0], old[1], old[2], new[3]])


def test_accounts_out_of_order_are_none(codec: Counting) -> None:
    shared, alice, bob, marker = SnapshotWriter(codec).write(Rig().ready("alice", "bob").state)

    with pytest.raises(BadSnapshot):
        read_snapshot(codec, [shared, bob, alice, marker])


def test_too_little_is_none(codec: Counting) -> None:
    records = SnapshotWriter(codec).write(new_state(1, 0))

    for few in ([], records[:1], records[::-1]):
        with pytest.raises(BadSnapshot):
            read_snapshot(codec, few)


def test_bytes_altered_anywhere_are_found(codec: Counting) -> None:
    records = SnapshotWriter(codec).write(Rig().ready("alice").state)
    for number in range(len(records) - 1):
        for place in range(5, len(records[number]), 41):
            raw = bytearray(records[number])
            raw[place] ^= 4
            with pytest.raises(BadSnapshot):
                read_snapshot(codec, [*records[:number], bytes(raw), *records[number + 1 :]])


@pytest.mark.parametrize("place", [0, 1, -1])
@pytest.mark.parametrize("spoil", [lambda raw: raw[:0], lambda raw: raw[:3], lambda raw: raw[:-1], lambda raw: raw + b"x"])
def test_a_record_nobody_can_decode_makes_it_none(codec: Counting, place: int, spoil: Callable[[bytes], bytes]) -> None:
    records = SnapshotWriter(codec).write(Rig().ready("alice").state)
    records[place] = spoil(records[place])

    with pytest.raises(BadSnapshot, match="cannot be read") as said:
        read_snapshot(codec, records)
    assert isinstance(said.value.__cause__, Undecodable)


def test_a_record_of_another_schema_is_none(codec: Counting) -> None:
    records = SnapshotWriter(codec).write(new_state(1, 0))
    tick = codec.codec.encode_record("Tick", {"second": 1})

    with pytest.raises(BadSnapshot, match="cannot be read"):
        read_snapshot(codec, [tick, *records[1:]])
    assert codec.decode_record(SNAPSHOT, records[0])["body"][0] == "qts.SharedState"


def test_volumes_are_part_of_what_a_snapshot_is_believed_by(codec: Counting) -> None:
    rig = Rig().ready("alice", "bob")
    without = SnapshotWriter(codec).state_hash(rig.state)
    rig.mark("BTCUSDT", "100", volume_24h="7.5")
    records = SnapshotWriter(codec).write(rig.state)
    kinds = [codec.decode_record(SNAPSHOT, raw)["body"][0] for raw in records]

    back, marker = read_snapshot(codec, records)

    assert kinds == ["qts.SharedState", "qts.Volumes", ACCOUNT, ACCOUNT, "qts.SnapshotMarker"]
    assert back.marks == rig.state.marks
    assert marker.state_hash == SnapshotWriter(codec).state_hash(back) != without
    with pytest.raises(BadSnapshot):
        read_snapshot(codec, [records[0], *records[2:]])
    with pytest.raises(BadSnapshot):
        read_snapshot(codec, [records[0], records[2], records[1], *records[3:]])
