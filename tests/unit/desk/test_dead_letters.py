"""A record that cannot be used is put aside with its bytes and its position."""

from decimal import Decimal

from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.desk.messages import Mark, TapeEvent
from streams.desk.outputs import DeadLetter, Fate
from tests.desk_kit import Rig

CODEC = Codec(BundledRegistry())


def test_a_readable_record_that_cannot_be_true_keeps_the_bytes_it_came_with() -> None:
    rig = Rig().ready()
    rig.mark("BTCUSDT", "100")
    good = rig.tape[-1]
    assert isinstance(good.body, Mark)
    bad = good.body._replace(mark_id="bad", low=Decimal(-1), ts=good.body.ts + 1)
    event = TapeEvent(rig.offset + 1, rig.now_ms, "marks", 0, rig.offset + 1, bad)

    rig.feed_event(CODEC.decode_event(CODEC.encode_event(event), event.offset))

    assert rig.last.fate is Fate.DEAD_LETTER
    (letter,) = rig.last.outputs
    assert isinstance(letter, DeadLetter)
    assert (letter.error, letter.topic, letter.partition, letter.source_offset) == (
        "MARK_INVALID",
        "marks",
        0,
        event.source_offset,
    )
    assert letter.raw == CODEC.encode(bad)
