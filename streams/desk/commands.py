"""Commands: what operators and the policy store say.

Decides: whether a command is believed (known id, not too old where it would allow more, given by somebody for a reason where it has to be), and
carries it out. Each gets a verdict. What only makes things safer (disable, trip, close, cancel) is never refused for its form.
Leaves to others: limits and phases (desk.policy_commands).
"""

from typing import Final

from streams.desk import exits, gates, policy_commands
from streams.desk.approval import approve
from streams.desk.cancelling import cancel_risk
from streams.desk.memory import Seen, printed
from streams.desk.messages import (
    EVERY_ACCOUNT,
    CloseAccount,
    ClosePosition,
    Control,
    Disable,
    Enable,
    ManualOrder,
    OpenAccount,
    PhaseChange,
    PolicyUpdate,
    Promotion,
    Reset,
    Trip,
    VersionChange,
)  # fmt: skip
from streams.desk.outputs import Fate
from streams.desk.ranges import ID_CHARACTERS_MAX, is_account, signature
from streams.desk.request import Request, listed
from streams.desk.sizing import make_plan
from streams.desk.state import Account
from streams.desk.stop_commands import reset, trip
from streams.desk.turn import Turn
from streams.desk.validation import wrong
from streams.desk.values import ZERO, money_quotient

KEEP_MS = 86_400_000
"""Ids of commands to all are remembered for a day; a command that allows more is refused long before by its age."""
ACCOUNT_KEEP_MS = 3_600_000
"""Ids of commands to an account share a memory with its fills and are remembered as long as those."""
AGE_MS_MAX = 60_000
"""A command that allows more risk is no longer what its giver wants a minute later: think of a reset that waited out an outage."""
COMMAND: Final = "COMMAND"

_EVERY = (Enable, Disable, Trip, Reset, PolicyUpdate, PhaseChange, VersionChange, Promotion)
_ONE = (Enable, Disable, Trip, Reset, PhaseChange, ManualOrder, ClosePosition, OpenAccount, CloseAccount)
_ALLOWS_MORE = (Enable, Reset, PhaseChange, ManualOrder, OpenAccount, Promotion, VersionChange)


def on_control(turn: Turn, control: Control) -> None:
    """Take a command in."""
    every = control.account == EVERY_ACCOUNT
    account = None if every else turn.state.accounts.get(control.account)
    mistake = wrong(control, turn.now_ms)
    if mistake:
        turn.refuse(account, COMMAND, control.control_id[:64], f"COMMAND_INVALID {mistake}")
        return
    if not every and account is None and not isinstance(control.command, OpenAccount):
        turn.refuse(
            None,
            COMMAND,
            control.control_id,
            f"UNKNOWN_ACCOUNT account={control.account if is_account(control.account) else '?'}",
        )
        return
    if not _new(turn, account, control):
        return
    _note_position(turn, account, every)
    refusal = _refusal(turn, control)
    if refusal:
        turn.refuse(account, COMMAND, control.control_id, refusal)
        return
    carry_out(turn, account, control)


def _note_position(turn: Turn, account: Account | None, every: bool) -> None:
    """Note how far the command topic has been applied, whatever becomes of this command: orders name it.

    A repeat moves nothing: whoever compares positions knows commands by their ids too.
    """
    if every:
        turn.state.control_position = max(turn.state.control_position, turn.event.source_offset)
    elif account is not None:
        account.control_position = max(account.control_position, turn.event.source_offset)
        turn.touch(account)


def _new(turn: Turn, account: Account | None, control: Control) -> bool:
    memory = turn.state.seen if account is None else account.inputs_seen
    if not control.control_id:
        return True  # only a command that makes things safer comes without one, and doing that twice does no harm
    key = command_key(control)
    seen = memory.look(key, control.ts)
    if seen is Seen.REPEAT:
        turn.fate = Fate.DUPLICATE
        return False
    # Commands that only make things safer may come from a clock that is ahead: it must not make the present old.
    memory.remember(key, min(control.ts, turn.now_ms), turn.now_ms, KEEP_MS if account is None else ACCOUNT_KEEP_MS)
    return True


def command_key(control: Control) -> str:
    """Give what a command is remembered by; an id may be longer than is kept where the command only makes things safer."""
    name = control.control_id
    return f"C:{name if len(name) <= ID_CHARACTERS_MAX else printed((name,))}"


def _refusal(turn: Turn, control: Control) -> str:
    """Say why a command is not carried out, or nothing."""
    every, command = control.account == EVERY_ACCOUNT, control.command
    name = type(command).__name__
    if not isinstance(command, _EVERY if every else _ONE):
        return f"COMMAND_SCOPE command={name} account={control.account}"
    if isinstance(command, _ALLOWS_MORE):
        age_ms = turn.now_ms - control.ts
        if age_ms > AGE_MS_MAX:
            return f"COMMAND_STALE {listed(command=name, age_ms=age_ms, age_ms_max=AGE_MS_MAX)}"
    if isinstance(command, Reset) and not (control.user.strip() and control.reason.strip()):
        return "RESET_UNSIGNED user and reason are needed"
    if isinstance(command, VersionChange) and not control.reason.strip():
        return f"COMMAND_UNSIGNED command={name}"
    if isinstance(command, (*_ALLOWS_MORE, PolicyUpdate)) and not control.user.strip():
        return f"COMMAND_UNSIGNED command={name}"
    return ""


def carry_out(turn: Turn, account: Account | None, control: Control) -> None:
    """Do what a believed command says."""
    match control.command:
        case Enable() | Disable():
            _switch(turn, account, control, isinstance(control.command, Enable))
        case Trip():
            trip(turn, account, control)
        case Reset():
            reset(turn, account, control)
        case OpenAccount():
            _open(turn, account, control, control.command)
        case CloseAccount() if account is not None:
            account.in_service = account.enabled = False
            cancel_risk(turn, account, "CLOSED")
            applied(turn, account, control, "ACCOUNT_CLOSED")
        case ManualOrder() if account is not None:
            _order(turn, account, control, control.command)
        case ClosePosition() if account is not None:
            _close(turn, account, control, control.command.symbol)
        case _:
            policy_commands.carry_out(turn, account, control)


def applied(turn: Turn, account: Account | None, control: Control, what: str) -> None:
    """Say that a command was carried out, with who and why."""
    if account is None:
        turn.state.unshown = True
    else:
        turn.moved(account)
    turn.decide(account, COMMAND, control.control_id, "APPLIED", f"{what} {signature(control)}")


def _switch(turn: Turn, account: Account | None, control: Control, on: bool) -> None:
    if account is None:
        turn.state.enabled = on
        for name in sorted(turn.state.accounts):
            turn.show(turn.state.accounts[name])
            if not on:
                cancel_risk(turn, turn.state.accounts[name], "DISABLED")
    else:
        account.enabled = on
        account.doubt = "" if on else account.doubt
        if not on:
            cancel_risk(turn, account, "DISABLED")
    applied(turn, account, control, "ENABLED" if on else "DISABLED")


def _open(turn: Turn, account: Account | None, control: Control, command: OpenAccount) -> None:
    if account is not None and (account.in_service or account.venue != command.venue):
        turn.refuse(account, COMMAND, control.control_id, f"ACCOUNT_EXISTS in_service={account.in_service} venue={account.venue}")
        return
    if account is not None:
        account.in_service, account.enabled = True, False
        account.credentials, account.leverage = command.credentials, command.leverage
        applied(turn, account, control, "ACCOUNT_REOPENED")
        return
    if not is_account(control.account):
        turn.refuse(None, COMMAND, control.control_id, "ACCOUNT_NAME")
        return
    balance = command.opening_balance
    account = Account(
        control.account,
        command.venue,
        command.credentials,
        command.leverage,
        balance,
        balance,
        balance,
        balance,
    )
    account.control_position = turn.event.source_offset
    account.inputs_seen.remember(command_key(control), min(control.ts, turn.now_ms), turn.now_ms, ACCOUNT_KEEP_MS)
    turn.state.accounts[control.account] = account
    turn.state.index.cash += balance
    turn.state.index.transfers += balance
    applied(
        turn,
        account,
        control,
        "ACCOUNT_OPENED " + listed(venue=command.venue, leverage=command.leverage, opening_balance=balance),
    )


def _close(turn: Turn, account: Account, control: Control, symbol: str | None) -> None:
    cancel_risk(turn, account, "CLOSE", symbol)
    held = [name for name, position in sorted(account.positions.items()) if symbol in (None, name) and not position.dust]
    if not held:
        turn.refuse(account, COMMAND, control.control_id, f"NO_POSITION symbol={symbol or 'any'}")
        return
    applied(turn, account, control, f"CLOSING symbols={','.join(held)}")
    for name in held:
        exits.begin(turn, account, account.positions[name], "OPERATOR")


def _order(turn: Turn, account: Account, control: Control, command: ManualOrder) -> None:
    """Take an operator's order through the gates like any other."""
    state = turn.state
    position = account.positions.get(command.symbol)
    against = position is not None and not position.dust and (position.quantity > ZERO) == (command.side == "SELL")
    request = Request(
        state, account, turn.now_ms, control.ts, command.symbol, command.side, command.type, not (command.reduce_only or against),
        command.quantity, command.limit_price, command.stop_price, phase=state.phase_of(account), mark=state.marks.get(command.symbol),
        instrument=state.instruments.get(command.symbol),
    )  # fmt: skip
    if request.mark is not None:
        request.price = command.limit_price or request.mark.mark
    if request.adds_risk and request.phase and request.mark and request.instrument and command.stop_price is not None:
        rules = request.phase.exits.volatile
        request.plan = make_plan(request, money_quotient(abs(request.price - command.stop_price), rules.stop_atr), rules)
        request.plan.stop = command.stop_price
    approve(turn, request, gates.OPENING if request.adds_risk else gates.EXITING, COMMAND, control.control_id, "MANUAL")
