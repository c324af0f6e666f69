"""What has to be true of a tape, whatever happened to the sequencers that wrote it.

Decides: what counts as lost. Leaves to others: writing the tape.
"""

from collections import defaultdict

from connectors.kafka.partitioner import partition_of
from streams.desk.messages import EquityReport, Mark
from tests.log_kit import Cluster
from tests.pipeline_kit import CODEC
from tests.sequencer_kit import TOPICS, decoded, in_order, offsets_on, taken_by_desk


def check_tape(cluster: Cluster, partitions: int) -> None:
    """Every record is taken once on each tape it belongs to, in order; of marks, every high and low."""
    for tape in range(partitions):
        for topic in TOPICS:
            for partition in range(partitions):
                if topic != "marks":
                    wanted = [
                        one.offset
                        for one in cluster.read(topic, partition)
                        if belongs(topic, one.key, one.value, tape, partitions)
                    ]
                    taken = taken_by_desk(offsets_on(cluster, tape, (topic, partition)))
                    assert taken == wanted, f"{topic}/{partition} on tape {tape}"
                    assert in_order(taken)
        check_wicks(cluster, partitions, tape)


def belongs(topic: str, key: bytes | None, value: bytes | None, tape: int, partitions: int) -> bool:
    if topic == "portfolio":
        return isinstance(decoded(value or b""), EquityReport) and tape == partition_of(b"*", partitions)
    if topic == "instruments" or (topic == "control" and key == b"*"):
        return True
    return tape == partition_of(key or b"", partitions)


def check_wicks(cluster: Cluster, partitions: int, tape: int) -> None:
    """Between two marks of a symbol on the source, the tape shows what lies between, and ends with the newest."""
    shown: defaultdict[tuple[int, str], list[tuple[int, Mark]]] = defaultdict(list)
    highest: dict[int, int] = {}
    for record in cluster.logs["tape", tape]:
        event = CODEC.decode_event(record.value or b"", record.offset)
        if isinstance(event.body, Mark) and event.source_offset > highest.get(event.partition, -1):
            highest[event.partition] = event.source_offset
            shown[event.partition, event.body.symbol].append((event.source_offset, event.body))
    for partition in range(partitions):
        for one in cluster.read("marks", partition):
            mark = decoded(one.value or b"")
            of_symbol = shown[partition, mark.symbol]
            after = next((index for index, (offset, _) in enumerate(of_symbol) if offset >= one.offset), len(of_symbol))
            around = of_symbol[max(after - 1, 0) : after + 1]
            assert any(it.high >= mark.high and it.low <= mark.low for _, it in around), f"wick of marks/{partition} {one.offset}"
        newest = {mark.symbol: mark for one in cluster.read("marks", partition) if (mark := decoded(one.value or b""))}
        assert all(shown[partition, symbol][-1][1].mark_id == mark.mark_id for symbol, mark in newest.items())
