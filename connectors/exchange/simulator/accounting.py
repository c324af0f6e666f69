"""The simulator's own books: accounts, markets, and what is told of both.

Decides: money moves by an income row and in no other way, so a wallet is always its opening plus its incomes; fees are a share of what was traded,
taken in BNB at its mark where an account wants that and has enough, whole or not at all. Leaves to others: what happens (matching, conditional,
funding, liquidation).
"""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from connectors.exchange.simulator.accounts import Account
from connectors.exchange.simulator.margin import liquidation_price
from connectors.exchange.simulator.money import ZERO, money, ratio
from connectors.exchange.simulator.pit import Pit
from connectors.exchange.simulator.records import (
    QUOTE,
    AccountUpdate,
    AlgoRow,
    AlgoUpdate,
    IncomeRow,
    IncomeType,
    OrderRow,
    OrderUpdate,
    PositionRow,
    Refused,
    TradeRow,
    UserUpdate,
)  # fmt: skip

BNB: Final = "BNB"
Execution = Literal["NEW", "TRADE", "CANCELED", "EXPIRED", "CALCULATED"]
Reason = Literal["ORDER", "FUNDING_FEE", "DEPOSIT", "WITHDRAW", "INSURANCE_CLEAR", "MARGIN_TYPE_CHANGE"]


@dataclass(slots=True)
class Books:
    """Everything the exchange knows."""

    pits: dict[str, Pit]
    now_ms: int
    accounts: dict[str, Account] = field(default_factory=dict)
    updates: list[UserUpdate] = field(default_factory=list)
    """What nobody has taken yet. As long as the books themselves at most: whoever runs the exchange takes it, or tells nobody."""
    unsafe: dict[str, None] = field(default_factory=dict)
    """Accounts whose margin has to be looked at, because something about them changed; in order."""
    _orders: int = 0
    _algos: int = 0
    _incomes: int = 0

    def pit(self, symbol: str) -> Pit:
        """Give a market."""
        if symbol not in self.pits:
            raise Refused(-1121, "Invalid symbol.")
        return self.pits[symbol]

    def account(self, name: str) -> Account:
        """Give an account."""
        if name not in self.accounts:
            raise Refused(-2015, "Invalid API-key, IP, or permissions for action.")
        return self.accounts[name]

    def next_order_id(self) -> int:
        """Give an id no order has had."""
        self._orders += 1
        return self._orders

    def next_algo_id(self) -> int:
        """Give an id no conditional order has had."""
        self._algos += 1
        return self._algos

    def pay(
        self, account: Account, what: IncomeType, amount: Decimal, symbol: str = "", asset: str = QUOTE, info: str = ""
    ) -> None:
        """Move money; negative amounts leave the wallet."""
        if not amount:
            return
        self._incomes += 1
        account.wallet[asset] = account.wallet.get(asset, ZERO) + amount
        account.incomes.append(IncomeRow(account.name, self._incomes, what, symbol, amount, asset, info, self.now_ms))
        self.unsafe[account.name] = None

    def fee(self, account: Account, value: Decimal, rate: Decimal) -> tuple[Decimal, str]:
        """Work out the fee of a trade, and what it is taken in."""
        fee = value * rate
        bnb = self.pits.get(f"{BNB}{QUOTE}")
        if account.fees_in_bnb and bnb is not None:
            in_bnb = money(ratio(fee, bnb.point.mark))
            if in_bnb <= account.wallet.get(BNB, ZERO):
                return in_bnb, BNB
        return money(fee), QUOTE

    def position(self, account: Account, symbol: str) -> PositionRow:
        """Show what an account holds of a symbol."""
        holding, mark = account.holdings[symbol], self.pits[symbol].point.mark
        return PositionRow(
            account.name, symbol, holding.quantity, holding.entry_price, mark, money(holding.unrealized(mark)),
            money(liquidation_price(account, self.pits, symbol)), holding.leverage, holding.isolated, holding.updated_ms,
        )  # fmt: skip

    def tell_order(self, row: OrderRow, execution: Execution, trade: TradeRow | None = None) -> None:
        """Tell what happened to an order."""
        self.updates.append(OrderUpdate(copy(row), execution, trade, self.now_ms))

    def tell_algo(self, row: AlgoRow) -> None:
        """Tell what happened to a conditional order."""
        became = self.accounts[row.account].order(row.symbol, row.order_id, None) if row.order_id else None
        self.updates.append(AlgoUpdate(copy(row), self.now_ms, copy(became)))

    def tell_account(
        self, account: Account, reason: Reason, assets: Iterable[str], symbols: Iterable[str] = (), moved: Decimal = ZERO
    ) -> None:
        """Tell what an account has now. As on the exchange, what moved leaves profit and fees out: those are told with the trades."""
        balances = tuple((asset, account.wallet.get(asset, ZERO), moved) for asset in assets)
        positions = tuple(self.position(account, symbol) for symbol in symbols)
        self.updates.append(AccountUpdate(account.name, reason, balances, positions, self.now_ms))
