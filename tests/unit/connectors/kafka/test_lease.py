"""The lease of a group member, on a clock of its own and a coordinator that answers as told."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from aiokafka.protocol.commit import OffsetCommitRequest  # type: ignore[import-untyped]  # it has no types
from aiokafka.protocol.group import (  # type: ignore[import-untyped]  # it has no types
    HeartbeatRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    SyncGroupRequest,
)

from connectors.kafka.lease import Lease, watch

SESSION_S = 10.0
REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER, FENCED, NOT_COORDINATOR = 27, 25, 82, 16

HEARTBEAT = HeartbeatRequest("group", 1, "member")
JOIN = JoinGroupRequest("group", 10_000, 30_000, "member", "name", "consumer", [])
SYNC = SyncGroupRequest("group", 1, "member", "name", [])
LEAVE = LeaveGroupRequest("group", "member")
COMMIT = OffsetCommitRequest("group", 1, "member", -1, [])


class Answer(NamedTuple):
    """What a broker answers."""

    error_code: int


class Member:
    """A member of a group: each of its requests takes as long as told, and is answered as told."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.rejoins = 0
        self.answer, self.takes_s = 0, 0.0
        self.meanwhile: Callable[[], None] = lambda: None
        self.lease = Lease(SESSION_S, lambda: self.now_s)
        watch(self, self.lease)

    async def _send_req(self, _request: Any) -> Answer:
        self.now_s += self.takes_s
        self.meanwhile()
        return Answer(self.answer)

    def request_rejoin(self) -> None:
        self.rejoins += 1

    def says(self, request: Any, answer: int = 0, takes_s: float = 0.0) -> float:
        """Send a request, and give what is left of the lease after it."""
        self.answer, self.takes_s = answer, takes_s
        assert asyncio.run(self._send_req(request)) == Answer(answer)
        return self.lease.left_s()


def assigned() -> Member:
    member = Member()
    member.says(JOIN)
    member.says(SYNC)
    return member


def test_who_has_joined_nothing_holds_nothing() -> None:
    member = Member()
    assert member.lease.left_s() == 0
    assert member.says(HEARTBEAT) == 0
    assert member.says(JOIN) == 0
    assert member.lease.assigned_s == float("inf")


def test_an_assignment_counts_from_when_it_was_asked_for_and_is_noted_when_it_came() -> None:
    member = Member()
    member.says(JOIN)
    assert member.says(SYNC, takes_s=3.0) == 7.0
    assert member.lease.assigned_s == 103.0


def test_a_heartbeat_counts_from_when_it_was_sent() -> None:
    member = assigned()
    member.now_s += 4.0
    assert member.says(HEARTBEAT, takes_s=1.5) == 8.5


def test_a_lease_runs_out_by_itself() -> None:
    member = assigned()
    member.now_s += 9.5
    assert member.lease.left_s() == 0.5
    member.now_s += 60.0
    assert member.lease.left_s() == 0


def test_an_answer_that_was_waited_for_longer_than_a_session_confirms_nothing() -> None:
    member = assigned()
    assert member.says(HEARTBEAT, takes_s=15.0) == 0


@pytest.mark.parametrize("answer", [REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER, FENCED])
def test_a_heartbeat_that_is_answered_with_no_ends_it(answer: int) -> None:
    member = assigned()
    assert member.says(HEARTBEAT, answer) == 0
    assert member.says(HEARTBEAT) == 0, "until the next assignment, whatever is confirmed"


def test_a_coordinator_that_has_moved_confirms_nothing_and_ends_nothing() -> None:
    member = assigned()
    member.now_s += 2.0
    assert member.says(HEARTBEAT, NOT_COORDINATOR) == 8.0


def test_a_request_that_fails_confirms_nothing() -> None:
    member = assigned()

    def fails() -> None:
        raise OSError

    member.meanwhile = fails
    member.now_s += 2.0
    with pytest.raises(OSError):  # noqa: PT011 - it is the coordinator's own, handed on
        member.says(HEARTBEAT)
    assert member.lease.left_s() == 8.0


@pytest.mark.parametrize("request_", [JOIN, LEAVE])
def test_it_ends_before_a_rebalance_is_joined_or_a_group_left(request_: Any) -> None:
    member = assigned()
    seen: list[float] = []
    member.meanwhile = lambda: seen.append(member.lease.left_s())
    member.says(request_)
    assert seen == [0]


def test_whatever_has_the_member_join_again_ends_it_first() -> None:
    member = assigned()
    member.request_rejoin()
    assert (member.lease.left_s(), member.rejoins) == (0, 1)


def test_what_was_asked_before_a_rebalance_confirms_nothing_after_it() -> None:
    member = assigned()
    member.meanwhile = member.request_rejoin
    assert member.says(HEARTBEAT) == 0
    member.meanwhile = lambda: None
    member.says(JOIN)
    member.meanwhile = member.request_rejoin
    assert member.says(SYNC) == 0, "another rebalance has begun before this one was over"


def test_another_assignment_brings_it_back() -> None:
    member = assigned()
    member.request_rejoin()
    member.now_s += 5.0
    member.says(JOIN)
    assert member.says(SYNC) == SESSION_S
    assert member.lease.assigned_s == 105.0


def test_a_refused_assignment_and_other_answers_change_nothing() -> None:
    member = Member()
    member.says(JOIN)
    assert member.says(SYNC, REBALANCE_IN_PROGRESS) == 0
    member.says(SYNC)
    member.now_s += 1.0
    assert member.says(COMMIT) == 9.0
