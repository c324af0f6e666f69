"""Which of two ways in is used."""

import pytest

from connectors.exchange.failover import FAILURES_MAX, GOOD_PROBES, Route
from connectors.exchange.modes import place_at

FIRST, SECOND = place_at("http://first.test"), place_at("http://second.test")


def failing(route: Route, times: int) -> None:
    used = route.current
    for _ in range(times):
        route.failed(used)


def test_the_first_way_is_used_until_it_fails_again_and_again() -> None:
    route = Route([FIRST, SECOND])
    failing(route, FAILURES_MAX - 1)
    assert route.api["fapiPrivate"] == "http://first.test/fapi/v1"

    failing(route, 1)

    assert route.api["fapiPrivate"] == "http://second.test/fapi/v1"
    assert route.api["fapiPrivateV3"] == "http://second.test/fapi/v3"
    assert route.api["ws"]["linear"] == "ws://second.test/ws"
    assert route.elsewhere


def test_an_answer_in_between_counts_for_it() -> None:
    route = Route([FIRST, SECOND])
    failing(route, FAILURES_MAX - 1)
    route.answered(0)
    failing(route, FAILURES_MAX - 1)

    assert not route.elsewhere


def test_what_failed_on_the_way_that_was_left_does_not_count_against_the_new_one() -> None:
    route = Route([FIRST, SECOND])
    for _ in range(10 * FAILURES_MAX):
        route.failed(0)

    assert route.current == 1


def test_an_answer_of_the_way_that_was_left_does_not_count_for_the_new_one() -> None:
    route = Route([FIRST, SECOND])
    failing(route, FAILURES_MAX)
    for _ in range(FAILURES_MAX):
        route.failed(1)
        route.answered(0)

    assert route.current == 0


def test_everybody_changes_over_at_once() -> None:
    route = Route([FIRST, SECOND])
    api = route.api
    failing(route, FAILURES_MAX)

    assert route.api is api


def test_with_one_way_there_is_nothing_to_change_to() -> None:
    route = Route([FIRST])
    failing(route, 100)

    assert (route.current, route.api["fapiPublic"]) == (0, "http://first.test/fapi/v1")


@pytest.mark.parametrize("bad", range(GOOD_PROBES))
def test_the_first_comes_back_after_good_probes_in_a_row(bad: int) -> None:
    route = Route([FIRST, SECOND])
    failing(route, FAILURES_MAX)
    for _ in range(bad):
        route.probed(True)
    route.probed(False)
    for _ in range(GOOD_PROBES - 1):
        route.probed(True)
        assert route.elsewhere

    route.probed(True)

    assert not route.elsewhere
