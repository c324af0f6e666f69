"""Views: an account as it is shown and stored outside.

Decides: which figures a portfolio has, and when one is said: at each tick for every account that changed since the last, and for holders once a
minute. Leaves to others: rounding for the eye, which happens where a figure is shown.
"""

from decimal import Decimal
from typing import Literal

from streams.desk import portfolio
from streams.desk.messages import EVERY_ACCOUNT
from streams.desk.modes import mode_of
from streams.desk.outputs import Portfolio, PositionView
from streams.desk.state import Account, Position, State
from streams.desk.values import HUNDRED, ZERO, money_quotient, money_share


def view(state: State, account: Account, offset: int, n: int) -> Portfolio:
    """Picture an account as of a tape offset."""
    worth = portfolio.equity(state, account)
    exposures = [portfolio.exposure(state, account, symbol) for symbol in portfolio.symbols_valued(account)]
    known = [value for value in exposures if value is not None]
    phase, stop = state.phase_of(account), account.stop
    cooldown_s = phase.ess.cooldown_s if phase else 0
    return Portfolio(
        account.account, offset, n, state.now_ms, mode_of(state, account), account.cash, worth,
        sum(known, ZERO) if len(known) == len(exposures) else None, account.high_water, drawdown_pct(account.high_water, worth),
        account.day_start, account.realised, account.fees, account.funding, tuple(_position(state, held) for held in account.positions.values()),
        len(account.orders), len(account.queue), account.phase or state.phase, stop.state.value, stop.trip_ms, stop.trip_reason,
        stop.cooldown_start_ms, -(-stop.left_ms(state.now_ms, cooldown_s) // 1000), stop.reset_count,
    )  # fmt: skip


def view_all(state: State, offset: int, n: int) -> Portfolio:
    """Picture all accounts of the partition together, with the stop over all accounts."""
    index, stop = state.index, state.stop
    worth, complete = portfolio.partition_equity(state)
    exposures = [abs(quantity) * state.marks[symbol].mark for symbol, (quantity, _) in index.net.items() if symbol in state.marks]
    cooldown_s = state.policy.total.cooldown_s if state.policy else 0
    stale = state.policy is None or state.policy_stale
    mode: Literal["NORMAL", "REDUCING", "HALTED"] = (
        "HALTED" if not state.enabled else "REDUCING" if stale or not stop.armed else "NORMAL"
    )
    return Portfolio(
        EVERY_ACCOUNT, offset, n, state.now_ms, mode, index.cash, worth if complete else None, sum(exposures, ZERO) if complete else None,
        state.total.high_water or ZERO, None, ZERO, ZERO, ZERO, ZERO, (), 0, len(index.waiting), state.phase, stop.state.value, stop.trip_ms,
        stop.trip_reason, stop.cooldown_start_ms, -(-stop.left_ms(state.now_ms, cooldown_s) // 1000), stop.reset_count,
    )  # fmt: skip


def drawdown_pct(high_water: Decimal, worth: Decimal | None) -> Decimal | None:
    """Tell by how many per cent an account is below its high-water mark."""
    if worth is None or high_water <= ZERO:
        return None
    return money_share(HUNDRED, high_water - worth, high_water)


def _position(state: State, held: Position) -> PositionView:
    mark = state.marks.get(held.symbol)
    unrealised = None if mark is None else held.quantity * mark.mark - held.cost
    return PositionView(
        held.symbol, held.quantity, money_quotient(held.cost, held.quantity), held.cost, mark.mark if mark else None, unrealised, held.realised,
        held.plan.stop if held.plan else None, held.opened_ms,
    )  # fmt: skip
