"""When a snapshot is due: at fixed points, not again and again while catching up, and once more when that is done."""

from streams.desk.messages import Tick, Unreadable
from streams.desk.outputs import Fate
from streams.pipeline.points import AHEAD_S, PAUSE_S, SNAPSHOT_EVERY_S, Points

OTHER = Unreadable("NOT_AVRO", "no record", None, b"")
EVERY_OFFSETS = 100


class Catching:
    """The points of a partition, and a clock that is set by hand."""

    def __init__(self, partition: int = 0) -> None:
        self.now_s = 50.0
        self.points = Points(partition, EVERY_OFFSETS, lambda: self.now_s)

    def tick(self, second: int, busy: bool = False) -> bool:
        return self.points.due(Tick(second), Fate.APPLIED, 1, busy)


def test_points_are_every_tenth_tick_each_partition_at_another_and_every_so_many_offsets() -> None:
    for partition in range(3):
        points = Points(partition, EVERY_OFFSETS, None)
        assert [second for second in range(40) if points.due(Tick(second), Fate.APPLIED, 1, busy=False)] == [
            partition + SNAPSHOT_EVERY_S * number for number in range(4)
        ]
        assert [offset for offset in range(250) if points.due(OTHER, Fate.DEAD_LETTER, offset, busy=False)] == [100, 200]
        assert not points.made_up()


def test_a_tick_that_counted_for_nothing_is_no_point() -> None:
    assert not Points(0, EVERY_OFFSETS, None).due(Tick(10), Fate.DUPLICATE, 1, busy=False)


def test_points_that_come_too_soon_are_passed_over_and_one_makes_up_for_them() -> None:
    catching = Catching()
    assert catching.tick(0)
    for second in (10, 20):
        catching.now_s += PAUSE_S / 3
        assert not catching.tick(second)
    assert catching.points.made_up()
    assert not catching.points.made_up(), "once"


def test_a_snapshot_that_makes_up_for_one_begins_the_pause_anew() -> None:
    catching = Catching()
    catching.tick(0)
    catching.tick(10)
    catching.now_s += PAUSE_S - 0.1
    assert catching.points.made_up()
    catching.now_s += 0.2
    assert not catching.tick(20)
    catching.now_s += PAUSE_S
    assert catching.tick(30)
    assert not catching.points.made_up(), "the point itself has been taken since"


def test_live_no_point_is_passed_over_and_nothing_is_made_up_for() -> None:
    catching = Catching()
    for second in range(0, 40, SNAPSHOT_EVERY_S):
        assert catching.tick(second)
        catching.now_s += SNAPSHOT_EVERY_S - 0.5  # ticks come a little early or late
        assert not catching.points.made_up()


def test_a_point_at_which_the_one_before_was_still_under_way_is_made_up_for() -> None:
    catching = Catching()
    assert catching.tick(0)
    catching.now_s += PAUSE_S
    assert not catching.tick(10, busy=True)
    assert catching.tick(20), "none was taken, so none need be waited for"
    catching.now_s += PAUSE_S
    assert not catching.tick(30, busy=True)
    assert catching.points.made_up()


def test_without_a_clock_a_point_met_while_busy_is_passed_over_for_good() -> None:
    points = Points(0, EVERY_OFFSETS, None)
    assert not points.due(Tick(10), Fate.APPLIED, 1, busy=True)
    assert not points.made_up()


def test_the_seconds_before_a_point_are_near_it() -> None:
    points = Points(3, EVERY_OFFSETS, None)
    assert [second for second in range(10, 20) if points.near(second)] == [10, 11, 12, 19]
    assert AHEAD_S == 4
