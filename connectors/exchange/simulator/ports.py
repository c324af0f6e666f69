"""What the server needs of the engine, and the engine of its prices.

Decides: the calls between the two halves of the simulator. All of it is synchronous, exact and a function of seed, calls and the times handed in.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from connectors.exchange.simulator.records import (
    AlgoRow,
    Candle,
    IncomeRow,
    NewAlgo,
    NewOrder,
    OrderRow,
    PositionRow,
    Quote,
    Symbol,
    TradeRow,
    UserUpdate,
)  # fmt: skip


class PricePoint(NamedTuple):
    """Where a symbol's price stands, and how much of the usual depth its book holds now."""

    mark: Decimal
    index_price: Decimal
    spread_ticks: int
    depth_share: Decimal
    funding_rate: Decimal


class Prices(Protocol):
    """Where prices come from: seeded, or played from a file."""

    @property
    def symbols(self) -> Sequence[Symbol]:
        """Give the markets it has prices for."""

    def at(self, symbol: str, now_ms: int) -> PricePoint:
        """Give the price of a symbol at a time; times never go back."""


class Engine(Protocol):
    """The exchange itself. Raises `Refused`. `now_ms` never goes back; every call first lets time pass up to it."""

    def symbols(self) -> Sequence[Symbol]:
        """Give the markets."""

    def open_account(self, account: str, balances: dict[str, Decimal], now_ms: int) -> None:
        """Open an account, once; known ones stay as they are."""

    def transfer(self, account: str, asset: str, amount: Decimal, now_ms: int) -> None:
        """Pay in, or out where negative."""

    def pay_fees_in_bnb(self, account: str, on: bool) -> None:
        """Take fees in BNB as long as there is any."""

    def pays_fees_in_bnb(self, account: str) -> bool:
        """Tell whether that is so."""

    def advance(self, now_ms: int) -> None:
        """Let time pass: prices move, orders trade, conditional orders trigger, funding is paid, who has no margin is liquidated."""

    def take_updates(self) -> Sequence[UserUpdate]:
        """Take what has happened to accounts since the last call, in order."""

    def quote(self, symbol: str) -> Quote:
        """Give the price of a symbol."""

    def depth(self, symbol: str, levels: int) -> tuple[Sequence[tuple[Decimal, Decimal]], Sequence[tuple[Decimal, Decimal]], int]:
        """Give bids and asks as (price, quantity), best first, and the book's update id."""

    def candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """Give the newest candles, oldest first."""

    def day_volume(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Give volume and quote volume of the last 24 hours."""

    def place(self, account: str, order: NewOrder, now_ms: int) -> OrderRow:
        """Take an order. A client id is unique among open orders only."""

    def cancel(self, account: str, symbol: str, order_id: int | None, client_id: str | None, now_ms: int) -> OrderRow:
        """Cancel an open order."""

    def cancel_all(self, account: str, symbol: str, now_ms: int) -> Sequence[OrderRow]:
        """Cancel all open orders of a symbol."""

    def order(self, account: str, symbol: str, order_id: int | None, client_id: str | None) -> OrderRow:
        """Look an order up; of several with one client id, the newest."""

    def open_orders(self, account: str, symbol: str | None) -> Sequence[OrderRow]:
        """Give open orders, oldest first."""

    def all_orders(self, account: str, symbol: str) -> Sequence[OrderRow]:
        """Give every order of a symbol, oldest first."""

    def place_algo(self, account: str, algo: NewAlgo, now_ms: int) -> AlgoRow:
        """Take a conditional order."""

    def cancel_algo(self, account: str, algo_id: int | None, client_id: str | None, now_ms: int) -> AlgoRow:
        """Cancel a conditional order."""

    def algo(self, account: str, algo_id: int | None, client_id: str | None) -> AlgoRow:
        """Look a conditional order up."""

    def open_algos(self, account: str, symbol: str | None) -> Sequence[AlgoRow]:
        """Give open conditional orders."""

    def all_algos(self, account: str, symbol: str) -> Sequence[AlgoRow]:
        """Give every conditional order of a symbol."""

    def trades(self, account: str, symbol: str | None) -> Sequence[TradeRow]:
        """Give trades, oldest first; of all symbols where none is named."""

    def incomes(self, account: str) -> Sequence[IncomeRow]:
        """Give money that moved, oldest first."""

    def positions(self, account: str) -> Sequence[PositionRow]:
        """Give every symbol's position, also flat ones whose leverage was set."""

    def balances(self, account: str) -> dict[str, Decimal]:
        """Give the wallet, by asset, without unrealised profit."""

    def available(self, account: str) -> Decimal:
        """Give what is not bound as margin."""

    def set_leverage(self, account: str, symbol: str, leverage: int) -> None:
        """Set the leverage of a symbol."""

    def set_isolated(self, account: str, symbol: str, on: bool) -> None:
        """Set the margin type of a symbol."""

    def accounts(self) -> Sequence[str]:
        """Give all accounts."""
