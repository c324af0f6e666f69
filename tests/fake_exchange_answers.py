"""What the fake exchange answers: the simulator's engine, read as the adapter reads the exchange.

Decides: that an answer is what the simulator would write on the wire, converted by the adapter's own readers; which refusal is which of our errors.
Leaves to others: trading (engine), when something is asked (fake_exchange_inside).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from ccxt.base import errors  # type: ignore[import-untyped]  # ccxt says nothing about its types

from connectors.exchange.ccxt_answers import STOP, order_of, payment_of, position_of, stop_of, trade_of
from connectors.exchange.ccxt_errors import Doing, Said, translate
from connectors.exchange.simulator import wire
from connectors.exchange.simulator.engine import SimulatedExchange
from connectors.exchange.simulator.records import AlgoRow, NewAlgo, NewOrder, Refused
from streams.exchange.errors import ExchangeError, Fatal
from streams.exchange.port import AccountRef, OrderReport, Payment, Placing, Position, StopPlacing, StopReport, Trade
from tests.fake_exchange_faults import Call

_KINDS: Final[dict[str, type[Exception]]] = {
    "-2011": errors.OrderNotFound,
    "-2013": errors.OrderNotFound,
    "-2015": errors.AuthenticationError,
    "-4130": errors.ExchangeError,
}
"""What ccxt takes the engine's refusals for, where it makes a difference: all others are plain noes."""


class Books(NamedTuple):
    """Everything of an account, as the exchange has it, oldest first."""

    orders: list[OrderReport]
    trades: list[Trade]
    """With the client id of their order, which the exchange's answers leave out."""
    stops: list[StopReport]
    positions: list[Position]
    balances: dict[str, Decimal]
    payments: list[Payment]


class Answers:
    """Answers, each as of now. Raises Refused, and errors of the port where the adapter itself would."""

    def __init__(self, engine: SimulatedExchange) -> None:
        """Take the engine."""
        self._engine = engine
        self._markets = {one.symbol: one for one in engine.symbols()}
        self.blind_ms = 0
        """How young orders and trades may be that nobody who asks is shown yet."""

    def check(self, ref: AccountRef, symbols: Sequence[str]) -> None:
        """Set the leverage of an account that is there."""
        whole = ref.leverage == ref.leverage.to_integral_value()
        if ref.account not in self._engine.accounts() or not whole:
            raise Fatal(f"account {ref.account}: there is none, or leverage {ref.leverage} is not a whole number")
        try:
            for symbol in symbols:
                self._engine.set_leverage(ref.account, symbol, int(ref.leverage))
        except Refused as refused:
            raise Fatal(f"account {ref.account}: {refused}") from refused

    def place(self, order: Placing, now_ms: int) -> OrderReport:
        """Take an order."""
        price = order.limit_price if order.type == "LIMIT" else None
        asked = NewOrder(
            order.symbol, order.side, order.type, order.quantity, price, reduce_only=order.reduce_only, client_id=order.client_id
        )
        return order_of(wire.order(self._engine.place(order.account, asked, now_ms)))

    def cancel(self, account: str, symbol: str, client_id: str, now_ms: int) -> OrderReport:
        """Cancel an order."""
        return order_of(wire.order(self._engine.cancel(account, symbol, None, client_id, now_ms)))

    def find(self, account: str, symbol: str, client_id: str, now_ms: int) -> OrderReport:
        """Look an order up."""
        row = self._engine.order(account, symbol, None, client_id)
        if not self._shown(row.created_ms, now_ms):
            raise Refused(-2013, "Order does not exist.")
        return order_of(wire.order(row))

    def open_orders(self, account: str, symbol: str | None, now_ms: int) -> list[OrderReport]:
        """Give open orders."""
        rows = self._engine.open_orders(account, symbol)
        return [order_of(wire.order(row)) for row in rows if self._shown(row.created_ms, now_ms)]

    def orders(self, account: str, symbol: str, since_ms: int, now_ms: int) -> list[OrderReport]:
        """Give all orders since a time."""
        rows = [row for row in self._engine.all_orders(account, symbol) if row.created_ms >= since_ms]
        return [order_of(wire.order(row)) for row in rows if self._shown(row.created_ms, now_ms)]

    def trades(self, account: str, symbol: str, since_ms: int, after_id: str, exchange_id: str, now_ms: int) -> list[Trade]:
        """Give trades of an order, or after an id, or since a time."""
        found = [trade_of(wire.trade(row)) for row in self._engine.trades(account, symbol) if self._shown(row.ts, now_ms)]
        if exchange_id:
            return [trade for trade in found if trade.exchange_id == exchange_id]
        if after_id:
            return [trade for trade in found if int(trade.trade_id) > int(after_id)]
        return [trade for trade in found if trade.ts >= since_ms]

    def positions(self, account: str) -> list[Position]:
        """Give what is held."""
        rows = [row for row in self._engine.positions(account) if row.quantity]
        return [position_of(wire.position(row, self._markets[row.symbol])) for row in rows]

    def balances(self, account: str) -> dict[str, Decimal]:
        """Give what is in the wallet."""
        return {asset: amount for asset, amount in self._engine.balances(account).items() if amount}

    def payments(self, account: str, since_ms: int) -> list[Payment]:
        """Give money that moved without a trade."""
        found = [payment_of(wire.income(row)) for row in self._engine.incomes(account) if row.ts >= since_ms]
        return sorted((paid for paid in found if paid is not None), key=lambda paid: (paid.ts, paid.payment_id))

    def place_stop(self, stop: StopPlacing, now_ms: int) -> StopReport:
        """Take a stop that closes the position at the mark."""
        asked = NewAlgo(
            stop.symbol, stop.side, STOP, None, stop.trigger_price, working_type="MARK_PRICE", close_position=True, client_id=stop.client_id
        )  # fmt: skip
        return self._stop(self._engine.place_algo(stop.account, asked, now_ms))

    def cancel_stop(self, account: str, client_id: str, now_ms: int) -> StopReport:
        """Cancel a stop."""
        return self._stop(self._engine.cancel_algo(account, None, client_id, now_ms))

    def find_stop(self, account: str, client_id: str) -> StopReport:
        """Look a stop up."""
        return self._stop(self._engine.algo(account, None, client_id))

    def open_stops(self, account: str) -> list[StopReport]:
        """Give open stops."""
        return [self._stop(row) for row in self._engine.open_algos(account, None) if row.type == STOP]

    def books(self, account: str) -> Books:
        """Give everything, also what is not shown yet."""
        orders = [row for symbol in self._markets for row in self._engine.all_orders(account, symbol)]
        stops = [row for symbol in self._markets for row in self._engine.all_algos(account, symbol) if row.type == STOP]
        return Books(
            [order_of(wire.order(row)) for row in sorted(orders, key=lambda row: row.order_id)],
            [trade_of(wire.trade(row))._replace(client_id=row.client_id) for row in self._engine.trades(account, None)],
            [self._stop(row) for row in sorted(stops, key=lambda row: row.algo_id)],
            self.positions(account),
            self.balances(account),
            self.payments(account, 0),
        )

    def _shown(self, made_ms: int, now_ms: int) -> bool:
        return made_ms <= now_ms - self.blind_ms

    def _stop(self, row: AlgoRow) -> StopReport:
        became = self._engine.order(row.account, row.symbol, row.order_id, None) if row.order_id else None
        return stop_of(wire.algo(row, became))


def error_of(refused: Refused, call: Call) -> ExchangeError:
    """Give our error for the exchange's refusal: the adapter's translation of what ccxt makes of it."""
    doing: Doing = (
        "placing" if call in {"place", "place_stop"} else "cancelling" if call in {"cancel", "cancel_stop"} else "asking"
    )
    code = str(refused.code)
    return translate(Said(_KINDS.get(code, errors.BadRequest), 400, code, refused.words, None), doing)
