"""Orders and trades: placing, cancelling, looking up.

Decides: what `/order` takes and what it refuses (conditional orders belong to `/algoOrder`), how rows are chosen and cut. Leaves to others: what
becomes of an order (engine), shapes (wire).
"""

from typing import cast, get_args

from connectors.exchange.simulator import wire
from connectors.exchange.simulator.calls import Call, page
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.records import NewOrder, OrderRow, OrderType, Refused, Side, TimeInForce

WEEK_MS = 7 * 86_400_000
ROWS, ROWS_MAX = 500, 1_000
CONDITIONAL = {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
DONE: wire.Json = {"code": 200, "msg": "The operation of cancel all open order is done."}


def place(house: House, call: Call) -> object:
    """Take an order."""
    symbol, kind = house.symbol(call.text("symbol")), call.text("type")
    if kind in CONDITIONAL:
        raise Refused(-4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.")
    if kind not in get_args(OrderType):
        raise Refused(-1116, "Invalid orderType.")
    quantity, price, force = call.number("quantity"), call.number("price"), call.optional("timeInForce")
    if quantity is None:
        raise Refused(-1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed.")
    if kind == "LIMIT":
        call.text("price")
        force = call.text("timeInForce")
    elif price is not None or force is not None:
        raise Refused(-1106, f"Parameter '{'price' if price is not None else 'timeInForce'}' sent when not required.")
    if force is not None and force not in get_args(TimeInForce):
        raise Refused(-1115, "Invalid timeInForce.")
    if call.yes("closePosition"):
        raise Refused(-4136, f"Target strategy invalid for orderType {kind},closePosition true")
    check_one_sided(house, call)
    order = NewOrder(
        symbol, side(call), cast("OrderType", kind), quantity, price, cast("TimeInForce", force or "GTC"), call.yes("reduceOnly"),
        call.optional("newClientOrderId") or "",
    )  # fmt: skip
    row = house.engine.place(call.account, order, call.now_ms)
    answer = wire.order(row)
    del answer["time"]
    if call.optional("newOrderRespType") != "RESULT":
        answer |= {"status": "NEW", "executedQty": "0", "cumQty": "0", "cumQuote": "0", "avgPrice": "0"}
    return answer


def cancel(house: House, call: Call) -> object:
    """Cancel an open order."""
    symbol = house.symbol(call.text("symbol"))
    answer = wire.order(house.engine.cancel(call.account, symbol, *named(call), call.now_ms))
    del answer["time"]
    return answer


def cancel_all(house: House, call: Call) -> object:
    """Cancel all open orders of a symbol."""
    house.engine.cancel_all(call.account, house.symbol(call.text("symbol")), call.now_ms)
    return DONE


def look_up(house: House, call: Call) -> object:
    """Look an order up."""
    symbol = house.symbol(call.text("symbol"))
    return wire.order(house.engine.order(call.account, symbol, *named(call)))


def look_up_open(house: House, call: Call) -> object:
    """Look an order up that is open."""
    symbol = house.symbol(call.text("symbol"))
    row = house.engine.order(call.account, symbol, *named(call))
    if not is_open(row):
        raise Refused(-2013, "Order does not exist.")
    return wire.order(row)


def open_orders(house: House, call: Call) -> object:
    """Give open orders, of one symbol or all."""
    return [wire.order(row) for row in house.engine.open_orders(call.account, call.optional("symbol"))]


def all_orders(house: House, call: Call) -> object:
    """Give orders of a symbol, whatever became of them."""
    rows = house.engine.all_orders(call.account, house.symbol(call.text("symbol")))
    limit, first = call.limit(ROWS, ROWS_MAX), call.whole("orderId")
    if first is not None:
        return [wire.order(row) for row in rows if row.order_id >= first][:limit]
    return [wire.order(row) for row in page(rows, [row.created_ms for row in rows], call.window(WEEK_MS), limit)]


def trades(house: House, call: Call) -> object:
    """Give trades of a symbol."""
    rows = house.engine.trades(call.account, house.symbol(call.text("symbol")))
    limit, order_id, first, window = call.limit(ROWS, ROWS_MAX), call.whole("orderId"), call.whole("fromId"), call.window(WEEK_MS)
    if first is not None and window is not None:
        raise Refused(-1128, "Combination of optional parameters invalid.")
    if order_id is not None:
        rows = [row for row in rows if row.order_id == order_id]
    if first is not None:
        return [wire.trade(row) for row in rows if row.trade_id >= first][:limit]
    return [wire.trade(row) for row in page(rows, [row.ts for row in rows], window, limit)]


def countdown(house: House, call: Call) -> object:
    """Set when all open orders of a symbol are to be cancelled, unless it is set again before; 0 takes it back."""
    symbol, left_ms = house.symbol(call.text("symbol")), call.whole("countdownTime")
    if left_ms is None or left_ms < 0:
        raise Refused(-1102, "Mandatory parameter 'countdownTime' was not sent, was empty/null, or malformed.")
    if left_ms:
        house.countdowns[call.account, symbol] = call.now_ms + left_ms
    else:
        house.countdowns.pop((call.account, symbol), None)
    return {"symbol": symbol, "countdownTime": str(left_ms)}


def side(call: Call) -> Side:
    """Take the side."""
    found = call.text("side")
    if found not in get_args(Side):
        raise Refused(-1117, "Invalid side.")
    return cast("Side", found)


def check_one_sided(house: House, call: Call) -> None:
    """Refuse what is meant for an account that holds both sides of a symbol apart."""
    if call.optional("positionSide") not in {None, "BOTH"} or call.account in house.two_sided:
        raise Refused(-4061, "Order's position side does not match user's setting.")


def named(call: Call) -> tuple[int | None, str | None]:
    """Take the exchange's or the client's id of an order; the exchange's counts."""
    order_id, client_id = call.whole("orderId"), call.optional("origClientOrderId")
    if order_id is None and client_id is None:
        raise Refused(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return order_id, client_id


def is_open(row: OrderRow) -> bool:
    """Tell whether an order is open."""
    return row.status in {"NEW", "PARTIALLY_FILLED"}
