"""What an account holds, and money that moved, through ccxt.

Decides: that nothing of a symbol or a currency is left out of the answer. Leaves to others: comparing it with our books (pipeline).
"""

from collections.abc import Sequence
from decimal import Decimal

from connectors.exchange import endpoints
from connectors.exchange.ccxt_answers import balance_of, many, payment_of, position_of
from connectors.exchange.ccxt_line import Line
from connectors.exchange.ccxt_orders import ORDERS_BACK_MS, ROWS_MAX, over_time
from streams.exchange.port import Payment, Position


async def positions(line: Line) -> Sequence[Position]:
    """Give what is held."""
    return [held for held in await line.ask(endpoints.POSITIONS, many(position_of)) if held.quantity]


async def balances(line: Line) -> dict[str, Decimal]:
    """Give what is in the wallet."""
    return {currency: amount for currency, amount in await line.ask(endpoints.BALANCES, many(balance_of)) if amount}


async def payments(line: Line, since_ms: int) -> Sequence[Payment]:
    """Give money that moved without a trade, oldest first."""

    async def between(start_ms: int, end_ms: int) -> list[Payment | None]:
        return await line.ask(endpoints.INCOME, many(payment_of), startTime=start_ms, endTime=end_ms, limit=ROWS_MAX)

    found = await over_time(between, since_ms, line.clock.now_ms(), ORDERS_BACK_MS)
    return sorted((paid for paid in found if paid is not None), key=lambda paid: (paid.ts, paid.payment_id))
