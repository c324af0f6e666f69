"""Kills are planned from a seed, and aimed at what was hit least: with fifty of them every kind of step is hit ten times."""

from collections import Counter
from collections.abc import Callable

import pytest

from streams.cli.crash_plan import AIMED, ROW_OF, Aims, plan, role_of
from streams.pipeline.steps import OF_EXECUTION, Step

EVENTS, KILLS, SESSION_S = 1_000_000, 50, 10.0
WANTED = 10


def hits(seed: int, falls: Callable[[int, Step], Step]) -> list[int]:
    """Count by kind of step where the kills of a long run fall. Those that are not aimed find their worker idle."""
    aims, fallen = Aims(seed), Counter[Step]()
    for number, what in enumerate(plan(seed, EVENTS, KILLS, 0, 2, SESSION_S)):
        step = falls(number, aims.next()) if what.aimed else Step.IDLE
        aims.fell(step)
        fallen[step] += 1
    assert sum(fallen.values()) == KILLS
    return [sum(fallen[step] for step in kind) for kind in AIMED]


def as_meant(_number: int, step: Step) -> Step:
    return step


def every_eighth_times_out(number: int, step: Step) -> Step:
    return Step.IDLE if number % 8 == 3 else step


def snapshots_seldom_come(number: int, step: Step) -> Step:
    return Step.OUTPUT_SENT if step is Step.SNAPSHOT_ACKNOWLEDGED and number % 2 else step


def offsets_never_come(_number: int, step: Step) -> Step:
    return Step.STEPPING if step is Step.BATCHES_ACKNOWLEDGED else step


@pytest.mark.parametrize("falls", [as_meant, every_eighth_times_out, snapshots_seldom_come, offsets_never_come])
@pytest.mark.parametrize("seed", range(20))
def test_fifty_kills_hit_every_kind_of_step_ten_times_though_some_fall_elsewhere(
    falls: Callable[[int, Step], Step], seed: int
) -> None:
    assert min(hits(seed, falls)) >= WANTED


def test_kills_that_fall_where_they_were_meant_to_are_shared_evenly() -> None:
    shares = hits(1, as_meant)

    assert max(shares) - min(shares) <= 1
    assert min(shares) > WANTED


def test_within_a_kind_of_step_all_take_turns() -> None:
    aims, meant = Aims(3), Counter[Step]()
    for _ in range(48):
        step = aims.next()
        meant[step] += 1
        aims.fell(step)

    for kind in AIMED:
        assert max(meant[step] for step in kind) - min(meant[step] for step in kind) <= 1


def test_the_same_seed_and_the_same_places_give_the_same_aims() -> None:
    def aimed(seed: int) -> list[Step]:
        aims, chosen = Aims(seed), []
        for number in range(KILLS):
            chosen.append(aims.next())
            aims.fell(every_eighth_times_out(number, chosen[-1]))
        return chosen

    assert aimed(1) == aimed(1)
    assert aimed(1) != aimed(2)
    assert plan(1, EVENTS, KILLS, 3, 2, SESSION_S) == plan(1, EVENTS, KILLS, 3, 2, SESSION_S)


def test_every_step_a_kill_is_aimed_at_has_a_row_and_a_worker_that_comes_there() -> None:
    steps = [step for kind in AIMED for step in kind]

    assert {*steps} == {*Step} - OF_EXECUTION - {Step.IDLE, Step.RESUMING}
    assert len(steps) == len({*steps})
    assert {step for step in steps if role_of(step) == "sequencer"} == {
        step for step in steps if ROW_OF[step].startswith("sequencer")
    }


def test_disturbances_come_in_order_within_the_run_and_a_few_kills_fall_anywhere() -> None:
    planned = plan(1, EVENTS, KILLS, 4, 2, SESSION_S)

    assert [what.at_events for what in planned] == sorted(what.at_events for what in planned)
    assert all(EVENTS // 20 <= what.at_events < EVENTS * 9 // 10 and what.worker in (0, 1) for what in planned)
    kinds = Counter((what.kind, what.aimed) for what in planned)
    assert kinds == {("kill", True): 47, ("kill", False): 3, ("pause", False): 4}
    assert all(what.pause_s > SESSION_S for what in planned if what.kind == "pause")
