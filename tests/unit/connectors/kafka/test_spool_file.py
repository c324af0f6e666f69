"""The spool's files against a plain list: cut at every byte, with bits flipped anywhere, with disks that fail."""

import errno
import logging
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.spool import Spool
from connectors.kafka.spool_disk import POSITION_FILE, SpoolDisk, owner_of
from connectors.kafka.spool_format import Item, gap_at, packed, packed_bytes
from connectors.kafka.spool_tail import DiskFailed, SpoolFull, SpoolOwned, segment_name, segments

MIB = 1 << 20

items = st.lists(
    st.builds(
        Item,
        seq=st.just(0),
        ts_ms=st.integers(0, 2**40),
        topic=st.sampled_from(["signals", "marks", "ä"]),
        key=st.text(max_size=8).filter(lambda text: text.isprintable()),
        value=st.binary(max_size=60),
        headers=st.lists(st.tuples(st.sampled_from(["a", "trace"]), st.binary(max_size=5)), max_size=2).map(tuple),
        partition=st.none() | st.integers(0, 7),
    ),
    min_size=1,
    max_size=12,
)


def some(count: int, first: int = 0) -> list[Item]:
    return [Item(0, 5, "signals", f"k{number % 3}", b"value %d" % number, (), None) for number in range(first, first + count)]


def read_all(spool: Spool) -> list[Item]:
    found: list[Item] = []
    while chunk := spool.read(5):
        found += [item._replace(seq=0, headers=tuple(item.headers)) for item in chunk.items]
    return found


def spooled(folder: Path, records: list[Item]) -> bytes:
    """Write records, and give the bytes of their one segment."""
    with Spool(folder, MIB) as spool:
        assert spool.append(records) == (len(records), None)
    return (folder / segment_name(0)).read_bytes()


class Failing(SpoolDisk):
    """A disk on which one thing fails while it is told to."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.room = room
        self.sync_fails = self.cut_fails = False

    def write(self, handle: int, content: bytes) -> int:
        taken = content[: self.room]
        self.room -= len(taken)
        if not taken:
            raise OSError(errno.ENOSPC, "no space left on device")
        return super().write(handle, taken)

    def sync(self, handle: int) -> None:
        if self.sync_fails:
            raise OSError(errno.EIO, "input/output error")
        super().sync(handle)

    def truncate(self, handle: int, length: int) -> None:
        if self.cut_fails:
            raise OSError(errno.EIO, "input/output error")
        super().truncate(handle, length)


@given(records=items)
def test_what_was_spooled_comes_back_as_it_was(records: list[Item], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spooled(folder, records)

    with Spool(folder, MIB) as spool:
        assert spool.records == len(records)
        assert read_all(spool) == records


def test_cut_at_any_byte_every_whole_record_is_there_and_the_spool_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = some(4)
    whole = spooled(tmp_path / "whole", records)
    ends = [sum(packed_bytes(one) for one in records[: count + 1]) for count in range(4)]
    for cut in range(len(whole) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / segment_name(0)).write_bytes(whole[:cut])
        caplog.clear()
        with caplog.at_level(logging.WARNING), Spool(folder, MIB) as spool:
            kept = sum(end <= cut for end in ends)
            assert spool.append(some(1, 99)) == (1, None)
            assert read_all(spool) == records[:kept] + some(1, 99), f"cut at {cut}"
            assert spool.set_aside.records == 0
        assert ("never finished" in caplog.text) == (cut not in {0, *ends}), f"cut at {cut}"


def test_zeros_after_the_last_record_are_cut_like_a_torn_one(tmp_path: Path) -> None:
    whole = spooled(tmp_path, some(3))
    (tmp_path / segment_name(0)).write_bytes(whole + bytes(300))

    with Spool(tmp_path, MIB) as spool:
        assert read_all(spool) == some(3)
        assert spool.set_aside.records == 0


@given(records=items, chance=st.randoms(use_true_random=False))
def test_a_flipped_bit_costs_one_record_which_is_set_aside(
    records: list[Item], chance: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    whole = bytearray(spooled(folder, records))
    bit = chance.randrange(len(whole) * 8)
    whole[bit // 8] ^= 1 << bit % 8
    (folder / segment_name(0)).write_bytes(whole)
    ends = [sum(packed_bytes(one) for one in records[: count + 1]) for count in range(len(records))]
    hit = sum(end <= bit // 8 for end in ends)

    with Spool(folder, MIB) as spool:
        spool.append(some(2))
        found = read_all(spool)
        # A flip in the mark or in the header's own checksum leaves a record that is proven good by the other one.
        assert found in (records[:hit] + records[hit + 1 :] + some(2), records + some(2)), f"bit {bit}"
        assert len(found) + spool.set_aside.records == len(records) + 2
    with Spool(folder, MIB) as again:
        read_all(again)
        assert len(found) + again.set_aside.records == len(records) + 2, "set aside twice is counted once"


@given(records=items, flips=st.lists(st.integers(0, 2**20), min_size=1, max_size=6))
def test_many_flipped_bits_never_make_a_record_that_was_not_there(
    records: list[Item], flips: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    whole = bytearray(spooled(folder, records))
    for flip in flips:
        whole[flip % len(whole)] ^= 1 << flip % 8
    (folder / segment_name(0)).write_bytes(whole)

    with Spool(folder, MIB) as spool:
        spool.append(some(1, 7))
        found = read_all(spool)
        rest = iter([*records, *some(1, 7)])
        assert all(one in rest for one in found), "in order, and nothing else"
        assert found[-1:] == some(1, 7)
        assert len(found) == len(records) + 1 or spool.set_aside.records > 0


def test_a_record_inside_the_value_of_a_damaged_one_is_not_taken_for_a_record(tmp_path: Path) -> None:
    inner = packed(some(1)[0], 1, 0, 0)
    outer = Item(0, 5, "signals", "k", inner * 2, (), None)
    whole = bytearray(spooled(tmp_path, [outer, *some(1, 8)]))
    whole[13] ^= 1
    (tmp_path / segment_name(0)).write_bytes(whole)

    with Spool(tmp_path, MIB) as spool:
        assert read_all(spool) == some(1, 8)
        assert spool.set_aside.records == 1
    assert gap_at(bytes(whole), 0, 0, 0).end == packed_bytes(outer)


def test_a_full_spool_takes_nothing_more_and_keeps_what_it_has(tmp_path: Path) -> None:
    room = sum(packed_bytes(one) for one in some(3))
    with Spool(tmp_path, room) as spool:
        done, problem = spool.append(some(5))
        assert (done, type(problem)) == (3, SpoolFull)
        assert spool.append(some(1)).durable == 0
        assert read_all(spool) == some(3)


@pytest.mark.parametrize("room", [0, 1, 60, 100])
def test_a_full_disk_takes_nothing_of_the_group_and_works_again_when_there_is_room(tmp_path: Path, room: int) -> None:
    disk = Failing()
    with Spool(tmp_path, MIB, disk) as spool:
        assert spool.append(some(2)).durable == 2
        disk.room = room
        done, problem = spool.append(some(3, 2))
        assert (done, type(problem)) == (0, DiskFailed)
        disk.room = 1 << 40
        assert spool.append(some(1, 9)) == (1, None)
        assert read_all(spool) == some(2) + some(1, 9)
    with Spool(tmp_path, MIB) as again:
        assert read_all(again) == some(2) + some(1, 9)


def test_what_could_not_be_synced_is_not_sent_later(tmp_path: Path) -> None:
    disk = Failing()
    with Spool(tmp_path, MIB, disk) as spool:
        assert spool.append(some(1)).durable == 1
        disk.sync_fails = True
        assert spool.append(some(1, 1)).durable == 0
        disk.sync_fails = False
        assert read_all(spool) == some(1)


def test_where_not_even_cutting_back_works_nothing_more_is_written(tmp_path: Path) -> None:
    disk = Failing()
    with Spool(tmp_path, MIB, disk) as spool:
        assert spool.append(some(1)).durable == 1
        disk.sync_fails = disk.cut_fails = True
        assert isinstance(spool.append(some(1, 1)).problem, DiskFailed)
        disk.sync_fails = disk.cut_fails = False
        assert spool.append(some(1, 2)).durable == 0


def test_what_was_noted_is_not_read_again_and_its_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.kafka.spool_tail.SEGMENT_BYTES", 200)
    with Spool(tmp_path, MIB) as spool:
        spool.append(some(10))
        assert len(segments(tmp_path)) > 2
        chunk = spool.read(7)
        while chunk is not None and chunk.after.seq < 7:
            chunk = spool.read(7)
        assert chunk is not None
        spool.note(chunk.after)
        assert min(segments(tmp_path)) == chunk.after.base
    with Spool(tmp_path, MIB) as again:
        assert read_all(again) == some(10)[chunk.after.seq :]
        again.note(again.cursor)
        assert (again.records, segments(tmp_path)) == (0, [])
        assert again.append(some(2)).durable == 2
    with Spool(tmp_path, MIB) as third:
        assert read_all(third) == some(2)


@pytest.mark.parametrize("slot", [0, 512])
def test_a_damaged_position_sends_again_and_loses_nothing(tmp_path: Path, slot: int) -> None:
    with Spool(tmp_path, MIB) as spool:
        spool.append(some(6))
        for _ in range(2):
            chunk = spool.read(2)
            assert chunk is not None
            spool.note(chunk.after)
    content = bytearray((tmp_path / POSITION_FILE).read_bytes())
    content[slot + 9] ^= 4
    (tmp_path / POSITION_FILE).write_bytes(content)

    with Spool(tmp_path, MIB) as again:
        assert read_all(again)[-2:] == some(2, 4)


def test_a_file_that_somebody_removed_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.kafka.spool_tail.SEGMENT_BYTES", 200)
    with Spool(tmp_path, MIB) as spool:
        spool.append(some(10))
    second, third = segments(tmp_path)[1:3]
    (tmp_path / segment_name(second)).unlink()

    with Spool(tmp_path, MIB) as again:
        assert read_all(again) == some(second) + some(10 - third, third)
        assert again.set_aside.records == third - second


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    with Spool(tmp_path, MIB):
        assert owner_of(tmp_path) is not None
        with pytest.raises(SpoolOwned, match="give each its own folder"):
            Spool(tmp_path, MIB)
    assert owner_of(tmp_path) is None
    Spool(tmp_path, MIB).close()
