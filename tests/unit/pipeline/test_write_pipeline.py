"""The write pipeline: the order of writes, its bounds, and what it makes of what is no input at all."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from streams.desk.outputs import Fate
from streams.pipeline import write_pipeline
from streams.pipeline.flood import Flood, FloodGate
from streams.pipeline.ports import AppendFailed
from streams.pipeline.resuming import TapeBroken
from streams.pipeline.snapshots import ACCOUNT
from streams.pipeline.stored_snapshots import parse_key
from streams.pipeline.write_pipeline import CHANGELOG, WritePipeline
from tests.log_kit import Eager, MemoryTable, Producer
from tests.pipeline_kit import CODEC, Desk, cluster_with, generated_tape, resumed

TAPE = generated_tape(5, 300)


def nothing() -> None:
    """Acknowledge to nobody."""


class Bench:
    """A pipeline at the start of a tape, and a producer that does nothing by itself."""

    def __init__(self, tape: tuple[bytes, ...] = TAPE, flood: FloodGate | None = None) -> None:
        self.cluster = cluster_with(tape)
        self.log = Producer(self.cluster)
        self.table = MemoryTable({})
        self.pipeline = WritePipeline(resumed(self.cluster), CODEC, self.log, self.table, flood or FloodGate())
        self.acknowledged: list[int] = []

    def feed(self, start: int, end: int) -> None:
        records = self.cluster.read("tape", 0, start, end - start)
        self.pipeline.feed(records, self.note(end - 1))

    def note(self, offset: int) -> Callable[[], None]:
        return lambda: self.acknowledged.append(offset)

    def settle(self) -> None:
        for _ in range(4):
            self.log.flow()
            self.pipeline.progress()


def test_a_snapshot_goes_out_when_the_outputs_before_it_are_there_and_batches_wait_for_it() -> None:
    bench = Bench()
    bench.feed(0, 200)
    bench.pipeline.progress()
    assert bench.cluster.logs[CHANGELOG, 0] == []
    bench.log.flow()
    assert bench.cluster.logs[CHANGELOG, 0] == []
    bench.pipeline.progress()
    bench.log.deliver()
    assert len(bench.cluster.logs[CHANGELOG, 0]) > 0
    assert bench.table.held == {}
    bench.pipeline.progress()
    assert bench.table.held == {}
    bench.log.poll()
    bench.pipeline.progress()

    assert list(bench.table.held) == [record.key for record in bench.cluster.logs[CHANGELOG, 0]]
    assert bench.acknowledged == []  # the snapshot stands within the batch, so it does not cover it
    bench.pipeline.take_snapshot()
    bench.settle()
    assert bench.acknowledged == [199]
    assert bench.pipeline.settled


def test_batches_are_acknowledged_in_order_up_to_where_the_snapshot_stands() -> None:
    bench = Bench()
    for start in range(0, 300, 10):
        bench.feed(start, start + 10)
    bench.settle()

    (place,) = {parse_key(key)[1].offset for key in bench.table.held}  # type: ignore[index]  # our own keys
    assert bench.acknowledged == [last for last in range(9, 300, 10) if last <= place]
    assert not bench.pipeline.settled


def test_snapshots_stand_at_every_tenth_second_of_the_tape_whoever_takes_them() -> None:
    cluster = cluster_with(TAPE)
    Desk(cluster, Eager(cluster)).finish(most=1)
    offsets = {parse_key(record.key)[1].offset for record in cluster.logs[CHANGELOG, 0] if record.key}  # type: ignore[index]
    offsets.discard(299)  # taken on leaving

    seconds = [CODEC.decode_event(TAPE[offset], offset).body.second for offset in sorted(offsets)]  # type: ignore[union-attr]
    assert len(seconds) >= 3
    assert [second % 10 for second in seconds] == [0] * len(seconds)


def test_a_tape_on_which_time_stands_still_gets_snapshots_too() -> None:
    cluster = cluster_with([TAPE[0]] * 80)
    work = write_pipeline.Work(snapshot_every_offsets=30)
    log, table = Eager(cluster), MemoryTable({})
    pipeline = WritePipeline(resumed(cluster), CODEC, log, table, FloodGate(), work=work)
    for record in cluster.read("tape", 0):
        pipeline.feed([record], nothing)
        log.poll()
        pipeline.progress()

    assert {parse_key(key)[1].offset for key in table.held} == {30, 60}  # type: ignore[index]


def test_three_snapshots_are_kept_and_the_rest_is_deleted_from_the_changelog() -> None:
    cluster = cluster_with(TAPE)
    desk = Desk(cluster, Eager(cluster))
    desk.finish(most=5)
    desk.tend()

    assert desk.pipeline.snapshots > 3
    assert len({parse_key(key)[1] for key in desk.table.held}) == 3  # type: ignore[index]
    desk.log.flow()
    assert cluster.table(CHANGELOG, 0) == desk.table.held


def test_there_is_no_room_while_too_many_outputs_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_pipeline, "UNDER_WAY_MAX", 20)
    bench = Bench()
    bench.feed(0, 300)
    assert not bench.pipeline.has_room

    bench.settle()
    assert bench.pipeline.has_room


def test_there_is_no_room_while_too_many_batches_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_pipeline, "BATCHES_MAX", 3)
    bench = Bench()
    for offset in range(3):
        assert bench.pipeline.has_room
        bench.feed(offset, offset + 1)

    assert not bench.pipeline.has_room


def test_garbage_on_the_tape_is_a_dead_letter_and_the_partition_moves_on() -> None:
    bench = Bench((b"", b"garbage", b"\0\0\0\0\1x", *TAPE[:2]))
    bench.feed(0, 5)
    bench.settle()

    assert bench.pipeline.next_offset == 5
    assert (bench.pipeline.fates[Fate.DEAD_LETTER], bench.pipeline.fates[Fate.APPLIED]) == (3, 2)
    letters = bench.cluster.logs["dead-letters", 0]
    assert [CODEC.decode_record("DeadLetter", letter.value or b"")["raw"] for letter in letters] == [
        b"",
        b"garbage",
        b"\0\0\0\0\1x",
    ]
    assert [letter.key for letter in letters] == [b"acc"] * 3
    headers = dict(letters[1].headers)
    assert headers == {
        "qts-place": b"1/1/0", "source-topic": b"tape", "source-partition": b"0", "source-offset": b"1", "error": b"NOT_AVRO",
        "schema-id": b"", "version": b"1",
    }  # fmt: skip


def test_an_input_that_cannot_be_read_names_its_source_in_its_dead_letter() -> None:
    bench = Bench((CODEC.wrap(1_760_000_000_000, "signals", 3, 77, b"\0\0\0\x27\x0fx"),))
    bench.feed(0, 1)
    bench.settle()

    headers = dict(bench.cluster.logs["dead-letters", 0][0].headers)
    named = (
        headers["source-topic"],
        headers["source-partition"],
        headers["source-offset"],
        headers["error"],
        headers["schema-id"],
    )
    assert named == (b"signals", b"3", b"77", b"UNKNOWN_SCHEMA", b"9999")


def test_a_flood_of_dead_letters_ends_it() -> None:
    bench = Bench(tuple(b"garbage %d" % number for number in range(20)), FloodGate(dead_letters_max=10))

    with pytest.raises(Flood, match="more than 10 dead letters"):
        bench.feed(0, 20)
    assert bench.pipeline.next_offset == 11


def test_a_few_dead_letters_now_and_then_are_none() -> None:
    gate = FloodGate(dead_letters_max=2)
    for _ in range(100):
        gate.bad()
        gate.good()
        gate.good()
    gate.bad()
    gate.bad()

    with pytest.raises(Flood):
        gate.bad()


def test_a_third_of_dead_letters_for_ever_is_no_flood_and_more_is() -> None:
    gate = FloodGate(dead_letters_max=10)

    def half_of_them() -> None:
        for _ in range(100):
            gate.bad()
            gate.good()

    with pytest.raises(Flood):
        half_of_them()


def test_a_gap_in_the_tape_stops_it() -> None:
    bench = Bench()
    bench.feed(0, 10)

    with pytest.raises(TapeBroken, match="goes on with offset 12 where 10 is next"):
        bench.feed(12, 20)


def test_a_record_stepped_already_is_passed_over_only_after_the_consumer_was_sent_back() -> None:
    bench = Bench()
    bench.feed(0, 10)
    with pytest.raises(TapeBroken, match="offset 4 where 10 is next"):
        bench.feed(4, 8)
    bench.pipeline.rejoin()
    bench.feed(4, 8)
    bench.feed(8, 14)

    assert bench.pipeline.next_offset == 14
    assert bench.pipeline.fates[Fate.DUPLICATE] == 0


@pytest.mark.parametrize("fail_from", [0, 3])
def test_an_output_that_cannot_be_appended_ends_it(fail_from: int) -> None:
    bench = Bench()
    bench.log.fail_from = fail_from
    bench.feed(0, 200)
    bench.log.deliver()
    bench.log.poll()

    with pytest.raises(AppendFailed, match="timed out"):
        bench.pipeline.progress()
    assert bench.cluster.logs[CHANGELOG, 0] == []


def test_a_snapshot_that_cannot_be_appended_ends_it_and_acknowledges_nothing() -> None:
    bench = Bench()
    bench.feed(0, 200)
    bench.log.flow()
    bench.log.fail_from = bench.log.appended
    bench.pipeline.progress()
    bench.log.poll()

    with pytest.raises(AppendFailed):
        bench.pipeline.progress()
    assert (bench.acknowledged, bench.table.held) == ([], {})


def test_late_acknowledgements_after_the_end_change_nothing() -> None:
    bench = Bench()
    bench.feed(0, 200)
    bench.pipeline.progress()
    bench.pipeline.close()
    bench.settle()
    bench.pipeline.take_snapshot()
    bench.feed(200, 210)
    bench.settle()

    assert (bench.acknowledged, bench.table.held, bench.pipeline.next_offset) == ([], {}, 200)
    assert bench.cluster.logs[CHANGELOG, 0] == []


def test_outputs_are_suppressed_by_the_tail_of_their_own_topic() -> None:
    cluster = cluster_with(TAPE)
    Desk(cluster, Eager(cluster)).finish()
    whole = {topic: list(cluster.logs[topic, 0]) for topic in ("orders", "decisions", "portfolio")}
    del cluster.logs[CHANGELOG, 0]
    cluster.logs["orders", 0] = whole["orders"][:2]
    cluster.logs["decisions", 0] = whole["decisions"][:5]
    cluster.put("orders", 0, b"x", b"somebody else's", ())

    desk = Desk(cluster, Eager(cluster))
    desk.finish()

    ours = {topic: [record.value for record in cluster.logs[topic, 0] if record.headers] for topic in whole}
    assert ours == {topic: [record.value for record in records] for topic, records in whole.items()}


def test_outputs_have_the_key_of_their_account_and_reports_one_that_no_account_has() -> None:
    cluster = cluster_with(TAPE)
    Desk(cluster, Eager(cluster)).finish()
    keys = {topic: {record.key for record in cluster.logs[topic, 0]} for topic in ("orders", "portfolio")}

    assert b"*equity" in keys["portfolio"]
    assert keys["orders"] <= keys["portfolio"] - {b"*equity"}


def test_a_worker_that_leaves_writes_down_what_it_has_stepped_once() -> None:
    bench = Bench()
    bench.pipeline.take_snapshot()
    assert bench.pipeline.settled
    bench.feed(0, 7)
    for _ in range(3):
        bench.pipeline.take_snapshot()
    bench.settle()
    bench.pipeline.take_snapshot()
    bench.settle()

    assert bench.acknowledged == [6]
    assert [parse_key(record.key or b"") for record in bench.cluster.logs[CHANGELOG, 0]] == [(0, (1, 6), 0)]


def test_a_worker_that_has_caught_up_writes_down_what_it_passed_over() -> None:
    bench = Bench()
    bench.pipeline = WritePipeline(resumed(bench.cluster), CODEC, bench.log, bench.table, FloodGate(), clock=lambda: 100.0)
    for start in range(0, 300, 10):
        bench.feed(start, start + 10)
        bench.settle()
        bench.pipeline.rest(caught_up=False)
    snapshots = [bench.pipeline.snapshots]
    bench.pipeline.rest(caught_up=True)
    bench.settle()

    assert [*snapshots, bench.pipeline.snapshots] == [1, 2]
    assert bench.pipeline.settled
    assert bench.acknowledged == list(range(9, 300, 10))


def test_an_empty_batch_is_nothing() -> None:
    bench = Bench()
    bench.pipeline.feed([], nothing)

    assert bench.pipeline.settled


class Encoding:
    """The codec, counting accounts written down."""

    def __init__(self) -> None:
        self.written = 0
        self.encode, self.decode_event, self.decode_record = CODEC.encode, CODEC.decode_event, CODEC.decode_record

    def encode_record(self, name: str, record: Mapping[str, Any]) -> bytes:
        self.written += record["body"][0] == ACCOUNT
        return CODEC.encode_record(name, record)


def written_down(prepare_every: int) -> tuple[list[tuple[bytes | None, bytes | None]], int]:
    """Step a tape, writing ahead every so many records; give the changelog, and how many accounts the points still had to write down."""
    cluster, codec, at_points = cluster_with(TAPE), Encoding(), 0
    log = Eager(cluster)
    pipeline = WritePipeline(resumed(cluster), codec, log, MemoryTable({}), FloodGate())
    for offset in range(len(TAPE)):
        before = codec.written
        pipeline.feed(cluster.read("tape", 0, offset, 1), nothing)
        at_points += codec.written - before
        log.flow()
        pipeline.progress()
        if prepare_every and offset % prepare_every == 0:
            pipeline.rest(caught_up=False)
    return [(record.key, record.value) for record in cluster.logs[CHANGELOG, 0]], at_points


def test_what_is_written_ahead_changes_no_snapshot_and_leaves_points_less_to_do() -> None:
    plainly, at_points = written_down(0)

    assert len(plainly) > 3
    for prepare_every in (1, 3):
        ahead, still_at_points = written_down(prepare_every)
        assert ahead == plainly
        assert still_at_points < at_points
