"""Commands to an emergency stop: by hand it trips at once, and re-arms only for somebody with a reason.

Decides: whether a reset is allowed now, and what it takes back. Leaves to others: the signature (desk.commands), the machine
(desk.emergency_stop).
"""

from streams.desk import portfolio, stopping, total
from streams.desk.emergency_stop import Stop, StopEvent, StopState
from streams.desk.messages import Control, Reset
from streams.desk.ranges import signature
from streams.desk.request import listed
from streams.desk.state import Account
from streams.desk.timers import HOLD, set_timer
from streams.desk.turn import Turn


def trip(turn: Turn, account: Account | None, control: Control) -> None:
    """Trip a stop by hand."""
    cause = f"COMMAND {signature(control)}"
    tripped = stopping.trip_all(turn, cause) if account is None else stopping.trip(turn, account, cause)
    if account is None:
        turn.state.total.asked = ""
        turn.state.unshown = True
    verdict = "TRIPPED" if tripped else "ALREADY_TRIPPED"
    turn.decide(account, "COMMAND", control.control_id, "APPLIED", f"{verdict} {cause}")


def reset(turn: Turn, account: Account | None, control: Control) -> None:
    """Re-arm a stop: after its cooldown, or before with override; not without knowing what the account is worth."""
    assert isinstance(control.command, Reset)
    state = turn.state
    stop = state.stop if account is None else account.stop
    refusal = _refusal(turn, account, stop, control.command.override)
    if refusal:
        turn.refuse(account, "COMMAND", control.control_id, refusal)
        return
    stop.on(StopEvent.OVERRIDDEN if control.command.override else StopEvent.RESET, turn.now_ms, control.reason, control.user)
    if account is None:
        total.rearmed(state)
        state.unshown = True
        concerned = [state.accounts[name] for name in sorted(state.accounts)]
    else:
        worth = portfolio.equity(state, account)
        assert worth is not None
        account.high_water = worth
        concerned = [account]
    for one in concerned:
        _stop_flattening(turn, one)
    figures = listed(override=control.command.override, count=stop.reset_count, user=control.user, reason=control.reason)
    turn.decide(account, "COMMAND", control.control_id, "APPLIED", f"RESET {figures}")


def _refusal(turn: Turn, account: Account | None, stop: Stop, override: bool) -> str:
    state = turn.state
    if stop.state is StopState.ARMED:
        return "ESS_NOT_TRIPPED"
    if not override:
        if stop.state is StopState.TRIPPED:
            return "ESS_NOT_SETTLED"
        left_ms = stop.left_ms(turn.now_ms, _cooldown_s(turn, account))
        if left_ms:
            return "ESS_COOLDOWN " + listed(left_ms=left_ms)
    if account is not None and portfolio.equity(state, account) is None:
        return "EQUITY_UNKNOWN"
    return ""


def _cooldown_s(turn: Turn, account: Account | None) -> int:
    """Give the cooldown; without a policy there is no end to it."""
    state = turn.state
    if account is None:
        return state.policy.total.cooldown_s if state.policy else 2**40
    phase = state.phase_of(account)
    return phase.ess.cooldown_s if phase else 2**40


def _stop_flattening(turn: Turn, account: Account) -> None:
    turn.moved(account)
    if stopping.must_be_flat(turn.state, account):
        return
    for position in account.positions.values():
        if position.exiting == stopping.FLATTEN:
            position.exiting = ""
            if position.plan is not None:
                set_timer(turn.state, position.plan.deadline_ms, account, HOLD, position.symbol)
