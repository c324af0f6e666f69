"""What a trip of an emergency stop does: nothing new, nothing open that adds risk, and positions held or closed as the policy says.

Decides: which orders are cancelled, which positions are closed, and when the stop has settled. Leaves to others: the machine itself
(desk.emergency_stop) and what counts as a breach (desk.valuation, desk.marks, desk.ticks, desk.total).
"""

from streams.desk import exits
from streams.desk.cancelling import cancel_risk
from streams.desk.emergency_stop import StopEvent, StopState
from streams.desk.signals import drop
from streams.desk.state import Account, State
from streams.desk.turn import Turn

FLATTEN = "FLATTEN"


def trip(turn: Turn, account: Account, cause: str) -> bool:
    """Trip an account's stop; tell whether it was armed."""
    if not account.stop.on(StopEvent.BREACHED, turn.now_ms, cause):
        return False
    turn.moved(account)
    turn.decide(account, "ESS", account.account, "APPLIED", f"TRIPPED cause={cause}")
    _stand_down(turn, account)
    return True


def trip_all(turn: Turn, cause: str) -> bool:
    """Trip the stop over all accounts on this partition; tell whether it was armed."""
    if not turn.state.stop.on(StopEvent.BREACHED, turn.now_ms, cause):
        return False
    turn.decide(None, "ESS", "*", "APPLIED", f"TRIPPED cause={cause}")
    for name in sorted(turn.state.accounts):
        _stand_down(turn, turn.state.accounts[name])
    return True


def _stand_down(turn: Turn, account: Account) -> None:
    cancel_risk(turn, account, "ESS")
    for signal in account.queue.take_opening():
        drop(turn, account, signal, "ESS_TRIPPED", confidence=signal.confidence)
    turn.show(account)
    turn.state.index.unsettled.add(account.account)
    flatten(turn, account)


def flatten(turn: Turn, account: Account) -> None:
    """Close every position where a stop that is not armed says so."""
    if must_be_flat(turn.state, account):
        for symbol in sorted(account.positions):
            exits.begin(turn, account, account.positions[symbol], FLATTEN)


def held_by(state: State, symbol: str) -> list[str]:
    """Name who holds a symbol, dust aside."""
    return sorted(name for name, position in state.index.holders.get(symbol, {}).items() if not position.dust)


def must_be_flat(state: State, account: Account) -> bool:
    """Tell whether the policy wants no position while a stop is not armed. Without a policy positions are held."""
    phase = state.phase_of(account)
    own = not account.stop.armed and phase is not None and phase.ess.on_trip == "flatten"
    every = not state.stop.armed and state.policy is not None and state.policy.total.on_trip == "flatten"
    return own or every


def settled(state: State, account: Account) -> bool:
    """Tell whether nothing is left to do: no open order adds risk and, where it has to be, the account is flat but for dust."""
    if any(not order.reduce_only for order in account.orders.values()):
        return False
    return not must_be_flat(state, account) or all(held.dust for held in account.positions.values())


def unsettled(state: State, account: Account) -> bool:
    """Tell whether a stop still has work with an account, or has yet to say that it has none."""
    if account.stop.armed and state.stop.armed:
        return False
    return account.stop.state is StopState.TRIPPED or not settled(state, account)


def settle(turn: Turn) -> None:
    """Look at every account whose stop has not settled: flatten what is left, and start the cooldown of those that are done."""
    state, index = turn.state, turn.state.index
    for name in sorted(index.unsettled):
        account = state.accounts[name]
        flatten(turn, account)
        if settled(state, account):
            index.unsettled.discard(name)
            if account.stop.on(StopEvent.SETTLED, turn.now_ms):
                turn.moved(account)
                turn.decide(account, "ESS", name, "APPLIED", "COOLDOWN")
    if not index.unsettled and state.stop.on(StopEvent.SETTLED, turn.now_ms):
        state.unshown = True
        turn.decide(None, "ESS", "*", "APPLIED", "COOLDOWN")
