"""Conditional orders: they wait in a list of their own, and become market orders when their price is reached.

Decides: when one is triggered and what becomes of it. The order it becomes carries its client id: the exchange's users find the order by that, and
its algo update names the order's id. Nothing but its price is looked at before: one that then has no position to reduce or no margin is REJECTED, one
that was to close a position that is gone is EXPIRED. Leaves to others: what is refused at once (filters), the trades (matching).
"""

from decimal import Decimal
from typing import Final

from connectors.exchange.simulator import filters, matching
from connectors.exchange.simulator.accounting import Books
from connectors.exchange.simulator.accounts import Account
from connectors.exchange.simulator.money import ZERO
from connectors.exchange.simulator.pit import Pit, Trailing
from connectors.exchange.simulator.records import AlgoRow, AlgoStatus, NewAlgo, NewOrder, Refused

_PERCENT: Final = Decimal("0.01")


def place(books: Books, account: Account, algo: NewAlgo) -> AlgoRow:
    """Take a conditional order."""
    pit = books.pit(algo.symbol)
    filters.check_algo(account, pit, algo)
    algo_id = books.next_algo_id()
    row = AlgoRow(
        account=account.name,
        algo_id=algo_id,
        client_id=algo.client_id or f"unnamed-algo-{algo_id}",
        symbol=algo.symbol,
        side=algo.side,
        type=algo.type,
        quantity=algo.quantity or ZERO,
        trigger_price=algo.trigger_price or ZERO,
        callback_rate=algo.callback_rate or ZERO,
        activate_price=algo.activate_price or ZERO,
        working_type=algo.working_type,
        reduce_only=algo.reduce_only,
        close_position=algo.close_position,
        status="NEW",
        created_ms=books.now_ms,
        updated_ms=books.now_ms,
    )
    account.keep_algo(row)
    _wait(pit, row)
    books.tell_algo(row)
    return row


def end(books: Books, account: Account, row: AlgoRow, status: AlgoStatus) -> None:
    """End a conditional order that is open."""
    del account.open_algos[row.algo_id]
    _wait_no_longer(books.pits[row.symbol], row)
    _tell(books, row, status)


def trigger_all(books: Books, pit: Pit) -> None:
    """Trigger what the price has come to, the nearest and oldest first."""
    for working_type, triggers in pit.triggers.items():
        price = pit.price(working_type)  # as it is now: what triggered orders trade at, others look at in the next step
        for ladder in (triggers.rising, triggers.falling):
            while (row := ladder.reached(price)) is not None:
                _trigger(books, pit, row)
        for trailing in list(triggers.trailing.values()):
            if _gave_way(trailing, price):
                _trigger(books, pit, trailing.algo)


def _gave_way(trailing: Trailing, price: Decimal) -> bool:
    """Let a trailing stop follow the price; tell whether it has come back by the callback."""
    algo, buys = trailing.algo, trailing.algo.side == "BUY"
    if not trailing.follows:
        trailing.follows = price <= algo.activate_price if buys else price >= algo.activate_price
        trailing.best = price
        return False
    trailing.best = min(trailing.best, price) if buys else max(trailing.best, price)
    away = trailing.best * algo.callback_rate * _PERCENT
    return price >= trailing.best + away if buys else price <= trailing.best - away


def _trigger(books: Books, pit: Pit, row: AlgoRow) -> None:
    account = books.accounts[row.account]
    closable = account.holdings[row.symbol].closable(row.side)
    if row.close_position and not closable:
        end(books, account, row, "EXPIRED")
        return
    quantity = closable if row.close_position else row.quantity
    reduces = row.reduce_only or row.close_position
    order = NewOrder(row.symbol, row.side, "MARKET", quantity, reduce_only=reduces, client_id=row.client_id)
    try:
        if not row.close_position:
            filters.check_admission(books, account, pit, order)
    except Refused:
        end(books, account, row, "REJECTED")
        return
    made = matching.new_row(books, account, order)
    made.close_position, made.original_type, made.algo_id = row.close_position, row.type, row.algo_id
    row.order_id = made.order_id
    end(books, account, row, "TRIGGERED")
    matching.execute(books, account, pit, made)
    _tell(books, row, "FINISHED")


def _wait(pit: Pit, row: AlgoRow) -> None:
    triggers = pit.triggers[row.working_type]
    if row.type == "TRAILING_STOP_MARKET":
        triggers.trailing[row.algo_id] = Trailing(row, not row.activate_price, pit.price(row.working_type))
        return
    ladder = triggers.rising if filters.waits_for_a_rise(row.type, row.side) else triggers.falling
    ladder.add(row.trigger_price, row.algo_id, row)


def _wait_no_longer(pit: Pit, row: AlgoRow) -> None:
    triggers = pit.triggers[row.working_type]
    triggers.trailing.pop(row.algo_id, None)
    for ladder in (triggers.rising, triggers.falling):
        ladder.drop(row.trigger_price, row.algo_id)


def _tell(books: Books, row: AlgoRow, status: AlgoStatus) -> None:
    row.status, row.updated_ms = status, books.now_ms
    books.tell_algo(row)
