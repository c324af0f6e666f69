"""Conditional orders, which have endpoints and ids of their own.

Decides: what `/algoOrder` takes. Leaves to others: what becomes of it (engine), shapes (wire).
"""

from typing import cast, get_args

from connectors.exchange.simulator import wire
from connectors.exchange.simulator.calls import Call, page
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.records import AlgoRow, ConditionalType, NewAlgo, Refused, WorkingType
from connectors.exchange.simulator.rest_orders import DONE, ROWS, ROWS_MAX, WEEK_MS, check_one_sided, side


def place(house: House, call: Call) -> object:
    """Take a conditional order."""
    if call.text("algoType") != "CONDITIONAL":
        raise Refused(-1130, "Data sent for parameter 'algoType' is not valid.")
    symbol, kind = house.symbol(call.text("symbol")), call.text("type")
    if kind not in get_args(ConditionalType):
        raise Refused(-1116, "Invalid orderType.")
    working = call.optional("workingType") or "CONTRACT_PRICE"
    if working not in get_args(WorkingType):
        raise Refused(-1130, "Data sent for parameter 'workingType' is not valid.")
    check_one_sided(house, call)
    if call.yes("closePosition") and call.has("reduceOnly"):
        raise Refused(-1106, "Parameter 'reduceOnly' sent when not required.")
    algo = NewAlgo(
        symbol, side(call), cast("ConditionalType", kind), call.number("quantity"), call.number("triggerPrice"), call.number("callbackRate"),
        call.number("activatePrice"), cast("WorkingType", working), call.yes("reduceOnly"), call.yes("closePosition"),
        call.optional("clientAlgoId") or "",
    )  # fmt: skip
    return _written(house, house.engine.place_algo(call.account, algo, call.now_ms))


def cancel(house: House, call: Call) -> object:
    """Cancel a conditional order."""
    row = house.engine.cancel_algo(call.account, *_named(call), call.now_ms)
    return {"algoId": row.algo_id, "clientAlgoId": row.client_id, "code": "200", "msg": "success"}


def cancel_all(house: House, call: Call) -> object:
    """Cancel all open conditional orders of a symbol."""
    for row in house.engine.open_algos(call.account, house.symbol(call.text("symbol"))):
        house.engine.cancel_algo(call.account, row.algo_id, None, call.now_ms)
    return DONE


def look_up(house: House, call: Call) -> object:
    """Look a conditional order up."""
    return _written(house, house.engine.algo(call.account, *_named(call)))


def open_algos(house: House, call: Call) -> object:
    """Give open conditional orders, of one symbol or all."""
    symbol = call.optional("symbol")
    if symbol is not None:
        house.symbol(symbol)
    return [_written(house, row) for row in house.engine.open_algos(call.account, symbol)]


def all_algos(house: House, call: Call) -> object:
    """Give conditional orders of a symbol, whatever became of them."""
    rows = house.engine.all_algos(call.account, house.symbol(call.text("symbol")))
    limit, first = call.limit(ROWS, ROWS_MAX), call.whole("algoId")
    if first is not None:
        return [_written(house, row) for row in rows if row.algo_id >= first][:limit]
    return [_written(house, row) for row in page(rows, [row.created_ms for row in rows], call.window(WEEK_MS), limit)]


def _written(house: House, row: AlgoRow) -> wire.Json:
    became = house.engine.order(row.account, row.symbol, row.order_id, None) if row.order_id else None
    return wire.algo(row, became)


def _named(call: Call) -> tuple[int | None, str | None]:
    algo_id, client_id = call.whole("algoId"), call.optional("clientAlgoId")
    if algo_id is None and client_id is None:
        raise Refused(-1102, "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!")
    return algo_id, client_id
