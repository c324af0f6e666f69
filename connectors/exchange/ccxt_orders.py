"""Orders and their trades, through ccxt.

Decides: what each question says, on ccxt's endpoints rather than its `create_order` and its kind: those cut a quantity to the step without a word,
turn answers into floats, and ask for markets on the way without any allowance. Long histories are asked for in parts until they are complete.
Leaves to others: the asking (ccxt_line), the reading (ccxt_answers), and whether to send at all (pipeline).
"""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from connectors.exchange import endpoints
from connectors.exchange.ccxt_answers import many, order_of, trade_of
from connectors.exchange.ccxt_line import Line
from streams.exchange.errors import Rejected
from streams.exchange.port import OrderReport, Placing, Trade

T = TypeVar("T")

ROWS_MAX: Final = 1_000
"""What the exchange gives at once at most. Fewer means that there are no more."""
SPAN_MS: Final = 6 * 24 * 3_600_000
"""It answers for less than seven days at once."""
TRADES_BACK_MS: Final = 175 * 24 * 3_600_000
"""And for trades of six months at most."""
ORDERS_BACK_MS: Final = 85 * 24 * 3_600_000
"""And for orders, and for money that moved, of three months."""
AHEAD_MS: Final = 10_000
"""What happens while we ask is asked for, too."""
PARTS_MAX: Final = 200
"""Parts of one history: 200,000 rows, or 1,000 of weight. More has to be asked for in steps, by who can say from where."""


def plain(number: Decimal) -> str:
    """Write a number the way the exchange wants it: no exponent, no zeros at the end."""
    return f"{number.normalize():f}"


async def place(line: Line, order: Placing) -> OrderReport:
    """Send an order, at once, with the time that was written down for it. Never again."""
    what: dict[str, Any] = {
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "quantity": plain(order.quantity),
        "newClientOrderId": order.client_id,
        "newOrderRespType": "RESULT",
        "timestamp": order.sent_ms,
        "recvWindow": order.window_ms,
    }
    if order.type == "LIMIT":
        if order.limit_price is None:
            raise Rejected("", "a limit order without a price")
        what |= {"price": plain(order.limit_price), "timeInForce": "GTC"}
    if order.reduce_only:
        what["reduceOnly"] = "true"
    return await line.send(endpoints.PLACE, order_of, "placing", what)


async def cancel(line: Line, symbol: str, client_id: str) -> OrderReport:
    """Cancel an order."""
    return await line.cancel(endpoints.CANCEL, order_of, symbol=symbol, origClientOrderId=client_id)


async def find(line: Line, symbol: str, client_id: str) -> OrderReport:
    """Look an order up by the newest bearer of its name."""
    return await line.ask(endpoints.FIND, order_of, symbol=symbol, origClientOrderId=client_id)


async def open_orders(line: Line, symbol: str | None) -> Sequence[OrderReport]:
    """Give open orders, of a symbol or all."""
    if symbol is None:
        return await line.ask(endpoints.OPEN_ORDERS, many(order_of))
    return await line.ask(endpoints.OPEN_ORDERS_OF_SYMBOL, many(order_of), symbol=symbol)


async def orders(line: Line, symbol: str, since_ms: int) -> Sequence[OrderReport]:
    """Give all orders of a symbol since then, oldest first."""

    async def between(start_ms: int, end_ms: int) -> list[OrderReport]:
        return await line.ask(
            endpoints.ALL_ORDERS, many(order_of), symbol=symbol, startTime=start_ms, endTime=end_ms, limit=ROWS_MAX
        )

    found = await over_time(between, since_ms, line.clock.now_ms(), ORDERS_BACK_MS)
    return sorted(found, key=lambda order: int(order.exchange_id))


async def trades(line: Line, symbol: str, since_ms: int, after_id: str, exchange_id: str) -> Sequence[Trade]:
    """Give trades in their order: of that order, or after that one, or all since then."""
    if exchange_id:
        return await _trades_from(line, 0, symbol=symbol, orderId=exchange_id)
    if after_id:
        return await _trades_from(line, int(after_id) + 1, symbol=symbol)

    async def between(start_ms: int, end_ms: int) -> list[Trade]:
        return await line.ask(endpoints.TRADES, many(trade_of), symbol=symbol, startTime=start_ms, endTime=end_ms, limit=ROWS_MAX)

    found = await over_time(between, since_ms, line.clock.now_ms(), TRADES_BACK_MS)
    return sorted(found, key=lambda trade: int(trade.trade_id))


async def _trades_from(line: Line, first_id: int, **of: Any) -> Sequence[Trade]:
    """Give trades from an id on, part by part."""
    found: list[Trade] = []
    for _ in range(PARTS_MAX):
        start = {"fromId": first_id} if first_id else {}
        part = await line.ask(endpoints.TRADES, many(trade_of), limit=ROWS_MAX, **start, **of)
        found += part
        if len(part) < ROWS_MAX:
            return sorted(found, key=lambda trade: int(trade.trade_id))
        first_id = max(int(trade.trade_id) for trade in part) + 1
    raise _too_many()


async def over_time(between: Callable[[int, int], Awaitable[list[T]]], since_ms: int, now_ms: int, back_ms: int) -> list[T]:
    """Give all there is since then. A part that came back full is halved and asked for again: nobody says which rows were left out."""
    end_ms = now_ms + AHEAD_MS
    start_ms = max(since_ms, now_ms - back_ms)
    spans = [(first, min(first + SPAN_MS, end_ms)) for first in range(start_ms, end_ms + 1, SPAN_MS + 1)][::-1]
    found: list[T] = []
    for _ in range(PARTS_MAX):
        if not spans:
            return found
        first, last = spans.pop()
        part = await between(first, last)
        if len(part) < ROWS_MAX or first == last:
            found += part
        else:
            middle = (first + last) // 2
            spans += [(middle + 1, last), (first, middle)]
    raise _too_many()


def _too_many() -> Rejected:
    return Rejected("", f"more than {PARTS_MAX} parts: ask from a later point on")
