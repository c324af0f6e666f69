"""Tape files: a stretch of one tape partition, with the snapshot it starts from and the decisions made of it.

Decides: the file's layout and when it counts as damaged. It is an Avro object container of TapeEntry records: the snapshot's records first, then each
event followed by its decisions; each with a checksum, values byte for byte as on Kafka. The header names the tape, tells how long the rest is and
what it sums to, and holds every schema the values were written by, so the file can be read when the registry is gone. A file is written
beside its name and renamed when it is complete. Leaves to others: what the values say (schemas.codec), gaps and chains (replay.inspect).
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from struct import Struct
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self
from zlib import crc32

from fastavro.write import Writer

from schemas.bundled import bundled, essence
from schemas.codec import RECORD_BYTES_MAX, Codec, schema_id
from schemas.errors import Undecodable, UnknownSchema
from schemas.model import Record, SchemaError, parse_record
from schemas.reading import compile_reader
from schemas.registry import LayeredRegistry, Registry
from schemas.resolution import mismatches
from schemas.shapes import Messages
from schemas.straight import Read
from streams.replay.container import BadContainer, Header, SummedFile, read_blocks, read_header

FORMAT = 1
PACKING = "deflate"
"""Which of Avro's packings: docs/adr/0003-tape-file.md."""
_PACKING_LEVEL = 6
_BLOCK_BYTES = 64 * 1024
"""A block is closed when it has this many: small enough to lose little with a damaged one, large enough to pack well."""
_UNKNOWN_IDS_MAX = 10_000
"""Schema ids nobody knew, as many as are noted; those of a flood beyond it are asked for again when the file is read."""
_COPY_BYTES = 1024 * 1024
_pack_place = Struct(">Bq").pack
_new: Any = tuple.__new__  # a NamedTuple's own way takes twice as long


class EntryKind(Enum):
    """What an entry's value is."""

    SNAPSHOT = "SNAPSHOT"
    EVENT = "EVENT"
    DECISION = "DECISION"


_CODES = {kind: code for code, kind in enumerate(EntryKind)}
_KINDS: dict[str, tuple[int, EntryKind]] = {kind.value: (code, kind) for kind, code in _CODES.items()}


class TapeHeader(NamedTuple):
    """Which stretch of which tape this is."""

    epoch: int
    partition: int
    desk_version: str
    description: str


class Entry(NamedTuple):
    """One record of the file: a snapshot's, an event or a decision, in bytes as on Kafka."""

    kind: EntryKind
    offset: int
    value: bytes


class DamagedTape(ValueError):
    """A file that is not what was written, and how far it was: so many entries, the last of them at that tape offset."""

    def __init__(self, good_entries: int, good_offset: int | None, detail: str) -> None:
        where = "at its start" if good_offset is None else f"after {good_entries} entries, the last at tape offset {good_offset}"
        super().__init__(f"the tape is damaged {where}: {detail}")
        self.good_entries = good_entries
        self.good_offset = good_offset
        self.detail = detail


class TapeWriter:
    """Writes a tape file. It appears under its name when the block ends without an exception, and not at all otherwise."""

    def __init__(self, path: Path, header: TapeHeader, registry: Registry) -> None:
        self._path = path
        self._header = header
        self._registry = registry
        self._codec = Codec(registry)
        self._schemas: dict[int, str | None] = {}
        self._unknown = 0
        self._entries = 0
        self._events = 0
        self._last_event: int | None = None
        seed = json.dumps([FORMAT, *header]).encode()
        self._sync = hashlib.blake2b(seed, digest_size=16).digest()  # not by chance: the same tape gives the same file
        self._body = TemporaryFile(dir=path.parent)  # noqa: SIM115  # closed by __exit__
        self._blocks = _container(self._body, self._sync, {})
        self._blocks_at = self._body.tell()

    def __enter__(self) -> Self:
        return self

    def snapshot(self, offset: int, value: bytes) -> None:
        """Write a record of the snapshot the tape starts from."""
        if self._last_event is not None:
            raise ValueError("a snapshot's records stand before all events")
        self._note(value)
        self._append(EntryKind.SNAPSHOT, offset, value)

    def event(self, offset: int, value: bytes) -> None:
        """Write a tape event."""
        if self._last_event is not None and offset <= self._last_event:
            raise ValueError(f"event {offset} after event {self._last_event}")
        self._note(value)
        with suppress(Undecodable):  # somebody else wrote on the tape: the desk makes a dead letter of it, here as it did there
            self._note(self._codec.unwrap(value).payload)
        self._append(EntryKind.EVENT, offset, value)
        self._last_event = offset
        self._events += 1

    def decision(self, offset: int, value: bytes) -> None:
        """Write a decision made from the event just written."""
        if offset != self._last_event:
            raise ValueError(f"a decision from event {offset} does not follow it")
        self._note(value)
        self._append(EntryKind.DECISION, offset, value)

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        with self._body:
            if kind is None:
                self._finish()

    def _note(self, value: bytes) -> None:
        """Keep the schema a value was written by, or that nobody knew it."""
        if len(value) < 5 or value[0] != 0 or schema_id(value) in self._schemas:
            return
        number = schema_id(value)
        try:
            self._schemas[number] = essence(self._registry.schema(number))
        except UnknownSchema:
            if self._unknown < _UNKNOWN_IDS_MAX:
                self._schemas[number] = None
                self._unknown += 1

    def _append(self, kind: EntryKind, offset: int, value: bytes) -> None:
        if len(value) > RECORD_BYTES_MAX:
            raise ValueError(f"an entry of {len(value)} bytes, more than {RECORD_BYTES_MAX}")
        self._blocks.write(
            {"kind": kind.value, "offset": offset, "value": value, "crc": crc32(value, crc32(_pack_place(_CODES[kind], offset)))}
        )
        self._entries += 1

    def _finish(self) -> None:
        self._blocks.flush()
        length = self._body.tell() - self._blocks_at
        self._body.seek(self._blocks_at)
        crc = 0
        while piece := self._body.read(_COPY_BYTES):
            crc = crc32(piece, crc)
        counted = {"entries": self._entries, "events": self._events, "bytes": length, "crc": crc}
        about = json.dumps({"format": FORMAT, **self._header._asdict(), **counted, "schemas": self._schemas}, sort_keys=True)
        metadata = {"qts.tape": about, "qts.crc": _header_crc(_SCHEMA_TEXT, PACKING, about, self._sync)}
        unfinished = self._path.with_name(f".{self._path.name}.{self._sync.hex()}")
        with unfinished.open("wb") as file:  # what a killed writer left of this very tape is written over
            try:
                _container(file, self._sync, metadata).flush()
                self._body.seek(self._blocks_at)
                shutil.copyfileobj(self._body, file)
                file.flush()
                os.fsync(file.fileno())
                unfinished.replace(self._path)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class TapeReader:
    """Reads a tape file entry by entry, a block at a time in memory. DamagedTape at once where it is the header, else where the damage is."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")
        try:
            self._container = read_header(self._file)
            self._packing, self._read, about = _check_header(self._container)
        except (BadContainer, SchemaError) as error:
            self._file.close()
            raise DamagedTape(0, None, str(error)) from error
        except BaseException:
            self._file.close()
            raise
        self.entries: int = about["entries"]
        self.events: int = about["events"]
        self._length, self._crc = about["bytes"], about["crc"]
        self.schemas: Mapping[int, str | None] = {int(number): text for number, text in about["schemas"].items()}
        self.header = TapeHeader(*(about[name] for name in TapeHeader._fields))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._file.close()

    def codec(self, registry: Registry) -> Codec:
        """Give the codec that reads this file: by its own schemas first."""
        return Codec(LayeredRegistry(self.schemas, registry))

    def __iter__(self) -> Iterator[Entry]:
        self._file.seek(self._container.bytes_)
        body = SummedFile(self._file)
        good, offset = 0, None
        try:
            for entry in self._entries_of(body):
                yield entry
                good, offset = good + 1, entry.offset
            if (good, body.length, body.crc) != (self.entries, self._length, self._crc):
                raise BadContainer("what follows the header is not what was written")  # noqa: TRY301  # told like any other damage
        except BadContainer as error:
            raise DamagedTape(good, offset, str(error)) from error

    def _entries_of(self, body: SummedFile) -> Iterator[Entry]:
        read = self._read
        for count, raw in read_blocks(body, self._container.sync, self._packing):
            at = 0
            try:
                for _ in range(count):
                    (word, offset, value, crc), at = read(raw, at)
                    code, kind = _KINDS[word]
                    if at > len(raw) or crc != crc32(value, crc32(_pack_place(code, offset))):
                        raise BadContainer("an entry is not what was written")
                    yield _new(Entry, (kind, offset, value))
            except Undecodable as error:
                raise BadContainer("an entry cannot be read") from error
            if at != len(raw):
                raise BadContainer("a block has more bytes than entries")


_SAID = {
    **dict.fromkeys(("entries", "events", "bytes", "crc", "epoch", "partition"), int), "desk_version": str, "description": str, "schemas": dict,
}  # fmt: skip
"""What a header says beside its format."""


def _check_header(container: Header) -> tuple[str, Read, dict[str, Any]]:
    metadata = container.metadata
    missing = {"avro.schema", "avro.codec", "qts.tape", "qts.crc"} - metadata.keys()
    if missing:
        raise BadContainer(f"no tape: its header has no {', '.join(sorted(missing))}")
    try:
        schema, packing, about, crc = (
            str(metadata[name], "utf-8") for name in ("avro.schema", "avro.codec", "qts.tape", "qts.crc")
        )
    except UnicodeDecodeError as error:
        raise BadContainer("the header is not what was written") from error
    if crc != _header_crc(schema, packing, about, container.sync):
        raise BadContainer("the header is not what was written")
    said = json.loads(about)
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise BadContainer("a format that this version does not know")
    if any(not isinstance(said.get(name), kind) for name, kind in _SAID.items()):
        raise BadContainer("the header does not say all that it should")
    written = parse_record(schema)
    if mismatches(written, _OWN):
        raise BadContainer("its entries cannot be read by this version")
    return packing, compile_reader(written, _OWN, Messages()), said


def _container(file: Any, sync: bytes, metadata: dict[str, str]) -> Any:
    return Writer(
        file, json.loads(_SCHEMA_TEXT), PACKING, _BLOCK_BYTES, metadata, sync_marker=sync, compression_level=_PACKING_LEVEL
    )


def _header_crc(schema: str, packing: str, about: str, sync: bytes) -> str:
    return f"{crc32(sync + f'{schema}|{packing}|{about}'.encode()):08x}"


_SCHEMA_TEXT = json.dumps(json.loads(bundled().current["TapeEntry"]))
"""As the container's writer puts it down."""
_OWN: Record = parse_record(_SCHEMA_TEXT)
