"""The books: what a trade, a fee, a payment or a transfer does to an account.

Decides: position, cost, cash and realised profit after each of them, equity and exposure at the present marks. Cash moves here and
nowhere else. Everything is exact but one thing: what part of a position's cost leaves with a partial close is rounded at the 20th
decimal, and since what does not leave stays, equity is exact always and realised profit whenever the position is flat.
Leaves to others: whether a trade is believed (desk.fills) and what follows from it.
"""

from decimal import Decimal

from streams.desk.messages import Fill, OrderSide
from streams.desk.state import Account, OpenOrder, Position, State
from streams.desk.values import ZERO, money_share

COINS_OWED_MAX = 32
"""Coins in which fees without a price are remembered: venues take fees in two or three. One more puts the account in doubt."""
GONE = -1
"""Serial of the watch entries of a position that is no more."""


def move_cash(state: State, account: Account, amount: Decimal) -> None:
    """Change an account's cash."""
    account.cash += amount
    state.index.cash += amount


def move_transfers(state: State, account: Account, amount: Decimal) -> None:
    """Change an account's cash by money that came from or went outside."""
    account.transfers += amount
    state.index.transfers += amount
    move_cash(state, account, amount)


def trade(state: State, account: Account, symbol: str, quantity: Decimal, price: Decimal) -> Position:
    """Add a signed quantity at a price: opens, adds, reduces, closes or flips through zero."""
    position = account.positions.get(symbol)
    if position is None:
        position = Position(account.account, symbol, ZERO, ZERO, ZERO, state.now_ms)
    before_quantity, before_cost = position.quantity, position.cost
    held = position.quantity
    if held and (held > ZERO) != (quantity > ZERO):
        closing = quantity if abs(quantity) <= abs(held) else -held
        _reduce(state, account, position, closing, price)
        quantity -= closing
        if quantity:
            position.opened_ms, position.plan, position.exiting, position.exit_after_ms = state.now_ms, None, "", 0
            position.dust, position.realised = False, ZERO
    position.quantity += quantity
    position.cost += quantity * price
    _index(state, account, position, position.quantity - before_quantity, position.cost - before_cost)
    return position


def _reduce(state: State, account: Account, position: Position, closing: Decimal, price: Decimal) -> None:
    whole = closing == -position.quantity
    released = position.cost if whole else money_share(position.cost, abs(closing), abs(position.quantity))
    profit = -closing * price - released
    position.quantity += closing
    position.cost -= released
    position.realised += profit
    account.realised += profit
    move_cash(state, account, profit)


def _index(state: State, account: Account, position: Position, quantity: Decimal, cost: Decimal) -> None:
    net = state.index.net.setdefault(position.symbol, [ZERO, ZERO])
    net[0] += quantity
    net[1] += cost
    position.size = float(position.quantity)
    holders = state.index.holders.setdefault(position.symbol, {})
    if position.quantity:
        account.positions[position.symbol] = position
        holders[account.account] = position
    else:
        position.fav_serial = position.adv_serial = GONE
        account.positions.pop(position.symbol, None)
        holders.pop(account.account, None)


def charge_fee(state: State, account: Account, fill: Fill) -> bool:
    """Charge a fill's fee: from cash, from the position where it was taken in its coin, or at the fee coin's mark.

    A fee in the base coin makes the position smaller: the fee's quantity leaves at the fill's price and its value is the fee.
    A fee in a coin without a mark is owed until there is one; False where more coins are owed than anybody takes fees in.
    """
    if not fill.fee:
        return True
    instrument = state.instruments.get(fill.symbol)
    quote = instrument.quote if instrument else "USDT"
    if fill.fee_currency == quote:
        _expense(state, account, fill.fee)
        return True
    if instrument is not None and fill.fee_currency == instrument.base:
        trade(state, account, fill.symbol, -fill.fee, fill.price)
        _expense(state, account, fill.fee * fill.price)
        return True
    priced_in = f"{fill.fee_currency}{quote}"
    mark = state.marks.get(priced_in)
    if mark is not None:
        _expense(state, account, fill.fee * mark.mark)
        return True
    if priced_in not in account.fees_owed and len(account.fees_owed) >= COINS_OWED_MAX:
        return False
    account.fees_owed[priced_in] = account.fees_owed.get(priced_in, ZERO) + fill.fee
    state.index.owing.setdefault(priced_in, set()).add(account.account)
    return True


def settle_owed_fee(state: State, account: Account, priced_in: str, price: Decimal) -> None:
    """Charge what is owed in a coin, now that it has a price."""
    _expense(state, account, account.fees_owed.pop(priced_in) * price)


def _expense(state: State, account: Account, amount: Decimal) -> None:
    account.fees += amount
    move_cash(state, account, -amount)


def equity(state: State, account: Account) -> Decimal | None:
    """Value an account at the present marks; None where one is missing or a fee has no price yet."""
    return None if account.fees_owed else at_most(state, account)


def at_most(state: State, account: Account) -> Decimal | None:
    """Value an account as if nothing were owed: what the drawdown is judged by, since a fee without a price can only make it worse."""
    value = account.cash
    marks = state.marks
    for symbol, position in account.positions.items():
        mark = marks.get(symbol)
        if mark is None:
            if position.dust:
                continue  # worth about what it cost
            return None
        value += position.quantity * mark.mark - position.cost
    return value


def exposure(state: State, account: Account, symbol: str) -> Decimal | None:
    """Value the most a symbol can come to: its position with every open order on one side filled. None without a mark."""
    longest, shortest = extremes(account, symbol)
    if not longest and not shortest:
        return ZERO
    mark = state.marks.get(symbol)
    return None if mark is None else max(longest, -shortest) * mark.mark


def extremes(account: Account, symbol: str) -> tuple[Decimal, Decimal]:
    """Give the largest (≥ 0) and the smallest (≤ 0) quantity that open orders can lead to."""
    position = account.positions.get(symbol)
    held = position.quantity if position else ZERO
    buying = selling = ZERO
    for order in account.orders.values():
        if order.symbol == symbol and not order.reduce_only:
            if order.side == "BUY":
                buying += order.rest
            else:
                selling += order.rest
    return max(ZERO, held + buying), min(ZERO, held - selling)


def symbols_valued(account: Account) -> set[str]:
    """Name every symbol whose value counts against the limits."""
    return account.positions.keys() | symbols_in_use(account)


def symbols_in_use(account: Account) -> set[str]:
    """Name every symbol that is held, but for dust, or may come to be."""
    held = {symbol for symbol, position in account.positions.items() if not position.dust}
    return held | {order.symbol for order in account.orders.values() if not order.reduce_only}


def closing_side(position: Position) -> OrderSide:
    """Give the side that closes a position."""
    return "SELL" if position.quantity > ZERO else "BUY"


def reducing_rest(account: Account, position: Position) -> Decimal:
    """Sum what open reduce-only orders may still close of a position."""
    side, symbol = closing_side(position), position.symbol
    return sum(
        (order.rest for order in account.orders.values() if order.reduce_only and order.symbol == symbol and order.side == side),
        ZERO,
    )


def signed(order: OpenOrder | Fill) -> int:
    """Give +1 for BUY, -1 for SELL."""
    return 1 if order.side == "BUY" else -1


def partition_equity(state: State) -> tuple[Decimal, bool]:
    """Value all accounts at once from the net book, and tell whether no mark was missing."""
    value, complete = state.index.cash, True
    for symbol, (quantity, cost) in state.index.net.items():
        mark = state.marks.get(symbol)
        if mark is not None:
            value += quantity * mark.mark - cost
        elif any(not position.dust for position in state.index.holders.get(symbol, {}).values()):
            complete = False
    return value, complete
