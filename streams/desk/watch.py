"""Who has to be looked at when a price moves.

A mark concerns every holder of its symbol, but almost never matters to any of them: nothing happens until a stop, a target, a trail, the
high-water mark or the drawdown limit is reached. So each position has two edges, one on the side that favours it and one on the side that does
not, between which nothing can happen to it or to its account, and only who is at an edge or beyond is woken.

An account's slack (money until a new high, money until its drawdown limit) is shared among its positions: with all prices inside their
edges the sum of their moves stays inside the slack. When one edge is reached, its position takes what slack the others leave, and only where that is
little are all of them drawn anew.

The edges are floating point numbers and may be too near, never too far: whoever is woken is judged exactly, and a look that finds nothing
leaves no trace. Hence they are derived, no part of the state, and any other edges give the same tape.
"""

from decimal import Decimal
from heapq import heapify, heappop, heappush
from math import inf

from streams.desk.messages import Mark
from streams.desk.state import Account, Guard, Position, State, WatchEntry
from streams.desk.values import HUNDRED

MARGIN = 1e-11
"""Share of everything summed by which edges stay inside the slack: a thousand times what 20 additions of doubles can be wrong by."""
_ENOUGH = 0.5
"""A position keeps to the slack the others leave while that is at least this share of an even split."""
_RESERVE = 0.1
"""Share of the room above the drawdown limit that adverse edges leave unused, so that not every new high moves them."""
_GARBAGE = 4
"""A heap is rebuilt when it holds this many entries for each holder: keeps the amortised cost constant and memory bounded."""
_PAST = 0.4e-10
"""Past a price and before the next one there can be: prices have ten places (schemas), and doubles below `_FINE` tell those apart."""
_FINE = 2.0**18
_REACHED = 0


def woken(state: State, mark: Mark) -> list[Position]:
    """Take out everyone who has an edge at this mark's extremes or between them, in account order."""
    found: dict[str, Position] = {}
    below = state.index.below.get(mark.symbol)
    if below:
        reach = -float(mark.low)
        while below and below[0][0] <= reach:
            _collect(heappop(below), found)
    above = state.index.above.get(mark.symbol)
    if above:
        reach = float(mark.high)
        while above and above[0][0] <= reach:
            _collect(heappop(above), found)
    return [found[name] for name in sorted(found)] if len(found) > 1 else list(found.values())


def _collect(entry: WatchEntry, found: dict[str, Position]) -> None:
    _, serial, position = entry
    if position.fav_serial == serial:
        position.fav_serial = _REACHED
    elif position.adv_serial == serial:
        position.adv_serial = _REACHED
    else:
        return
    found[position.account] = position


def redraw(state: State, account: Account, worth: Decimal | None) -> None:
    """Draw all edges of an account anew, after its books or its limits changed. worth: its exact value, None where it is not judged now."""
    for position in account.positions.values():
        _set_levels(position)
    account.guard = guard = None if worth is None else _guard(state, account, worth)
    rise = fall = inf
    if guard is not None and account.positions:
        total, gross = _worth(state, account, guard)
        rise, fall = max(0.0, guard.high - total) / (gross or 1.0), max(0.0, total - guard.floor) / (gross or 1.0)
    _draw_all(state, account, rise, fall)


def raised(state: State, account: Account, worth: Decimal) -> None:
    """Watch on after a new high. The adverse edges hold while the floor has not risen to where they were drawn for."""
    guard = _guard(state, account, worth)
    if account.guard is None or guard.limit > account.guard.floor:
        redraw(state, account, worth)
        return
    account.guard = guard = guard._replace(floor=account.guard.floor)
    total, gross = _worth(state, account, guard)
    _draw_all(state, account, max(0.0, guard.high - total) / gross, None)


def _guard(state: State, account: Account, worth: Decimal) -> Guard:
    """Give what an account's value is watched between: its high, and a floor with some of the room above the limit kept back."""
    phase = state.phase_of(account)
    assert phase is not None
    floor = account.high_water * (HUNDRED - phase.ess.drawdown_pct) / HUNDRED
    base = account.cash
    summed = abs(float(base))
    for position in account.positions.values():
        if position.symbol in state.index.prices:
            base -= position.cost
            summed += abs(float(position.cost))
    margin = MARGIN * (summed + abs(float(account.high_water)) + 1)
    limit = float(floor) + margin
    return Guard(float(base), float(account.high_water) - margin, limit + _RESERVE * max(0.0, float(worth) - limit), limit)


def _worth(state: State, account: Account, guard: Guard) -> tuple[float, float]:
    """Give what an account is worth, and the sum of its positions' values, near enough. What has no price is dust, and left out everywhere."""
    prices = state.index.prices
    total, gross = guard.base, 0.0
    for held in account.positions.values():
        value = held.size * prices.get(held.symbol, 0.0)
        total += value
        gross += abs(value)
    return total, gross


def inside(state: State, account: Account, position: Position, mark: Mark) -> bool:
    """Tell whether a mark of one of its symbols cannot have made an account reach a new high or its limit."""
    guard = account.guard
    if guard is None:
        return True
    total, _ = _worth(state, account, guard)
    price = state.index.prices[mark.symbol]
    one, other = position.size * (float(mark.high) - price), position.size * (float(mark.low) - price)
    return total + max(one, other) < guard.high and total + min(one, other) > guard.floor


def watch_on(state: State, account: Account, position: Position) -> None:
    """Draw those of a position's edges anew that were reached without anything coming of it."""
    if position.fav_serial == _REACHED:
        _draw_side(state, account, position, favourable=True)
    if position.adv_serial == _REACHED:
        _draw_side(state, account, position, favourable=False)


def _draw_side(state: State, account: Account, position: Position, favourable: bool) -> None:
    """Give a position the slack the others leave or, where an even split gives clearly more, split it anew."""
    guard, price = account.guard, state.index.prices[position.symbol]
    room = inf
    if guard is not None:
        total, gross = _worth(state, account, guard)
        target, even = (guard.high, guard.high - total) if favourable else (guard.floor, total - guard.floor)
        even = max(0.0, even) / gross
        rest = target - guard.base
        for held in account.positions.values():
            if held is not position and held.symbol in state.index.prices:
                rest -= held.size * (held.favourable if favourable else held.adverse)
        room = rest / position.size / price - 1
        room = room if (position.size > 0) == favourable else -room
        if room <= 0 or room < _ENOUGH * even:
            _draw_all(state, account, even if favourable else None, None if favourable else even)
            return
    if favourable:
        _draw_favourable(state, position, price, room)
    else:
        _draw_adverse(state, position, price, room)


def _draw_all(state: State, account: Account, rise: float | None, fall: float | None) -> None:
    prices = state.index.prices
    for position in account.positions.values():
        price = prices.get(position.symbol)
        if price is not None:
            if rise is not None:
                _draw_favourable(state, position, price, rise)
            if fall is not None:
                _draw_adverse(state, position, price, fall)


def _set_levels(position: Position) -> None:
    """Note what the plan waits for on either side. A plan changes only with its account being valued anew, so these hold in between."""
    plan = position.plan if not position.exiting else None
    way = inf if position.size > 0 else -inf
    position.fav_level, position.adv_level = way, -way
    if plan is None:
        return
    nearer = min if position.size > 0 else max
    position.fav_level = float(plan.best + plan.trail_step if position.size > 0 else plan.best - plan.trail_step)
    if not plan.taken:
        position.fav_level = nearer(position.fav_level, float(plan.take_profit))
    position.adv_level = float(plan.stop)


def _draw_favourable(state: State, position: Position, price: float, room: float) -> None:
    up = position.size > 0
    edge = _up(price, room, position.fav_level) if up else _down(price, room, position.fav_level)
    position.favourable = edge
    position.fav_serial = _push(state, position, edge, up)


def _draw_adverse(state: State, position: Position, price: float, room: float) -> None:
    up = position.size < 0
    edge = _up(price, room, position.adv_level) if up else _down(price, room, position.adv_level)
    position.adverse = edge
    position.adv_serial = _push(state, position, edge, up)


def _up(price: float, room: float, level: float) -> float:
    """Give an edge above: past the present price, which has been looked at, and no further than the plan's level."""
    return min(max(price * (1 + room), price + _PAST if price < _FINE else price), level)


def _down(price: float, room: float, level: float) -> float:
    return max(min(price * (1 - room), price - _PAST if price < _FINE else price), level)


def _push(state: State, position: Position, edge: float, upwards: bool) -> int:
    """Note who is woken at an edge; prices are positive and finite, so an edge that is not is never reached."""
    index, symbol = state.index, position.symbol
    index.serial += 1
    if 0 < edge < inf:
        heap = (index.above if upwards else index.below).setdefault(symbol, [])
        if len(heap) > _GARBAGE * (len(index.holders.get(symbol, ())) + 16):
            heap[:] = [entry for entry in heap if entry[1] in (entry[2].fav_serial, entry[2].adv_serial)]
            heapify(heap)
        heappush(heap, (edge if upwards else -edge, index.serial, position))
    return index.serial
