"""What tests of execution do to a world, and wait for.

    QTS_EXECUTION_SEEDS=1000 ./qts test scenarios -- -k executor      the full run

Decides: how many seeds are tried. Leaves to others: the world (execution_kit).
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Final

from streams.desk.messages import Command, Control, OrderEvent, Trip
from streams.desk.outputs import Cancel, Order
from streams.pipeline.execution.ledger import CHANGELOG
from tests.execution_kit import CODEC, World, mark
from tests.fake_exchange_inside import Arrived

LOOK_S, AT_ONCE_S = 0.01, 0.0005
"""How often it is looked; and where it has to be seen before anything follows from it: writing takes longer."""
SOON_S: Final = 600.0
"""What has not happened by then does not happen."""

SEEDS: Final = int(os.environ.get("QTS_EXECUTION_SEEDS", "50"))

Story = Callable[[World], Awaitable[None]]


def of_each_kind(points: Sequence[str]) -> list[int]:
    """Choose among the points of a life: of a row of the same ones the first and the last, or all in the full run."""
    around = zip(("", *points), points, (*points[1:], ""), strict=False)
    return [number for number, (before, point, after) in enumerate(around) if SEEDS >= 1_000 or not before == point == after]


async def until(true: Callable[[], object], look_s: float = LOOK_S) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SOON_S):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(look_s)


def stop(world: World, position: int, account: str = "main", command: Command | None = None) -> None:
    """Have a stop, or what comes after it, read past the tape."""
    now_ms = world.clock.wall_ms()
    said = Control(f"c-{account}-{position}", account, "me", "why", now_ms, command or Trip())
    world.brakes.take(0, position, now_ms, said)


def arrived(world: World, order: Order, call: str = "place") -> list[Arrived]:
    """Give the requests for an order that reached the exchange."""
    return [one for one in world.exchange.requests if one.call == call and one.client_id.startswith(f"{order.order_id}-")]


def words(world: World, order: Order) -> list[str]:
    """Give what was said of an order, in its order."""
    return [event.kind for event in events(world, order)]


def events(world: World, order: Order) -> list[OrderEvent]:
    """Give what was said of an order, in its order."""
    return [event for event in world.events if event.order_id == order.order_id]


def reason(world: World, order: Order) -> str:
    """Give the reason of the last word on an order."""
    return events(world, order)[-1].reason


def steps(world: World, order: Order) -> list[str]:
    """Give the ends of the keys that were written for an order: `0/SENDING/1700000000000`."""
    place = f"/order/1-{order.offset}-0/"
    keys = [record.key.decode() for record in world.cluster.read(CHANGELOG, 0) if record.key is not None]
    return [key.partition(place)[2] for key in keys if f"/{order.account}{place}" in key]


def take_back(world: World, order: Order) -> None:
    """Have the executor read a wish to cancel this very moment."""
    assert world.executor is not None
    wish = Cancel(order.order_id, order.account, order.offset + 1, 0, order.symbol, "TEST", world.clock.wall_ms())
    world.executor.accept([wish], [CODEC.encode(wish)])


def price(world: World, symbol: str, value: str) -> None:
    """Have a price known this very moment."""
    world.prices[symbol] = Decimal(value)
    now_ms = world.clock.wall_ms()
    world.board.take(mark(symbol, world.prices[symbol], now_ms), now_ms)


def thin_book(world: World) -> None:
    """Have no more than about 0.195 BTC in the book, of each side, until it is made anew at the exchange's next step."""
    world.exchange.put("BTCUSDT", Decimal(60_000), depth_share=Decimal("0.001"))
    world.clock.now_s += 1.0
