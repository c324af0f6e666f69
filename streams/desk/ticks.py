"""Ticks: a second has passed.

Decides: what time alone brings about: days, deadlines, retries, staleness, cooldowns and the next of the waiting signals. A tick costs what is
due, not what exists; only the first of a day looks at every account.
"""

from streams.desk import exits, orders, plans, portfolio, stopping, total
from streams.desk.messages import Tick
from streams.desk.outputs import Fate
from streams.desk.request import listed
from streams.desk.signals import work_queue
from streams.desk.state import Account
from streams.desk.timers import HOLD, ORDER, SHOW, due, next_show_ms, set_timer
from streams.desk.turn import Turn
from streams.desk.valuation import revalue_touched
from streams.desk.views import view, view_all

DAY_S = 86_400
SHOW_ALL_EVERY_S = 60


def on_tick(turn: Turn, tick: Tick) -> None:
    """Let a second pass."""
    state = turn.state
    if tick.second <= state.second or tick.second > turn.now_ms // 1000:
        # A tick ahead of desk time would give budgets and end cooldowns too early.
        turn.fate = Fate.DUPLICATE
        return
    day_before, state.second = state.second // DAY_S, tick.second
    if tick.second // DAY_S != day_before:
        _begin_day(turn)
    _policy_age(turn)
    for name, kind, key in due(state):
        _on_timer(turn, state.accounts[name], kind, key)
    _work_exits(turn)
    _stale_marks(turn)
    stopping.settle(turn)
    for name in sorted(state.index.waiting):
        account = state.accounts[name]
        work_queue(turn, account)
        if not account.queue:
            state.index.waiting.discard(name)
    total.watch(turn)
    revalue_touched(turn)
    _show(turn)
    total.report(turn)


def _begin_day(turn: Turn) -> None:
    for account in turn.state.accounts.values():
        worth = portfolio.equity(turn.state, account)
        account.day_start = account.day_start if worth is None else worth
        turn.show(account)


def _policy_age(turn: Turn) -> None:
    """Say once that the policy has gone stale, and once that it is fresh again."""
    state = turn.state
    if state.policy is None:
        if not state.policy_stale and any(state.index.holders.values()):
            state.policy_stale = True
            turn.alert(None, "policy", "POLICY_ABSENT positions are held and nothing says when to stop")
        return
    age_s_max = min(phase.age.policy_s_max for phase in state.policy.phases.values())
    age_ms = turn.now_ms - state.policy_ms
    stale = age_ms > age_s_max * 1000
    if stale != state.policy_stale:
        state.policy_stale = stale
        state.unshown = True
        turn.alert(None, "policy", f"{'POLICY_STALE' if stale else 'POLICY_FRESH'} {listed(age_ms=age_ms, age_s_max=age_s_max)}")


def _on_timer(turn: Turn, account: Account, kind: str, key: str) -> None:
    position = account.positions.get(key)
    if kind == ORDER:
        orders.on_order_timer(turn, account, key)
    elif kind == HOLD and position is not None and position.plan is not None:
        if not position.exiting and turn.now_ms >= position.plan.deadline_ms:
            exits.begin(turn, account, position, "TIME")
    elif kind == SHOW and account.positions:
        turn.state.index.unshown.add(account.account)
        plans.judge_dust_of(turn, account)
        set_timer(turn.state, next_show_ms(turn.state, account), account, SHOW, "")


def _work_exits(turn: Turn) -> None:
    """Go on closing what is being closed."""
    exiting = turn.state.index.exiting
    for name, symbol in sorted(exiting):
        account = turn.state.accounts[name]
        position = account.positions.get(symbol)
        if position is not None and position.exiting:
            exits.work(turn, account, position)
        if position is None or not position.exiting:
            exiting.discard((name, symbol))


def _stale_marks(turn: Turn) -> None:
    """Trip whoever holds a symbol whose price has not come for too long: what cannot be valued cannot be held safely."""
    state = turn.state
    if state.policy is None:
        return
    least_ms = min(phase.ess.stale_mark_s for phase in state.policy.phases.values()) * 1000
    for symbol in sorted(state.index.holders):
        last_ms = state.mark_ms.get(symbol)
        if last_ms is not None and turn.now_ms - last_ms <= least_ms:
            continue
        for name in stopping.held_by(state, symbol):
            _trip_stale(turn, state.accounts[name], symbol, last_ms)


def _trip_stale(turn: Turn, account: Account, symbol: str, last_ms: int | None) -> None:
    phase = turn.state.phase_of(account)
    age_ms = turn.now_ms - (account.positions[symbol].opened_ms if last_ms is None else last_ms)
    if phase is not None and age_ms > phase.ess.stale_mark_s * 1000:
        stopping.trip(turn, account, "STALE_MARK " + listed(symbol=symbol, age_ms=age_ms, age_s_max=phase.ess.stale_mark_s))


def _show(turn: Turn) -> None:
    """Picture every account that changed since the last tick, holders in their second of the minute, and the whole."""
    state, shown = turn.state, turn.state.index.unshown
    for name in sorted(shown):
        account = state.accounts[name]
        if account.unshown:
            account.unshown = False
            account.version += 1
        turn.outputs.append(view(state, account, turn.event.offset, len(turn.outputs)))
    shown.clear()
    if state.unshown or state.second % SHOW_ALL_EVERY_S == 0:
        state.unshown = False
        turn.outputs.append(view_all(state, turn.event.offset, len(turn.outputs)))
