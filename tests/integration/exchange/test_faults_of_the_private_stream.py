"""Each fault of the private stream alone, and each pair of them, at our adapter: what is told is true, and what is not told can be asked for.

A stream that says nothing after an order was accepted counts as lost, and is connected again.
"""

import asyncio
from decimal import Decimal
from itertools import combinations
from typing import Final

import pytest

from connectors.exchange.feed import Patience
from connectors.exchange.simulator.fault_rules import FAULTS, rule
from streams.exchange.errors import Ambiguous, NotThere
from streams.exchange.port import Connected, Lost, OrderReport, Placing, Trade, UserEvent
from tests.exchange_stage import ACCOUNT, PRICE, QUANTITY, SYMBOL
from tests.integration.exchange.test_faults_alone_and_in_pairs import QUICK, Play, playing
from tests.scripted_exchange import until

TOLD: Final[dict[str, dict[str, str]]] = {
    "event_late": {"ms": "50", "up_to_ms": "100"},
    "event_twice": {"ms": "0", "up_to_ms": "50"},
    "event_out_of_order": {"up_to_ms": "150"},
}
DEAF: Final = {"event_lost", "user_stream_dead"}
OF_THE_STREAM: Final = [name for name, fault in FAULTS.items() if fault.about == "event" or name == "user_stream_dead"]
TOGETHER: Final = [(name,) for name in OF_THE_STREAM] + list(combinations(OF_THE_STREAM, 2))
IMPATIENT: Final = QUICK._replace(patience=Patience(silence_s=30.0, answer_s=0.4))


def market_order(play: Play, name: str) -> Placing:
    now_ms = play.exchange.now_ms()
    return Placing(ACCOUNT, name, SYMBOL, "BUY", "MARKET", QUANTITY, None, reduce_only=False, sent_ms=now_ms, window_ms=5_000)


def known(trade: Trade) -> tuple[str, Decimal, Decimal, Decimal, str]:
    """Give what every answer tells of a trade: by REST it does not name the client id of its order."""
    return trade.trade_id, trade.price, trade.quantity, trade.fee, trade.exchange_id


async def heard(play: Play, told: list[UserEvent]) -> None:
    async for event in play.exchange.events(ACCOUNT):
        told.append(event)  # noqa: PERF401 - it never ends, and is looked at in between


@pytest.mark.parametrize("faults", TOGETHER, ids=" and ".join)
def test_what_is_told_is_true_and_what_is_not_told_can_be_asked_for(faults: tuple[str, ...]) -> None:
    async def run() -> None:
        told: list[UserEvent] = []
        async with playing(IMPATIENT) as play:
            listening = asyncio.create_task(heard(play, told))
            await until(lambda: told == [Connected()])
            play.house.faults.replace([rule(name, **TOLD.get(name, {})) for name in faults], play.house.clock.now_ms())
            for number in range(3):
                await play.exchange.place(market_order(play, f"order-{number}"))
            if DEAF.intersection(faults):
                await until(lambda: any(isinstance(event, Lost) for event in told))
                assert told[1:2] == [event for event in told[1:2] if isinstance(event, Lost)], "nothing was said before"
            else:
                await until(lambda: len({one.trade_id for one in told if isinstance(one, Trade)}) == 3)
            play.house.faults.replace((), play.house.clock.now_ms())

            trades = await play.exchange.trades(ACCOUNT, SYMBOL, since_ms=play.house.started_ms)
            assert [trade.trade_id for trade in trades] == ["1", "2", "3"]
            assert {known(one) for one in told if isinstance(one, Trade)} <= {known(trade) for trade in trades}
            reports = [one for one in told if isinstance(one, OrderReport)]
            assert {(one.client_id, one.status, one.filled) for one in reports} <= {
                (f"order-{number}", status, filled)
                for number in range(3)
                for status, filled in (("OPEN", 0), ("FILLED", QUANTITY))
            }
            if DEAF.intersection(faults):
                await until(lambda: isinstance(told[-1], Connected))
                await play.exchange.place(market_order(play, "heard-again"))
                await until(lambda: any(isinstance(one, OrderReport) and one.client_id == "heard-again" for one in told))
            listening.cancel()
            await asyncio.wait([listening])

    asyncio.run(run())


def test_an_order_that_is_late_on_its_way_is_not_there_until_it_is() -> None:
    """Why not finding an order proves nothing right after it was sent."""

    async def run() -> None:
        async with playing(QUICK._replace(answer_ms=150)) as play:
            play.house.faults.replace([rule("latency", ms=1_200, methods=["POST"])], play.house.clock.now_ms())
            order = market_order(play, "late")._replace(type="LIMIT", limit_price=PRICE * Decimal("0.98"))
            with pytest.raises(Ambiguous):
                await play.exchange.place(order)
            with pytest.raises(NotThere):
                await play.exchange.find(ACCOUNT, SYMBOL, "late")
            await until(lambda: play.house.engine.open_orders(ACCOUNT, SYMBOL))

            assert (await play.exchange.find(ACCOUNT, SYMBOL, "late")).status == "OPEN"

    asyncio.run(run())
