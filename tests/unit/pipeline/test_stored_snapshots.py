"""Snapshots in chunks: whatever the size of a chunk, they join to what was cut, and nothing else is believed."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.desk.state import new_state
from streams.pipeline.snapshots import BadSnapshot, SnapshotWriter
from streams.pipeline.stored_snapshots import Place, cut, joined, newest, outdated, parse_key
from tests.pipeline_kit import CODEC


@given(st.lists(st.binary(max_size=50), min_size=1), st.integers(1, 100))
def test_what_was_cut_joins_again(records: list[bytes], chunk_bytes: int) -> None:
    chunks = cut(3, Place(1, 7), records, chunk_bytes)

    assert list(joined([chunk.value for chunk in chunks])) == records
    assert [parse_key(chunk.key) for chunk in chunks] == [(3, (1, 7), index) for index in range(len(chunks))]
    assert all(len(chunk.value) <= chunk_bytes + 50 + 4 for chunk in chunks)


@given(st.binary(max_size=40))
def test_any_bytes_are_records_or_damage(raw: bytes) -> None:
    try:
        records = list(joined([raw]))
    except BadSnapshot:
        return
    assert b"".join(len(record).to_bytes(4, "big") + record for record in records) == raw


@pytest.mark.parametrize("key", [b"", b"1/2/3", b"1/2/3/4/5", b"a/b/c/d", b"\xff/0/0/0"])
def test_a_key_that_is_none_of_ours_is_passed_by(key: bytes) -> None:
    assert parse_key(key) is None


def stored(*offsets: int, chunk_bytes: int = 64, epoch: int = 1) -> Iterator[tuple[bytes, bytes]]:
    for offset in offsets:
        state = new_state(epoch, 0, 1)
        state.offset = offset
        yield from cut(0, Place(epoch, offset), SnapshotWriter(CODEC).write(state, "hash"), chunk_bytes)


def test_the_newest_whole_one_is_found_among_torn_ones_and_strangers() -> None:
    items = (
        dict(stored(10, 20, 9, epoch=1)) | dict(stored(30, epoch=2)) | {b"stranger": b"x", b"1/1/99/0": b"of another partition"}
    )
    last = max(key for key in items if key.startswith(b"0/1/20/"))
    del items[last]
    passed_over: list[str] = []

    found = newest(items.items(), 0, 1, CODEC, passed_over)

    assert found is not None
    assert (found.state.offset, found.marker.tape_hash, len(passed_over)) == (10, "hash", 1)


def test_a_snapshot_under_another_name_is_not_believed() -> None:
    items = {key.replace(b"/10/", b"/50/"): value for key, value in stored(10)}
    passed_over: list[str] = []

    assert newest(items.items(), 0, 1, CODEC, passed_over) is None
    assert "offset 10" in passed_over[0]


def test_three_are_kept_and_none_that_comes_after() -> None:
    items = dict(stored(10, 20, 30, 40, 99, chunk_bytes=10_000))

    assert outdated(items.items(), 0, Place(1, 40)) == [b"0/1/10/0"]
    assert outdated(items.items(), 0, Place(2, 0)) == [b"0/1/30/0", b"0/1/20/0", b"0/1/10/0"]
    assert outdated(items.items(), 1, Place(9, 9)) == []
