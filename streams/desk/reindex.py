"""Reindexing: what is derived from the state, made from it.

Decides: the indexes of a state that was just read. Whatever they are, the desk's answers are the same: they say who has to be looked at, and a look
that finds nothing leaves no trace.
"""

from streams.desk import portfolio
from streams.desk.state import Account, Index, State
from streams.desk.stopping import unsettled
from streams.desk.timers import reset_timers
from streams.desk.values import ZERO, exact
from streams.desk.watch import redraw


def reindex(state: State) -> None:
    """Build all indexes anew."""
    state.index = Index()
    state.index.prices = {symbol: float(mark.mark) for symbol, mark in state.marks.items()}
    with exact():
        for account in state.accounts.values():
            _enter(state, account)
        for account in state.accounts.values():
            judged = account.stop.armed and state.phase_of(account) is not None
            redraw(state, account, portfolio.at_most(state, account) if judged else None)
    reset_timers(state)


def _enter(state: State, account: Account) -> None:
    index, name = state.index, account.account
    index.cash += account.cash
    index.transfers += account.opening + account.transfers
    for symbol, position in account.positions.items():
        index.holders.setdefault(symbol, {})[name] = position
        net = index.net.setdefault(symbol, [ZERO, ZERO])
        net[0] += position.quantity
        net[1] += position.cost
    for priced_in in account.fees_owed:
        index.owing.setdefault(priced_in, set()).add(name)
    if len(account.queue):
        index.waiting.add(name)
    if account.unshown:
        index.unshown.add(name)
    index.exiting.update((name, symbol) for symbol, position in account.positions.items() if position.exiting)
    if unsettled(state, account):
        index.unsettled.add(name)
