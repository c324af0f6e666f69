"""Commands about limits: policies, phases, promotions, and the desk's own version.

Decides: which policy counts, which phase an account is in, whose signals may trade, and where this desk's reign ends. A policy that cannot be
read changes nothing: the last good one stays, and grows stale.
"""

from typing import Final

from streams.desk.messages import Control, PhaseChange, PolicyUpdate, Promotion, VersionChange
from streams.desk.plans import plan_the_unplanned
from streams.desk.policy import Policy
from streams.desk.policy_check import PolicyError, document_hash, parse_policy
from streams.desk.ranges import signature
from streams.desk.request import listed
from streams.desk.state import DESK_VERSION, Account
from streams.desk.turn import Turn

COMMAND: Final = "COMMAND"
DAY_MS = 86_400_000
SOURCES_MAX = 1_000
"""Signal sources whose stage is remembered."""
DOCUMENT_CHARACTERS_MAX = 500_000
"""A policy of nine phases has some 20,000."""
TOO_LONG = [PolicyError((), f"longer than {DOCUMENT_CHARACTERS_MAX} characters")]


def carry_out(turn: Turn, account: Account | None, control: Control) -> None:
    """Do what a believed command about limits says."""
    match control.command:
        case PolicyUpdate():
            _policy(turn, control, control.command)
        case PhaseChange():
            _phase(turn, account, control, control.command)
        case Promotion():
            _promote(turn, account, control, control.command)
        case VersionChange():
            _version(turn, control, control.command.version)


def _applied(turn: Turn, account: Account | None, control: Control, what: str) -> None:
    turn.decide(account, COMMAND, control.control_id, "APPLIED", f"{what} {signature(control)}")


def _policy(turn: Turn, control: Control, update: PolicyUpdate) -> None:
    state, now = turn.state, turn.state.policy
    if now is not None and update.version < now.version:
        turn.refuse(None, COMMAND, control.control_id, "POLICY_OLD " + listed(version=update.version, present=now.version))
        return
    if update.hash != document_hash(update.document):
        turn.refuse(None, COMMAND, control.control_id, f"POLICY_INVALID version={update.version} hash does not fit")
        return
    if now is not None and update.version == now.version:
        if update.hash != now.hash:
            turn.refuse(
                None,
                COMMAND,
                control.control_id,
                "POLICY_CONFLICT " + listed(version=update.version, hash=update.hash, present=now.hash),
            )
            return
    else:
        parsed = parse_policy(update.version, update.document) if len(update.document) <= DOCUMENT_CHARACTERS_MAX else TOO_LONG
        if not isinstance(parsed, Policy):
            first = f"{'.'.join(parsed[0].path)} {parsed[0].problem}"[:200].encode("ascii", "backslashreplace").decode()
            turn.refuse(
                None, COMMAND, control.control_id, f"POLICY_INVALID version={update.version} errors={len(parsed)} first={first}"
            )
            return
        missing = sorted({account.phase or state.phase for account in state.accounts.values()} - {""} - parsed.phases.keys())
        if missing:
            turn.refuse(
                None,
                COMMAND,
                control.control_id,
                f"POLICY_INVALID version={update.version} phase in use is missing: {missing[0]}",
            )
            return
        state.policy, state.policy_document = parsed, update.document
        _under_other_limits(turn, list(state.accounts))
    state.policy_ms = max(state.policy_ms, min(control.ts, turn.now_ms))
    state.unshown = True
    _applied(turn, None, control, f"POLICY version={update.version} hash={update.hash}")


def _under_other_limits(turn: Turn, names: list[str]) -> None:
    """Look at accounts again: other limits have other distances, and what could not be planned before now can."""
    for name in sorted(names):
        plan_the_unplanned(turn, turn.state.accounts[name])
        turn.moved(turn.state.accounts[name])


def _phase(turn: Turn, account: Account | None, control: Control, change: PhaseChange) -> None:
    state = turn.state
    refusal = _phase_refusal(turn, account, change)
    if refusal:
        turn.refuse(account, COMMAND, control.control_id, refusal)
        return
    if account is None:
        state.phase_since_ms = state.phase_since_ms if state.phase == change.phase else turn.now_ms
        state.phase, state.unshown = change.phase, True
    else:
        account.phase_since_ms = account.phase_since_ms if account.phase == change.phase else turn.now_ms
        account.phase = change.phase
    _under_other_limits(turn, list(state.accounts) if account is None else [account.account])
    _applied(turn, account, control, f"PHASE phase={change.phase} override={change.override}")


def _phase_refusal(turn: Turn, account: Account | None, change: PhaseChange) -> str:
    """Refuse a phase the policy does not have, a leap, and a promotion before the present phase has lasted its days."""
    state = turn.state
    if state.policy is None:
        return "POLICY_MISSING"
    names = list(state.policy.phases)
    if change.phase not in names:
        return f"PHASE_UNKNOWN phase={change.phase}"
    present = (account.phase if account else "") or state.phase
    since_ms = account.phase_since_ms if account and account.phase else state.phase_since_ms
    if change.override or present == change.phase:
        return ""
    step = names.index(change.phase) - (names.index(present) if present in names else -1)
    if step > 1:
        return f"PHASE_LEAP present={present or 'none'} wanted={change.phase}"
    days = state.policy.phases[present].min_days if step == 1 and present in names else None
    if days is not None and turn.now_ms - since_ms < days * DAY_MS:
        return "PHASE_MIN_DAYS " + listed(present=present, served_days=(turn.now_ms - since_ms) // DAY_MS, min_days=days)
    return ""


def _promote(turn: Turn, account: Account | None, control: Control, command: Promotion) -> None:
    stages = turn.state.stages
    if command.source not in stages and len(stages) >= SOURCES_MAX:
        turn.refuse(account, COMMAND, control.control_id, "SOURCES_FULL " + listed(sources_max=SOURCES_MAX))
        return
    stages[command.source] = command.stage
    _applied(turn, account, control, f"PROMOTED source={command.source} stage={command.stage}")


def _version(turn: Turn, control: Control, version: str) -> None:
    if version == DESK_VERSION:
        turn.refuse(None, COMMAND, control.control_id, f"VERSION_SAME version={version}")
        return
    turn.state.next_version = version
    _applied(turn, None, control, f"REIGN_ENDS version={DESK_VERSION} next={version}")
