"""A venue that fails again and again is left alone, but for what reduces risk, until it answers."""

from typing import get_args

import pytest

from connectors.exchange.breaker import (
    FAILURES_MAX,
    FORGOTTEN_MS,
    LOOKED_AT,
    NEXT,
    REST_MS_MAX,
    REST_MS_MIN,
    Breaker,
    Event,
    State,
    is_failure,
)
from streams.exchange.errors import AlreadyKnown, Ambiguous, ClockOff, Fatal, NotThere, Paused, Rejected, Retryable

FAILED = Ambiguous("nobody knows")


def opened_at(now_ms: int = 0) -> tuple[Breaker, list[str]]:
    reasons: list[str] = []
    breaker = Breaker(reasons.append)
    for _ in range(FAILURES_MAX):
        breaker.learn(now_ms, FAILED)
    return breaker, reasons


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (None, False), (Ambiguous("x"), True), (Retryable("x"), True), (Paused("x"), False), (ClockOff("x"), False), (Rejected("1", "x"), False),
        (NotThere("x"), False), (AlreadyKnown("x"), False), (Fatal("x"), False),
    ],
)  # fmt: skip
def test_a_failure_is_what_the_venue_did_not_answer(error: Exception | None, failed: bool) -> None:
    assert is_failure(error) is failed


def test_each_state_goes_where_the_table_says_and_stays_otherwise() -> None:
    for state in get_args(State):
        for event in get_args(Event):
            breaker = Breaker(lambda _: None)
            breaker.state = state
            breaker._go(event)  # noqa: SLF001 - the table is what is looked at
            assert breaker.state == NEXT.get((state, event), state)


def test_five_failures_among_the_last_twenty_open_it_and_that_is_told_once() -> None:
    breaker, reasons = opened_at()

    assert breaker.state == "OPEN"
    breaker.learn(1, FAILED)
    assert reasons == ["5 of the last 5 questions failed, the last with: nobody knows"]


def test_orders_that_all_fail_open_it_though_every_question_about_them_is_answered() -> None:
    breaker = Breaker(lambda _: None)
    for number in range(LOOKED_AT):
        breaker.learn(number, FAILED if number % 4 == 0 else None)

    assert breaker.state == "OPEN"


def test_a_failure_now_and_then_does_not_open_it() -> None:
    breaker = Breaker(lambda _: None)
    for number in range(10_000):
        breaker.learn(number, FAILED if number % 6 == 0 else None)

    assert breaker.state == "CLOSED"


def test_failures_of_long_ago_are_forgotten() -> None:
    breaker = Breaker(lambda _: None)
    for number in range(50):
        breaker.learn(number * FORGOTTEN_MS // 4, FAILED)

    assert breaker.state == "CLOSED"


def test_while_it_rests_nothing_that_adds_risk_goes_whatever_is_answered() -> None:
    breaker, _ = opened_at()

    breaker.learn(REST_MS_MIN - 1, None)

    assert not breaker.allows(REST_MS_MIN - 1)


def test_after_a_rest_the_first_answer_closes_it() -> None:
    breaker, reasons = opened_at()

    assert not breaker.allows(REST_MS_MIN), "nobody has answered yet"
    breaker.learn(REST_MS_MIN + 10, None)
    assert breaker.allows(REST_MS_MIN + 11)
    for _ in range(FAILURES_MAX):
        breaker.learn(REST_MS_MIN + 20, FAILED)
    assert (breaker.allows(REST_MS_MIN + 21), len(reasons)) == (False, 2)


def test_each_question_that_fails_after_a_rest_doubles_the_next_rest_up_to_five_minutes() -> None:
    breaker, reasons = opened_at()
    now_ms, rests = 0, []
    for _ in range(8):
        asked_ms = now_ms
        while breaker.state == "OPEN":
            now_ms += 1_000
            breaker.allows(now_ms)
        rests.append((now_ms - asked_ms) // 1_000)
        breaker.learn(now_ms, FAILED)

    assert rests == [5, 10, 20, 40, 80, 160, 300, 300]
    assert REST_MS_MAX == 300_000
    assert len(reasons) == 1, "it never closed in between"
