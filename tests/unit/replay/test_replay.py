"""Replay gives the same answers as the run that was recorded, from any start, in any batches, and says where it does not."""

from pathlib import Path

import pytest

from schemas.codec import Codec
from streams.desk.messages import Control, PolicyUpdate, VersionChange
from streams.desk.policy_check import canonical
from streams.pipeline.snapshots import SnapshotWriter
from streams.replay.hashes import decisions_hash
from streams.replay.replay import BadTape, OtherReign, Replay, Replayed
from streams.replay.tape_file import DamagedTape, Entry, EntryKind, TapeReader
from streams.simulation.policies import document
from tests.tape_kit import (
    HEADER,
    REGISTRY,
    continued,
    decision_number,
    entries,
    events_of,
    one_byte_altered,
    rewritten,
    stepped,
    without_decisions,
    write,
)  # fmt: skip


def replayed(
    path: Path, until: int | None = None, compare: bool = False, batch_events: int = 1_000, policy: str | None = None
) -> Replayed:
    with TapeReader(path) as tape:
        return Replay(tape, REGISTRY, policy, batch_events).run(until, compare)


def test_a_replay_says_what_was_recorded(tape: Path) -> None:
    result = replayed(tape, compare=True)

    assert result.divergence is None
    assert result.events == 1_500
    assert result.decisions == result.recorded_decisions > 100
    assert result.orders == result.verdicts["APPROVED"] > 0
    assert sum(result.refused.values()) == result.verdicts["REFUSED"] + result.verdicts["DROPPED"] > 0
    assert sum(result.fates.values()) == 1_500


def test_a_replay_ends_in_the_state_that_stepping_the_events_gives(tape: Path) -> None:
    result, state = replayed(tape), stepped(tape)

    assert result.decisions_hash == decisions_hash(state)
    assert result.state_hash == SnapshotWriter(Codec(REGISTRY)).state_hash(state)


@pytest.mark.parametrize("batch_events", [1, 7, 1_000])
def test_batches_change_nothing(tape: Path, batch_events: int) -> None:
    result, whole = replayed(tape, batch_events=batch_events), replayed(tape, batch_events=100_000)

    assert (result.decisions_hash, result.state_hash, result.events) == (whole.decisions_hash, whole.state_hash, whole.events)


def test_a_replay_from_a_snapshot_on_the_way_ends_the_same(tape: Path) -> None:
    whole, rest = replayed(tape), replayed(continued(tape, 700), compare=True)

    assert rest.divergence is None
    assert rest.events == 800
    assert (rest.decisions_hash, rest.state_hash) == (whole.decisions_hash, whole.state_hash)


def test_until_is_the_last_offset(tape: Path) -> None:
    result = replayed(tape, until=499, compare=True)

    assert (result.events, result.state.offset, result.divergence) == (500, 499, None)


def test_until_beyond_the_end_is_the_end(tape: Path) -> None:
    assert replayed(tape, until=10**9).events == 1_500


@pytest.mark.parametrize("place", [6, 40, -1])
def test_one_byte_of_one_decision_is_found_at_its_offset(tape: Path, place: int) -> None:
    changed = rewritten(tape, decision_number(50, one_byte_altered(place)))
    offset = [entry.offset for entry in entries(tape) if entry.kind is EntryKind.DECISION][50]

    found = replayed(changed, compare=True).divergence

    assert found is not None
    assert found.offset == offset


def test_a_decision_too_few_and_one_too_many_are_found(tape: Path) -> None:
    fewer = replayed(rewritten(tape, decision_number(60, lambda _entry: [])), compare=True).divergence
    more = replayed(rewritten(tape, decision_number(60, lambda entry: [entry, entry])), compare=True).divergence

    assert fewer is not None
    assert (fewer.field, fewer.recorded, fewer.replayed) == ("decisions", "0", "1")
    assert more is not None
    assert (more.field, more.recorded, more.replayed) == ("decisions", "2", "1")


def test_nothing_to_compare_with_is_no_agreement(tape: Path) -> None:
    with pytest.raises(BadTape, match="no decisions are recorded"):
        replayed(rewritten(tape, without_decisions), compare=True)


def test_a_tape_without_decisions_replays_all_the_same(tape: Path) -> None:
    assert replayed(rewritten(tape, without_decisions)).decisions_hash == replayed(tape).decisions_hash


def test_a_tape_of_another_desk_version_is_refused(tape: Path) -> None:
    other = rewritten(tape, lambda entry: [entry], HEADER._replace(desk_version="0"))

    with pytest.raises(OtherReign, match="desk version 0") as refused:
        replayed(other)
    assert (refused.value.version, refused.value.since) == ("0", None)


def test_a_replay_stops_where_another_version_begins_to_reign(tape: Path) -> None:
    codec = Codec(REGISTRY)

    def handing_over(entry: Entry) -> list[Entry]:
        if entry.kind is not EntryKind.EVENT or entry.offset != 900:
            return [entry] if entry.kind is not EntryKind.DECISION else []
        event = codec.decode_event(entry.value, 900)
        command = Control("hand-over", "*", "ops", "release", event.stamp_ms, VersionChange("2"))
        return [entry._replace(value=codec.encode_event(event._replace(topic="hand-over", body=command)))]

    with pytest.raises(OtherReign) as refused:
        replayed(rewritten(tape, handing_over))
    assert (refused.value.version, refused.value.since) == ("2", 901)


def test_a_tape_that_begins_later_needs_a_snapshot(tape: Path) -> None:
    later = write(tape.with_name("later.tape"), [entry for entry in entries(tape) if entry.offset >= 100])

    with pytest.raises(BadTape, match="begins at offset 100 without a snapshot"):
        replayed(later)


def test_a_tape_of_nothing_but_a_snapshot_replays_to_that_state(tape: Path) -> None:
    empty = write(tape.with_name("empty.tape"), [entry for entry in entries(tape) if entry.kind is EntryKind.SNAPSHOT])

    assert replayed(empty).events == 0


def test_another_policy_takes_the_place_of_the_tapes(tape: Path) -> None:
    strict = canonical(document([f"{coin}USDT" for coin in ("BTC", "ETH", "BNB", "SOL", "XRP")], entry={"confidence_min": "1"}))

    result, before = replayed(tape, policy=strict), replayed(tape)

    assert result.orders < before.orders
    assert result.refused["CONFIDENCE_LOW"] > before.refused["CONFIDENCE_LOW"]


def test_another_policy_takes_the_place_of_the_snapshots(tape: Path) -> None:
    published = max(
        event.offset
        for event in events_of(tape)
        if isinstance(event.body, Control) and isinstance(event.body.command, PolicyUpdate)
    )
    symbols = ["BTCUSDT"]
    later = continued(tape, published + 200)

    result = replayed(later, policy=canonical(document(symbols)))

    assert result.refused["SYMBOL_NOT_IN_PHASE"] > 0


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_damaged_tape_tells_how_far_it_was_good(tape: Path, tmp_path: Path, share: float) -> None:
    raw = tape.read_bytes()
    damaged = tmp_path / "damaged.tape"
    damaged.write_bytes(raw[: int(len(raw) * share)])

    with pytest.raises(DamagedTape):
        replayed(damaged)
