"""An account: its wallet, what it holds, its orders and everything that ever happened to them.

Decides: how a trade changes a holding and what it realises; what is found by which id. Leaves to others: whether something may be done (filters,
margin), what it costs (ledger), when it happens (matching).
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from connectors.exchange.simulator.money import ZERO, ratio, share
from connectors.exchange.simulator.records import AlgoRow, IncomeRow, NewOrder, OrderRow, Side, TradeRow

LEVERAGE_FIRST = 20
"""What every symbol of a new account of the exchange is set to."""


@dataclass(slots=True)
class Holding:
    """What an account holds of a symbol, and how it holds it."""

    quantity: Decimal = ZERO
    """Signed."""
    cost: Decimal = ZERO
    """What its trades were worth, signed like the quantity. The average price is made of it, never kept: so nothing is rounded twice."""
    leverage: int = LEVERAGE_FIRST
    isolated: bool = False
    updated_ms: int = 0

    def trade(self, change: Decimal, price: Decimal) -> Decimal:
        """Add a trade; gives what it realised. The part of the cost that leaves is rounded once, so cost and realised profit always add up."""
        if self.quantity * change >= 0:
            self.quantity += change
            self.cost += change * price
            return ZERO
        if abs(change) < abs(self.quantity):
            left = share(self.cost, -change, self.quantity)
            self.quantity += change
            self.cost -= left
            return -change * price - left
        realized = self.quantity * price - self.cost
        self.quantity += change
        self.cost = self.quantity * price
        return realized

    def closable(self, side: Side) -> Decimal:
        """Tell how much an order of a side could close."""
        return max(ZERO, self.quantity if side == "SELL" else -self.quantity)

    def unrealized(self, mark: Decimal) -> Decimal:
        """Give what closing at a price would realise."""
        return self.quantity * mark - self.cost

    @property
    def entry_price(self) -> Decimal:
        """Give the average price, for showing."""
        return share(self.cost, Decimal(1), self.quantity) if self.quantity else ZERO

    @property
    def margin(self) -> Decimal:
        """Give what is set aside for it while it is isolated: the margin of its start."""
        return ratio(abs(self.cost), Decimal(self.leverage))


@dataclass(slots=True)
class Account:
    """One account of the exchange. Nothing is forgotten: it is the truth others are compared with."""

    name: str
    wallet: dict[str, Decimal]
    fees_in_bnb: bool = False
    holdings: dict[str, Holding] = field(default_factory=lambda: defaultdict(Holding))
    orders: dict[str, list[OrderRow]] = field(default_factory=lambda: defaultdict(list))
    """By symbol, oldest first."""
    open_orders: dict[str, dict[int, OrderRow]] = field(default_factory=lambda: defaultdict(dict))
    algos: dict[str, list[AlgoRow]] = field(default_factory=lambda: defaultdict(list))
    open_algos: dict[int, AlgoRow] = field(default_factory=dict)
    trades: list[TradeRow] = field(default_factory=list)
    trades_of: dict[str, list[TradeRow]] = field(default_factory=lambda: defaultdict(list))
    incomes: list[IncomeRow] = field(default_factory=list)
    _order_ids: dict[int, OrderRow] = field(default_factory=dict)
    _order_names: dict[tuple[str, str], OrderRow] = field(default_factory=dict)
    """By symbol and client id; of several the newest."""
    _algo_ids: dict[int, AlgoRow] = field(default_factory=dict)
    _algo_names: dict[str, AlgoRow] = field(default_factory=dict)

    def keep_order(self, row: OrderRow) -> None:
        """Keep a new order, which is open."""
        self.orders[row.symbol].append(row)
        self.open_orders[row.symbol][row.order_id] = row
        self._order_ids[row.order_id] = row
        self._order_names[row.symbol, row.client_id] = row

    def keep_algo(self, row: AlgoRow) -> None:
        """Keep a new conditional order, which is open."""
        self.algos[row.symbol].append(row)
        self.open_algos[row.algo_id] = row
        self._algo_ids[row.algo_id] = row
        self._algo_names[row.client_id] = row

    def keep_trade(self, trade: TradeRow) -> None:
        """Keep a trade."""
        self.trades.append(trade)
        self.trades_of[trade.symbol].append(trade)

    def order(self, symbol: str, order_id: int | None, client_id: str | None) -> OrderRow | None:
        """Find an order by either id."""
        row = self._order_ids.get(order_id) if order_id is not None else self._order_names.get((symbol, client_id or ""))
        return row if row is not None and row.symbol == symbol else None

    def algo(self, algo_id: int | None, client_id: str | None) -> AlgoRow | None:
        """Find a conditional order by either id."""
        return self._algo_ids.get(algo_id) if algo_id is not None else self._algo_names.get(client_id or "")

    def reducing(self, symbol: str, side: Side) -> Decimal:
        """Tell how much of a holding the open orders of a side that may only reduce have laid claim to."""
        rows = self.open_orders[symbol].values()
        return sum((row.quantity - row.filled for row in rows if row.reduce_only and row.side == side), ZERO)

    def wishes(self, symbol: str, order: NewOrder | None = None, price: Decimal = ZERO) -> tuple[Decimal, Decimal]:
        """Give the value open orders would buy and sell, and one more where it is given; what only reduces does not count."""
        bids = asks = ZERO
        for row in self.open_orders[symbol].values():
            if row.reduce_only:
                continue
            value = (row.quantity - row.filled) * row.price
            if row.side == "BUY":
                bids += value
            else:
                asks += value
        if order is not None and not order.reduce_only:
            value = order.quantity * price
            return (bids + value, asks) if order.side == "BUY" else (bids, asks + value)
        return bids, asks
