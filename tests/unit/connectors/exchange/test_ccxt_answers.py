"""Answers are read exactly, or not at all."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.exchange.ccxt_answers import (
    ORDER_STATES,
    STOP_STATES,
    Row,
    Unreadable,
    balance_of,
    events_of,
    exact,
    many,
    order_of,
    payment_of,
    position_of,
    stop_of,
    trade_of,
)
from streams.exchange.port import OrderReport, Payment, Position, StopReport, Trade

ORDER: dict[str, Any] = {
    "clientOrderId": "c1", "orderId": 7, "symbol": "BTCUSDT", "side": "BUY", "status": "PARTIALLY_FILLED", "origQty": "0.30", "executedQty": "0.1",
    "updateTime": 5, "reduceOnly": True,
}  # fmt: skip
STOP: dict[str, Any] = {
    "clientAlgoId": "s1", "algoId": 8, "symbol": "BTCUSDT", "side": "SELL", "algoStatus": "NEW", "triggerPrice": "60000.10", "updateTime": 6,
    "actualOrderId": "", "orderType": "STOP_MARKET",
}  # fmt: skip
TRADE: dict[str, Any] = {
    "id": 9, "symbol": "BTCUSDT", "orderId": 7, "side": "BUY", "price": "60001.123456789012345678", "qty": "0.1", "commission": "0.00000001",
    "commissionAsset": "BNB", "time": 4,
}  # fmt: skip
POSITION: dict[str, Any] = {
    "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.1", "entryPrice": "6E+4", "updateTime": 3,
}  # fmt: skip
INCOME: dict[str, Any] = {
    "incomeType": "FUNDING_FEE",
    "income": "-0.5",
    "asset": "USDT",
    "symbol": "BTCUSDT",
    "tranId": 11,
    "time": 2,
}
UPDATE: dict[str, Any] = {
    "s": "BTCUSDT", "c": "c1", "S": "BUY", "q": "0.3", "z": "0.3", "l": "0.2", "L": "60001.5", "n": "0.01", "N": "USDT", "T": 5, "t": 9, "i": 7,
    "X": "FILLED", "R": False, "er": "0",
}  # fmt: skip
ALGO: dict[str, Any] = {
    "caid": "s1",
    "aid": 8,
    "s": "BTCUSDT",
    "S": "SELL",
    "X": "TRIGGERED",
    "tp": "60000",
    "ai": "77",
    "o": "STOP_MARKET",
}


def test_an_order_is_read() -> None:
    assert order_of(ORDER) == OrderReport("c1", "7", "BTCUSDT", "BUY", "OPEN", Decimal("0.30"), Decimal("0.1"), 5, "", True)


def test_a_stop_is_read_with_the_order_it_became() -> None:
    assert stop_of(STOP) == StopReport("s1", "8", "BTCUSDT", "SELL", "OPEN", Decimal("60000.10"), "", 6)
    assert stop_of({**STOP, "algoStatus": "FINISHED", "actualOrderId": "77"}).order_exchange_id == "77"
    assert {stop_of({**STOP, "actualOrderId": none}).order_exchange_id for none in ("", "0", 0, None)} == {""}


def test_a_trade_is_read_to_the_last_digit() -> None:
    assert trade_of(TRADE) == Trade(
        "9", "BTCUSDT", "7", "", "BUY", Decimal("60001.123456789012345678"), Decimal("0.1"), Decimal("0.00000001"), "BNB", 4
    )


def test_a_position_is_signed() -> None:
    assert position_of(POSITION) == Position("BTCUSDT", Decimal("-0.1"), Decimal(60000), 3)


def test_a_position_of_one_side_is_not_read_as_the_whole() -> None:
    with pytest.raises(Unreadable):
        position_of({**POSITION, "positionSide": "LONG"})


def test_a_balance_is_what_is_in_the_wallet() -> None:
    assert balance_of({"asset": "USDT", "balance": "10.5", "crossUnPnl": "3", "availableBalance": "9"}) == (
        "USDT",
        Decimal("10.5"),
    )


@pytest.mark.parametrize(
    ("kind", "amount", "ours"),
    [
        ("FUNDING_FEE", "-0.5", "FUNDING"),
        ("TRANSFER", "5", "DEPOSIT"),
        ("TRANSFER", "-5", "WITHDRAWAL"),
        ("INSURANCE_CLEAR", "-5", "LIQUIDATION"),
        ("WELCOME_BONUS", "5", "OTHER"),
    ],
)
def test_money_that_moved_is_of_a_kind(kind: str, amount: str, ours: str) -> None:
    paid = payment_of({**INCOME, "incomeType": kind, "income": amount})

    assert paid is not None
    assert (paid.kind, paid.amount) == (ours, Decimal(amount))


def test_a_payments_id_tells_its_kind_for_the_exchange_counts_each_apart() -> None:
    assert payment_of(INCOME) == Payment("FUNDING_FEE-11-BTCUSDT", "FUNDING", "BTCUSDT", Decimal("-0.5"), "USDT", 2)
    other = payment_of({**INCOME, "incomeType": "TRANSFER", "symbol": ""})
    assert other is not None
    assert (other.payment_id, other.symbol) == ("TRANSFER-11", None)


@pytest.mark.parametrize("kind", ["REALIZED_PNL", "COMMISSION"])
def test_what_trades_tell_of_is_no_payment(kind: str) -> None:
    assert payment_of({**INCOME, "incomeType": kind}) is None


def test_an_update_is_a_trade_and_then_the_order() -> None:
    trade, order = events_of({"e": "ORDER_TRADE_UPDATE", "o": UPDATE})

    assert trade == Trade("9", "BTCUSDT", "7", "c1", "BUY", Decimal("60001.5"), Decimal("0.2"), Decimal("0.01"), "USDT", 5)
    assert order == OrderReport("c1", "7", "BTCUSDT", "BUY", "FILLED", Decimal("0.3"), Decimal("0.3"), 5, "0", False)


def test_an_update_without_a_trade_is_the_order_alone() -> None:
    assert len(events_of({"e": "ORDER_TRADE_UPDATE", "o": {**UPDATE, "l": "0", "t": 0, "L": "0", "X": "CANCELED"}})) == 1


def test_a_trade_without_a_fee_costs_nothing() -> None:
    row = {name: value for name, value in UPDATE.items() if name not in {"n", "N"}}

    trade = events_of({"e": "ORDER_TRADE_UPDATE", "o": row})[0]

    assert isinstance(trade, Trade)
    assert (trade.fee, trade.fee_currency) == (Decimal(0), "")


def test_an_update_of_a_stop_is_read() -> None:
    assert events_of({"e": "ALGO_UPDATE", "T": 6, "o": ALGO}) == [
        StopReport("s1", "8", "BTCUSDT", "SELL", "TRIGGERED", Decimal(60000), "77", 6)
    ]


@pytest.mark.parametrize("kind", ["TAKE_PROFIT", "TRAILING_STOP_MARKET"])
def test_an_update_of_another_conditional_order_is_none_of_ours_to_read(kind: str) -> None:
    assert events_of({"e": "ALGO_UPDATE", "T": 6, "o": {"o": kind}}) == []


@pytest.mark.parametrize("kind", ["ACCOUNT_UPDATE", "MARGIN_CALL", "ACCOUNT_CONFIG_UPDATE", "TRADE_LITE", "something new", None])
def test_other_messages_say_nothing_of_orders(kind: str | None) -> None:
    assert events_of({"e": kind}) == []


@pytest.mark.parametrize("value", [0.1, None, True, "", "NaN", "Infinity", "-Infinity", "1_0x", "0.1 USDT", [], {}])
def test_what_is_no_exact_number_is_not_read(value: object) -> None:
    with pytest.raises(Unreadable):
        exact({"price": value}, "price")


@pytest.mark.parametrize("status", ["DONE", "", "new"])
def test_a_state_that_is_new_is_not_guessed(status: str) -> None:
    with pytest.raises(Unreadable):
        order_of({**ORDER, "status": status})
    with pytest.raises(Unreadable):
        stop_of({**STOP, "algoStatus": status})


def test_every_state_is_one_of_ours() -> None:
    assert {order_of({**ORDER, "status": status}).status for status in ORDER_STATES} == {
        "OPEN", "FILLED", "CANCELLED", "REJECTED", "EXPIRED",
    }  # fmt: skip
    assert {stop_of({**STOP, "algoStatus": status}).status for status in STOP_STATES} == {
        "OPEN", "TRIGGERED", "CANCELLED", "REJECTED", "EXPIRED",
    }  # fmt: skip


@pytest.mark.parametrize("answer", [None, {}, "", "<html>", 7, [None], [[]], {"code": 200}])
def test_an_answer_that_is_no_list_is_not_an_empty_one(answer: object) -> None:
    with pytest.raises(Unreadable):
        many(order_of)(answer)


@pytest.mark.parametrize(
    ("read", "row"),
    [(order_of, ORDER), (stop_of, STOP), (trade_of, TRADE), (position_of, POSITION), (payment_of, INCOME)],
)
@given(data=st.data())
def test_an_answer_with_anything_anywhere_is_read_or_unreadable(read: Any, row: Row, data: st.DataObject) -> None:
    anything = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()))
    name = data.draw(st.sampled_from(sorted(row)))
    try:
        read({**row, name: data.draw(anything)})
    except Unreadable:
        return
