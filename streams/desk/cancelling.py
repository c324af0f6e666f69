"""Cancelling: taking back orders that are out.

Decides: which orders a reason to stand down takes back, and that a cancel is asked for again until there is an answer.
"""

from streams.desk.outputs import Cancel
from streams.desk.state import Account, OpenOrder
from streams.desk.timers import ORDER, retry_ms, set_timer
from streams.desk.turn import Turn


def cancel_risk(turn: Turn, account: Account, reason: str, symbol: str | None = None) -> None:
    """Cancel every open order that can add risk, in one symbol or in all."""
    for order in list(account.orders.values()):
        if not order.reduce_only and not order.cancel_due_ms and symbol in (None, order.symbol):
            cancel(turn, account, order, reason)


def cancel_resting(turn: Turn, account: Account, reason: str, symbol: str) -> None:
    """Cancel what would open a position again that is to be closed, and what rests at a price and stands in the way of closing it."""
    for order in list(account.orders.values()):
        if order.symbol == symbol and not order.cancel_due_ms and (order.type == "LIMIT" or not order.reduce_only):
            cancel(turn, account, order, reason)


def cancel(turn: Turn, account: Account, order: OpenOrder, reason: str) -> None:
    """Ask for an order to be cancelled."""
    order.cancel_due_ms = turn.now_ms + retry_ms(turn.state, account)
    n = len(turn.outputs)
    turn.outputs.append(Cancel(order.order_id, account.account, turn.event.offset, n, order.symbol, reason, turn.now_ms))
    set_timer(turn.state, order.cancel_due_ms, account, ORDER, order.order_id)
    turn.moved(account)
