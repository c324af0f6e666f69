"""Taking a partition over: who may begin when, and what the ledger says of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.pipeline.execution.ledger import CHANGELOG, Ledger
from streams.pipeline.execution.ledger_keys import Keys
from streams.pipeline.execution.takeover import LOOK_S, Takeover
from streams.pipeline.execution.writing import Writing
from tests.log_kit import Cluster, Eager, MemoryTable
from tests.virtual_loop import Clock, run

CODEC = Codec(BundledRegistry())
KEYS = Keys(0)
HELD, LEFT = (Ledger(0, CODEC).encode_owner(left=left) for left in (False, True))
SESSION_S = 10.0


class Lease:
    """A lease of a worker that was assigned the partition at some moment."""

    session_s = SESSION_S

    def __init__(self, assigned_s: float) -> None:
        self.assigned_s = assigned_s

    def left_s(self) -> float:
        return SESSION_S


class Owner:
    """A worker that has read the table as it is now."""

    def __init__(self, clock: Clock, cluster: Cluster, token: str, assigned_s: float = 0.0) -> None:
        self.clock, self.cluster, self.log = clock, cluster, Eager(cluster)
        self.table = MemoryTable(cluster.table(CHANGELOG, 0))
        self.read_to = cluster.ends[CHANGELOG, 0]
        self.ledger = Ledger(0, CODEC, self.table.items())
        self.writing = Writing(self.log, self.table, self.ledger, CODEC.encode, lambda _: 0)
        self.lease = Lease(assigned_s)
        self.takeover = Takeover(
            self.ledger, self.writing, self.table, self.lease, self._tail, lambda: clock.now_s, asyncio.sleep, token
        )
        self.began_s: float | None = None

    async def _tail(self) -> list[tuple[bytes, bytes | None]]:
        await asyncio.sleep(0.01)
        found = self.cluster.read(CHANGELOG, 0, self.read_to)
        return [(record.key, record.value) for record in found if record.key is not None]

    async def begins(self) -> float:
        """Take the partition over; give when that was done."""
        await self.takeover.take()
        self.began_s = self.clock.now_s
        return self.began_s

    async def poll(self) -> None:
        """Take acknowledgements for ever."""
        while True:
            self.log.poll()
            await asyncio.sleep(0.001)


def told(clock: Clock, story: Callable[[], Awaitable[None]], *owners: Owner) -> None:
    """Tell a story while owners take acknowledgements."""

    async def all_of_it() -> None:
        polling = [asyncio.create_task(owner.poll()) for owner in owners]
        await story()
        for task in polling:
            task.cancel()

    run(all_of_it, clock=clock)


def owners_of(cluster: Cluster) -> dict[str, bool]:
    return Ledger(0, CODEC, cluster.table(CHANGELOG, 0).items()).owners


def with_owners(**left: bool) -> Cluster:
    cluster = Cluster()
    for token, is_left in left.items():
        cluster.put(CHANGELOG, 0, KEYS.owner(token), LEFT if is_left else HELD)
    return cluster


@pytest.mark.parametrize("known", [{}, {"old": True}, {"old": True, "older": True}, {"me": False}])
def test_nobody_is_waited_for_who_has_left(known: dict[str, bool]) -> None:
    clock, cluster = Clock(), with_owners(**known)
    me = Owner(clock, cluster, "me")

    async def story() -> None:
        assert await me.begins() < 1.0

    told(clock, story, me)
    assert owners_of(cluster) == {"me": False}


def test_a_partition_whose_owner_has_not_left_is_begun_a_session_after_it_was_assigned() -> None:
    clock, cluster = Clock(), with_owners(old=False, older=True)
    clock.now_s = 100.0
    me = Owner(clock, cluster, "me", assigned_s=96.0)

    async def story() -> None:
        assert 106.0 <= await me.begins() < 106.0 + LOOK_S + 0.1

    told(clock, story, me)
    assert owners_of(cluster) == {"me": False}


def test_an_assignment_long_ago_is_waited_for_no_more() -> None:
    clock, cluster = Clock(), with_owners(old=False)
    clock.now_s = 100.0
    me = Owner(clock, cluster, "me", assigned_s=80.0)

    async def story() -> None:
        assert await me.begins() < 101.0

    told(clock, story, me)


def test_an_owner_nobody_has_read_of_yet_is_waited_for_too() -> None:
    clock, cluster = Clock(), with_owners()
    me = Owner(clock, cluster, "me")
    cluster.put(CHANGELOG, 0, KEYS.owner("late"), HELD)

    async def story() -> None:
        assert await me.begins() >= SESSION_S

    told(clock, story, me)
    assert owners_of(cluster) == {"me": False}


def test_of_two_that_come_at_once_the_second_waits() -> None:
    clock, cluster = Clock(), with_owners()
    one, other = Owner(clock, cluster, "one"), Owner(clock, cluster, "other")

    async def story() -> None:
        begun = await asyncio.gather(one.begins(), other.begins())
        assert max(begun) >= SESSION_S

    told(clock, story, one, other)


def test_what_was_written_during_the_wait_is_known_when_it_begins() -> None:
    clock, cluster = Clock(), with_owners(old=False)
    me = Owner(clock, cluster, "me")
    cursor = KEYS.owner("later")

    async def story() -> None:
        taking = asyncio.create_task(me.begins())
        await asyncio.sleep(SESSION_S - 1)
        assert not taking.done()
        cluster.put(CHANGELOG, 0, KEYS.owner("old"), LEFT)
        cluster.put(CHANGELOG, 0, cursor, LEFT)
        await taking

    told(clock, story, me)
    assert me.ledger.owners == {"me": False}
    assert me.table.held == {KEYS.owner("me"): HELD}


def test_who_leaves_has_the_next_one_begin_at_once() -> None:
    clock, cluster = Clock(), with_owners()
    first = Owner(clock, cluster, "first")

    async def story() -> None:
        await first.begins()
        await first.takeover.leave()

    told(clock, story, first)
    assert owners_of(cluster) == {"first": True}

    second = Owner(clock, cluster, "second", assigned_s=clock.now_s)

    async def another() -> None:
        assert await second.begins() < 2.0

    told(clock, another, second)
    assert owners_of(cluster) == {"second": False}


def test_who_never_held_it_leaves_no_name() -> None:
    clock, cluster = Clock(), with_owners(old=False)
    me = Owner(clock, cluster, "me")

    async def story() -> None:
        await me.takeover.leave()

    told(clock, story, me)
    assert owners_of(cluster) == {"old": False}


def test_who_is_cut_off_while_taking_over_can_still_say_that_it_has_left() -> None:
    clock, cluster = Clock(), with_owners(old=False)
    me = Owner(clock, cluster, "me")

    async def story() -> None:
        taking = asyncio.create_task(me.begins())
        await asyncio.sleep(1)
        taking.cancel()
        await asyncio.wait({taking})
        await me.takeover.leave()

    told(clock, story, me)
    assert owners_of(cluster) == {"old": False, "me": True}
