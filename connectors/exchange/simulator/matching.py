"""Orders trade: when they come, with what the book holds; when they rest, with what a moving price passes by.

Decides: an order that takes trades at the book's prices, level by level, and what it does not find expires or rests. An order that rests trades
at its own price, as a maker, with as much as the book holds at that price or better, the nearest and oldest order first, and waits for the next
step for the rest. Nothing trades through its limit. Leaves to others: what is refused before (filters), the book (book).
"""

from decimal import Decimal

from connectors.exchange.simulator import filters
from connectors.exchange.simulator.accounting import Books, Execution
from connectors.exchange.simulator.accounts import Account
from connectors.exchange.simulator.ladder import Ladder
from connectors.exchange.simulator.money import ZERO
from connectors.exchange.simulator.pit import Pit
from connectors.exchange.simulator.records import QUOTE, NewOrder, OrderRow, OrderStatus, Side, TradeRow

NOT_FOUND, NOTHING_TO_REDUCE, LIQUIDATED = "2", "4", "5"
"""Why an order expired, as the exchange numbers it."""


def place(books: Books, account: Account, order: NewOrder) -> OrderRow:
    """Take an order."""
    pit = books.pit(order.symbol)
    filters.check_order(books, account, pit, order)
    row = new_row(books, account, order)
    execute(books, account, pit, row)
    return row


def new_row(books: Books, account: Account, order: NewOrder) -> OrderRow:
    """Write a new order down; unnamed ones get a name."""
    order_id = books.next_order_id()
    limit = order.type == "LIMIT"
    assert order.price is not None or not limit, "the filters ask for a price"
    row = OrderRow(
        account=account.name,
        order_id=order_id,
        client_id=order.client_id or f"unnamed-{order_id}",
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force if limit else "GTC",
        quantity=order.quantity,
        price=order.price if limit and order.price is not None else ZERO,
        reduce_only=order.reduce_only,
        status="NEW",
        created_ms=books.now_ms,
        updated_ms=books.now_ms,
        original_type=order.type,
    )
    account.keep_order(row)
    return row


def execute(books: Books, account: Account, pit: Pit, row: OrderRow) -> None:
    """Let a new order take what is there, and rest or expire with what is left of it."""
    books.tell_order(row, "NEW")
    limit = row.price if row.type == "LIMIT" else filters.worst_price(pit, row.side)
    trades = take(books, account, pit, row, limit)
    if row.status != "FILLED":
        if row.reduce_only and not account.holdings[row.symbol].closable(row.side):
            end(books, account, pit, row, "EXPIRED", NOTHING_TO_REDUCE)
        elif row.type == "MARKET" or row.time_in_force in {"IOC", "FOK"}:
            end(books, account, pit, row, "EXPIRED", NOT_FOUND)
        else:
            pit.waiting(row).add(row.price, row.order_id, row)
    settle(books, account, pit, trades)


def take(books: Books, account: Account, pit: Pit, row: OrderRow, limit: Decimal) -> list[TradeRow]:
    """Trade with the book, level by level."""
    found = pit.book.take(row.side, limit, _wanted(account, row))
    return [trade(books, account, pit, row, price, quantity, maker=False) for price, quantity in found]


def pass_by(books: Books, pit: Pit) -> None:
    """Let a new price trade with the orders that rest where it has come."""
    sides: tuple[tuple[Ladder[OrderRow], Side], ...] = ((pit.buys, "BUY"), (pit.sells, "SELL"))
    for ladder, side in sides:
        while (row := ladder.reached(pit.book.best(side))) is not None:
            if not _trade_resting(books, pit, row):
                break


def _trade_resting(books: Books, pit: Pit, row: OrderRow) -> bool:
    """Trade a resting order with what is at its price or better; gives whether it is done with, so that the next one has a turn."""
    account = books.accounts[row.account]
    quantity = sum((there for _, there in pit.book.take(row.side, row.price, _wanted(account, row))), ZERO)
    if not quantity:
        return False
    trades = [trade(books, account, pit, row, row.price, quantity, maker=True)]
    settle(books, account, pit, trades)
    return row.order_id not in account.open_orders[row.symbol]


def trade(
    books: Books, account: Account, pit: Pit, row: OrderRow, price: Decimal, quantity: Decimal, *, maker: bool, execution: Execution = "TRADE"
) -> TradeRow:  # fmt: skip
    """Book a trade: position, profit, fee, order."""
    holding = account.holdings[row.symbol]
    realized = holding.trade(quantity if row.side == "BUY" else -quantity, price)
    holding.updated_ms = row.updated_ms = books.now_ms
    row.filled += quantity
    row.quote_filled += quantity * price
    row.status = "FILLED" if row.filled == row.quantity else "PARTIALLY_FILLED"
    if row.status == "FILLED":
        _close(account, pit, row)
    pit.trades += 1
    pit.last = price
    pit.tape.traded(price, quantity, books.now_ms)
    fee, asset = books.fee(account, quantity * price, pit.symbol.maker_fee if maker else pit.symbol.taker_fee)
    made = TradeRow(
        account.name, pit.trades, row.order_id, row.client_id, row.symbol, row.side, price, quantity, fee, asset, realized, maker, books.now_ms
    )  # fmt: skip
    account.keep_trade(made)
    books.pay(account, "REALIZED_PNL", realized, row.symbol, info=str(made.trade_id))
    books.pay(account, "COMMISSION", -fee, row.symbol, asset, str(made.trade_id))
    books.tell_order(row, execution, made)
    return made


def settle(books: Books, account: Account, pit: Pit, trades: list[TradeRow]) -> None:
    """Tell what an account has after its trades, and let go of orders that have nothing left to reduce."""
    if not trades:
        return
    symbol = pit.symbol.symbol
    assets = dict.fromkeys([QUOTE, *(one.commission_asset for one in trades)])
    books.unsafe[account.name] = None
    books.tell_account(account, "ORDER", assets, [symbol])
    for row in [one for one in account.open_orders[symbol].values() if one.reduce_only]:
        if not account.holdings[symbol].closable(row.side):
            end(books, account, pit, row, "EXPIRED", NOTHING_TO_REDUCE)


def end(books: Books, account: Account, pit: Pit, row: OrderRow, status: OrderStatus, reason: str = "") -> None:
    """End an order that is open."""
    _close(account, pit, row)
    row.status, row.expire_reason, row.updated_ms = status, reason, books.now_ms
    books.tell_order(row, "CANCELED" if status == "CANCELED" else "EXPIRED")


def _close(account: Account, pit: Pit, row: OrderRow) -> None:
    del account.open_orders[row.symbol][row.order_id]
    pit.waiting(row).drop(row.price, row.order_id)


def _wanted(account: Account, row: OrderRow) -> Decimal:
    """Tell how much an order may trade now: what reduces never does more than that."""
    rest = row.quantity - row.filled
    return min(rest, account.holdings[row.symbol].closable(row.side)) if row.reduce_only else rest
