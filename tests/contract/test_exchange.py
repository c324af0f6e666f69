"""What the `Exchange` port promises, asked of every implementation.

Decides: the promises the executor relies on. Leaves to others: how an implementation is set up and broken (tests/exchange_stage.py), and what only
one of them does (its unit tests).
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from streams.exchange.errors import AlreadyKnown, Ambiguous, ClockOff, ExchangeError, NotThere, Rejected
from streams.exchange.port import Connected, OrderReport, StopReport, Trade
from tests.exchange_stage import ACCOUNT, FUNDS, PRICE, QUANTITY, REF, SYMBOL, Orders, Scene, Stage, next_of
from tests.exchange_stages import on_the_fake, on_the_simulator

STAGES: dict[str, Callable[[Scene], None]] = {"ccxt and the simulator": on_the_simulator, "the fake exchange": on_the_fake}

Play = Callable[[Callable[[Stage, Orders], Awaitable[None]]], None]


@pytest.fixture(params=STAGES, ids=list(STAGES))
def play(request: pytest.FixtureRequest) -> Play:
    """Play a scene on a stage that is set up for it alone."""

    def played(scene: Callable[[Stage, Orders], Awaitable[None]]) -> None:
        STAGES[request.param](lambda stage: scene(stage, Orders(stage.exchange)))

    return played


async def settled(true: Callable[[], Awaitable[object]]) -> None:
    """Ask until something is so: an exchange may tell of what it did a moment after it has done it."""
    async with asyncio.timeout(10):
        while not await true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def test_its_clock_is_known_and_near(play: Play) -> None:
    async def scene(stage: Stage, _orders: Orders) -> None:
        error_ms = stage.exchange.clock_error_ms()

        assert error_ms is not None
        assert 0 <= error_ms <= 250
        assert stage.exchange.now_ms() <= stage.exchange.now_ms()
        assert stage.exchange.name

    play(scene)


def test_an_account_can_be_checked_again(play: Play) -> None:
    async def scene(stage: Stage, _orders: Orders) -> None:
        await stage.exchange.check(REF, [SYMBOL])

    play(scene)


def test_an_order_that_trades_is_reported_filled_and_held(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.room(ACCOUNT, urgent=False)
        report = await stage.exchange.place(orders.market(name="bought"))

        assert (report.client_id, report.symbol, report.side, report.status) == ("bought", SYMBOL, "BUY", "FILLED")
        assert report.quantity == report.filled == QUANTITY
        (held,) = await stage.exchange.positions(ACCOUNT)
        assert (held.symbol, held.quantity) == (SYMBOL, QUANTITY)
        assert abs(held.entry_price / PRICE - 1) < Decimal("0.01")

    play(scene)


def test_an_order_that_waits_is_reported_open_and_found_among_the_open_ones(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        placed = await stage.exchange.place(orders.resting("waiting"))

        assert (placed.status, placed.filled) == ("OPEN", Decimal(0))
        found = await stage.exchange.find(ACCOUNT, SYMBOL, "waiting")
        assert (found.exchange_id, found.status) == (placed.exchange_id, "OPEN")
        for symbol in (None, SYMBOL):
            assert [one.client_id for one in await stage.exchange.open_orders(ACCOUNT, symbol)] == ["waiting"]
        assert list(await stage.exchange.open_orders(ACCOUNT, "ETHUSDT")) == []

    play(scene)


def test_a_cancelled_order_is_reported_cancelled_and_cannot_be_cancelled_again(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.resting("waiting"))
        cancelled = await stage.exchange.cancel(ACCOUNT, SYMBOL, "waiting")

        assert (cancelled.client_id, cancelled.status, cancelled.filled) == ("waiting", "CANCELLED", Decimal(0))
        assert list(await stage.exchange.open_orders(ACCOUNT)) == []
        with pytest.raises(NotThere):
            await stage.exchange.cancel(ACCOUNT, SYMBOL, "waiting")
        assert (await stage.exchange.find(ACCOUNT, SYMBOL, "waiting")).status == "CANCELLED"

    play(scene)


def test_what_was_never_sent_is_not_there(play: Play) -> None:
    async def scene(stage: Stage, _orders: Orders) -> None:
        for asking in (
            stage.exchange.find(ACCOUNT, SYMBOL, "never"),
            stage.exchange.cancel(ACCOUNT, SYMBOL, "never"),
            stage.exchange.find_stop(ACCOUNT, SYMBOL, "never"),
            stage.exchange.cancel_stop(ACCOUNT, SYMBOL, "never"),
        ):
            with pytest.raises(NotThere):
                await asking

    play(scene)


def test_a_filled_order_cannot_be_cancelled(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.market(name="bought"))
        with pytest.raises(NotThere):
            await stage.exchange.cancel(ACCOUNT, SYMBOL, "bought")

    play(scene)


def test_a_name_in_use_is_known_and_nothing_is_done_a_second_time(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.resting("same"))
        with pytest.raises(AlreadyKnown):
            await stage.exchange.place(orders.resting("same"))

        assert len(await stage.exchange.open_orders(ACCOUNT)) == 1

    play(scene)


def test_a_name_is_free_again_once_its_order_is_over_and_then_executes_again(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        first = await stage.exchange.place(orders.market(name="same"))
        second = await stage.exchange.place(orders.market(name="same"))

        assert first.exchange_id != second.exchange_id
        (held,) = await stage.exchange.positions(ACCOUNT)
        assert held.quantity == 2 * QUANTITY
        assert (await stage.exchange.find(ACCOUNT, SYMBOL, "same")).exchange_id == second.exchange_id, "the newest bearer"

    play(scene)


def test_an_order_older_than_its_window_is_refused_and_never_executes(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        for order in (orders.market(name="late"), orders.resting("late")):
            with pytest.raises(ClockOff):
                await stage.exchange.place(order._replace(sent_ms=stage.exchange.now_ms() - 2_000, window_ms=1_000))
        with pytest.raises(ClockOff):
            await stage.exchange.place_stop(
                orders.stop("late")._replace(sent_ms=stage.exchange.now_ms() - 2_000, window_ms=1_000)
            )

        with pytest.raises(NotThere):
            await stage.exchange.find(ACCOUNT, SYMBOL, "late")
        assert list(await stage.exchange.positions(ACCOUNT)) == []

    play(scene)


def test_an_order_from_the_future_is_refused(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        with pytest.raises(ClockOff):
            await stage.exchange.place(orders.market()._replace(sent_ms=stage.exchange.now_ms() + 60_000))

        assert list(await stage.exchange.positions(ACCOUNT)) == []

    play(scene)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": Decimal("0.0101234")},
        {"quantity": Decimal(100_000)},
        {"symbol": "NOSUCHUSDT"},
        {"type": "LIMIT", "limit_price": Decimal("59000.123")},
        {"reduce_only": True},
    ],
    ids=["off the step", "beyond the margin", "no such symbol", "off the tick", "nothing to reduce"],
)
def test_what_the_exchange_does_not_take_is_rejected_with_its_code(play: Play, wrong: dict[str, Any]) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        with pytest.raises(Rejected) as caught:
            await stage.exchange.place(orders.market(name="wrong")._replace(**wrong))

        assert caught.value.code
        assert list(await stage.exchange.positions(ACCOUNT)) == []

    play(scene)


def test_an_order_that_only_reduces_never_opens_anything(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.market())
        report = await stage.exchange.place(orders.market(-3 * QUANTITY, reduce_only=True))

        assert report.reduce_only
        assert report.filled == QUANTITY
        assert list(await stage.exchange.positions(ACCOUNT)) == []

    play(scene)


def test_trades_are_told_exactly_of_an_order_after_an_id_and_since_a_time(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        began_ms = stage.exchange.now_ms()
        first = await stage.exchange.place(orders.market())
        second = await stage.exchange.place(orders.market(-QUANTITY))
        of_first = await stage.exchange.trades(ACCOUNT, SYMBOL, exchange_id=first.exchange_id)
        of_second = await stage.exchange.trades(ACCOUNT, SYMBOL, exchange_id=second.exchange_id)

        assert sum(trade.quantity for trade in of_first) == QUANTITY == sum(trade.quantity for trade in of_second)
        assert {(trade.symbol, trade.side, trade.exchange_id) for trade in of_first} == {(SYMBOL, "BUY", first.exchange_id)}
        assert {trade.side for trade in of_second} == {"SELL"}
        assert all(trade.fee > 0 and trade.fee_currency for trade in (*of_first, *of_second))
        everything = await stage.exchange.trades(ACCOUNT, SYMBOL, since_ms=began_ms - 1_000)
        assert list(everything) == [*of_first, *of_second]
        assert list(await stage.exchange.trades(ACCOUNT, SYMBOL, after_id=of_first[-1].trade_id)) == list(of_second)
        assert list(await stage.exchange.trades(ACCOUNT, SYMBOL, after_id=of_second[-1].trade_id)) == []
        assert list(await stage.exchange.trades(ACCOUNT, "ETHUSDT", since_ms=began_ms - 1_000)) == []

    play(scene)


def test_money_adds_up_to_the_last_digit(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        for quantity in (QUANTITY, 2 * QUANTITY, -3 * QUANTITY):
            await stage.exchange.place(orders.market(quantity))
        trades = await stage.exchange.trades(ACCOUNT, SYMBOL, since_ms=stage.exchange.now_ms() - 60_000)

        cash = FUNDS
        for trade in trades:
            assert trade.fee_currency == "USDT"
            cash += trade.price * trade.quantity * (-1 if trade.side == "BUY" else 1) - trade.fee
        assert abs((await stage.exchange.balances(ACCOUNT))["USDT"] - cash) < Decimal("0.00001")

    play(scene)


def test_orders_of_a_symbol_are_told_whatever_became_of_them(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        began_ms = stage.exchange.now_ms()
        await stage.exchange.place(orders.market(name="bought"))
        await stage.exchange.place(orders.resting("waiting"))
        await stage.exchange.place(orders.resting("gone"))
        await stage.exchange.cancel(ACCOUNT, SYMBOL, "gone")
        told = await stage.exchange.orders(ACCOUNT, SYMBOL, began_ms - 1_000)

        assert {one.client_id: one.status for one in told} == {"bought": "FILLED", "waiting": "OPEN", "gone": "CANCELLED"}
        assert list(await stage.exchange.orders(ACCOUNT, SYMBOL, stage.exchange.now_ms() + 5_000)) == []

    play(scene)


def test_a_stop_is_placed_found_listed_and_cancelled_apart_from_orders(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.market())
        placed = await stage.exchange.place_stop(orders.stop("stop"))

        assert (placed.client_id, placed.status, placed.order_exchange_id) == ("stop", "OPEN", "")
        assert placed.trigger_price == PRICE * Decimal("0.98")
        assert (await stage.exchange.find_stop(ACCOUNT, SYMBOL, "stop")).exchange_id == placed.exchange_id
        assert [one.client_id for one in await stage.exchange.open_stops(ACCOUNT)] == ["stop"]
        assert list(await stage.exchange.open_orders(ACCOUNT)) == []
        with pytest.raises(NotThere):
            await stage.exchange.find(ACCOUNT, SYMBOL, "stop")
        assert (await stage.exchange.cancel_stop(ACCOUNT, SYMBOL, "stop")).status == "CANCELLED"
        assert list(await stage.exchange.open_stops(ACCOUNT)) == []
        with pytest.raises(NotThere):
            await stage.exchange.cancel_stop(ACCOUNT, SYMBOL, "stop")

    play(scene)


def test_a_stops_name_in_use_is_known(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.market())
        await stage.exchange.place_stop(orders.stop("same"))
        with pytest.raises(AlreadyKnown):
            await stage.exchange.place_stop(orders.stop("same"))

        assert len(await stage.exchange.open_stops(ACCOUNT)) == 1

    play(scene)


def test_a_second_stop_of_a_position_is_not_taken_whatever_its_name(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.market())
        await stage.exchange.place_stop(orders.stop("first"))
        with pytest.raises(ExchangeError):
            await stage.exchange.place_stop(orders.stop("second", PRICE * Decimal("0.95")))

        assert [one.client_id for one in await stage.exchange.open_stops(ACCOUNT)] == ["first"]

    play(scene)


def test_a_stop_that_would_trigger_at_once_is_rejected(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.market())
        with pytest.raises(Rejected):
            await stage.exchange.place_stop(orders.stop(price=PRICE * Decimal("1.02")))

    play(scene)


def test_a_stop_that_is_reached_closes_the_position_and_names_the_order_it_became(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.market())
        await stage.exchange.place_stop(orders.stop("stop"))
        await stage.exchange.place(orders.market())
        await stage.move_to(PRICE * Decimal("0.97"))

        async def flat() -> bool:
            return not await stage.exchange.positions(ACCOUNT)

        await settled(flat)
        stop = await stage.exchange.find_stop(ACCOUNT, SYMBOL, "stop")
        assert stop.status == "TRIGGERED"
        trades = await stage.exchange.trades(ACCOUNT, SYMBOL, exchange_id=stop.order_exchange_id)
        assert sum(trade.quantity for trade in trades) == 2 * QUANTITY, (
            "all of it, also what was bought after the stop was placed"
        )
        assert {trade.side for trade in trades} == {"SELL"}
        assert list(await stage.exchange.open_stops(ACCOUNT)) == []

    play(scene)


def test_money_paid_in_is_a_payment_and_trades_are_none(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        began_ms = stage.exchange.now_ms()
        before = await stage.exchange.balances(ACCOUNT)
        await stage.pay_in(Decimal("12.345678"))

        (paid,) = [one for one in await stage.exchange.payments(ACCOUNT, began_ms - 1_000) if one.amount == Decimal("12.345678")]
        assert (paid.kind, paid.currency) == ("DEPOSIT", "USDT")
        assert (await stage.exchange.balances(ACCOUNT))["USDT"] - before["USDT"] == paid.amount
        known = await stage.exchange.payments(ACCOUNT, began_ms - 1_000)
        await stage.exchange.place(orders.market())
        assert list(await stage.exchange.payments(ACCOUNT, began_ms - 1_000)) == list(known)
        assert len({one.payment_id for one in known}) == len(known)

    play(scene)


def test_events_begin_with_connected_and_tell_what_was_asked_for_in_order(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        events = stage.exchange.events(ACCOUNT)
        assert await anext(events) == Connected()
        placed = await stage.exchange.place(orders.market(name="bought"))

        told: list[OrderReport | Trade] = []
        while not (isinstance(told[-1:] and told[-1], OrderReport) and told[-1].status == "FILLED"):  # type: ignore[union-attr]  # just looked
            event = await next_of(events, OrderReport, Trade)
            assert isinstance(event, OrderReport | Trade)
            told.append(event)
        trades = [event for event in told if isinstance(event, Trade)]
        reports = [event for event in told if isinstance(event, OrderReport)]
        assert {event.client_id for event in told} == {"bought"}
        assert {event.exchange_id for event in told} == {placed.exchange_id}
        assert sum(trade.quantity for trade in trades) == QUANTITY
        assert [report.filled for report in reports] == sorted(report.filled for report in reports)
        asked = await stage.exchange.trades(ACCOUNT, SYMBOL, exchange_id=placed.exchange_id)
        assert [trade._replace(client_id="") for trade in trades] == list(asked), "told and asked for is the same trade"

    play(scene)


def test_events_tell_of_a_stop_that_was_reached(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.market())
        events = stage.exchange.events(ACCOUNT)
        assert await anext(events) == Connected()
        await stage.exchange.place_stop(orders.stop("stop"))
        opened = await next_of(events, StopReport)
        assert isinstance(opened, StopReport)
        assert (opened.client_id, opened.status) == ("stop", "OPEN")
        await stage.move_to(PRICE * Decimal("0.97"))

        triggered = await next_of(events, StopReport)
        sold = await next_of(events, Trade)
        assert isinstance(triggered, StopReport)
        assert isinstance(sold, Trade)
        assert (triggered.client_id, triggered.status) == ("stop", "TRIGGERED")
        assert (sold.side, sold.quantity) == ("SELL", QUANTITY)

    play(scene)


def test_a_failed_question_raises_and_never_looks_like_an_empty_answer(play: Play) -> None:
    async def scene(stage: Stage, orders: Orders) -> None:
        await stage.exchange.place(orders.resting("waiting"))
        placing, stop = orders.market(), orders.stop()
        await stage.break_down()

        exchange = stage.exchange
        for asking in (
            exchange.find(ACCOUNT, SYMBOL, "waiting"),
            exchange.open_orders(ACCOUNT),
            exchange.orders(ACCOUNT, SYMBOL, exchange.now_ms()),
            exchange.trades(ACCOUNT, SYMBOL, after_id="1"),
            exchange.positions(ACCOUNT),
            exchange.balances(ACCOUNT),
            exchange.payments(ACCOUNT, exchange.now_ms()),
            exchange.find_stop(ACCOUNT, SYMBOL, "stop"),
            exchange.open_stops(ACCOUNT),
        ):
            with pytest.raises(ExchangeError) as caught:
                await asking
            assert not isinstance(caught.value, NotThere | Rejected)
        for doing in (exchange.place(placing), exchange.cancel(ACCOUNT, SYMBOL, "waiting"), exchange.place_stop(stop)):
            with pytest.raises(Ambiguous):
                await doing

    play(scene)
