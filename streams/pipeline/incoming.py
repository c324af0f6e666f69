"""A tape record as a tape event.

Decides: what becomes of bytes that are none. Leaves to others: the codec (schemas), what the desk makes of it.
"""

from streams.desk.messages import TapeEvent, Unreadable
from streams.pipeline.ports import EventCodec


def read_event(codec: EventCodec, raw: bytes, offset: int, partition: int) -> TapeEvent:
    """Read a tape record. What is no tape event (somebody else wrote on the tape) is an unreadable input of the tape's own, and moves no clock."""
    try:
        return codec.decode_event(raw, offset)
    except ValueError as error:
        code, detail = getattr(error, "error", "NOT_AVRO"), getattr(error, "detail", str(error))
        body = Unreadable(code, f"no tape event: {detail}", getattr(error, "schema_id", None), raw)
        return TapeEvent(offset, 0, "tape", partition, offset, body, raw)
