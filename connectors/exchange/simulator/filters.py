"""What the exchange refuses, and with which code.

Decides: every filter of an order and a conditional order. A refused order leaves no trace. Leaves to others: what becomes of one that is taken
(matching, conditional). Codes and words are those of the exchange's own list.
"""

import re
from decimal import Decimal

from connectors.exchange.simulator.accounting import Books
from connectors.exchange.simulator.accounts import Account
from connectors.exchange.simulator.margin import available, exposure, position_limit
from connectors.exchange.simulator.money import ratio
from connectors.exchange.simulator.pit import Pit
from connectors.exchange.simulator.records import NewAlgo, NewOrder, Refused, Side, Symbol

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
CALLBACK_MIN, CALLBACK_MAX = Decimal("0.1"), Decimal(10)
"""Per cent a trailing stop may stay behind."""


def price_decimals(symbol: Symbol) -> int:
    """Tell how many decimals a price may be sent with: one more than the tick has, so that off the tick is an error of its own."""
    return _decimals(symbol.tick_size) + 1


def quantity_decimals(symbol: Symbol) -> int:
    """Tell how many decimals a quantity may be sent with."""
    return _decimals(symbol.step_size)


def price_band(pit: Pit) -> tuple[Decimal, Decimal]:
    """Give what PERCENT_PRICE allows: nobody sells below the first or buys above the second."""
    return pit.point.mark * pit.symbol.price_down, pit.point.mark * pit.symbol.price_up


def worst_price(pit: Pit, side: Side) -> Decimal:
    """Give the price a market order goes no further than."""
    low, high = price_band(pit)
    return high if side == "BUY" else low


def check_order(books: Books, account: Account, pit: Pit, order: NewOrder) -> None:
    """Look an order over that wants to be placed."""
    symbol = pit.symbol
    _check_client_id(order.client_id)
    rows = account.open_orders[symbol.symbol]
    if order.client_id and any(row.client_id == order.client_id for row in rows.values()):
        raise Refused(-4116, "ClientOrderId is duplicated.")
    if order.type == "LIMIT":
        _check_limit_price(pit, order.side, order.price)
    market = order.type == "MARKET"
    check_quantity(symbol, order.quantity, symbol.max_market_quantity if market else symbol.max_quantity)
    if not order.reduce_only:
        _check_value(symbol, order.quantity * (pit.point.mark if market else order.price or Decimal(0)))
    if len(rows) >= symbol.max_orders:
        raise Refused(-2025, "Reach max open order limit.")
    check_admission(books, account, pit, order)
    _check_time_in_force(pit, order)


def check_admission(books: Books, account: Account, pit: Pit, order: NewOrder) -> None:
    """Look at what depends on the moment: the other side's price, the position, the margin. Conditional orders meet it when they are triggered."""
    best = pit.book.best(order.side)
    low, high = price_band(pit)
    if order.type == "MARKET" and not low <= best <= high:
        raise Refused(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")
    if order.reduce_only:
        closable = account.holdings[pit.symbol.symbol].closable(order.side)
        if not closable:
            raise Refused(-2022, "ReduceOnly Order is rejected.")
        if account.reducing(pit.symbol.symbol, order.side) >= closable:
            raise Refused(-4118, "ReduceOnly Order Failed. Please check your existing position and open orders.")
        return
    _check_margin(books, account, pit, order, best if order.type == "MARKET" else order.price or best)


def check_quantity(symbol: Symbol, quantity: Decimal, most: Decimal) -> None:
    """Look at a quantity: LOT_SIZE and MARKET_LOT_SIZE."""
    if quantity <= 0:
        raise Refused(-4003, "Quantity less than or equal to zero.")
    if _decimals(quantity) > quantity_decimals(symbol):
        raise Refused(-1111, "Precision is over the maximum defined for this asset.")
    if quantity < symbol.min_quantity:
        raise Refused(-4004, "Quantity less than min quantity.")
    if quantity > most:
        raise Refused(-4005, "Quantity greater than max quantity.")
    if quantity % symbol.step_size:
        raise Refused(-4023, "Qty not increased by step size.")


def check_algo(account: Account, pit: Pit, algo: NewAlgo) -> None:
    """Look a conditional order over. Margin and position are not asked for before it is triggered."""
    symbol = pit.symbol
    _check_client_id(algo.client_id)
    rows = account.open_algos.values()
    if algo.client_id and any(row.client_id == algo.client_id for row in rows):
        raise Refused(-4116, "ClientOrderId is duplicated.")
    of_symbol = [row for row in rows if row.symbol == symbol.symbol]
    if len(of_symbol) >= symbol.max_algo_orders:
        raise Refused(-4045, "Reach max stop order limit.")
    if algo.close_position:
        if algo.type == "TRAILING_STOP_MARKET":
            raise Refused(-4136, f"Target strategy invalid for orderType {algo.type},closePosition true")
        if algo.quantity:
            raise Refused(-4137, "Quantity must be zero with closePosition equals true.")
        if any(row.close_position and (row.side, row.type) == (algo.side, algo.type) for row in of_symbol):
            raise Refused(-4130, "An open stop or take profit order with GTE and closePosition in the direction is existing.")
    else:
        check_quantity(symbol, _given(algo.quantity, "quantity"), symbol.max_market_quantity)
    if algo.type == "TRAILING_STOP_MARKET":
        _check_trailing(pit, algo)
    else:
        _check_trigger(pit, algo)


def _check_trigger(pit: Pit, algo: NewAlgo) -> None:
    trigger, now = _given(algo.trigger_price, "triggerPrice"), pit.price(algo.working_type)
    _check_price(pit.symbol, trigger, below_zero=-4006)
    if algo.quantity and not algo.reduce_only:
        _check_value(pit.symbol, algo.quantity * trigger)
    if trigger <= now if waits_for_a_rise(algo.type, algo.side) else trigger >= now:
        raise Refused(-2021, "Order would immediately trigger.")


def _check_trailing(pit: Pit, algo: NewAlgo) -> None:
    if not CALLBACK_MIN <= _given(algo.callback_rate, "callbackRate") <= CALLBACK_MAX:
        raise Refused(-2007, "Invalid callBack rate.")
    now = pit.price(algo.working_type)
    if algo.quantity and not algo.reduce_only:
        _check_value(pit.symbol, algo.quantity * (algo.activate_price or now))
    if algo.activate_price is None:
        return
    _check_price(pit.symbol, algo.activate_price, below_zero=-4135)
    if algo.activate_price >= now if algo.side == "BUY" else algo.activate_price <= now:
        raise Refused(-2021, "Order would immediately trigger.")


def waits_for_a_rise(kind: str, side: Side) -> bool:
    """Tell which way the price has to go: a buy stop waits for a rise, a buy that takes profit for a fall."""
    return (kind == "STOP_MARKET") == (side == "BUY")


def _check_client_id(client_id: str) -> None:
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise Refused(-4015, "Client order id is not valid.")


def _check_limit_price(pit: Pit, side: Side, price: Decimal | None) -> None:
    price = _given(price, "price")
    _check_price(pit.symbol, price, below_zero=-4001)
    low, high = price_band(pit)
    if side == "BUY" and price > high:
        raise Refused(-4016, f"Limit price can't be higher than {high.normalize():f}.")
    if side == "SELL" and price < low:
        raise Refused(-4024, f"Limit price can't be lower than {low.normalize():f}.")


def _check_price(symbol: Symbol, price: Decimal, below_zero: int) -> None:
    if price <= 0:
        raise Refused(below_zero, "Price less than or equal to zero.")
    if _decimals(price) > price_decimals(symbol):
        raise Refused(-1111, "Precision is over the maximum defined for this asset.")
    if price % symbol.tick_size:
        raise Refused(-4014, "Price not increased by tick size.")


def _check_value(symbol: Symbol, value: Decimal) -> None:
    if value < symbol.min_notional:
        raise Refused(-4164, f"Order's notional must be no smaller than {symbol.min_notional} (unless you choose reduce only).")


def _check_margin(books: Books, account: Account, pit: Pit, order: NewOrder, price: Decimal) -> None:
    """Look at the position limit and the margin. An order that lets neither grow is always welcome."""
    leverage = account.holdings[pit.symbol.symbol].leverage
    before, after = exposure(account, pit), exposure(account, pit, order, price)
    if after <= before:
        return
    if after > position_limit(pit, leverage):
        raise Refused(-2027, "Exceeded the maximum allowable position at current leverage.")
    if ratio(after - before, Decimal(leverage)) > available(account, books.pits):
        raise Refused(-2019, "Margin is insufficient.")


def _check_time_in_force(pit: Pit, order: NewOrder) -> None:
    if order.type == "MARKET" or order.price is None:
        return
    best = pit.book.best(order.side)
    crosses = order.price >= best if order.side == "BUY" else order.price <= best
    if order.time_in_force == "GTX" and crosses:
        raise Refused(-5022, "Due to the order could not be executed as maker, the Post Only order will be rejected.")
    if order.time_in_force == "FOK" and pit.book.within(order.side, order.price) < order.quantity:
        raise Refused(-5021, "Due to the order could not be filled immediately, the FOK order has been rejected.")


def _given(number: Decimal | None, name: str) -> Decimal:
    if number is None:
        raise Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return number


def _decimals(number: Decimal) -> int:
    """Count the decimals of a number, without zeros at its end."""
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a number, not an infinity"
    return max(0, -exponent)
