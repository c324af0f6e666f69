"""Valuation: what an account is worth now, its high-water mark, and whether it has fallen too far.

Decides: new highs and drawdown breaches. A mark that was conflated from several is taken at its worst: the favourable extreme raises
the high-water mark first, the adverse extreme is held against it then. So conflation hides nothing.
"""

from decimal import Decimal

from streams.desk import portfolio
from streams.desk.messages import Mark
from streams.desk.request import listed
from streams.desk.state import Account, Position
from streams.desk.stopping import trip, unsettled
from streams.desk.turn import Turn
from streams.desk.values import HUNDRED, ZERO
from streams.desk.watch import inside, raised, redraw, watch_on


def look(turn: Turn, account: Account, position: Position, mark: Mark) -> None:
    """Look at an account because of a mark of a symbol it holds: exactly where it may matter, and not where it cannot."""
    state = turn.state
    judged = account.guard is not None or not account.stop.armed
    if judged and account.account not in turn.touched and inside(state, account, position, mark):
        watch_on(state, account, position)
        return
    worth = _judged_worth(turn, account)
    if worth is None:
        redraw(state, account, None)
        return
    rise, fall = position.quantity * (mark.high - mark.mark), position.quantity * (mark.low - mark.mark)
    higher = _raise(account, worth + max(rise, fall))
    if _breached(turn, account, worth + min(rise, fall)) or account.account in turn.touched:
        redraw(state, account, _judged_worth(turn, account))
    elif higher:
        raised(state, account, worth)
    else:
        watch_on(state, account, position)


def revalue(turn: Turn, account: Account) -> None:
    """Value an account exactly after a change of its own, and watch it from there."""
    worth = _judged_worth(turn, account)
    if worth is not None:
        _raise(account, worth)
        if _breached(turn, account, worth):
            worth = None
    redraw(turn.state, account, worth)


def _judged_worth(turn: Turn, account: Account) -> Decimal | None:
    """Give what an account is worth, where it has limits, a stop that is armed, and marks to value it by."""
    if not account.stop.armed or turn.state.phase_of(account) is None:
        return None
    return portfolio.at_most(turn.state, account)


def _raise(account: Account, worth: Decimal) -> bool:
    """Move the high-water mark up to what an account is worth; tell whether it moved."""
    if worth <= account.high_water:
        return False
    # Not shown for its own sake: an account on its way up would be pictured every second.
    account.high_water = worth
    account.figures = ""
    account.version += 1
    return True


def _breached(turn: Turn, account: Account, worth: Decimal) -> bool:
    """Trip an account's stop where it has fallen to its limit. An account without money or positions cannot fall."""
    phase = turn.state.phase_of(account)
    assert phase is not None
    floor = account.high_water * (HUNDRED - phase.ess.drawdown_pct) / HUNDRED
    if worth > floor or not (account.high_water > ZERO or account.positions):
        return False
    figures = listed(equity=worth, floor=floor, high_water=account.high_water, limit_pct=phase.ess.drawdown_pct)
    trip(turn, account, f"DRAWDOWN {figures}")
    return True


def revalue_touched(turn: Turn) -> None:
    """Value every account whose money, positions, orders or stop this turn has changed."""
    while turn.touched:
        touched, turn.touched = turn.touched, {}
        for name in sorted(touched):
            revalue(turn, touched[name])
            if unsettled(turn.state, touched[name]):
                turn.state.index.unsettled.add(name)
