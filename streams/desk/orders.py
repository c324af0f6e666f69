"""Orders: what the exchange says of them, and their end.

Decides: when an order is over, and what is remembered of it. UNKNOWN is not an end: it keeps all it reserves until it is settled.
"""

from streams.desk import exits
from streams.desk.cancelling import cancel
from streams.desk.memory import Seen, printed
from streams.desk.messages import OrderEvent
from streams.desk.outputs import Fate
from streams.desk.plans import set_aside_dust
from streams.desk.state import Account, ClosedOrder, OpenOrder
from streams.desk.timers import order_due_ms
from streams.desk.turn import Turn
from streams.desk.validation import wrong

CLOSED_ORDERS_MAX = 128
"""Orders remembered after their end, for late fills: the oldest is forgotten, a fill of it is then adopted and said so."""
KEEP_MS = 3_600_000
"""Ids of what the exchange reports are remembered for an hour: past every delay and repeat that reconnecting clients make."""
_ENDS = ("REJECTED", "CANCELLED", "EXPIRED")


def on_order_event(turn: Turn, event: OrderEvent) -> None:
    """Take in what the exchange said of an order."""
    account = turn.state.accounts.get(event.account)
    mistake = wrong(event, turn.now_ms)
    if mistake or account is None:
        turn.bury("ORDER_EVENT_INVALID" if mistake else "UNKNOWN_ACCOUNT", mistake or f"account={event.account[:64]}")
        return
    key = f"O:{event.event_id}"
    content = printed(event)
    seen = account.inputs_seen.look(key, event.ts, content)
    if seen is Seen.REPEAT:
        turn.fate = Fate.DUPLICATE
        return
    if seen is Seen.CONTRADICTION:
        turn.fate = Fate.REFUSED
        turn.alert(account, event.event_id, f"ORDER_EVENT_CONFLICT order={event.order_id} kind={event.kind}")
        return
    # One too old to tell is applied: said again, an order's word finds the order where that word has brought it.
    account.inputs_seen.remember(key, event.ts, turn.now_ms, KEEP_MS, content)
    turn.touch(account)
    order = account.orders.get(event.order_id)
    if order is None and event.order_id in account.closed_orders and event.kind == "ACKNOWLEDGED":
        return  # fills overtake acknowledgements all the time
    if order is None:
        code = "ORDER_OVER" if event.order_id in account.closed_orders else "ORDER_UNKNOWN"
        turn.refuse(account, "ORDER", event.order_id, f"{code} kind={event.kind}")
    elif event.kind in _ENDS:
        close(turn, account, order, event.kind)
        set_aside_dust(turn, account, order.symbol)
    else:
        _still_open(turn, account, order, event.kind)


def _still_open(turn: Turn, account: Account, order: OpenOrder, kind: str) -> None:
    if kind in ("UNKNOWN", "ACKNOWLEDGED"):
        order.status = "UNKNOWN" if kind == "UNKNOWN" else "WORKING"
        turn.moved(account)
    if kind == "UNKNOWN":
        turn.alert(account, order.order_id, f"ORDER_FATE_UNKNOWN symbol={order.symbol}")


def close(turn: Turn, account: Account, order: OpenOrder, how: str) -> None:
    """End an order: release what it reserved, remember it for late fills, go on with what it was for."""
    del account.orders[order.order_id]
    account.closed_orders[order.order_id] = ClosedOrder(order.symbol, order.side, order.quantity, order.filled, how, order.plan)
    while len(account.closed_orders) > CLOSED_ORDERS_MAX:
        del account.closed_orders[next(iter(account.closed_orders))]
    turn.moved(account)
    if order.reduce_only:
        exits.closing_order_ended(turn, account, order)


def on_order_timer(turn: Turn, account: Account, order_id: str) -> None:
    """Cancel an order whose lifetime is over, and again where the cancel went unanswered."""
    order = account.orders.get(order_id)
    if order is not None and order_due_ms(order) <= turn.now_ms:
        if order.type == "MARKET" and not order.cancel_due_ms:
            turn.alert(account, order_id, f"ORDER_SILENT symbol={order.symbol} status={order.status}")
        cancel(turn, account, order, "AGAIN" if order.cancel_due_ms else "LIFETIME")
