"""Plans: every position has one.

Decides: which plan a position follows after its quantity changed: its order's, tightened by each order that adds to it; one of its own where
nobody planned it. A position without a stop is a risk without a limit, so there is none.
"""

from decimal import Decimal

from streams.desk.request import listed
from streams.desk.state import Account, Plan, Position, State
from streams.desk.timers import HOLD, SHOW, next_show_ms, set_timer
from streams.desk.turn import Turn
from streams.desk.values import FINEST_PRICE, HUNDRED, ZERO, money_quotient, round_down, steps_ceiling, steps_floor

DUST_USD_MAX = 250
"""The dearest smallest quantity on the venue is 0.001 BTC: what is below it is worth less than this until a bitcoin costs 250,000."""


def take_on(turn: Turn, account: Account, symbol: str, price: Decimal, plan: Plan | None = None) -> None:
    """See to it that the position in a symbol, if there is one, has a plan. plan: of the order that was just filled, if it opened or added."""
    position = account.positions.get(symbol)
    if position is None:
        return
    if position.dust:
        position.dust, position.plan, position.opened_ms = False, None, turn.now_ms
    if position.plan is None:
        position.plan = copied(plan, price, turn.now_ms) if plan is not None else adopted(turn, account, position, price)
        if position.plan is not None:
            set_timer(turn.state, position.plan.deadline_ms, account, HOLD, symbol)
        set_timer(turn.state, next_show_ms(turn.state, account), account, SHOW, "")
    elif plan is not None:
        tighter = max if position.quantity > ZERO else min
        position.plan.stop = tighter(position.plan.stop, plan.stop)


def set_aside_dust(turn: Turn, account: Account, symbol: str) -> None:
    """Note that what is left of a position is too small for any order, where nothing is under way that could change it."""
    position = account.positions.get(symbol)
    if position is None or position.dust or any(order.symbol == symbol for order in account.orders.values()):
        return
    if is_dust(turn.state, position):
        mark_as_dust(turn, account, position)


def is_dust(state: State, position: Position) -> bool:
    """Tell whether a position is smaller than any order may be, and worth little. What is worth more is never ignored."""
    instrument, mark = state.instruments.get(position.symbol), state.marks.get(position.symbol)
    if instrument is None or mark is None or abs(position.quantity) * mark.mark > DUST_USD_MAX:
        return False
    return round_down(abs(position.quantity), instrument.step_size) < max(instrument.min_quantity, instrument.step_size)


def judge_dust_again(turn: Turn, symbol: str) -> None:
    """Take up again what other filters let be closed."""
    for name in sorted(turn.state.index.holders.get(symbol, {})):
        judge_dust_of(turn, turn.state.accounts[name])


def judge_dust_of(turn: Turn, account: Account) -> None:
    """Take up again what has become worth a stop, or can be closed by now."""
    woken = [held for held in account.positions.values() if held.dust and not is_dust(turn.state, held)]
    for held in woken:
        held.dust = False
    if woken:
        plan_the_unplanned(turn, account)
        turn.moved(account)


def mark_as_dust(turn: Turn, account: Account, position: Position) -> None:
    """Hold a position from now on as if it were not there."""
    position.dust, position.exiting, position.plan = True, "", None
    turn.moved(account)
    turn.alert(account, position.symbol, "DUST " + listed(quantity=position.quantity))


def plan_the_unplanned(turn: Turn, account: Account) -> None:
    """Give a plan to positions that came while no limits were known to plan by."""
    for position in list(account.positions.values()):
        if position.plan is None and not position.dust:
            mark = turn.state.marks.get(position.symbol)
            price = mark.mark if mark else money_quotient(position.cost, position.quantity)
            take_on(turn, account, position.symbol, steps_floor(price, FINEST_PRICE))


def copied(plan: Plan, price: Decimal, now_ms: int) -> Plan:
    """Make the plan of a position from its order's: it begins with the price and the moment of the first fill."""
    return Plan(
        plan.regime, plan.stop, plan.take_profit, plan.take_profit_share_pct, plan.trail, plan.trail_step, price, plan.hold_ms,
        now_ms + plan.hold_ms,
    )  # fmt: skip


def adopted(turn: Turn, account: Account, position: Position, price: Decimal) -> Plan | None:
    """Plan the exits of a position nobody planned: a stop at the policy's distance, the rest in proportion to it."""
    phase = turn.state.phase_of(account)
    if phase is None:
        return None
    rules = phase.exits.volatile
    instrument = turn.state.instruments.get(position.symbol)
    tick = instrument.tick_size if instrument else FINEST_PRICE
    distance = max(tick, steps_floor(price * phase.exits.adopted_stop_pct / HUNDRED, tick))
    target = steps_ceiling(money_quotient(distance * rules.take_profit_atr, rules.stop_atr), tick)
    step = max(tick, steps_floor(distance * rules.trail_step_pct / HUNDRED, tick))
    way = 1 if position.quantity > ZERO else -1
    hold_ms = rules.hold_s_max * 1000
    return Plan(
        "VOLATILE", price - way * distance, price + way * target, rules.take_profit_share_pct, distance, step, price, hold_ms,
        turn.now_ms + hold_ms,
    )  # fmt: skip
