"""Marks: a price has moved.

Decides: whether a mark is new, what it does to the crash window, and who has to be looked at because of it. Leaves to others: exits, valuation
and the stop.
"""

from decimal import Decimal

from streams.desk import exits, portfolio
from streams.desk.messages import Instrument, Mark
from streams.desk.outputs import Fate
from streams.desk.plans import judge_dust_again
from streams.desk.policy import CrashRule
from streams.desk.ranges import is_symbol
from streams.desk.request import listed
from streams.desk.state import CrashWindow, Position
from streams.desk.stopping import held_by, trip
from streams.desk.turn import Turn
from streams.desk.validation import wrong
from streams.desk.valuation import look
from streams.desk.values import HUNDRED
from streams.desk.watch import woken

SYMBOLS_MAX = 2_000
"""Symbols known at once: several times what any venue lists. A feed that invents more is put aside as dead letters."""


def on_mark(turn: Turn, mark: Mark) -> None:
    """Take a price in."""
    state = turn.state
    mistake = wrong(mark, turn.now_ms)
    if mistake:
        turn.bury("MARK_INVALID", mistake)
        return
    before = state.marks.get(mark.symbol)
    if before is None and not is_symbol(mark.symbol):
        turn.bury("MARK_INVALID", f"field=symbol value={mark.symbol[:64]}")
        return
    if before is None and len(state.marks) >= SYMBOLS_MAX:
        turn.bury("SYMBOLS_FULL", listed(symbol=mark.symbol, symbols_max=SYMBOLS_MAX))
        return
    if before is not None and mark.mark_id == before.mark_id:
        turn.fate = Fate.DUPLICATE
        return
    # A mark from a clock that is ahead counts as of its arrival: it must not make the true ones after it late.
    if before is not None and mark.ts < state.mark_ms[mark.symbol]:
        turn.bury("MARK_LATE", listed(symbol=mark.symbol, ts=mark.ts, newest_ms=state.mark_ms[mark.symbol]))
        return
    state.marks[mark.symbol] = mark
    state.index.prices[mark.symbol] = float(mark.mark)
    state.mark_ms[mark.symbol] = min(mark.ts, turn.now_ms)
    if state.policy is not None:
        _crash(turn, mark, state.policy.crash)
    if state.index.owing:
        _settle_owed(turn, mark)
    for position in woken(state, mark) if before is not None else first_looks(turn, mark.symbol):
        account = state.accounts[position.account]
        exits.follow(turn, account, position, mark)
        look(turn, account, position, mark)


def first_looks(turn: Turn, symbol: str) -> list[Position]:
    """Give every holder of a symbol that had no mark so far, to be valued anew."""
    holders = turn.state.index.holders.get(symbol, {})
    turn.touched.update({name: turn.state.accounts[name] for name in holders})
    return [holders[name] for name in sorted(holders)]


def _crash(turn: Turn, mark: Mark, rule: CrashRule) -> None:
    """Trip every holder of a symbol that has fallen too far within the window, to the wick."""
    window = turn.state.windows.get(mark.symbol)
    if window is None:
        window = turn.state.windows[mark.symbol] = CrashWindow()
    second = turn.now_ms // 1000
    peak = push_high(window, second, mark, rule.window_s)
    if (peak - mark.low) * HUNDRED < rule.fall_pct * peak:
        return
    for name in held_by(turn.state, mark.symbol):
        figures = listed(symbol=mark.symbol, peak=peak, low=mark.low, fall_pct_max=rule.fall_pct, window_s=rule.window_s)
        trip(turn, turn.state.accounts[name], f"FLASH_CRASH {figures}")


def push_high(window: CrashWindow, second: int, mark: Mark, window_s: int) -> Decimal:
    """Add a mark's high and give the highest of the window. Highs are kept falling, one a second at most, so few are kept."""
    highs = window.highs
    while highs and highs[0][0] < second - window_s:
        highs.popleft()
    while highs and highs[-1][1] <= mark.high:
        highs.pop()
    if not highs or highs[-1][0] != second:
        highs.append((second, mark.high))
    return highs[0][1]


def _settle_owed(turn: Turn, mark: Mark) -> None:
    for name in sorted(turn.state.index.owing.pop(mark.symbol, ())):
        account = turn.state.accounts[name]
        portfolio.settle_owed_fee(turn.state, account, mark.symbol, mark.mark)
        turn.moved(account)


def on_instrument(turn: Turn, instrument: Instrument) -> None:
    """Take in what the exchange demands in a symbol."""
    mistake = wrong(instrument, turn.now_ms)
    before = turn.state.instruments.get(instrument.symbol)
    if mistake:
        turn.bury("INSTRUMENT_INVALID", mistake)
    elif before is not None and instrument.instrument_id == before.instrument_id:
        turn.fate = Fate.DUPLICATE
    elif before is None and len(turn.state.instruments) >= SYMBOLS_MAX:
        turn.bury("SYMBOLS_FULL", listed(symbol=instrument.symbol, symbols_max=SYMBOLS_MAX))
    elif before is not None and instrument.ts < before.ts:
        turn.bury("INSTRUMENT_LATE", listed(symbol=instrument.symbol, ts=instrument.ts, newest_ts=before.ts))
    else:
        turn.state.instruments[instrument.symbol] = instrument
        judge_dust_again(turn, instrument.symbol)
