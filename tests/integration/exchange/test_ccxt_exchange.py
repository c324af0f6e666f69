"""What the adapter asks, what it takes of the allowance before, and that no failure is lost, repeated, or tells what nobody may know."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from connectors.exchange.ccxt_exchange import USUAL, CcxtExchange
from connectors.exchange.ccxt_line import WINDOW_MS
from connectors.exchange.ccxt_orders import ROWS_MAX, SPAN_MS
from streams.exchange.errors import AlreadyKnown, Ambiguous, ClockOff, ExchangeError, Fatal, NotThere, Paused, Rejected, Retryable
from streams.exchange.port import Placing, StopPlacing
from tests.scripted_exchange import (
    KEY,
    REF,
    SECRET,
    Allowance,
    Asked,
    Says,
    ScriptedExchange,
    adapter,
    code,
    exchange_at,
    scripted,
    until,
)

ORDER = {
    "clientOrderId": "c1", "orderId": 7, "symbol": "BTCUSDT", "side": "BUY", "status": "NEW", "origQty": "0.001", "executedQty": "0",
    "updateTime": 5, "reduceOnly": False,
}  # fmt: skip
STOP = {
    "clientAlgoId": "s1", "algoId": 8, "symbol": "BTCUSDT", "side": "SELL", "algoStatus": "CANCELED", "triggerPrice": "60000", "updateTime": 6,
    "actualOrderId": "", "orderType": "STOP_MARKET",
}  # fmt: skip
BTC = "BTCUSDT"
POST, DELETE, GET = "POST /fapi/v1/order", "DELETE /fapi/v1/order", "GET /fapi/v1/order"
QUICK = USUAL._replace(answer_ms=300)


def limit(exchange: CcxtExchange, **other: Any) -> Placing:
    order = Placing("main", "c1", BTC, "BUY", "LIMIT", Decimal("0.0010"), Decimal("60000.10"), False, exchange.now_ms(), 5_000)
    return order._replace(**other)


def stop(exchange: CcxtExchange) -> StopPlacing:
    return StopPlacing("main", "s1", BTC, "SELL", Decimal("59000.00"), exchange.now_ms(), 4_000)


def trade(number: int, ts: int) -> dict[str, Any]:
    return {
        "id": number, "symbol": BTC, "orderId": 7, "side": "BUY", "price": "1", "qty": "1", "commission": "0", "commissionAsset": "USDT", "time": ts,
    }  # fmt: skip


Do = Callable[[CcxtExchange, ScriptedExchange, Allowance], Awaitable[None]]


def with_adapter(do: Do, times: Any = USUAL) -> None:
    async def run() -> None:
        allowance = Allowance()
        async with scripted() as server, adapter(server, times, allowance) as exchange:
            allowance.taken.clear()
            await do(exchange, server, allowance)

    asyncio.run(run())


EVERYTHING: dict[str, tuple[str, Callable[[CcxtExchange], Awaitable[Any]]]] = {
    "place": (POST, lambda exchange: exchange.place(limit(exchange))),
    "cancel": (DELETE, lambda exchange: exchange.cancel("main", BTC, "c1")),
    "find": (GET, lambda exchange: exchange.find("main", BTC, "c1")),
    "open_orders": ("GET /fapi/v1/openOrders", lambda exchange: exchange.open_orders("main")),
    "orders": ("GET /fapi/v1/allOrders", lambda exchange: exchange.orders("main", BTC, exchange.now_ms() - 1_000)),
    "trades": ("GET /fapi/v1/userTrades", lambda exchange: exchange.trades("main", BTC, since_ms=exchange.now_ms() - 1_000)),
    "positions": ("GET /fapi/v3/positionRisk", lambda exchange: exchange.positions("main")),
    "balances": ("GET /fapi/v3/balance", lambda exchange: exchange.balances("main")),
    "payments": ("GET /fapi/v1/income", lambda exchange: exchange.payments("main", exchange.now_ms() - 1_000)),
    "place_stop": ("POST /fapi/v1/algoOrder", lambda exchange: exchange.place_stop(stop(exchange))),
    "cancel_stop": ("DELETE /fapi/v1/algoOrder", lambda exchange: exchange.cancel_stop("main", BTC, "s1")),
    "find_stop": ("GET /fapi/v1/algoOrder", lambda exchange: exchange.find_stop("main", BTC, "s1")),
    "open_stops": ("GET /fapi/v1/openAlgoOrders", lambda exchange: exchange.open_stops("main")),
}
CHANGES = {"place", "cancel", "place_stop", "cancel_stop"}

FAILURES: dict[str, Says] = {
    "a dropped connection": Says(cut=True),
    "no answer in time": Says({}, late_s=0.6),
    "a page of a proxy": Says("<html>busy</html>", 502),
    "a page that looks like success": Says("<html>welcome</html>"),
    "half an answer": Says('{"orderId": 7, '),
    "an empty answer": Says(""),
    "another answer": Says({"something": "else"}),
    "a number": Says(7),
    "nothing": Says(None),
    "-1007": code(-1007, "Timeout waiting for response from backend server.", 408),
    "-1001": code(-1001, "Internal error.", 500),
    "a code nobody knows": code(-98765, "What now?"),
    "a status nobody knows": Says({}, 599),
}


def test_an_order_is_sent_as_it_is_with_the_time_that_was_written_down() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, allowance: Allowance) -> None:
        server.answer(POST, Says(ORDER))
        order = limit(exchange, sent_ms=1_234, window_ms=777, reduce_only=True)
        report = await exchange.place(order)
        await exchange.place(order._replace(type="MARKET", limit_price=None, quantity=Decimal("12345678901234567.000000001")))

        first, second = (asked.what for asked in server.of(POST))
        for what in (first, second):
            del what["signature"]
        assert first == {
            "symbol": BTC, "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "60000.1", "timeInForce": "GTC", "reduceOnly": "true",
            "newClientOrderId": "c1", "newOrderRespType": "RESULT", "timestamp": "1234", "recvWindow": "777",
        }  # fmt: skip
        assert second["quantity"] == "12345678901234567.000000001"
        assert (second["type"], "price" in second, "timeInForce" in second) == ("MARKET", False, False)
        assert (report.client_id, report.exchange_id, report.status) == ("c1", "7", "OPEN")
        assert allowance.taken == [], "what an order takes was taken by who asked for room"

    with_adapter(do)


def test_room_for_an_order_is_taken_of_weight_and_orders() -> None:
    async def do(exchange: CcxtExchange, _server: ScriptedExchange, allowance: Allowance) -> None:
        await exchange.room("main", urgent=True)
        await exchange.room("main", urgent=False)

        assert allowance.taken == [(1, 1, "main", True), (1, 1, "main", False)]

    with_adapter(do)


def test_a_stop_closes_the_position_at_the_mark_price() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, allowance: Allowance) -> None:
        server.answer("POST /fapi/v1/algoOrder", Says({**STOP, "algoStatus": "NEW"}))
        await exchange.room("main", urgent=True)
        asked_for = stop(exchange)
        await exchange.place_stop(asked_for)

        (asked,) = server.of("POST /fapi/v1/algoOrder")
        del asked.what["signature"]
        assert asked.what == {
            "algoType": "CONDITIONAL", "symbol": BTC, "side": "SELL", "type": "STOP_MARKET", "triggerPrice": "59000", "workingType": "MARK_PRICE",
            "closePosition": "true", "clientAlgoId": "s1", "timestamp": str(asked_for.sent_ms), "recvWindow": "4000",
        }  # fmt: skip
        assert allowance.taken == [(1, 1, "main", True)]

    with_adapter(do)


def test_a_cancelled_stop_is_told_of_as_it_stands_then() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        server.answer("DELETE /fapi/v1/algoOrder", Says({"algoId": 8, "clientAlgoId": "s1", "code": "200", "msg": "success"}))
        server.answer("GET /fapi/v1/algoOrder", Says(STOP), code(-2013, "Order does not exist."))

        assert (await exchange.cancel_stop("main", BTC, "s1")).status == "CANCELLED"
        with pytest.raises(Ambiguous):
            await exchange.cancel_stop("main", BTC, "s1")

    with_adapter(do)


def test_other_conditional_orders_are_not_taken_for_stops() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        server.answer("GET /fapi/v1/openAlgoOrders", Says([STOP, {"orderType": "TRAILING_STOP_MARKET", "clientAlgoId": "x"}]))

        assert [found.client_id for found in await exchange.open_stops("main")] == ["s1"]

    with_adapter(do)


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_question_takes_its_weight_before_and_is_signed_within_a_window(name: str) -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, allowance: Allowance) -> None:
        question, ask = EVERYTHING[name]
        server.answer(question, code(-1121, "Invalid symbol."))
        with pytest.raises(Rejected):
            await ask(exchange)

        (asked,) = server.of(question)
        assert abs(int(asked.what["timestamp"]) - exchange.now_ms()) < 5_000
        assert int(asked.what["recvWindow"]) <= WINDOW_MS
        assert asked.headers["X-MBX-APIKEY"] == KEY
        weights = {"place": [], "place_stop": [], "open_orders": [40], "open_stops": [40], "income": [30], "payments": [30]}
        heavy = {"orders", "trades", "positions", "balances"}
        assert [taken[0] for taken in allowance.taken] == weights.get(name, [5 if name in heavy else 1])
        assert all(taken[3] is (name in CHANGES) for taken in allowance.taken)

    with_adapter(do)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", EVERYTHING)
def test_a_failure_is_told_never_repeated_and_never_taken_for_an_empty_answer(name: str, failure: str) -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        question, ask = EVERYTHING[name]
        server.answer(question, FAILURES[failure])
        with pytest.raises(Ambiguous if name in CHANGES else Retryable):
            await ask(exchange)

        sent_again_at_most = 2 if FAILURES[failure].cut and not question.startswith("POST") else 1
        assert 1 <= len(server.of(question)) <= sent_again_at_most

    with_adapter(do, QUICK)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (code(-4116, "ClientOrderId is duplicated."), AlreadyKnown),
        (code(-2019, "Margin is insufficient."), Rejected),
        (code(-2022, "ReduceOnly Order is rejected."), Rejected),
        (code(-1021, "Timestamp for this request is outside of the recvWindow."), ClockOff),
        (code(-5028, "Timestamp for this request is outside of the ME recvWindow."), ClockOff),
        (code(-2015, "Invalid API-key, IP, or permissions for action.", 401), Fatal),
        (code(-1003, "Too many requests.", 429, Retry_After="3"), Paused),
    ],
)
def test_a_refused_order_comes_out_as_what_to_do(answer: Says, error: type[ExchangeError]) -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        server.answer(POST, answer)
        with pytest.raises(error):
            await exchange.place(limit(exchange))

        assert len(server.of(POST)) == 1

    with_adapter(do)


def test_a_limit_order_without_a_price_is_never_sent() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        with pytest.raises(Rejected):
            await exchange.place(limit(exchange, limit_price=None))

        assert server.of(POST) == []

    with_adapter(do)


def test_an_order_that_is_not_there_is_not_there() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        server.answer(GET, code(-2013, "Order does not exist."))
        server.answer(DELETE, code(-2011, "Unknown order sent."))
        with pytest.raises(NotThere):
            await exchange.find("main", BTC, "c1")
        with pytest.raises(NotThere):
            await exchange.cancel("main", BTC, "c1")

    with_adapter(do)


@pytest.mark.parametrize(
    ("status", "header", "after_s"), [(429, "7", 7.0), (418, "600", 600.0), (429, "soon", 60.0), (418, "", 120.0)]
)
def test_too_many_questions_silence_everybody_for_as_long_as_the_exchange_says(status: int, header: str, after_s: float) -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, allowance: Allowance) -> None:
        server.answer(GET, code(-1003, "Too many requests.", status, Retry_After=header))
        with pytest.raises(Paused) as caught:
            await exchange.find("main", BTC, "c1")

        assert caught.value.after_s == after_s
        assert allowance.paused == [after_s]

    with_adapter(do)


def test_the_allowance_hears_each_answers_own_headers_with_the_account_even_when_answers_cross() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, allowance: Allowance) -> None:
        allowance.told.clear()
        server.answer(GET, Says(ORDER, headers={"X-MBX-USED-WEIGHT-1M": "11"}, late_s=0.2))
        server.answer(DELETE, code(-2011, "Unknown order sent.", 400, X_MBX_USED_WEIGHT_1M="12"))
        await asyncio.gather(exchange.find("main", BTC, "c1"), exchange.cancel("main", BTC, "c1"), return_exceptions=True)

        told = [(headers["X-MBX-USED-WEIGHT-1M"], account) for headers, account in allowance.told]
        assert told == [("12", "main"), ("11", "main")]

    with_adapter(do)


def test_limits_are_asked_for_once_before_the_first_account_trades_and_an_account_is_not_checked_without() -> None:
    async def run() -> None:
        allowance, limits = Allowance(), "GET /fapi/v1/exchangeInfo"
        async with scripted() as server, exchange_at(allowance, server.url) as exchange:
            told = server.answers[limits]
            server.answer(limits, Says({"rateLimits": []}), code(-1001, "Internal error.", 500), *told)
            for _ in range(2):
                with pytest.raises(Retryable):
                    await exchange.check(REF, [BTC])
            assert (allowance.rules, server.of("GET /fapi/v2/account")) == ([], [])
            await asyncio.gather(*(exchange.check(REF._replace(account=name), [BTC]) for name in ("main", "other")))

            assert len(server.of(limits)) == 3
            assert [rules.weight.limit for rules in allowance.rules] == [2_400]

    asyncio.run(run())


def test_a_refused_timestamp_puts_the_clock_in_doubt_until_it_is_compared_again() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        assert exchange.clock_error_ms() is not None
        server.answer(GET, code(-1021, "Timestamp for this request is outside of the recvWindow."))
        with pytest.raises(ClockOff):
            await exchange.find("main", BTC, "c1")
        assert exchange.clock_error_ms() is None

        await until(lambda: exchange.clock_error_ms() is not None)

    with_adapter(do, USUAL._replace(compare_again_s=0.05))


def test_an_order_that_was_late_by_our_own_clock_says_nothing_against_it() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        server.answer(POST, code(-1021, "Timestamp for this request is outside of the recvWindow."))
        with pytest.raises(ClockOff):
            await exchange.place(limit(exchange, sent_ms=exchange.now_ms() - 5_100))

        assert exchange.clock_error_ms() is not None

    with_adapter(do)


def test_trades_after_an_id_are_asked_for_until_there_are_no_more() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, allowance: Allowance) -> None:
        def answer(asked: Asked) -> Says:
            first = int(asked.what["fromId"])
            return Says([trade(number, number) for number in range(first, min(first + ROWS_MAX, 2_500))])

        server.answer("GET /fapi/v1/userTrades", answer)
        found = await exchange.trades("main", BTC, after_id="41")

        assert [int(one.trade_id) for one in found] == list(range(42, 2_500))
        assert [taken[0] for taken in allowance.taken] == [5, 5, 5]

    with_adapter(do)


def test_trades_of_an_order_are_asked_for_by_its_id() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        server.answer("GET /fapi/v1/userTrades", Says([trade(2, 5), trade(1, 5)]))
        found = await exchange.trades("main", BTC, exchange_id="7")

        assert [one.trade_id for one in found] == ["1", "2"]
        (asked,) = server.of("GET /fapi/v1/userTrades")
        assert (asked.what["orderId"], "fromId" in asked.what, "startTime" in asked.what) == ("7", False, False)

    with_adapter(do)


def test_a_long_time_is_asked_for_in_parts_and_a_full_part_again_in_halves() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        now = exchange.now_ms()
        since = now - 2 * SPAN_MS
        there = [trade(number, since + 1_000 + number) for number in range(2_500)] + [trade(9_999, now - 1)]

        def answer(asked: Asked) -> Says:
            start, end = int(asked.what["startTime"]), int(asked.what["endTime"])
            assert end - start <= SPAN_MS
            within = [one for one in there if start <= one["time"] <= end]
            return Says(within[-ROWS_MAX:])  # which are left out, nobody says

        server.answer("GET /fapi/v1/userTrades", answer)
        found = await exchange.trades("main", BTC, since_ms=since)

        assert [int(one.trade_id) for one in found] == [one["id"] for one in there]

    with_adapter(do)


def test_more_history_than_can_be_asked_for_is_not_given_in_part() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        server.answer("GET /fapi/v1/userTrades", Says([trade(number, 5) for number in range(ROWS_MAX)]))
        with pytest.raises(Rejected):
            await exchange.trades("main", BTC, since_ms=exchange.now_ms() - 1_000_000)

    with_adapter(do)


def test_an_account_that_was_never_checked_is_not_traded_for() -> None:
    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        with pytest.raises(Fatal):
            await exchange.place(limit(exchange, account="other"))
        with pytest.raises(Fatal):
            exchange.events("other")
        assert server.of(POST) == []

    with_adapter(do)


def shown(error: BaseException | None) -> str:
    """Give all that could ever be printed of an exception, and of what led to it."""
    if error is None:
        return ""
    printed = "".join(traceback.format_exception(error))
    return f"{error!r} {error} {vars(error)} {printed} {shown(error.__cause__)} {shown(error.__context__)}"


TELLING = {
    "the keys in its words": code(-1022, f"Signature of {KEY} {SECRET} is not valid."),
    "a redirect": Says("", 302, {"Location": "/elsewhere"}),
    "too many": code(-1003, "Too many requests.", 429),
}


@pytest.mark.parametrize("failure", [*FAILURES, *TELLING])
def test_no_failure_tells_a_key_a_signature_or_a_signed_address(failure: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[BaseException] = []

    async def do(exchange: CcxtExchange, server: ScriptedExchange, _allowance: Allowance) -> None:
        for question, ask in EVERYTHING.values():
            server.answer(question, {**FAILURES, **TELLING}[failure])
            with pytest.raises(ExchangeError) as caught:
                await ask(exchange)
            errors.append(caught.value)
        told = " ".join([*map(shown, errors), caplog.text])
        signatures = [asked.what["signature"] for asked in server.asked if "signature" in asked.what]
        assert len(signatures) >= len(EVERYTHING)
        assert [one for one in (KEY, SECRET, server.url, *signatures) if one in told] == []
        assert [one for one in (KEY, SECRET) if one in f"{exchange!r} {vars(exchange)}"] == []

    with_adapter(do, QUICK)


async def is_gone(asking: Awaitable[object]) -> bool:
    try:
        await asking
    except NotThere:
        return True
    return False


def test_a_second_way_in_is_asked_about_what_is_in_doubt_and_nothing_is_sent_there_again() -> None:
    async def run() -> None:
        allowance = Allowance()
        async with (
            scripted() as first,
            scripted() as second,
            exchange_at(allowance, first.url, second.url, times=QUICK._replace(probe_s=0.02)) as exchange,
        ):
            await exchange.check(REF, [BTC])
            for name in (POST, GET, "GET /fapi/v1/ping"):
                first.answer(name, Says(cut=True))
            second.answer(GET, Says(ORDER))
            with pytest.raises(Ambiguous):
                await exchange.place(limit(exchange))
            for _ in range(3):
                with pytest.raises(Retryable):
                    await exchange.find("main", BTC, "c1")
            assert (await exchange.find("main", BTC, "c1")).exchange_id == "7"
            assert (len(first.of(POST)), len(second.of(POST))) == (1, 0)

            first.answer("GET /fapi/v1/ping", Says({}))
            first.answer(GET, code(-2013, "Order does not exist."))
            async with asyncio.timeout(10):
                while not await is_gone(exchange.find("main", BTC, "c1")):
                    assert exchange.clock_error_ms() is not None
            assert (len(first.of(POST)), len(second.of(POST))) == (1, 0)

    asyncio.run(run())
