"""The loop of the tests that need much time and have none: it jumps, it does not hang, and what it runs can be killed."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from tests.virtual_loop import START_MS, Clock, Kill, Killed, Stuck, run


def test_an_hour_passes_at_once_and_to_the_millisecond() -> None:
    clock = Clock()

    async def sleeps() -> int:
        for _ in range(1_000):
            await asyncio.sleep(0.1)
        await asyncio.sleep(3_500)
        return clock.wall_ms()

    assert run(sleeps, clock=clock) == START_MS + 3_600_000
    assert clock.ticking_ms() == 3_600_000


def test_timers_go_off_in_their_order_and_timeouts_in_time() -> None:
    told: list[str] = []

    async def says(what: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        told.append(what)

    async def story() -> None:
        started = [asyncio.create_task(says(what, after_s)) for what, after_s in (("third", 3), ("second", 2), ("first", 1))]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(started[0], 2.5)
        told.append(f"{asyncio.get_running_loop().time():g}")

    run(story)
    assert told == ["first", "second", "2.5"]


def test_who_waits_for_ever_is_named_instead_of_waited_for() -> None:
    async def waits_for_nobody() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match=r"waits for ever:\n  main .*test_virtual_loop\.py:.* in .*waits_for_nobody"):
        run(waits_for_nobody)


def test_a_poll_without_end_and_a_spin_are_ended() -> None:
    async def polls() -> None:
        while True:  # noqa: ASYNC110 - this is what is to end
            await asyncio.sleep(10)

    async def spins() -> None:
        while True:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0)

    with pytest.raises(Stuck, match="too long"):
        run(polls, limit_s=60)
    with pytest.raises(Stuck, match="stood still"):
        run(spins)


def test_what_the_run_leaves_behind_is_cancelled_at_its_end() -> None:
    told: list[str] = []

    async def works() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            await asyncio.sleep(1)
            told.append("cleaned up")

    async def story() -> str:
        asyncio.get_running_loop().create_task(works())
        await asyncio.sleep(1)
        return "done"

    assert run(story) == "done"
    assert told == ["cleaned up"]


def test_an_error_of_the_run_comes_out() -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise LookupError("as it was")

    with pytest.raises(LookupError, match="as it was"):
        run(fails)


def a_story(told: list[str]) -> Callable[[Kill], Callable[[], Coroutine[Any, Any, None]]]:
    """Make a run with two tasks and a generator, all of which would clean up after themselves."""

    async def numbers(kill: Kill) -> AsyncIterator[int]:
        try:
            for number in range(3):
                await kill.at(f"number {number}")
                yield number
        finally:
            told.append("generator cleaned up")

    async def helper(kill: Kill) -> None:
        try:
            while True:
                await asyncio.sleep(1)
                await kill.at("helper")
                told.append("helped")
        finally:
            told.append("helper cleaned up")

    async def story(kill: Kill) -> None:
        helping = asyncio.create_task(helper(kill))
        try:
            async for number in numbers(kill):
                await asyncio.sleep(1.5)
                told.append(f"worked on {number}")
        except BaseException:
            told.append("caught")
            raise
        finally:
            told.append("cleaned up")
            helping.cancel()

    return lambda kill: lambda: story(kill)


def test_killed_at_any_point_nothing_runs_on_and_nothing_is_cleaned_up() -> None:
    whole: list[str] = []
    points = Kill()
    run(a_story(whole)(points))
    assert points.points == ["number 0", "helper", "number 1", "helper", "number 2", "helper", "helper"]

    for chosen, point in enumerate(points.points):
        told: list[str] = []
        kill, clock = Kill(chosen), Clock()
        with pytest.raises(Killed, match=f"^{point}$"):
            run(a_story(told)(kill), clock=clock)
        gc.collect()

        assert kill.points == points.points[: chosen + 1]
        assert told == whole[: len(told)], "up to the point all is as without a kill"
        assert not [line for line in told if "cleaned" in line or "caught" in line]


def test_what_is_due_in_the_very_turn_of_a_kill_does_not_run() -> None:
    told: list[str] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(told.append, "before")
        killing = loop.create_task(Kill(0).at("here"))
        loop.call_soon(told.append, "after")
        await asyncio.sleep(0)
        told.append("later")
        await killing

    with pytest.raises(Killed):
        run(story)
    assert told == ["before"]


def test_the_next_run_goes_on_at_the_time_the_killed_one_had_reached() -> None:
    clock = Clock()

    async def dies() -> None:
        await asyncio.sleep(7)
        await Kill(0).at("now")

    async def lives() -> float:
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    with pytest.raises(Killed):
        run(dies, clock=clock)
    assert run(lives, clock=clock) == 8.0


def test_a_run_on_another_loop_cannot_be_killed() -> None:
    with pytest.raises(TypeError):
        asyncio.run(Kill(0).at("here"))
