"""Comparing an account with the exchange.

Decides: from when on an account's trades and payments are ours to say; what is looked at in a sweep, and in which order; when the next one is due:
soon after a reconnection or a difference, and else in turn, the more seldom the more accounts share the allowance; what foreign orders are, and
orders of ours that are open at the exchange although they are over here. A question that was not answered ends a sweep, and nothing is concluded
from it. Leaves to others: trades (counting), positions (differences), payments, stops (protecting), what a report means for an order (settling).

Wallets are looked at and kept as a figure. They cannot be compared exactly: a wallet moves with each trade's realised profit, which is rounded trade
by trade and which no list of trades carries here; only over a stretch with every symbol flat at both ends would sums have to agree, and then to as
many roundings as there were trades. What is compared exactly is what moves them: every trade with its fee, every payment. A foreign order that opens
and closes a position in a symbol nobody here has heard of, while no stream runs, is what this leaves out.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from streams.desk.values import ZERO
from streams.exchange.errors import ExchangeError, NotThere
from streams.exchange.port import OrderReport, Payment
from streams.pipeline.execution.counting import Counting
from streams.pipeline.execution.differences import AGREE_S, Differences
from streams.pipeline.execution.ledger_keys import EVERY
from streams.pipeline.execution.ledger_records import Cursor, StepRecord
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.payments import Payments
from streams.pipeline.execution.protecting import Protecting
from streams.pipeline.execution.trades import Trades
from streams.pipeline.execution.watch import Watch
from streams.pipeline.execution.words import order_id_of

AGAIN_S: Final = 5.0
"""Between two sweeps of an account at least, whatever happens: a stream that comes and goes must not eat the allowance."""
SEEN_MAX: Final = 10_000
"""Foreign orders of an executor that were told of. When they are forgotten all at once, those still open are told of again."""
BEFORE_MS: Final = 1_000
"""More than our idea of the exchange's time can be wrong by: no trade of our first order may seem to be from before."""


class Reconciling:
    """Compares accounts."""

    def __init__(self, means: Means, trades: Trades, protecting: Protecting, watch_of: Callable[[str], Watch | None]) -> None:
        """Compare with these. `watch_of` finds who follows an attempt, by its client id."""
        self._means, self._protecting, self._watch_of = means, protecting, watch_of
        self._counting = Counting(means, trades)
        self._differences = Differences(means, trades, self._counting)
        self._payments = Payments(means)
        self._began_s: dict[str, float] = {}
        self._due_s: dict[str, float] = {}
        self._symbols: dict[str, set[str]] = {}
        self._foreign: set[tuple[str, str]] = set()
        self._ghosts: dict[str, set[str]] = {}
        self.unexplained: set[str] = set()
        """Accounts with a difference that is not explained or said yet."""
        self.wallets: dict[str, dict[str, Decimal]] = {}
        """What is in the wallets, by account and currency, as of the last sweep."""

    def due(self, account: str, after_s: float = 0.0) -> None:
        """Have an account compared soon, unless that was done a moment ago."""
        at_s = max(self._means.clock() + after_s, self._began_s.get(account, float("-inf")) + AGAIN_S)
        self._due_s[account] = min(at_s, self._due_s.get(account, at_s))

    def is_due(self, account: str) -> bool:
        """Tell whether an account is to be compared."""
        return self._due_s.get(account, float("-inf")) <= self._means.clock()

    def begun(self, account: str) -> bool:
        """Tell whether it is known from when on an account's trades are ours to say."""
        return (account, EVERY) in self._means.ledger.cursors

    async def begin(self, account: str) -> None:
        """Have everything count from now on, the first time an account is served. Before that is durable no order of it is sent."""
        means, ledger = self._means, self._means.ledger
        if not self.begun(account):
            ts = means.exchange.now_ms() - BEFORE_MS
            paid = (ledger.keys.paid(account, EVERY), ledger.encode_step(StepRecord(ts, ZERO)))
            await means.outbox.note(paid, (ledger.keys.trades(account, EVERY), ledger.encode_cursor(Cursor(ts=ts))))

    def foreign(self, account: str, report: OrderReport) -> None:
        """Hear of an order nobody here follows: one of ours that is over, or somebody else's."""
        self._symbols.setdefault(account, set()).add(report.symbol)
        if order_id_of(report.client_id) or (account, report.exchange_id) in self._foreign:
            return
        if len(self._foreign) >= SEEN_MAX:
            self._foreign.clear()
        self._foreign.add((account, report.exchange_id))
        self._means.alert(
            f"account {account}: order {report.exchange_id} of {report.symbol} is not ours; its trades are booked as they come"
        )

    async def finish(self, account: str) -> None:
        """Say what was decided of an account and not said yet."""
        await self._differences.finish(account)

    async def pay(self, account: str, payment: Payment) -> None:
        """Say money that moved without a trade."""
        await self._payments.pay(account, payment)

    async def sweep(self, account: str) -> None:
        """Compare an account. Raises `ExchangeError` where a question was not answered: then nothing was found out."""
        began_s = self._began_s[account] = self._means.clock()
        self._due_s[account] = began_s + self._period_s()
        try:
            await self._sweep(account, began_s)
        except ExchangeError:
            self._due_s[account] = began_s
            raise

    async def _sweep(self, account: str, began_s: float) -> None:
        exchange = self._means.exchange
        await self._differences.finish(account)
        open_orders = {report.client_id: report for report in await exchange.open_orders(account)}
        await self._hear(account, open_orders.values())
        positions = {position.symbol: position for position in await exchange.positions(account)}
        await self._protecting.check(account, positions, await exchange.open_stops(account), began_s)
        symbols = self._known(account) | {report.symbol for report in open_orders.values()} | positions.keys()
        tallies = {symbol: await self._counting.count(account, symbol) for symbol in sorted(symbols)}
        if await self._differences.compare(account, positions, tallies, open_orders):
            self.unexplained.add(account)
            self.due(account, AGREE_S)
        else:
            self.unexplained.discard(account)
        await self._payments.sweep(account)
        self.wallets[account] = await exchange.balances(account)

    def _known(self, account: str) -> set[str]:
        """Give the symbols an account may have traded in."""
        ledger = self._means.ledger
        symbols = {symbol for name, symbol in ledger.cursors if name == account and symbol != EVERY}
        symbols |= {entry.order.symbol for entry in ledger.accounts.get(account, {}).values()}
        symbols |= ledger.adjustments.symbols(account)
        known = self._symbols.setdefault(account, set())
        known |= symbols
        return set(known)

    async def _hear(self, account: str, reports: Iterable[OrderReport]) -> None:
        """Pass on how open orders stand. One of ours nobody follows is over here: seen twice, it is taken back."""
        ghosts: set[str] = set()
        for report in reports:
            watch, known = self._watch_of(report.client_id), self._means.ledger.by_client_id.get(report.client_id)
            if watch is not None:
                watch.put(report)
            elif not order_id_of(report.client_id):
                self.foreign(account, report)
            elif known is None or known[1].done is not None:
                ghosts.add(report.client_id)
                if report.client_id in self._ghosts.get(account, ()):
                    await self._lay(account, report)
        self._ghosts[account] = ghosts
        if ghosts:
            self.due(account, AGREE_S)

    async def _lay(self, account: str, report: OrderReport) -> None:
        self._means.alert(f"account {account}: order {report.client_id} is open at the exchange and over here; it is taken back")
        try:
            await self._means.exchange.cancel(account, report.symbol, report.client_id)
        except NotThere:  # it has ended meanwhile; its trades are said by the count
            return

    def _period_s(self) -> float:
        """Give how long until an account's turn comes again: they do not all come at once."""
        limits = self._means.limits
        turn_s = min(max(limits.sweep_s, limits.sweep_account_s * len(self._means.brakes.accounts)), limits.sweep_s_max)
        return turn_s * (0.9 + self._means.chance.random() / 10)
