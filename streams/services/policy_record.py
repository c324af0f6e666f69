"""A saved version of the policy, and its bytes.

Decides: what is kept with a policy (who, why, when), and when stored bytes can be believed: only when the checksum fits, the hash
fits, and the desk's own check accepts the document. Leaves to others: where the bytes lie (policy_store).
"""

import hashlib
import json
from typing import NamedTuple

from streams.desk.policy import Policy
from streams.desk.policy_check import PolicyError, canonical, document_hash, parse_policy

_HEAD, _BETWEEN, _TAIL = b'{"checksum":"', b'","record":', b"}\n"
_CHECKSUM_CHARS = 32


class PolicyRecord(NamedTuple):
    """One version of the policy: its canonical document, and who saved it, why and when."""

    version: int
    hash: str
    document: str
    saved_by: str
    reason: str
    saved_ms: int


class Damaged(Exception):
    """These bytes are not a policy record that can be believed."""


def encode_record(record: PolicyRecord) -> bytes:
    """Write a record: one line of JSON, the checksum of the record's bytes before them."""
    body = canonical(record._asdict()).encode()
    return _HEAD + _checksum(body) + _BETWEEN + body + _TAIL


def decode_record(raw: bytes) -> PolicyRecord:
    """Read a record, or raise Damaged saying what does not fit. Nothing is parsed before its checksum has been compared."""
    start = len(_HEAD) + _CHECKSUM_CHARS + len(_BETWEEN)
    body = raw[start : -len(_TAIL)]
    if not raw:
        raise Damaged("is empty")
    if raw[:start] != _HEAD + _checksum(body) + _BETWEEN or raw[start + len(body) :] != _TAIL:
        raise Damaged("does not fit its checksum")
    try:
        record = PolicyRecord(**json.loads(body))
    except (ValueError, TypeError) as error:
        raise Damaged(f"is not a policy record: {error}") from None
    if record.hash != document_hash(record.document):
        raise Damaged("has a document that does not fit its hash")
    checked = parse_policy(record.version, record.document)
    if not isinstance(checked, Policy):
        raise Damaged(f"has a policy that this software refuses: {describe(checked)}")
    return record


def describe(errors: list[PolicyError]) -> str:
    """Write policy errors in one line."""
    return "; ".join(f"{'.'.join(error.path)} {error.problem}" for error in errors) or "a table is missing"


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECKSUM_CHARS // 2).hexdigest().encode()
