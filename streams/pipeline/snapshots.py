"""Snapshots as bytes: a state written record by record, and read back only when nothing is missing.

Decides: the order of the records (shared state, volumes where any are known, accounts by name, marker), what is encoded again (only what changed
since the last time), and when a snapshot is believed: its marker has to fit what came before it. Leaves to others: where the bytes go (a tape file, a
table) and what the records hold (desk.snapshot).
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from streams.desk.snapshot import account_record, load_state, shared_record, sources_record, volumes_record
from streams.desk.state import DESK_VERSION, Account, State

SNAPSHOT = "Snapshot"
SHARED, VOLUMES, ACCOUNT, MARKER = "qts.SharedState", "qts.Volumes", "qts.AccountState", "qts.SnapshotMarker"
_HASH_BYTES = 16
_HEADER_BYTES = 5
"""What names a record's schema: its id differs from registry to registry, so it is not hashed."""


class RecordCodec(Protocol):
    """Turns plain records into bytes and back."""

    def encode_record(self, name: str, record: Mapping[str, Any]) -> bytes:
        """Write a record of a schema."""

    def decode_record(self, name: str, raw: bytes) -> dict[str, Any]:
        """Read a record of a schema."""


class BadSnapshot(Exception):
    """The records are not a whole snapshot: use the one before."""


class _Written(NamedTuple):
    version: int
    raw: bytes
    digest: bytes


class SnapshotWriter:
    """Writes the state of one partition again and again, encoding only the accounts that changed in between.

    It belongs to one state: for another, also one read from a snapshot, make another writer.
    """

    def __init__(self, codec: RecordCodec) -> None:
        """Start with nothing written."""
        self._codec = codec
        self._accounts: dict[str, _Written] = {}

    def write(self, state: State, tape_hash: str = "") -> list[bytes]:
        """Give all records of a snapshot, the marker last. tape_hash names the tape record the state ends with."""
        shared, accounts = self._encode(state)
        records = [*shared, *[written.raw for written in accounts]]
        marker = {
            "offset": state.offset, "tape_hash": tape_hash, "epoch": state.epoch, "partition": state.partition, "partitions": state.partitions,
            "sources": sources_record(state), "records": len(records), "state_hash": _combined(shared, accounts), "desk_version": DESK_VERSION,
        }  # fmt: skip
        return [*records, self._codec.encode_record(SNAPSHOT, {"body": (MARKER, marker)})]

    def ahead(self, state: State, names: Iterable[str]) -> None:
        """Encode accounts now that a snapshot will need: what does not change again until then costs it nothing."""
        for name in names:
            account = state.accounts.get(name)
            if account is not None:
                self._written(account)

    def state_hash(self, state: State) -> str:
        """Hash the whole state but for its place on the tape."""
        return _combined(*self._encode(state))

    def _encode(self, state: State) -> tuple[list[bytes], list[_Written]]:
        shared, volumes = [self._codec.encode_record(SNAPSHOT, {"body": (SHARED, shared_record(state))})], volumes_record(state)
        if volumes is not None:
            shared.append(self._codec.encode_record(SNAPSHOT, {"body": (VOLUMES, volumes)}))
        return shared, [self._written(account) for _, account in sorted(state.accounts.items())]

    def _written(self, account: Account) -> _Written:
        written = self._accounts.get(account.account)
        if written is None or written.version != account.version:
            raw = self._codec.encode_record(SNAPSHOT, {"body": (ACCOUNT, account_record(account))})
            written = self._accounts[account.account] = _Written(account.version, raw, _digest(raw))
        return written


def _combined(shared: Iterable[bytes], accounts: Iterable[_Written]) -> str:
    return _hash(b"".join([*map(_digest, shared), *[written.digest for written in accounts]])).hex()


def _digest(raw: bytes) -> bytes:
    return _hash(raw[_HEADER_BYTES:])


def _hash(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=_HASH_BYTES).digest()


class Marker(NamedTuple):
    """The end of a snapshot."""

    offset: int
    tape_hash: str
    desk_version: str
    state_hash: str


def read_snapshot(codec: RecordCodec, records: Iterable[bytes]) -> tuple[State, Marker]:
    """Make the state from the records of a snapshot, or say that they are not a whole one."""
    raws = list(records)
    if len(raws) < 2:
        raise BadSnapshot(f"{len(raws)} records are no snapshot")
    try:
        bodies = [codec.decode_record(SNAPSHOT, raw)["body"] for raw in raws]
    except ValueError as error:
        raise BadSnapshot(f"a record cannot be read: {error}") from error
    kinds = [kind for kind, _ in bodies]
    first = 2 if kinds[1] == VOLUMES else 1
    if kinds[0] != SHARED or kinds[-1] != MARKER or any(kind != ACCOUNT for kind in kinds[first:-1]):
        raise BadSnapshot("the records are not one shared state, accounts and a marker")
    marker = bodies[-1][1]
    if marker["records"] != len(raws) - 1:
        raise BadSnapshot(f"{len(raws) - 1} records where the marker counts {marker['records']}")
    found = _combined(raws[:-1], ())
    if found != marker["state_hash"]:
        raise BadSnapshot(f"records hash to {found} where the marker says {marker['state_hash']}")
    state = load_state(marker, bodies[0][1], [body for _, body in bodies[first:-1]], bodies[1][1] if first == 2 else None)
    return state, Marker(marker["offset"], marker["tape_hash"], marker["desk_version"], marker["state_hash"])
