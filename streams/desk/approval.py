"""Approval: the one place where an order comes into being.

Decides: that a request which passed all its gates becomes an order with an id, is remembered as open and counted, and that any other becomes a
refusal. Nothing else constructs an `Order`; there is no way around the gates, for operators and exits neither.
"""

from streams.desk import gates
from streams.desk.outputs import Check, Kind, Order
from streams.desk.rate import orders_in_window
from streams.desk.request import Request
from streams.desk.state import OpenOrder
from streams.desk.timers import ORDER, set_timer
from streams.desk.turn import Turn
from streams.desk.values import AMOUNT_MAX, ZERO

LIFETIME_MS = 60_000
"""How long an order may stay open where no policy says it."""


def approve(turn: Turn, request: Request, through: tuple[gates.Gate, ...], kind: Kind, subject: str, purpose: str) -> Order | str:
    """Take a request through its gates: an order, or the code of the first refusal. Either way it is said why."""
    checks: list[Check] = []
    for gate in through:
        check = gate(request)
        checks.append(check)
        if check.code:
            reason = f"{check.code} {check.figures}".rstrip()
            if kind == "EXIT":
                turn.decide(request.account, kind, subject, "REFUSED", reason, tuple(checks))
            else:
                turn.refuse(request.account, kind, subject, reason, tuple(checks))
            return check.code
    order = _order(turn, request, subject)
    turn.decide(
        request.account,
        kind,
        subject,
        "APPROVED",
        f"{purpose} symbol={order.symbol} side={order.side}",
        tuple(checks),
        order.order_id,
    )
    turn.outputs.append(order)
    _remember(turn, request, order, purpose)
    return order


def _order(turn: Turn, request: Request, subject: str) -> Order:
    account, state = request.account, request.state
    order_id, n = turn.next_order_id(account)
    low, high = gates.collar(request) if request.adds_risk else (ZERO, AMOUNT_MAX)
    expires_ms = turn.now_ms + lifetime_ms(request) if request.type == "LIMIT" else 0
    return Order(
        order_id, account.account, turn.event.offset, n, request.symbol, request.side, request.type, request.quantity, request.limit_price,
        not request.adds_risk, request.stop if request.adds_risk else None, subject, 0, state.policy.version if state.policy else 0,
        expires_ms, low, high, account.control_position, state.control_position, turn.now_ms,
    )  # fmt: skip


def _remember(turn: Turn, request: Request, order: Order, purpose: str) -> None:
    account = request.account
    account.orders[order.order_id] = OpenOrder(
        order.order_id, order.symbol, order.side, order.type, order.quantity, order.limit_price, order.reduce_only, purpose,
        turn.now_ms + lifetime_ms(request), request.plan,
    )  # fmt: skip
    account.order_times.append(turn.now_ms)
    orders_in_window(account, turn.now_ms)
    set_timer(turn.state, turn.now_ms + lifetime_ms(request), account, ORDER, order.order_id)
    turn.moved(account)


def lifetime_ms(request: Request) -> int:
    """Tell after how long an order that is still open is taken back: a limit that nobody took, a market order the exchange says nothing of."""
    return request.phase.orders.lifetime_s * 1000 if request.phase else LIFETIME_MS
