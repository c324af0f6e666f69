"""Exits: how a position is left.

Decides: when a position's plan says so (hard stop, trailing stop, partial take-profit, deadline), and that a position once being closed is
worked on, one closing order at a time, until it is flat or too small to be closed. Exits are market orders that can only reduce, and
pass the gates as such. Leaves to others: when the plan is looked at (desk.watch, desk.timers).
"""

from decimal import Decimal

from streams.desk import gates, portfolio
from streams.desk.approval import approve
from streams.desk.cancelling import cancel_resting
from streams.desk.messages import Mark
from streams.desk.plans import is_dust, mark_as_dust
from streams.desk.request import Request
from streams.desk.state import Account, OpenOrder, Position
from streams.desk.timers import retry_ms
from streams.desk.turn import Turn
from streams.desk.values import HUNDRED, ZERO

TAKE_PROFIT = "TAKE_PROFIT"
WORKED = ("STOP", "TRAIL", "TIME", "FLATTEN", "OPERATOR")
"""Why a position is closed; also the purpose of the orders that do it."""


def follow(turn: Turn, account: Account, position: Position, mark: Mark) -> None:
    """Hold a position against a mark: its stop, its target, its trail; in this order, since nobody knows which extreme came first."""
    plan = position.plan
    if plan is None or position.exiting:
        return
    long = position.quantity > ZERO
    adverse, favourable = (mark.low, mark.high) if long else (mark.high, mark.low)
    if reached(adverse, plan.stop, not long):
        begin(turn, account, position, "TRAIL" if plan.trailed else "STOP")
        return
    if not plan.taken and reached(favourable, plan.take_profit, long) and turn.now_ms >= position.exit_after_ms:
        _take_profit(turn, account, position)
    if reached(favourable, plan.best + plan.trail_step if long else plan.best - plan.trail_step, long):
        plan.best = favourable
        trailed = max(plan.stop, favourable - plan.trail) if long else min(plan.stop, favourable + plan.trail)
        plan.trailed, plan.stop = plan.trailed or trailed != plan.stop, trailed
        turn.moved(account)
        if reached(mark.mark, plan.stop, not long):
            begin(turn, account, position, "TRAIL")


def reached(price: Decimal, level: Decimal, upwards: bool) -> bool:
    """Tell whether a price is at a level or beyond it."""
    return price >= level if upwards else price <= level


def begin(turn: Turn, account: Account, position: Position, why: str) -> None:
    """Decide that a position is to be closed, take back what would open it again or stands in the way, and start on it."""
    if position.dust:
        return
    if not position.exiting:
        position.exiting, position.exit_after_ms = why, turn.now_ms
        turn.state.index.exiting.add((account.account, position.symbol))
        turn.moved(account)
        cancel_resting(turn, account, why, position.symbol)
    work(turn, account, position)


def work(turn: Turn, account: Account, position: Position) -> None:
    """Send the order that closes what no open order closes yet, unless one was sent already or it is too early for another try."""
    if turn.now_ms < position.exit_after_ms or position.exiting == "" or _being_worked(account, position):
        return
    pending = portfolio.reducing_rest(account, position)
    if pending >= abs(position.quantity):
        return
    answer = approve(turn, closing_request(turn, account, position), gates.EXITING, "EXIT", position.symbol, position.exiting)
    if not isinstance(answer, str):
        return
    if answer == "QUANTITY_MIN" and not pending and is_dust(turn.state, position):
        mark_as_dust(turn, account, position)
    else:
        position.exit_after_ms = turn.now_ms + retry_ms(turn.state, account)
        turn.moved(account)


def _being_worked(account: Account, position: Position) -> bool:
    side = portfolio.closing_side(position)
    return any(
        order.symbol == position.symbol and order.side == side and order.purpose in WORKED for order in account.orders.values()
    )


def closing_request(turn: Turn, account: Account, position: Position) -> Request:
    """Ask for a market order that closes a position."""
    state, symbol = turn.state, position.symbol
    mark = state.marks.get(symbol)
    return Request(
        state, account, turn.now_ms, turn.now_ms, symbol, portfolio.closing_side(position), "MARKET", False, phase=state.phase_of(account),
        mark=mark, instrument=state.instruments.get(symbol), price=mark.mark if mark else ZERO,
    )  # fmt: skip


def closing_order_ended(turn: Turn, account: Account, order: OpenOrder) -> None:
    """Go on after an order that should have reduced a position is over: at once where it filled, later where it did not."""
    position = account.positions.get(order.symbol)
    if position is None or order.side != portfolio.closing_side(position):
        return
    if order.purpose == TAKE_PROFIT and not order.filled and position.plan is not None:
        position.plan.taken = False
        position.exit_after_ms = turn.now_ms + retry_ms(turn.state, account)
    if position.exiting and order.rest and order.purpose in WORKED:
        position.exit_after_ms = turn.now_ms + retry_ms(turn.state, account)


def _take_profit(turn: Turn, account: Account, position: Position) -> None:
    """Close the plan's share of a position, once. A share too small to sell counts as taken; any other refusal is tried again later."""
    assert position.plan is not None
    request = closing_request(turn, account, position)
    request.quantity = abs(position.quantity) * position.plan.take_profit_share_pct / HUNDRED
    answer = approve(turn, request, gates.EXITING, "EXIT", position.symbol, TAKE_PROFIT)
    position.plan.taken = not isinstance(answer, str) or answer == "QUANTITY_MIN"
    if not position.plan.taken:
        position.exit_after_ms = turn.now_ms + retry_ms(turn.state, account)
    turn.moved(account)
