"""Looking into a tape finds what does not hang together."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from schemas.codec import Codec
from streams.desk.messages import Mark, TapeEvent, Tick
from streams.replay.inspect import PROBLEMS_MAX, Inspection, Inspector
from streams.replay.tape_file import Entry, EntryKind, TapeReader
from tests.tape_kit import (
    REGISTRY,
    Rewrite,
    continued,
    decision_number,
    entries,
    events_of,
    one_byte_altered,
    rewritten,
    without_decisions,
    write,
)


def inspected(path: Path) -> Inspection:
    with TapeReader(path) as tape:
        return Inspector(tape, REGISTRY).run()


def at(offset: int, change: Callable[[TapeEvent], TapeEvent]) -> Rewrite:
    """Change the event at an offset, and leave its decisions out."""
    codec = Codec(REGISTRY)

    def rewrite(entry: Entry) -> list[Entry]:
        if entry.offset != offset or entry.kind is EntryKind.SNAPSHOT:
            return [entry]
        if entry.kind is EntryKind.DECISION:
            return []
        return [entry._replace(value=codec.encode_event(change(codec.decode_event(entry.value, offset))))]

    return rewrite


def last_mark(path: Path) -> TapeEvent:
    return [event for event in events_of(path) if event.topic == "marks"][-1]


def test_a_sound_tape_hangs_together(tape: Path) -> None:
    found = inspected(tape)

    assert found.problems == []
    assert (found.events, found.first_offset, found.last_offset, found.start_offset) == (1_500, 0, 1_499, -1)
    assert found.decisions == sum(found.verdicts.values()) > 100
    assert len(found.accounts) == 3
    assert sum(found.kinds.values()) == 1_500
    assert found.first_ms is not None
    assert found.last_ms is not None
    assert found.first_ms < found.last_ms


def test_a_tape_that_goes_on_from_a_snapshot_hangs_together(tape: Path) -> None:
    found = inspected(continued(tape, 700))

    assert found.problems == []
    assert (found.start_offset, found.start_accounts, found.first_offset) == (699, 3, 700)


def test_a_gap_in_the_offsets_is_found(tape: Path) -> None:
    found = inspected(rewritten(tape, lambda entry: [] if entry.offset == 900 else [entry]))

    assert "offset 901 follows 899: gap" in found.problems


def test_a_gap_after_the_snapshot_is_found(tape: Path) -> None:
    later = continued(tape, 700)
    kept = [entry for entry in entries(later) if entry.kind is EntryKind.SNAPSHOT or entry.offset > 705]

    assert "offset 706 follows 699: gap" in inspected(write(tape.with_name("gap.tape"), kept)).problems


Change = Callable[[Mark], Mark]


def with_a_late_mark(tape: Path, change: Change) -> tuple[TapeEvent, Inspection]:
    """Let the last mark stand two places further on, as a merged one does, and after it one of the places it has passed over."""
    last = last_mark(tape)
    assert isinstance(last.body, Mark)
    skipped = rewritten(tape, at(last.offset, lambda event: event._replace(source_offset=event.source_offset + 2)))
    late = TapeEvent(1_500, last.stamp_ms, "marks", 0, last.source_offset + 1, change(last.body))
    tail = Entry(EntryKind.EVENT, 1_500, Codec(REGISTRY).encode_event(late))
    return late, inspected(write(skipped.with_name("back.tape"), [*entries(skipped), tail]))


@pytest.mark.parametrize(
    "change",
    [
        lambda mark: mark._replace(high=mark.high + 1),
        lambda mark: mark._replace(low=mark.low - 1),
        lambda mark: mark._replace(ts=mark.ts + 1),
        lambda mark: mark._replace(symbol="NEWUSDT"),
    ],
    ids=["a higher high", "a lower low", "a newer price", "another symbol"],
)
def test_a_mark_that_goes_back_to_what_the_tape_does_not_show_is_found(tape: Path, change: Change) -> None:
    late, found = with_a_late_mark(tape, change)

    where = f"marks/0@{late.source_offset}"
    assert found.problems == [f"offset 1500: {where} comes after {late.source_offset + 1} and never came before"]
    assert found.skipped["marks"] == 2


def test_a_mark_that_stands_in_the_one_it_was_merged_into_is_a_repeat_and_no_problem(tape: Path) -> None:
    before = inspected(tape).repeats
    _, found = with_a_late_mark(
        tape, lambda mark: mark._replace(ts=mark.ts - 1, high=mark.high - Decimal("0.1"), low=mark.low + Decimal("0.1"))
    )

    assert found.problems == []
    assert found.repeats == before + 1


def test_an_input_that_cannot_be_merged_and_goes_back_is_found(tape: Path) -> None:
    last = [event for event in events_of(tape) if event.topic == "signals"][-1]
    skipped = rewritten(tape, at(last.offset, lambda event: event._replace(source_offset=event.source_offset + 2)))
    late = last._replace(offset=1_500, source_offset=last.source_offset + 1)
    tail = Entry(EntryKind.EVENT, 1_500, Codec(REGISTRY).encode_event(late))

    found = inspected(write(skipped.with_name("signal.tape"), [*entries(skipped), tail]))

    where = f"signals/{last.partition}@{late.source_offset}"
    assert any(problem.startswith(f"offset 1500: {where} comes after") for problem in found.problems)


def test_a_second_that_was_passed_over_and_comes_late_is_no_problem(tape: Path) -> None:
    last = [event for event in events_of(tape) if event.topic == "ticks"][-1]
    later = rewritten(tape, at(last.offset, lambda event: event._replace(source_offset=event.source_offset + 5, body=Tick(7))))
    late = Entry(EntryKind.EVENT, 1_500, Codec(REGISTRY).encode_event(last._replace(offset=1_500)))

    found = inspected(write(later.with_name("second.tape"), [*entries(later), late]))

    assert not any("ticks/" in problem for problem in found.problems)
    assert found.repeats == inspected(tape).repeats + 1


def test_a_record_forwarded_again_is_a_repeat_and_no_problem(tape: Path) -> None:
    late = last_mark(tape)
    codec = Codec(REGISTRY)
    again = late._replace(offset=1_500)
    path = write(tape.with_name("again.tape"), [*entries(tape), Entry(EntryKind.EVENT, 1_500, codec.encode_event(again))])

    found, before = inspected(path), inspected(tape)

    assert found.problems == []
    assert found.repeats == before.repeats + 1


def test_what_came_before_the_snapshot_may_come_again(tape: Path) -> None:
    early = [event for event in events_of(tape) if event.topic == "marks"][3]
    later = continued(tape, 700)
    codec = Codec(REGISTRY)
    again = Entry(EntryKind.EVENT, 1_500, codec.encode_event(early._replace(offset=1_500)))

    assert inspected(write(tape.with_name("early.tape"), [*entries(later), again])).problems == []


def test_an_altered_decision_breaks_its_own_hash(tape: Path) -> None:
    found = inspected(rewritten(tape, decision_number(50, one_byte_altered(-40))))

    assert found.problem_count >= 1
    assert any("hash" in problem or "cannot be read" in problem or "follows" in problem for problem in found.problems)


def test_a_missing_decision_breaks_the_chain_where_it_would_go_on(tape: Path) -> None:
    found = inspected(rewritten(tape, decision_number(50, lambda _entry: [])))

    assert found.problem_count == 1
    assert "follows" in found.problems[0]


def test_a_decision_said_twice_is_out_of_its_place(tape: Path) -> None:
    found = inspected(rewritten(tape, decision_number(50, lambda entry: [entry, entry])))

    assert any("says it is" in problem for problem in found.problems)


def test_an_event_that_cannot_be_read_is_a_problem_and_not_the_end(tape: Path) -> None:
    codec = Codec(REGISTRY)
    decision = next(entry for entry in entries(tape) if entry.kind is EntryKind.DECISION)
    tick = next(event for event in events_of(tape) if event.topic == "ticks")
    foreign = codec.wrap(tick.stamp_ms, "ticks", 0, 10**6, decision.value)
    path = write(tape.with_name("foreign.tape"), [*entries(tape), Entry(EntryKind.EVENT, 1_500, foreign)])

    found = inspected(path)

    assert found.events == 1_501
    assert found.kinds["Unreadable"] == inspected(tape).kinds["Unreadable"] + 1


def test_a_tape_without_decisions_has_nothing_wrong(tape: Path) -> None:
    found = inspected(rewritten(tape, without_decisions))

    assert (found.decisions, found.problems) == (0, [])


def test_problems_are_counted_beyond_those_told(tape: Path) -> None:
    found = inspected(rewritten(tape, lambda entry: [] if entry.offset % 3 == 1 else [entry]))

    assert len(found.problems) == PROBLEMS_MAX
    assert found.problem_count > PROBLEMS_MAX
