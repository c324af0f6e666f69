"""Accounts are served by their last opening."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import pytest

from streams.desk.messages import CloseAccount, OpenAccount
from streams.desk.turn import order_id
from streams.exchange.errors import Fatal
from streams.exchange.port import AccountRef, UserEvent
from tests.execution_acts import stop, until
from tests.execution_kit import CODEC, ORDERS, World

BTC = "BTCUSDT"
AGAIN = OpenAccount("fake", "OTHER_KEYS", Decimal(5), Decimal(1_000))


def checked(world: World, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """Note by which keys accounts are checked, with which symbols."""
    noted: list[tuple[str, tuple[str, ...]]] = []
    check = world.exchange.check

    async def noting(ref: AccountRef, symbols: Sequence[str]) -> None:
        noted.append((ref.credentials, tuple(symbols)))
        await check(ref, symbols)

    monkeypatch.setattr(world.exchange, "check", noting)
    return noted


def test_an_account_that_is_opened_again_with_other_keys_is_checked_and_compared_by_those_before_it_trades(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    noted = checked(world, monkeypatch)
    first = world.order("main", BTC, "BUY", "0.010")

    async def story(_: World) -> None:
        assert world.executor is not None
        await until(lambda: world.filled(first) == first.quantity)
        world.executor.standing.halted["main"] = "an order was refused for its keys"
        stop(world, 1, command=CloseAccount())
        stop(world, 2, command=AGAIN)
        await until(lambda: ("OTHER_KEYS", ()) in noted)
        assert "main" not in world.executor.standing.reconciled
        await until(lambda: "main" in world.executor.standing.reconciled)  # type: ignore[union-attr]  # it was there before
        second = first._replace(order_id=order_id(1, "main", 900, 0), offset=900, control_position=2, ts=world.clock.wall_ms())
        world.cluster.put(ORDERS, 0, b"main", CODEC.encode(second))
        await until(lambda: world.filled(second) == second.quantity)

    world.live(story=story)

    assert noted == [("main", ()), ("main", (BTC,)), ("OTHER_KEYS", ()), ("OTHER_KEYS", (BTC,))]


def test_opened_again_as_it_was_nothing_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    noted = checked(world, monkeypatch)

    async def story(_: World) -> None:
        await until(lambda: noted)
        stop(world, 1, command=CloseAccount())
        stop(world, 2, command=AGAIN._replace(credentials="main"))
        await asyncio.sleep(5)

    world.live(story=story)

    assert noted == [("main", ())]


def test_before_all_of_control_was_read_nobody_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.control_is_read = False
    noted = checked(world, monkeypatch)

    async def story(_: World) -> None:
        await asyncio.sleep(5)
        assert noted == []
        stop(world, 1, command=AGAIN)
        world.control_is_read = True
        await until(lambda: noted)

    world.live(story=story)

    assert noted == [("OTHER_KEYS", ())]


def test_an_account_whose_stream_is_refused_is_halted_until_it_is_not_and_no_other_is(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(accounts=("main", "other"))
    events, refused = world.exchange.events, 3

    async def refusing(account: str) -> AsyncIterator[UserEvent]:
        nonlocal refused
        if account == "main" and refused:
            refused -= 1
            raise Fatal("-2015 invalid key")
        async for event in events(account):
            yield event

    monkeypatch.setattr(world.exchange, "events", refusing)

    async def story(_: World) -> None:
        assert world.executor is not None
        halted = world.executor.standing.halted
        await until(lambda: "main" in halted)
        held, goes = world.order("main", BTC, "BUY", "0.010"), world.order("other", BTC, "BUY", "0.010")
        await until(lambda: world.ends(held) == ["REJECTED"] and world.filled(goes) == goes.quantity)
        assert set(halted) == {"main"}
        await until(lambda: not halted)
        again = world.order("main", BTC, "BUY", "0.010")
        await until(lambda: world.filled(again) == again.quantity)

    world.live(story=story)

    assert sum("is halted" in alert for alert in world.alerts) == 1
