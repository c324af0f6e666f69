"""Comparing decisions: what was recorded against what the desk says now.

Decides: whether two are the same, and if not, which field of which decision is the first that is not. Leaves to others: which of many
differences matter (explain).
"""

from typing import Any, NamedTuple, Protocol

from streams.desk.outputs import Decision


class DecisionCodec(Protocol):
    """Turns decisions into bytes and back."""

    def encode(self, message: Decision) -> bytes:
        """Write a decision as it goes out."""

    def decode(self, raw: bytes) -> Any:
        """Read whatever message this is."""


class Divergence(NamedTuple):
    """The first place where a replay says something else than the record."""

    offset: int
    n: int | None
    field: str
    recorded: str
    replayed: str


_HEADER_BYTES = 5
"""What names the writer's schema at the beginning of a record."""


def first_difference(
    offset: int, recorded: list[bytes], replayed: list[Decision], own: DecisionCodec, tapes: DecisionCodec | None = None
) -> Divergence | None:
    """Compare the decisions of one offset, byte by byte and where bytes differ field by field.

    own writes and reads with our schemas, tapes reads what the tape was recorded with (own where there is none).
    """
    for raw, decision in zip(recorded, replayed, strict=False):
        expected = own.encode(decision)
        if raw != expected:
            found = _field(offset, raw, expected, decision, tapes or own)
            if found is not None:
                return found
    if len(recorded) == len(replayed):
        return None
    shorter = min(len(recorded), len(replayed))
    first = replayed[shorter] if len(replayed) > shorter else read_decision(recorded[shorter], tapes or own)
    n = first.n if isinstance(first, Decision) else None
    return Divergence(offset, n, "decisions", str(len(recorded)), str(len(replayed)))


def read_decision(raw: bytes, codec: DecisionCodec) -> Decision | str:
    """Read a recorded decision, or tell why it is none."""
    try:
        found = codec.decode(raw)
    except ValueError as error:
        return str(error)
    return found if isinstance(found, Decision) else f"a {type(found).__name__} where a decision should be"


def _field(offset: int, raw: bytes, expected: bytes, decision: Decision, codec: DecisionCodec) -> Divergence | None:
    """Name the first field that differs. Bytes of another schema version may differ and still say the same; of the same version they may not."""
    found = read_decision(raw, codec)
    if isinstance(found, str):
        return Divergence(offset, decision.n, "record", found, "Decision")
    for name, was, now in zip(Decision._fields, found, decision, strict=True):
        if was != now:
            return Divergence(offset, decision.n, name, as_text(was), as_text(now))
    if raw[:_HEADER_BYTES] == expected[:_HEADER_BYTES]:
        return Divergence(offset, decision.n, "bytes", raw.hex(), expected.hex())
    return None


def as_text(value: object) -> str:
    """Write a field for people: checks one after the other, as `gate CODE figures`."""
    if isinstance(value, tuple):
        return "; ".join(" ".join(part for part in check if part) for check in value)
    return str(value)
