"""Modes: what an account may do at all.

Decides: the one word that people see. NORMAL anything the gates allow, REDUCING only less, HALTED no signal at all. It follows from what
the gates ask one by one; no gate asks for the mode.
"""

from typing import Literal

from streams.desk.state import Account, State


def mode_of(state: State, account: Account) -> Literal["NORMAL", "REDUCING", "HALTED"]:
    """Tell what an account may do: HALTED no signal at all, REDUCING only less, NORMAL anything the gates allow."""
    if not (state.enabled and account.enabled and account.in_service):
        return "HALTED"
    phase = state.phase_of(account)
    stale = phase is None or state.now_ms - state.policy_ms > phase.age.policy_s_max * 1000
    doubtful = bool(account.adjustments or account.doubt or account.fees_owed)
    return "REDUCING" if stale or doubtful or not (account.stop.armed and state.stop.armed) else "NORMAL"
