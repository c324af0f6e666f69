"""Tape files: what went in comes out, and whatever is done to a file, the good part comes out and the damage is told."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import fastavro
import pytest

from schemas.registry import BundledRegistry
from streams.desk.messages import Unreadable
from streams.desk.outputs import Check, Decision
from streams.replay.container import read_header
from streams.replay.tape_file import DamagedTape, Entry, EntryKind, TapeHeader, TapeReader, TapeWriter, _container, _header_crc
from tests.schema_kit import MARK, SIGNAL, make_codec, tape_event

HEADER = TapeHeader(3, 5, "1.2", "a quiet day")
REGISTRY = BundledRegistry()
CODEC = make_codec()
MARKER = {
    "offset": 9, "tape_hash": "h", "epoch": 3, "partition": 5, "partitions": 8, "sources": [], "records": 1, "state_hash": "s", "desk_version": "1.2",
}  # fmt: skip
SEEDS = (1, 2, 3)


def decision(offset: int) -> bytes:
    return CODEC.encode(
        Decision("a", offset, 0, 1, "SIGNAL", "s-1", "REFUSED", "STALE", (Check("fresh", "STALE", "age_s=9"),), "", 1, "", "", "")
    )


def entries(events: int) -> list[Entry]:
    made = [Entry(EntryKind.SNAPSHOT, 9, CODEC.encode_record("Snapshot", {"body": ("qts.SnapshotMarker", MARKER)}))]
    for offset in range(10, 10 + events):
        body = SIGNAL._replace(signal_id=f"s-{offset}") if offset % 3 == 0 else MARK._replace(mark_id=f"m-{offset}")
        made.append(Entry(EntryKind.EVENT, offset, CODEC.encode_event(tape_event(body, offset))))
        if offset % 3 == 0:
            made.append(Entry(EntryKind.DECISION, offset, decision(offset)))
    return made


def write(path: Path, content: list[Entry]) -> None:
    with TapeWriter(path, HEADER, REGISTRY) as tape:
        put: dict[EntryKind, Callable[[int, bytes], None]] = {
            EntryKind.SNAPSHOT: tape.snapshot,
            EntryKind.EVENT: tape.event,
            EntryKind.DECISION: tape.decision,
        }
        for entry in content:
            put[entry.kind](entry.offset, entry.value)


def read(path: Path) -> tuple[list[Entry], DamagedTape | None]:
    found = []
    try:
        with TapeReader(path) as tape:
            for entry in tape:
                found.append(entry)  # noqa: PERF402  # what came before the damage counts
    except DamagedTape as damage:
        return found, damage
    return found, None


@pytest.fixture(scope="module")
def content() -> list[Entry]:
    return entries(2_000)


@pytest.fixture(scope="module")
def whole(content: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tape") / "day.tape"
    write(path, content)
    return path.read_bytes()


def test_what_was_written_is_read(tmp_path: Path, content: list[Entry]) -> None:
    path = tmp_path / "day.tape"
    write(path, content)

    with TapeReader(path) as tape:
        assert tape.header == HEADER
        assert (tape.entries, tape.events) == (len(content), 2_000)
        assert list(tape) == content
        assert list(tape) == content, "from the beginning once more"


def test_an_empty_tape_is_a_tape(tmp_path: Path) -> None:
    write(tmp_path / "none.tape", [])

    assert read(tmp_path / "none.tape") == ([], None)


def test_the_same_tape_gives_the_same_file(tmp_path: Path, content: list[Entry], whole: bytes) -> None:
    write(tmp_path / "again.tape", content)

    assert (tmp_path / "again.tape").read_bytes() == whole


def test_another_implementation_of_avro_reads_the_file(whole: bytes, content: list[Entry]) -> None:
    reader = fastavro.reader(io.BytesIO(whole))

    found = [(record["kind"], record["offset"], record["value"]) for record in reader if isinstance(record, dict)]

    assert found == [(entry.kind.value, entry.offset, entry.value) for entry in content]


def test_a_tape_has_the_schemas_it_was_written_by(tmp_path: Path, content: list[Entry]) -> None:
    path = tmp_path / "day.tape"
    write(path, content[:20])

    with TapeReader(path) as tape:
        names = {text and json.loads(text)["name"] for text in tape.schemas.values()}
        codec = tape.codec(REGISTRY)
        events = [codec.decode_event(entry.value, entry.offset) for entry in tape if entry.kind is EntryKind.EVENT]

    assert names == {"Snapshot", "TapeEvent", "Signal", "Mark", "Decision"}
    assert events[0].body == MARK._replace(mark_id="m-10")


def test_an_id_nobody_knew_is_noted_as_that(tmp_path: Path) -> None:
    path = tmp_path / "odd.tape"
    odd = [b"\0\0\1\0\0", b"", b"no avro", b"\0\0"]
    with TapeWriter(path, HEADER, REGISTRY) as tape:
        for offset, payload in enumerate(odd):
            tape.event(offset, CODEC.wrap(1, "signals", 0, offset, payload))

    with TapeReader(path) as read_again:
        codec = read_again.codec(REGISTRY)
        bodies = [codec.decode_event(entry.value, entry.offset).body for entry in read_again]

        assert read_again.schemas[65536] is None
    assert [body.raw for body in bodies if isinstance(body, Unreadable)] == odd


def test_entries_out_of_order_are_not_written(tmp_path: Path, content: list[Entry]) -> None:
    event = content[1]
    with TapeWriter(tmp_path / "day.tape", HEADER, REGISTRY) as tape:
        with pytest.raises(ValueError, match="does not follow"):
            tape.decision(10, decision(10))
        tape.event(10, event.value)
        with pytest.raises(ValueError, match="event 10 after event 10"):
            tape.event(10, event.value)
        with pytest.raises(ValueError, match="before all events"):
            tape.snapshot(9, content[0].value)
        with pytest.raises(ValueError, match="does not follow"):
            tape.decision(11, decision(11))


def interrupt(path: Path, event: Entry, by: BaseException) -> None:
    with TapeWriter(path, HEADER, REGISTRY) as tape:
        tape.event(event.offset, event.value)
        raise by


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path, content: list[Entry]) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path / "day.tape", content[1], KeyboardInterrupt())

    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_writer_leaves_the_file_that_was_there(tmp_path: Path, content: list[Entry], whole: bytes) -> None:
    path = tmp_path / "day.tape"
    path.write_bytes(whole)
    with pytest.raises(RuntimeError, match="stop"):
        interrupt(path, content[1], RuntimeError("stop"))

    assert path.read_bytes() == whole
    assert [entry.name for entry in tmp_path.iterdir()] == ["day.tape"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tape_cut_anywhere_gives_its_good_part_and_says_so(
    tmp_path: Path, whole: bytes, content: list[Entry], seed: int
) -> None:
    chance = Random(seed)
    path = tmp_path / "cut.tape"
    for size in [0, 1, 4, len(whole) - 1, len(whole) - 16, *chance.sample(range(len(whole)), 40)]:
        path.write_bytes(whole[:size])

        found, damage = read(path)

        assert damage is not None, f"seed {seed}, cut to {size} bytes"
        assert_told(found, content, damage, f"seed {seed}, cut to {size} bytes")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_flipped_bit_anywhere_is_told(tmp_path: Path, whole: bytes, content: list[Entry], seed: int) -> None:
    chance = Random(seed)
    path = tmp_path / "flipped.tape"
    for bit in chance.sample(range(len(whole) * 8), 120):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)

        found, damage = read(path)

        assert damage is not None, f"seed {seed}, bit {bit}"
        assert_told(found, content, damage, f"seed {seed}, bit {bit}")


def test_every_bit_and_every_cut_of_a_small_tape_is_told(tmp_path: Path) -> None:
    path = tmp_path / "small.tape"
    write(path, [])
    sound = path.read_bytes()
    for size in range(len(sound)):
        path.write_bytes(sound[:size])
        assert read(path)[1] is not None, f"cut to {size} bytes"
    for bit in range(len(sound) * 8):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert read(path)[1] is not None, f"bit {bit}"


def assert_told(found: list[Entry], content: list[Entry], damage: DamagedTape, case: str) -> None:
    """Nothing that is not what was written was given out, and the damage says how much was."""
    assert found == content[: len(found)], case
    assert damage.good_entries == len(found), case
    assert damage.good_offset == (found[-1].offset if found else None), case


@pytest.mark.parametrize(
    "junk", [b"", b"{}", b"Obj", b"Obj\x01", b"Obj\x01" + b"\xff" * 50, b"Obj\x01\x00" + b"s" * 16, bytes(5_000)]
)
def test_what_is_no_tape_is_told_at_once(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk.tape"
    path.write_bytes(junk)

    with pytest.raises(DamagedTape) as caught:
        TapeReader(path)

    assert (caught.value.good_entries, caught.value.good_offset) == (0, None)


def test_another_avro_file_is_no_tape(tmp_path: Path) -> None:
    path = tmp_path / "other.avro"
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "Other", "fields": []}, [{}])

    with pytest.raises(DamagedTape, match="no tape"):
        TapeReader(path)


def test_bytes_after_the_end_are_told(tmp_path: Path, whole: bytes, content: list[Entry]) -> None:
    path = tmp_path / "longer.tape"
    path.write_bytes(whole + b"\x00\x00" + whole[-16:])

    found, damage = read(path)

    assert found == content
    assert damage is not None


def test_a_missing_file_is_missing_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TapeReader(tmp_path / "none.tape")


def test_what_a_killed_writer_left_behind_is_in_nobodys_way(tmp_path: Path, content: list[Entry]) -> None:
    write(tmp_path / "day.tape", content)
    with (tmp_path / "day.tape").open("rb") as file:
        sync = read_header(file).sync
    (tmp_path / f".day.tape.{sync.hex()}").write_bytes(b"half a tape")

    write(tmp_path / "day.tape", content)

    assert read(tmp_path / "day.tape") == (content, None)
    assert [path.name for path in tmp_path.iterdir()] == ["day.tape"]


def test_a_header_that_fits_its_sum_but_lacks_something_is_told(tmp_path: Path, content: list[Entry]) -> None:
    path = tmp_path / "day.tape"
    write(path, content)
    with path.open("rb") as file:
        header = read_header(file)
    metadata = {name: str(value, "utf-8") for name, value in header.metadata.items()}
    metadata["qts.tape"] = '{"format": 1}'
    metadata["qts.crc"] = _header_crc(metadata["avro.schema"], metadata["avro.codec"], metadata["qts.tape"], header.sync)
    with path.open("wb") as file:
        _container(file, header.sync, {name: value for name, value in metadata.items() if name.startswith("qts.")}).flush()

    with pytest.raises(DamagedTape):
        TapeReader(path)
