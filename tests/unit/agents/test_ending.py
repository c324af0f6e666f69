"""How a worker ends: once, with a code that says whether starting it again helps, and also when nobody listens to its last words."""

import logging

import pytest

from streams.agents import ending
from streams.agents.ending import FOR_GOOD, Ending, code_for
from streams.desk.desk import WrongReign
from streams.pipeline.flood import Flood
from streams.pipeline.identity import Identity, OtherTape, compare
from streams.pipeline.ports import AppendFailed
from streams.pipeline.resuming import ReignEnded, TapeBroken
from streams.pipeline.snapshots import BadSnapshot
from streams.pipeline.write_pipeline import ReignOver
from streams.services.watchdog import Stuck

CASES = [
    (TapeBroken("x"), 65, True), (OtherTape("x"), 65, True), (BadSnapshot("x"), 65, True), (WrongReign("x"), 66, False), (ReignEnded("x"), 67, True),
    (ReignOver("x"), 67, True), (Flood("x"), 68, True), (Stuck("x"), 74, False), (AppendFailed("x"), 75, False), (OSError("x"), 75, False),
    (TimeoutError("x"), 75, False), (MemoryError("x"), 75, False), (ValueError("x"), 70, False), (AssertionError("x"), 70, False),
]  # fmt: skip


@pytest.mark.parametrize(("error", "code", "for_good"), CASES, ids=lambda value: type(value).__name__)
def test_each_reason_has_its_code(error: Exception, code: int, for_good: bool) -> None:
    assert code_for(error) == code
    assert (code in FOR_GOOD) == for_good


def test_it_ends_once_with_the_first_reason_said(caplog: pytest.LogCaptureFixture) -> None:
    codes: list[int] = []
    end = Ending(codes.append)
    end.because(Flood("too many"))
    end.because(ValueError("what followed"))

    assert codes == [68]
    assert "worker ends: Flood: too many" in caplog.text
    assert "what followed" not in caplog.text


class Broken(logging.Handler):
    """Where last words go that nobody can hear any more."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say nothing."""

    def flush(self) -> None:
        raise BrokenPipeError


def test_it_ends_also_when_its_last_words_cannot_be_said() -> None:
    codes: list[int] = []
    handler = Broken()
    logging.getLogger().addHandler(handler)
    try:
        with pytest.raises(BrokenPipeError):
            Ending(codes.append).because(ReignOver("x"))
    finally:
        logging.getLogger().removeHandler(handler)

    assert codes == [ending.REIGN_OVER]


KNOWN = Identity(3, 4, "tape", {"tape": "id-1", "fills": "id-2"})


def test_topics_that_are_those_of_the_tape_are_let_pass() -> None:
    compare(KNOWN, {"tape": ("id-1", 4), "fills": ("id-2", 4), "other": ("id-3", 9)})
    compare(Identity(1, 4, "tape", {}), {})

    assert KNOWN.epoch == 3


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"tape": ("id-1", 4)}, "topic fills is gone; epoch 3"),
        ({"tape": ("id-1", 4), "fills": ("id-9", 4)}, "fills was made anew"),
        ({"tape": ("id-1", 4), "fills": ("id-2", 5)}, "topic fills has 5 partitions, and epoch 3 of the tape was begun with 4"),
    ],
)
def test_a_topic_that_is_gone_made_anew_or_repartitioned_is_another_tape(found: dict[str, tuple[str, int]], words: str) -> None:
    with pytest.raises(OtherTape, match=words):
        compare(KNOWN, found)
