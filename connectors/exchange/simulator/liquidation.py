"""Liquidation: who has no margin left loses their positions.

Decides: when equity has come down to the maintenance margin, open orders of the symbols concerned expire and their positions are closed at the
market; what the book does not hold, the insurance takes over at the mark; what a wallet, or an isolated position's margin, cannot bear, it pays too.
There is no extra liquidation fee. Leaves to others: what the margins are (margin).

Looking costs little: after each look an account has for each symbol a range of marks within which, wherever in theirs the others are, nothing can
happen to it; only a mark outside of it, or a change of the account, makes it looked at again.
"""

from collections.abc import Sequence
from decimal import Decimal

from connectors.exchange.simulator import filters, matching
from connectors.exchange.simulator.accounting import Books
from connectors.exchange.simulator.accounts import Account
from connectors.exchange.simulator.margin import Standing, cross_standing, isolated_standing
from connectors.exchange.simulator.money import ZERO, money, ratio
from connectors.exchange.simulator.pit import Pit
from connectors.exchange.simulator.records import QUOTE, NewOrder


def liquidate(books: Books) -> None:
    """Look at all who may be in need, and close what cannot be held any longer."""
    for pit in books.pits.values():
        mark = pit.point.mark
        for name, (low, high) in pit.safe.items():
            if not low < mark < high:
                books.unsafe[name] = None
    while books.unsafe:
        name = next(iter(books.unsafe))
        del books.unsafe[name]
        _look(books, books.accounts[name])


def _look(books: Books, account: Account) -> None:
    held = [name for name, holding in account.holdings.items() if holding.quantity]
    for pit in books.pits.values():
        pit.safe.pop(account.name, None)
    for name in held:
        pit, holding = books.pits[name], account.holdings[name]
        if holding.isolated and not _safe(books, account, isolated_standing(holding, pit), [name]):
            margin = holding.margin
            _expire_orders(books, account, [name])
            _pay_for(books, account, -margin - _close(books, account, pit))
    shared = [name for name in held if not account.holdings[name].isolated]
    liquidated = bool(shared) and not _safe(books, account, cross_standing(account, books.pits), shared)
    if liquidated:
        _expire_orders(books, account, [name for name in account.open_orders if not account.holdings[name].isolated])
        for name in shared:
            _close(books, account, books.pits[name])
    if liquidated or not held:
        apart = sum((one.margin for one in account.holdings.values() if one.isolated and one.quantity), ZERO)
        _pay_for(books, account, apart - account.wallet.get(QUOTE, ZERO))


def _safe(books: Books, account: Account, standing: Standing, symbols: Sequence[str]) -> bool:
    """Tell whether positions can be held, and write down how far their marks may move until the next look."""
    room = standing.equity - standing.maintenance
    if room <= 0:
        return False
    move = ratio(room, standing.value + standing.maintenance)
    for name in symbols:
        pit = books.pits[name]
        pit.safe[account.name] = (pit.point.mark * (1 - move), pit.point.mark * (1 + move))
    return True


def _expire_orders(books: Books, account: Account, symbols: Sequence[str]) -> None:
    for name in symbols:
        for row in list(account.open_orders[name].values()):
            matching.end(books, account, books.pits[name], row, "EXPIRED", matching.LIQUIDATED)


def _close(books: Books, account: Account, pit: Pit) -> Decimal:
    """Close a position by force; gives what that realised."""
    held = account.holdings[pit.symbol.symbol].quantity
    order = NewOrder(pit.symbol.symbol, "SELL" if held > 0 else "BUY", "MARKET", abs(held))
    row = matching.new_row(books, account, order._replace(client_id=f"autoclose-{books.now_ms}"))
    row.time_in_force, row.original_type = "IOC", "LIQUIDATION"
    books.tell_order(row, "NEW")
    trades = matching.take(books, account, pit, row, filters.worst_price(pit, row.side))
    rest = row.quantity - row.filled
    if rest:
        price = pit.point.mark // pit.symbol.tick_size * pit.symbol.tick_size
        trades.append(matching.trade(books, account, pit, row, price, rest, maker=False, execution="CALCULATED"))
    matching.settle(books, account, pit, trades)
    return sum((one.realized for one in trades), ZERO)


def _pay_for(books: Books, account: Account, amount: Decimal) -> None:
    """Let the insurance pay what is missing, if anything is."""
    if amount > 0:
        paid = money(amount)
        books.pay(account, "INSURANCE_CLEAR", paid, info="INSURANCE_CLEAR")
        books.tell_account(account, "INSURANCE_CLEAR", [QUOTE], moved=paid)
