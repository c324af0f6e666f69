"""What is counted and kept of a running demo: figures, the accounts' last pictures, curves, decisions worth showing.

Decides: that what a worker says again after a restart counts once, and how much is kept for showing: memory does not grow. Leaves to others: reading
the records (demo_run), drawing (demo_view).
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from streams.cli.view_words import total_equity
from streams.desk.messages import EVERY_ACCOUNT, Body, Fill, Mark, Signal
from streams.desk.outputs import DeadLetter, Decision, Order, Portfolio

SAMPLES_MAX = 240
"""A point every two seconds: eight minutes in a curve, then the oldest leave."""
RECENT_MAX = 60
"""Decisions kept for showing: as many as a tall terminal has lines."""
TRADE_IDS_MAX = 10_000
"""Trades remembered to know repeats: hours of them. What is said again after a restart is seconds old."""

Place = tuple[int, int]
"""Tape offset and number of an output."""


class Share(NamedTuple):
    """What an output is known by, besides its place."""

    topic: str
    partition: int


class Tally:
    """Counts what goes in and comes out. Takes the records of the accounts it is about, and of all together."""

    def __init__(self, accounts: Sequence[str], host: int = 0) -> None:
        """Begin with nothing seen. What every partition says of a command to all is shown as the host says it, the partition of `*`."""
        self._host = host
        self._accounts = frozenset((*accounts, EVERY_ACCOUNT))
        self.signals = self.orders = self.fills = self.decisions = self.dead_letters = self.records = self.trips = 0
        self.refused: Counter[str] = Counter()
        self.portfolios: dict[str, Portfolio] = {}
        self._every: dict[int, Portfolio] = {}
        self.recent: deque[Decision] = deque(maxlen=RECENT_MAX)
        self.worth: deque[Decimal] = deque(maxlen=SAMPLES_MAX)
        self.curves: dict[str, deque[Decimal]] = {}
        self.opening: dict[str, Decimal] = {}
        self.prices: dict[str, Decimal] = {}
        self._last: dict[Share, Place] = {}
        self._trades: dict[tuple[str, str, str], None] = {}

    def sent(self, body: Body) -> None:
        """Count what was published."""
        self.records += 1
        self.signals += isinstance(body, Signal)

    def priced(self, mark: Mark) -> None:
        """Take a price; the first one is what the market opened at."""
        self.prices[mark.symbol] = mark.mark
        self.opening.setdefault(mark.symbol, mark.mark)

    def ordered(self, partition: int, order: Order) -> None:
        """Count an order of the desk."""
        if order.account in self._accounts:
            self.orders += self.new(Share("orders", partition), order.offset, order.n)

    def traded(self, fill: Fill) -> None:
        """Count a trade of the exchange."""
        trade = (fill.account, fill.symbol, fill.trade_id)
        if fill.account not in self._accounts or trade in self._trades:
            return
        self.fills += 1
        self._trades[trade] = None
        if len(self._trades) > TRADE_IDS_MAX:
            del self._trades[next(iter(self._trades))]

    def held(self, account: str) -> Mapping[str, Decimal]:
        """Give what an account holds, as it was last pictured."""
        known = self.portfolios.get(account)
        return {} if known is None else {held.symbol: held.quantity for held in known.positions}

    def new(self, share: Share, offset: int, n: int) -> bool:
        """Tell whether an output has not been seen: those of a partition come in their order, again only after a restart."""
        place = (offset, n)
        if place <= self._last.get(share, (-1, -1)):
            return False
        self._last[share] = place
        return True

    def decided(self, partition: int, decision: Decision) -> bool:
        """Take a decision; tells whether it is new."""
        if decision.account and decision.account not in self._accounts:
            return False
        if not self.new(Share("decisions", partition), decision.offset, decision.n):
            return False
        self.decisions += 1
        if decision.verdict in ("REFUSED", "DROPPED"):
            self.refused[decision.code] += 1
        self.trips += decision.kind == "ESS" and decision.code == "TRIPPED"
        if decision.code != "POLICY" and (decision.account not in ("", EVERY_ACCOUNT) or partition == self._host):
            self.recent.append(decision)
        return True

    def pictured(self, partition: int, portfolio: Portfolio) -> None:
        """Take an account's picture; the newest counts."""
        if portfolio.account == EVERY_ACCOUNT:
            self._every[partition] = portfolio
            return
        known = self.portfolios.get(portfolio.account)
        if portfolio.account in self._accounts and (known is None or (known.offset, known.n) <= (portfolio.offset, portfolio.n)):
            self.portfolios[portfolio.account] = portfolio

    @property
    def total_stop(self) -> tuple[str, int]:
        """Give the stop over all accounts and what is left of its cooldown: a partition that has tripped counts before one that has not heard yet."""
        every = max(self._every.values(), key=lambda one: (one.ess_state != "ARMED", one.ess_left_s), default=None)
        return ("ARMED", 0) if every is None else (every.ess_state, every.ess_left_s)

    def buried(self, partition: int, letter: DeadLetter) -> None:
        """Count a dead letter."""
        self.dead_letters += self.new(Share("dead-letters", partition), letter.offset, letter.n)

    def sample(self) -> None:
        """Add a point to every curve."""
        for symbol, price in self.prices.items():
            self.curves.setdefault(symbol, deque(maxlen=SAMPLES_MAX)).append(price)
        worth = total_equity(self.accounts)
        if worth is not None and self.portfolios:
            self.worth.append(worth)

    @property
    def accounts(self) -> list[Portfolio]:
        """Give the accounts as they were last pictured, by name."""
        return [self.portfolios[name] for name in sorted(self.portfolios)]
