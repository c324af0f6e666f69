"""Signals: from a wish to a verdict.

Decides: whether a signal is a repeat, whether it is worked on now, waits or is dropped, and what it asks for: to open, to add, or to
reduce. Leaves to others: the questions it has to answer (desk.gates).
"""

from decimal import Decimal
from typing import Final

from streams.desk import gates
from streams.desk.approval import approve
from streams.desk.cancelling import cancel_resting
from streams.desk.memory import Seen
from streams.desk.messages import OrderSide, Signal
from streams.desk.outputs import Fate
from streams.desk.policy import Phase
from streams.desk.ranges import is_account
from streams.desk.request import Request, listed
from streams.desk.state import Account
from streams.desk.turn import Turn
from streams.desk.validation import wrong
from streams.desk.values import ZERO, steps_ceiling, steps_floor

KEEP_MS = 60_000
"""How long a signal's id is remembered where no policy says how old a signal may be."""
SIGNAL: Final = "SIGNAL"


def on_signal(turn: Turn, signal: Signal) -> None:
    """Take a signal in."""
    account = turn.state.accounts.get(signal.account)
    mistake = wrong(signal, turn.now_ms)
    if mistake:
        turn.refuse(account, SIGNAL, signal.signal_id[:64], f"SIGNAL_INVALID {mistake}")
        return
    if account is None:
        shown = signal.account if is_account(signal.account) else "?"
        turn.refuse(None, SIGNAL, signal.signal_id, f"UNKNOWN_ACCOUNT account={shown}")
        return
    phase = turn.state.phase_of(account)
    if not _new(turn, account, signal, phase):
        return
    if phase is None:
        judge(turn, account, signal)
        return
    request = wanted(turn, account, signal)
    for gate in (gates.known, gates.fresh):
        check = gate(request)
        if check.code:
            turn.refuse(account, SIGNAL, signal.signal_id, f"{check.code} {check.figures}", (check,))
            return
    if budget(account, turn.state.second, phase) > 0:
        account.budget_used += 1
        judge(turn, account, signal)
    else:
        _wait(turn, account, signal, phase)


def _new(turn: Turn, account: Account, signal: Signal, phase: Phase | None) -> bool:
    seen = account.signals_seen.look(signal.signal_id, signal.ts)
    if seen is Seen.REPEAT:
        turn.fate = Fate.DUPLICATE
        return False
    floor_ts = account.signals_seen.floor_ts
    keep_ms = (phase.age.signal_s_max + phase.age.signal_ahead_s_max) * 1000 if phase else KEEP_MS
    # A signal from the future must not lift the floor above those of the present.
    account.signals_seen.remember(signal.signal_id, min(signal.ts, turn.now_ms), turn.now_ms, keep_ms)
    turn.touch(account)
    if seen is Seen.TOO_OLD:
        turn.refuse(account, SIGNAL, signal.signal_id, "SIGNAL_STALE " + listed(ts=signal.ts, floor_ts=floor_ts))
        return False
    return True


def budget(account: Account, second: int, phase: Phase) -> int:
    """Tell how many signals may still be worked on in this second. A second begins with its tick."""
    if account.budget_second != second:
        account.budget_second, account.budget_used = second, 0
    return phase.throttle.signals_per_cycle - account.budget_used


def _wait(turn: Turn, account: Account, signal: Signal, phase: Phase) -> None:
    for expired in account.queue.expired(turn.now_ms):
        drop(turn, account, expired, "SIGNAL_EXPIRED", ts=expired.ts)
    expires_ms = signal.ts + phase.age.signal_s_max * 1000
    leaving = account.queue.offer(signal, expires_ms, phase.throttle.queue_max)
    turn.show(account)
    if leaving is not None:
        drop(
            turn,
            account,
            leaving,
            "QUEUE_FULL",
            confidence=leaving.confidence,
            newcomer=signal.confidence,
            queue_max=phase.throttle.queue_max,
        )
        if leaving is signal:
            turn.fate = Fate.REFUSED
            return
    turn.state.index.waiting.add(account.account)


def drop(turn: Turn, account: Account, signal: Signal, code: str, **figures: object) -> None:
    """Let a signal go without a look at it, and count it."""
    count = account.drops[code] = account.drops.get(code, 0) + 1
    turn.decide(account, SIGNAL, signal.signal_id, "DROPPED", f"{code} {listed(**figures, dropped=count)}")


def work_queue(turn: Turn, account: Account) -> None:
    """Let go what has expired, then work on the best for as long as this second's budget lasts."""
    phase = turn.state.phase_of(account)
    for signal in account.queue.expired(turn.now_ms):
        drop(turn, account, signal, "SIGNAL_EXPIRED", ts=signal.ts)
    while len(account.queue) and (phase is None or budget(account, turn.state.second, phase) > 0):
        best = account.queue.next()
        if best is None:
            break
        account.budget_used += 1
        judge(turn, account, best)
    # What was refused were signals, each of which had its own fate when it came.
    turn.fate = Fate.APPLIED
    turn.show(account)


def judge(turn: Turn, account: Account, signal: Signal) -> None:
    """Take a signal through the gates."""
    request = wanted(turn, account, signal)
    if request.adds_risk:
        approve(turn, request, gates.OPENING, SIGNAL, signal.signal_id, signal.side)
        return
    answer = approve(turn, request, gates.REDUCING, SIGNAL, signal.signal_id, signal.side)
    if not isinstance(answer, str) or answer in ("NO_POSITION", "ALREADY_CLOSING", "QUANTITY_MIN"):
        # Whoever wants out wants what is still on its way in back as well.
        cancel_resting(turn, account, signal.side, signal.symbol)


def wanted(turn: Turn, account: Account, signal: Signal) -> Request:
    """Say what a signal asks for: against a position it closes it, otherwise it opens or adds."""
    state, symbol = turn.state, signal.symbol
    position = account.positions.get(symbol)
    held = position.quantity if position and not position.dust else ZERO
    reduces = signal.side == "CLOSE" or (held > ZERO and signal.side == "SHORT") or (held < ZERO and signal.side == "LONG")
    side: OrderSide = ("SELL" if held > ZERO else "BUY") if reduces else ("BUY" if signal.side == "LONG" else "SELL")
    request = Request(
        state, account, turn.now_ms, signal.ts, symbol, side, "MARKET" if reduces else "LIMIT", not reduces, signal=signal,
        phase=state.phase_of(account), mark=state.marks.get(symbol), instrument=state.instruments.get(symbol),
    )  # fmt: skip
    if request.mark is not None:
        request.price = request.mark.mark
        if not reduces and request.instrument is not None:
            request.price = request.limit_price = touch_price(request, request.instrument.tick_size)
    return request


def touch_price(request: Request, tick: Decimal) -> Decimal:
    """Give the price that takes the other side's best offer, on the exchange's grid."""
    assert request.mark is not None
    return steps_ceiling(request.mark.ask, tick) if request.long else steps_floor(request.mark.bid, tick)
