"""Stops, which the exchange calls algo orders and keeps apart from orders, through ccxt.

Decides: that a stop closes the whole position at the mark price. Leaves to others: the price (desk), keeping it there (pipeline).
"""

from collections.abc import Sequence

from connectors.exchange import endpoints
from connectors.exchange.ccxt_answers import STOP, many, one, stop_of, stop_or_other, text
from connectors.exchange.ccxt_line import Line
from connectors.exchange.ccxt_orders import plain
from streams.exchange.errors import Ambiguous, ExchangeError
from streams.exchange.port import StopPlacing, StopReport


async def place(line: Line, stop: StopPlacing) -> StopReport:
    """Place a stop, at once, with the time that was written down for it."""
    what = {
        "algoType": "CONDITIONAL",
        "symbol": stop.symbol,
        "side": stop.side,
        "type": STOP,
        "triggerPrice": plain(stop.trigger_price),
        "workingType": "MARK_PRICE",
        "closePosition": "true",
        "clientAlgoId": stop.client_id,
        "timestamp": stop.sent_ms,
        "recvWindow": stop.window_ms,
    }
    return await line.send(endpoints.PLACE_STOP, stop_of, "placing", what)


async def cancel(line: Line, client_id: str) -> StopReport:
    """Cancel a stop. The answer names it only, so what became of it is asked for."""
    await line.cancel(endpoints.CANCEL_STOP, named, clientAlgoId=client_id)
    try:
        return await find(line, client_id)
    except ExchangeError as error:
        raise Ambiguous(f"the stop is cancelled, and how it stands now is not known: {error}") from error


async def find(line: Line, client_id: str) -> StopReport:
    """Look a stop up."""
    return await line.ask(endpoints.FIND_STOP, stop_of, clientAlgoId=client_id)


async def open_stops(line: Line) -> Sequence[StopReport]:
    """Give all open stops."""
    found = await line.ask(endpoints.OPEN_STOPS, many(stop_or_other))
    return [stop for stop in found if stop is not None]


def named(answer: object) -> str:
    """Read which stop was cancelled."""
    return text(one(answer), "clientAlgoId")
