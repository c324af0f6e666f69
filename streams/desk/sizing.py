"""Sizing: how much to buy or sell, and how the position would be left.

Decides: quantity = equity × risk per trade ÷ distance to the stop, capped by the room the limits leave, and by what a book holds where the policy
cuts, in whole steps; and the plan of exits that belongs to it. Leaves to others: the limits (desk.gates) and the following of the plan (desk.exits).
"""

from decimal import Decimal

from streams.desk.outputs import Check
from streams.desk.policy import ExitRules
from streams.desk.request import Request, listed
from streams.desk.state import Plan
from streams.desk.values import HUNDRED, ZERO, steps_ceiling, steps_floor


def size_by_risk(request: Request, rules: ExitRules) -> Check:
    """Size a signal's order so that its stop costs the risk per trade, and make its plan."""
    assert (
        request.signal is not None and request.phase is not None and request.instrument is not None and request.equity is not None
    )
    atr, step = request.signal.atr, request.instrument.step_size
    risk_usd = max(ZERO, request.equity * request.phase.size.risk_per_trade_pct / HUNDRED)
    plan = make_plan(request, atr, rules)
    distance = abs(request.price - plan.stop)
    by_risk = (risk_usd // (distance * step)) * step if distance else ZERO
    by_room = (request.room // (request.value_price * step)) * step
    request.quantity, request.stop, request.plan = min(by_risk, by_room), plan.stop, plan
    figures = listed(
        risk_usd=risk_usd, atr=atr, price=request.price, stop=plan.stop, distance=distance, by_risk=by_risk, by_room=by_room, room_usd=request.room
    )  # fmt: skip
    if plan.stop <= ZERO or not distance:
        return Check("size", "STOP_INVALID", figures)
    return Check("size", "SIZE_ZERO" if request.quantity <= ZERO else "", figures)


def cut_to_depth(request: Request, figures: str) -> Check:
    """Narrow a signal's order to its share of the depth, unless what is left is not worth sending. An operator's quantity is never changed."""
    assert request.phase is not None and request.mark is not None and request.instrument is not None
    instrument, wanted = request.instrument, request.quantity
    share_usd_pct = request.phase.market.depth_share_max_pct * request.mark.depth
    request.quantity = (share_usd_pct // (HUNDRED * request.value_price * instrument.step_size)) * instrument.step_size
    worth_it = request.quantity >= instrument.min_quantity and request.quantity * request.price >= instrument.min_notional
    return Check("liquidity", "" if worth_it else "DEPTH_THIN", f"{figures} {listed(wanted=wanted, cut_to=request.quantity)}")


def make_plan(request: Request, atr: Decimal, rules: ExitRules) -> Plan:
    """Lay out stop, target, trail and deadline around the expected price, on the exchange's price grid."""
    assert request.instrument is not None
    tick, price, regime = request.instrument.tick_size, request.price, request.signal.regime if request.signal else "VOLATILE"
    if request.long:
        stop, target = steps_floor(price - atr * rules.stop_atr, tick), steps_ceiling(price + atr * rules.take_profit_atr, tick)
    else:
        stop, target = steps_ceiling(price + atr * rules.stop_atr, tick), steps_floor(price - atr * rules.take_profit_atr, tick)
    trail = max(tick, steps_ceiling(atr * rules.trail_atr, tick))
    trail_step = max(tick, steps_floor(trail * rules.trail_step_pct / HUNDRED, tick))
    hold_ms = rules.hold_s_max * 1000
    return Plan(regime, stop, target, rules.take_profit_share_pct, trail, trail_step, price, hold_ms, request.now_ms + hold_ms)
