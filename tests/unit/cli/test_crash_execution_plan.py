"""The plan of a crash run of executors: every step once before any comes again, and pauses on both sides of a session."""

from collections import Counter

from streams.cli.crash_execution_plan import CALM_S, STEPS, strikes
from streams.pipeline.steps import Step

SESSION_S = 10.0


def test_the_steps_are_those_of_execution() -> None:
    assert [step.value for step in STEPS] == list(range(Step.ORDER_NOTED.value, Step.LEDGER_FORGETS.value + 1))


def test_each_step_is_struck_once_before_any_is_struck_again() -> None:
    for seed in range(20):
        aimed = [strike.step for strike in strikes(seed, 30, 2, SESSION_S) if strike.step is not None]

        assert len(aimed) == 20
        assert Counter(aimed[:10]) == Counter(STEPS)
        assert aimed[10:] == aimed[:10]


def test_fifteen_are_enough_for_every_step() -> None:
    assert {strike.step for strike in strikes(7, 15, 2, SESSION_S)} >= set(STEPS)


def test_pauses_are_shorter_than_a_session_and_longer() -> None:
    pauses = [strike.pause_s for strike in strikes(1, 30, 2, SESSION_S) if strike.kind == "pause"]

    assert len(pauses) == 7
    assert sum(pause_s > SESSION_S + 1 for pause_s in pauses) == 4
    assert sum(pause_s < SESSION_S * 0.9 for pause_s in pauses) == 3


def test_the_same_seed_plans_the_same() -> None:
    planned = strikes(3, 30, 2, SESSION_S)

    assert planned == strikes(3, 30, 2, SESSION_S)
    assert planned != strikes(4, 30, 2, SESSION_S)
    assert all(0 <= strike.after_s < CALM_S for strike in planned)
    assert {strike.worker for strike in planned} == {0, 1}


def test_nothing_can_be_planned_too() -> None:
    assert strikes(1, 0, 2, SESSION_S) == []
