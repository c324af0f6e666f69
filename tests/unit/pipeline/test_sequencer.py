"""The sequencer: every input on the tapes it belongs to, in the order of its source, and acknowledged only when it is there."""

from decimal import Decimal

import pytest

from connectors.kafka.partitioner import partition_of
from streams.desk.messages import Control, Disable, EquityReport, Tick
from streams.pipeline.ports import AppendFailed, Read
from streams.pipeline.sequencer import UNDER_WAY_MAX, Source
from tests.log_kit import Cluster, Eager, Kept, Producer
from tests.pipeline_kit import CODEC
from tests.schema_kit import MARK, SIGNAL
from tests.sequencer_kit import START_MS, Clock, Worker, offsets_on

PARTITIONS = 4
ACCOUNT = SIGNAL.account.encode()


class Stage:
    """A sequencer of all sources on an empty cluster."""

    def __init__(self) -> None:
        self.cluster, self.clock = Cluster(), Clock()
        self.log: Producer = Eager(self.cluster)
        self.worker = Worker(self.cluster, self.log, self.clock, PARTITIONS)
        self.acknowledged: list[int] = []

    def forward(self, topic: str, key: bytes | None, value: bytes | None, offset: int = 0, partition: int = 1) -> None:
        self.worker.sequencer.forward(topic, partition, [Read(offset, key, value)], lambda: self.acknowledged.append(offset))
        self.worker.tend()

    def where(self, topic: str, partition: int = 1) -> list[int]:
        """Tell on which tape partitions something of a source is."""
        return [tape for tape in range(PARTITIONS) if offsets_on(self.cluster, tape, (topic, partition))]


@pytest.fixture
def stage() -> Stage:
    return Stage()


EVERYWHERE = list(range(PARTITIONS))
STOP = Control("c-1", "*", "op", "test", 1, Disable())
REPORT = EquityReport("r-1", 0, 4, 1, Decimal(1), Decimal(0), 1, True, 1)


def test_a_record_goes_to_the_tape_of_its_account(stage: Stage) -> None:
    stage.forward("signals", ACCOUNT, CODEC.encode(SIGNAL))

    assert stage.where("signals") == [partition_of(ACCOUNT, PARTITIONS)]
    (record,) = stage.cluster.logs["tape", partition_of(ACCOUNT, PARTITIONS)]
    assert (record.key, CODEC.unwrap(record.value or b"")) == (ACCOUNT, (START_MS, "signals", 1, 0, CODEC.encode(SIGNAL)))


def test_keys_are_placed_by_murmur2_as_everywhere_in_kafka() -> None:
    # Worked out with Kafka's own Utils.murmur2: -973932308 for "21", & 0x7fffffff.
    assert partition_of(b"21", 1_000) == (-973932308 & 0x7FFFFFFF) % 1_000


def test_a_record_without_a_key_goes_where_its_account_belongs(stage: Stage) -> None:
    stage.forward("signals", None, CODEC.encode(SIGNAL))

    assert stage.where("signals") == [partition_of(ACCOUNT, PARTITIONS)]


def test_what_nobody_can_read_stays_beside_its_source(stage: Stage) -> None:
    stage.forward("signals", None, b"garbage", partition=3)

    assert stage.where("signals", 3) == [3]


def test_a_tombstone_is_an_input_like_any_other(stage: Stage) -> None:
    stage.forward("fills", ACCOUNT, None)

    (record,) = stage.cluster.logs["tape", partition_of(ACCOUNT, PARTITIONS)]
    assert CODEC.unwrap(record.value or b"").payload == b""


@pytest.mark.parametrize("topic", ["marks", "instruments"])
def test_what_concerns_everybody_goes_everywhere(stage: Stage, topic: str) -> None:
    stage.forward(topic, b"BTCUSDT", CODEC.encode(MARK))

    assert stage.where(topic) == EVERYWHERE


@pytest.mark.parametrize("key", [b"*", None])
def test_a_command_to_all_accounts_goes_everywhere_with_or_without_its_key(stage: Stage, key: bytes | None) -> None:
    stage.forward("control", key, CODEC.encode(STOP))

    assert stage.where("control") == EVERYWHERE


def test_a_command_to_an_account_goes_to_its_tape_only(stage: Stage) -> None:
    stage.forward("control", b"acc-7", CODEC.encode(STOP._replace(account="acc-7")))

    assert stage.where("control") == [partition_of(b"acc-7", PARTITIONS)]


def test_a_signal_of_all_accounts_goes_to_one_tape_only(stage: Stage) -> None:
    stage.forward("signals", b"*", CODEC.encode(SIGNAL._replace(account="*")))

    assert stage.where("signals") == [partition_of(b"*", PARTITIONS)]


def test_equity_reports_go_to_the_tape_of_the_stop_over_all_and_portfolios_nowhere(stage: Stage) -> None:
    stage.forward("portfolio", b"*equity", CODEC.encode(REPORT), 0)
    stage.forward("portfolio", ACCOUNT, b"a portfolio", 1)

    assert stage.where("portfolio") == [partition_of(b"*", PARTITIONS)]
    assert stage.acknowledged == [0, 1]


def test_keys_of_a_megabyte_are_routed_and_not_remembered(stage: Stage) -> None:
    key = b"x" * 100_000
    stage.forward("signals", key, CODEC.encode(SIGNAL))

    assert stage.where("signals") == [partition_of(key, PARTITIONS)]
    assert stage.worker.sequencer._routes == {}  # noqa: SLF001 - what is kept is what this is about


def test_a_second_comes_once_on_the_tape_of_each_control_partition_owned() -> None:
    cluster, clock = Cluster(), Clock(START_MS + 300)
    log = Eager(cluster)
    worker = Worker(cluster, log, clock, PARTITIONS, sources=[("control", 1), ("control", 3), ("marks", 2)])
    for now_ms in (START_MS, START_MS + 999, START_MS + 1_000, START_MS + 400, START_MS + 5_100):
        clock.now_ms = now_ms
        worker.sequencer.tick()
    log.deliver()

    second = START_MS // 1_000
    # The first at once, whatever second it is the end of; later ones each partition a while after the others.
    assert offsets_on(cluster, 1, ("ticks", 1)) == [second - 1, second, second + 4]
    assert offsets_on(cluster, 3, ("ticks", 3)) == [second - 1, second, second + 4]
    assert [len(cluster.logs["tape", tape]) for tape in (0, 2)] == [0, 0]
    assert CODEC.decode_event(cluster.logs["tape", 1][1].value or b"", 1).body == Tick(second)


def test_partitions_are_told_of_a_second_one_after_the_other() -> None:
    cluster, clock = Cluster(), Clock(START_MS + 999)
    worker = Worker(
        cluster, Eager(cluster), clock, PARTITIONS, sources=[("control", partition) for partition in range(PARTITIONS)]
    )
    worker.sequencer.tick()
    told = []
    for now_ms in range(START_MS + 1_000, START_MS + 2_000):
        clock.now_ms = now_ms
        before = worker.sequencer.forwarded
        worker.sequencer.tick()
        told += [now_ms - START_MS - 1_000] * (worker.sequencer.forwarded - before)

    assert told == [partition * 1_000 // PARTITIONS for partition in range(PARTITIONS)]


def test_a_failed_append_ends_it() -> None:
    stage = Stage()
    stage.log.fail_from = 1
    stage.forward("signals", ACCOUNT, CODEC.encode(SIGNAL), 0)

    with pytest.raises(AppendFailed, match="timed out"):
        stage.forward("signals", ACCOUNT, CODEC.encode(SIGNAL), 1)
    assert stage.acknowledged == [0]


def test_batches_are_acknowledged_in_order_and_only_when_every_tape_has_them() -> None:
    cluster, clock, said = Cluster(), Clock(), list[int]()
    log = Producer(cluster)
    worker = Worker(cluster, log, clock, PARTITIONS)
    worker.sequencer.forward("instruments", 0, [Kept(0, b"B", b"x")], lambda: said.append(0))
    worker.sequencer.forward("instruments", 0, [Kept(1, b"B", b"y")], lambda: said.append(1))

    log.deliver([("tape", 0), ("tape", 1), ("tape", 3)])
    worker.tend()
    assert said == []
    assert not worker.sequencer.settled
    log.deliver()
    worker.tend()
    assert said == [0, 1]
    assert worker.sequencer.settled


def test_marks_are_acknowledged_only_when_their_window_has_left(stage: Stage) -> None:
    for offset in range(3):
        stage.forward("marks", b"BTCUSDT", CODEC.encode(MARK._replace(mark_id=str(offset))), offset)
    assert stage.acknowledged == [0]

    stage.clock.now_ms += 100
    stage.worker.tend()
    stage.worker.tend()

    assert stage.acknowledged == [0, 1, 2]
    assert [offsets_on(stage.cluster, tape, ("marks", 1)) for tape in EVERYWHERE] == [[0, 2]] * PARTITIONS


def test_nothing_is_forwarded_or_acknowledged_for_a_partition_that_has_gone() -> None:
    cluster, clock, said = Cluster(), Clock(), list[Source]()
    log = Producer(cluster)
    worker = Worker(cluster, log, clock, PARTITIONS)
    worker.sequencer.forward("signals", 0, [Kept(0, ACCOUNT, b"x")], lambda: said.append(("signals", 0)))
    worker.sequencer.own([(("signals", 1), 0)])
    worker.sequencer.forward("signals", 0, [Kept(1, ACCOUNT, b"x")], lambda: said.append(("signals", 0)))
    log.flow()
    worker.tend()

    assert said == []
    assert log.appended == 1


def test_it_takes_no_more_while_too_much_is_under_way() -> None:
    cluster = Cluster()
    worker = Worker(cluster, Producer(cluster), Clock(), 1)
    worker.sequencer.forward("fills", 0, [Kept(offset, b"a", b"") for offset in range(UNDER_WAY_MAX)], lambda: None)

    assert not worker.sequencer.has_room
    worker.log.flow()
    assert worker.sequencer.has_room


def test_what_goes_to_the_tape_is_recorded_when_it_is_there() -> None:
    cluster, recorded = Cluster(), list[tuple[int, int]]()
    log = Producer(cluster)
    worker = Worker(cluster, log, Clock(), 2)
    worker.sequencer._record = lambda tape, _raw: lambda _failure, receipt: recorded.append((tape, receipt.offset()))  # type: ignore[attr-defined]  # noqa: SLF001 - handed in as the app does
    worker.sequencer.forward("instruments", 0, [Kept(0, b"B", b"x")], lambda: None)
    assert recorded == []
    log.flow()
    worker.tend()

    assert recorded == [(0, 0), (1, 0)]
    assert worker.sequencer.settled
