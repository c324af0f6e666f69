"""Fills: the exchange has traded for us.

Decides: whether a fill is believed, and says so loudly where it does not fit: other content under a known id, more than was ordered, after the
order's end, of another symbol or side than its order, of an order nobody knows. What the exchange says has happened is booked all the same:
position is the sum of its fills.
"""

from streams.desk import orders, plans, portfolio
from streams.desk.memory import Seen, printed
from streams.desk.messages import Fill
from streams.desk.outputs import Fate
from streams.desk.request import listed
from streams.desk.state import Account, ClosedOrder, OpenOrder, Plan
from streams.desk.turn import Turn
from streams.desk.validation import wrong
from streams.desk.values import ZERO, text


def on_fill(turn: Turn, fill: Fill) -> None:
    """Take a trade in, once."""
    account = turn.state.accounts.get(fill.account)
    mistake = wrong(fill, turn.now_ms)
    if mistake or account is None:
        error = "FILL_INVALID" if mistake else "UNKNOWN_ACCOUNT"
        turn.bury(error, mistake or f"account={fill.account[:64]}")
        turn.alert(account, fill.trade_id[:64], f"{error} {mistake}".rstrip())
        return
    if not _new(turn, account, fill):
        return
    portfolio.trade(turn.state, account, fill.symbol, fill.quantity * portfolio.signed(fill), fill.price)
    charged = portfolio.charge_fee(turn.state, account, fill)
    turn.moved(account)
    if not charged:
        account.doubt = "FEE_COINS_FULL"
        turn.alert(account, fill.trade_id, f"FEE_COINS_FULL fee={text(fill.fee)} currency={fill.fee_currency}")
    plan = _count(turn, account, fill)
    held = account.positions.get(fill.symbol)
    adds = held is not None and (held.quantity > ZERO) == (fill.side == "BUY")
    plans.take_on(turn, account, fill.symbol, fill.price, plan if adds else None)
    plans.set_aside_dust(turn, account, fill.symbol)
    turn.moved(account)


def _new(turn: Turn, account: Account, fill: Fill) -> bool:
    key = f"F:{fill.venue}:{fill.symbol}:{fill.trade_id}"
    content = printed((fill.order_id, fill.side, fill.price, fill.quantity, fill.fee, fill.fee_currency))
    seen = account.inputs_seen.look(key, fill.ts, content)
    if seen is Seen.REPEAT:
        turn.fate = Fate.DUPLICATE
        return False
    if seen is Seen.NEW:
        account.inputs_seen.remember(key, fill.ts, turn.now_ms, orders.KEEP_MS, content)
        return True
    turn.fate = Fate.REFUSED
    if seen is Seen.CONTRADICTION:
        turn.alert(
            account, fill.trade_id, "FILL_CONFLICT " + listed(symbol=fill.symbol, price=fill.price, quantity=fill.quantity)
        )
    else:
        account.doubt = "FILL_TOO_OLD"
        turn.moved(account)
        turn.alert(account, fill.trade_id, "FILL_TOO_OLD " + listed(ts=fill.ts, floor_ts=account.inputs_seen.floor_ts))
    return False


def _count(turn: Turn, account: Account, fill: Fill) -> Plan | None:
    """Count a fill to its order; give the plan that belongs to it."""
    figures = listed(order=fill.order_id, symbol=fill.symbol, quantity=fill.quantity)
    order: OpenOrder | ClosedOrder | None = account.orders.get(fill.order_id) or account.closed_orders.get(fill.order_id)
    if order is None:
        turn.alert(account, fill.trade_id, f"FILL_ADOPTED {figures}")
        return None
    if (order.symbol, order.side) != (fill.symbol, fill.side):
        turn.alert(account, fill.trade_id, f"FILL_MISMATCH {figures} {listed(ordered=order.symbol, ordered_side=order.side)}")
        return None
    order.filled += fill.quantity
    overfilled = order.filled > order.quantity
    if isinstance(order, OpenOrder):
        if order.filled >= order.quantity:
            orders.close(turn, account, order, "FILLED")
        elif order.status == "SENT":
            order.status = "WORKING"
    elif not overfilled:
        turn.alert(account, fill.trade_id, f"FILL_AFTER_END {figures} how={order.how}")
    if overfilled:
        turn.alert(account, fill.trade_id, f"OVERFILL {figures} {listed(filled=order.filled, ordered=order.quantity)}")
    return order.plan
