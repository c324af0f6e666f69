"""The exchange's answers, read.

Decides: which field is what, and that money comes from text, exactly, or not at all; which of the exchange's states is which of ours. What cannot be
read is no answer: `Unreadable`. Leaves to others: asking, and what an unreadable answer means to who asked (ccxt_line).
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from streams.desk.messages import OrderSide
from streams.exchange.port import (
    OrderReport,
    OrderStatus,
    Payment,
    PaymentKind,
    Position,
    StopReport,
    StopStatus,
    Trade,
    UserEvent,
)  # fmt: skip

Row = Mapping[str, Any]
T = TypeVar("T")

ORDER_STATES: Final[dict[str, OrderStatus]] = {
    "NEW": "OPEN",
    "PARTIALLY_FILLED": "OPEN",
    "PENDING_CANCEL": "OPEN",
    "NEW_INSURANCE": "OPEN",
    "NEW_ADL": "OPEN",
    "FILLED": "FILLED",
    "CANCELED": "CANCELLED",
    "REJECTED": "REJECTED",
    "EXPIRED": "EXPIRED",
    "EXPIRED_IN_MATCH": "EXPIRED",
}
STOP_STATES: Final[dict[str, StopStatus]] = {
    "NEW": "OPEN",
    "TRIGGERING": "TRIGGERED",
    "TRIGGERED": "TRIGGERED",
    "FINISHED": "TRIGGERED",
    "CANCELED": "CANCELLED",
    "REJECTED": "REJECTED",
    "EXPIRED": "EXPIRED",
}
STOP: Final = "STOP_MARKET"
"""What a stop of ours is. Other conditional orders of an account are somebody else's: they come the same way, and are left alone."""
OF_TRADES: Final = {"REALIZED_PNL", "COMMISSION"}
"""Incomes that trades tell of already."""


class Unreadable(ValueError):
    """It is not what the exchange answers to this."""


def exact(row: Row, name: str) -> Decimal:
    """Give a number from its text. One that came as a float has lost what was behind it."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable(f"{name} is a {type(value).__name__}, not a number in text")
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Unreadable(f"{name} is not a number")
    return number


def whole(row: Row, name: str) -> int:
    """Give a whole number."""
    number = exact(row, name)
    if number != number.to_integral_value():
        raise Unreadable(f"{name} is not a whole number")
    return int(number)


def text(row: Row, name: str) -> str:
    """Give text, or a whole number as text: ids are either."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable(f"{name} is a {type(value).__name__}, not text")
    return str(value)


def flag(row: Row, name: str) -> bool:
    """Give yes or no; no where it is left out."""
    value = row.get(name, False)
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is neither yes nor no")
    return value


def side_of(row: Row, name: str) -> OrderSide:
    """Give buy or sell."""
    side = text(row, name)
    if side == "BUY":
        return "BUY"
    if side == "SELL":
        return "SELL"
    raise Unreadable(f"{name} is no side")


def one_of(states: Mapping[str, T], row: Row, name: str) -> T:
    """Give our state for the exchange's. A new one of theirs is not guessed."""
    state = text(row, name)
    if state not in states:
        raise Unreadable(f"{name} {state[:40]} is no state we know")
    return states[state]


def one(answer: Any) -> Row:
    """Take an answer that has to be a record."""
    if not isinstance(answer, dict):
        raise Unreadable(f"a record was to come, and {type(answer).__name__} came")
    return answer


def many(read: Callable[[Row], T]) -> Callable[[Any], list[T]]:
    """Make a reader of lists from a reader of records."""

    def read_all(answer: Any) -> list[T]:
        if not isinstance(answer, list):
            raise Unreadable(f"a list was to come, and {type(answer).__name__} came")
        return [read(one(row)) for row in answer]

    return read_all


def order_of(answer: Any) -> OrderReport:
    """Read an order as REST tells of it."""
    row = one(answer)
    return OrderReport(
        client_id=text(row, "clientOrderId"),
        exchange_id=text(row, "orderId"),
        symbol=text(row, "symbol"),
        side=side_of(row, "side"),
        status=one_of(ORDER_STATES, row, "status"),
        quantity=exact(row, "origQty"),
        filled=exact(row, "executedQty"),
        updated_ms=whole(row, "updateTime"),
        reduce_only=flag(row, "reduceOnly"),
    )


def stop_of(answer: Any) -> StopReport:
    """Read a stop as REST tells of it."""
    row = one(answer)
    return StopReport(
        client_id=text(row, "clientAlgoId"),
        exchange_id=text(row, "algoId"),
        symbol=text(row, "symbol"),
        side=side_of(row, "side"),
        status=one_of(STOP_STATES, row, "algoStatus"),
        trigger_price=exact(row, "triggerPrice"),
        order_exchange_id=became(row, "actualOrderId"),
        updated_ms=whole(row, "updateTime"),
    )


def stop_or_other(row: Row) -> StopReport | None:
    """Read a stop; None for another kind of conditional order."""
    return stop_of(row) if text(row, "orderType") == STOP else None


def became(row: Row, name: str) -> str:
    """Give the id of the order a stop became; empty, zero or left out where it became none."""
    value = str(row.get(name) or "")
    return "" if value == "0" else value


def trade_of(answer: Any) -> Trade:
    """Read a trade as REST tells of it."""
    row = one(answer)
    return Trade(
        trade_id=text(row, "id"),
        symbol=text(row, "symbol"),
        exchange_id=text(row, "orderId"),
        client_id="",
        side=side_of(row, "side"),
        price=exact(row, "price"),
        quantity=exact(row, "qty"),
        fee=exact(row, "commission"),
        fee_currency=text(row, "commissionAsset"),
        ts=whole(row, "time"),
    )


def position_of(answer: Any) -> Position:
    """Read a position."""
    row = one(answer)
    if text(row, "positionSide") != "BOTH":
        raise Unreadable("the account holds both sides of a symbol apart, which is not what it was checked for")
    return Position(text(row, "symbol"), exact(row, "positionAmt"), exact(row, "entryPrice"), whole(row, "updateTime"))


def balance_of(answer: Any) -> tuple[str, Decimal]:
    """Read what is in the wallet of a currency."""
    row = one(answer)
    return text(row, "asset"), exact(row, "balance")


def payment_of(answer: Any) -> Payment | None:
    """Read money that moved; None where trades tell of it. Its id is unique within its kind only."""
    row = one(answer)
    kind, amount, symbol = text(row, "incomeType"), exact(row, "income"), str(row.get("symbol") or "")
    if kind in OF_TRADES:
        return None
    payment_id = f"{kind}-{text(row, 'tranId')}" + (f"-{symbol}" if symbol else "")
    return Payment(payment_id, _kind_of(kind, amount), symbol or None, amount, text(row, "asset"), whole(row, "time"))


def _kind_of(kind: str, amount: Decimal) -> PaymentKind:
    if kind == "FUNDING_FEE":
        return "FUNDING"
    if kind == "INSURANCE_CLEAR":
        return "LIQUIDATION"
    if kind == "TRANSFER":
        return "DEPOSIT" if amount >= 0 else "WITHDRAWAL"
    return "OTHER"


def events_of(message: Row) -> Sequence[UserEvent]:
    """Read a message of the private stream: a trade before the order it changed. Money that moved is no event here.

    ACCOUNT_UPDATE names no id by which a payment could be known again, so payments are asked for only.
    """
    kind = message.get("e")
    if kind == "ORDER_TRADE_UPDATE":
        row = one(message.get("o"))
        return [*_trades_in(row), _order_in(row)]
    if kind == "ALGO_UPDATE":
        row = one(message.get("o"))
        return [_stop_in(row, whole(message, "T"))] if text(row, "o") == STOP else []
    return []


def _order_in(row: Row) -> OrderReport:
    return OrderReport(
        client_id=text(row, "c"),
        exchange_id=text(row, "i"),
        symbol=text(row, "s"),
        side=side_of(row, "S"),
        status=one_of(ORDER_STATES, row, "X"),
        quantity=exact(row, "q"),
        filled=exact(row, "z"),
        updated_ms=whole(row, "T"),
        reason=str(row.get("er") or ""),
        reduce_only=flag(row, "R"),
    )


def _trades_in(row: Row) -> list[Trade]:
    """Give the trade this is about. The exchange leaves out a fee of nothing."""
    if not exact(row, "l"):
        return []
    return [
        Trade(
            trade_id=text(row, "t"),
            symbol=text(row, "s"),
            exchange_id=text(row, "i"),
            client_id=text(row, "c"),
            side=side_of(row, "S"),
            price=exact(row, "L"),
            quantity=exact(row, "l"),
            fee=exact(row, "n") if row.get("n") is not None else Decimal(0),
            fee_currency=str(row.get("N") or ""),
            ts=whole(row, "T"),
        )
    ]


def _stop_in(row: Row, ts: int) -> StopReport:
    return StopReport(
        client_id=text(row, "caid"),
        exchange_id=text(row, "aid"),
        symbol=text(row, "s"),
        side=side_of(row, "S"),
        status=one_of(STOP_STATES, row, "X"),
        trigger_price=exact(row, "tp"),
        order_exchange_id=became(row, "ai"),
        updated_ms=ts,
    )
