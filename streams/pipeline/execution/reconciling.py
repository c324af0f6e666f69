"""Comparing an account with the exchange.

Decides: what is looked at in a sweep: open orders, trades since the last one that was said. Leaves to others: when (accounts).
"""

from collections.abc import Callable
from typing import Final

from streams.desk.messages import AccountEvent
from streams.desk.values import ZERO
from streams.exchange.port import OrderReport, Payment, Trade
from streams.pipeline.execution.ledger import Cursor
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.trades import Trades
from streams.pipeline.execution.watch import Watch
from streams.pipeline.execution.words import order_id_of

EVERY_S: Final = 30.0
PAGE: Final = 500
"""Trades of one answer: there may be more behind as many."""


class Reconciling:
    """Compares accounts."""

    def __init__(self, means: Means, trades: Trades, watch_of: Callable[[str], Watch | None]) -> None:
        """Compare with these."""
        self._means, self._trades, self._watch_of = means, trades, watch_of
        self._due_s: dict[str, float] = {}
        self._foreign: set[tuple[str, str]] = set()

    def due(self, account: str) -> None:
        """Have an account compared now."""
        self._due_s[account] = self._means.clock()

    def is_due(self, account: str) -> bool:
        """Tell whether an account is to be compared."""
        return self._due_s.get(account, float("-inf")) <= self._means.clock()

    def foreign(self, account: str, report: OrderReport) -> None:
        """Hear of an order nobody here follows: one of ours that is over, or somebody else's."""
        if order_id_of(report.client_id) or (account, report.exchange_id) in self._foreign:
            return
        self._foreign.add((account, report.exchange_id))
        self._means.alert(f"account {account}: order {report.exchange_id} of {report.symbol} is not ours")

    async def pay(self, account: str, payment: Payment) -> None:
        """Say money that moved without a trade."""
        if payment.kind in ("FUNDING", "DEPOSIT", "WITHDRAWAL"):
            amount = abs(payment.amount) if payment.kind != "FUNDING" else payment.amount
            await self._means.outbox.say(
                AccountEvent(
                    f"{self._means.exchange.name}-{payment.payment_id}",
                    account,
                    payment.kind,
                    payment.symbol,
                    amount,
                    ZERO,
                    ZERO,
                    None,
                    "",
                    payment.ts,
                )
            )

    async def sweep(self, account: str) -> None:
        """Compare an account. Raises `ExchangeError` where a question was not answered: then nothing was found out."""
        began_s = self._means.clock()
        open_ids = set()
        for report in await self._means.exchange.open_orders(account):
            open_ids.add(report.client_id)
            watch = self._watch_of(report.client_id)
            if watch is None:
                self.foreign(account, report)
            else:
                watch.put(report)
        symbols = {symbol for name, symbol in self._means.ledger.cursors if name == account}
        symbols |= {position.symbol for position in await self._means.exchange.positions(account)}
        for entry in self._means.ledger.accounts.get(account, {}).values():
            symbols.add(entry.order.symbol)
        for symbol in sorted(symbols):
            await self._trades_of(account, symbol)
        if self._due_s.get(account, began_s) <= began_s:  # or it became due again meanwhile
            self._due_s[account] = began_s + EVERY_S

    async def _trades_of(self, account: str, symbol: str) -> None:
        ledger = self._means.ledger
        while True:
            cursor = ledger.cursors.get((account, symbol), Cursor())
            trades = await self._means.exchange.trades(account, symbol, after_id=cursor.trade_id)
            for trade in trades:
                await self._trades.say(account, trade, await self._client_id(account, trade))
                signed = trade.quantity if trade.side == "BUY" else -trade.quantity
                cursor = cursor._replace(trade_id=trade.trade_id, ts=trade.ts, position=cursor.position + signed)
            if trades:
                await self._means.outbox.note((ledger.keys.trades(account, symbol), ledger.encode_cursor(cursor)))
            if len(trades) < PAGE:
                return

    async def _client_id(self, account: str, trade: Trade) -> str:
        """Find out the name of a trade's order, which the list of trades leaves out."""
        if trade.client_id:
            return trade.client_id
        for report in await self._means.exchange.orders(account, trade.symbol, trade.ts - 1_000):
            if report.exchange_id == trade.exchange_id:
                return report.client_id
        return ""
