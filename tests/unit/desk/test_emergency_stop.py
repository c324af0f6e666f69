"""The emergency stop as a machine: every pair of state and event, what is remembered, and that nothing re-arms by itself."""

from __future__ import annotations

import itertools

import pytest

from streams.desk.emergency_stop import Stop, StopEvent, StopState

ARMED, TRIPPED, COOLDOWN = StopState.ARMED, StopState.TRIPPED, StopState.COOLDOWN
BREACHED, SETTLED, RESET, OVERRIDDEN = StopEvent.BREACHED, StopEvent.SETTLED, StopEvent.RESET, StopEvent.OVERRIDDEN

WHOLE_TABLE = [
    (ARMED, BREACHED, TRIPPED),
    (ARMED, SETTLED, ARMED),
    (ARMED, RESET, ARMED),
    (ARMED, OVERRIDDEN, ARMED),
    (TRIPPED, BREACHED, TRIPPED),
    (TRIPPED, SETTLED, COOLDOWN),
    (TRIPPED, RESET, TRIPPED),
    (TRIPPED, OVERRIDDEN, ARMED),
    (COOLDOWN, BREACHED, COOLDOWN),
    (COOLDOWN, SETTLED, COOLDOWN),
    (COOLDOWN, RESET, ARMED),
    (COOLDOWN, OVERRIDDEN, ARMED),
]


def stop_in(state: StopState) -> Stop:
    """Lead a stop to a state, with two resets behind it."""
    stop = Stop(reset_count=2)
    if state is not ARMED:
        stop.on(BREACHED, 1_000, "DRAWDOWN equity=1")
    if state is COOLDOWN:
        stop.on(SETTLED, 3_000)
    return stop


def test_the_table_here_is_whole() -> None:
    assert {(state, event) for state, event, _ in WHOLE_TABLE} == set(itertools.product(StopState, StopEvent))


@pytest.mark.parametrize(("state", "event", "following"), WHOLE_TABLE)
def test_every_pair_of_state_and_event_leads_where_it_should(state: StopState, event: StopEvent, following: StopState) -> None:
    stop = stop_in(state)
    assert stop.on(event, 5_000, "because", "ann") is (following is not state)
    assert stop.state is following


@pytest.mark.parametrize(("state", "event", "following"), [row for row in WHOLE_TABLE if row[0] is row[2]])
def test_a_pair_that_does_not_move_changes_nothing(state: StopState, event: StopEvent, following: StopState) -> None:
    stop = stop_in(state)
    stop.on(event, 5_000, "because", "ann")
    assert stop == stop_in(following)


def test_a_trip_remembers_when_and_why() -> None:
    assert stop_in(TRIPPED) == Stop(TRIPPED, 1_000, "DRAWDOWN equity=1", None, 2)


def test_the_cooldown_keeps_the_trip_and_remembers_its_own_start() -> None:
    assert stop_in(COOLDOWN) == Stop(COOLDOWN, 1_000, "DRAWDOWN equity=1", 3_000, 2)


@pytest.mark.parametrize(("state", "event"), [(TRIPPED, OVERRIDDEN), (COOLDOWN, OVERRIDDEN), (COOLDOWN, RESET)])
def test_a_reset_clears_the_trip_counts_itself_and_names_who_and_why(state: StopState, event: StopEvent) -> None:
    stop = stop_in(state)
    stop.on(event, 9_000, "checked the feed", "ann")
    assert stop == Stop(ARMED, None, "", None, 3, "ann", "checked the feed")


@pytest.mark.parametrize(
    ("state", "now_ms", "left_ms"),
    [
        (ARMED, 0, 0),
        (TRIPPED, 1_000_000_000, 900_000),  # it has not begun to run
        (COOLDOWN, 3_000, 900_000),
        (COOLDOWN, 902_999, 1),
        (COOLDOWN, 903_000, 0),
        (COOLDOWN, 10**12, 0),
    ],
)
def test_the_time_left_counts_from_the_cooldowns_start(state: StopState, now_ms: int, left_ms: int) -> None:
    assert stop_in(state).left_ms(now_ms, 900) == left_ms


def test_only_an_armed_stop_allows_risk() -> None:
    assert [state for state in StopState if stop_in(state).armed] == [ARMED]
