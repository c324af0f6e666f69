"""While the exchange fails the desk is told so, once, and when it answers again, whoever is killed meanwhile."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from streams.desk.messages import AccountEvent
from streams.desk.values import ZERO
from streams.exchange.errors import Retryable
from streams.exchange.port import AccountRef
from streams.pipeline.execution.ledger import CHANGELOG
from tests.execution_acts import until
from tests.execution_kit import CODEC, World
from tests.virtual_loop import Kill, Killed


def told(world: World) -> list[AccountEvent]:
    """Give what was said, each event once; one id has to say one thing."""
    found: dict[str, Any] = {}
    for record in world.cluster.read("account-events", 0):
        assert record.value is not None
        event = CODEC.decode(record.value)
        assert found.setdefault(event.event_id, event) == event
    return list(found.values())


def open_adjustments(world: World) -> list[AccountEvent]:
    undone = {event.reverses for event in told(world)}
    return [event for event in told(world) if event.reverses is None and event.event_id not in undone]


def still_made(world: World) -> list[bytes]:
    return [key for key in world.cluster.table(CHANGELOG, 0) if b"/adjustment/" in key and key.endswith(b"/made")]


def fails(world: World, *, well: bool = False) -> None:
    world.exchange.well = well


def failing_for_a_while(world: World) -> None:
    world.after(3, lambda: fails(world))
    world.after(9, lambda: fails(world, well=True))
    world.after(12, lambda: None)


def test_it_is_said_once_as_an_adjustment_of_nothing_and_taken_back_when_the_exchange_answers() -> None:
    world = World()
    failing_for_a_while(world)

    async def story(_: World) -> None:
        await until(lambda: told(world))
        await asyncio.sleep(4)
        [event] = told(world)
        assert (event.kind, event.symbol) == ("ADJUSTMENT", None)
        assert event.amount == event.quantity == ZERO
        await until(lambda: len(told(world)) == 2)
        assert told(world)[1].reverses == event.event_id
        await until(lambda: still_made(world) == [])

    world.live(story=story)


def test_of_an_exchange_that_is_well_nothing_is_said() -> None:
    world = World()
    world.after(10, lambda: None)
    world.live()
    assert told(world) == []


def test_whoever_comes_next_takes_it_back_wherever_one_was_killed() -> None:
    whole = World()
    failing_for_a_while(whole)
    points = whole.live().points
    assert "log: account-events reached" in points

    for number, point in enumerate(points):
        world = World()
        failing_for_a_while(world)
        try:
            world.live(Kill(number))
        except Killed:
            world.clock.now_s += 2
        world.after(12, lambda: None)
        world.live()
        assert still_made(world) == [], f"killed at {number}, {point}"
        assert open_adjustments(world) == [], f"killed at {number}, {point}"
        assert len(told(world)) == 2, f"killed at {number}, {point}: said once"


def test_who_was_not_answered_yet_takes_nothing_back_and_says_what_was_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = World()
    failing_for_a_while(whole)
    decided = whole.live().points.index("log: account-events reached")
    world = World()
    failing_for_a_while(world)
    with contextlib.suppress(Killed):
        world.live(Kill(decided))
    assert len(still_made(world)) == 1
    check, down = world.exchange.check, True

    async def failing(ref: AccountRef, symbols: Sequence[str]) -> None:
        if down:
            raise Retryable("no answer")
        await check(ref, symbols)

    monkeypatch.setattr(world.exchange, "check", failing)
    world._later.clear()  # noqa: SLF001 - nothing happens by itself any more
    fails(world, well=True)  # as it seems to a process that has asked nothing yet

    async def story(_: World) -> None:
        nonlocal down
        await asyncio.sleep(30)
        assert len(told(world)) == 1
        assert len(open_adjustments(world)) == 1
        down = False
        await until(lambda: not open_adjustments(world))

    world.live(story=story)
