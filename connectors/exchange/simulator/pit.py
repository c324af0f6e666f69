"""A market as it stands: its price, its book, who waits in it.

Decides: the last price: where the market's own trades are while its price moves, up at the ask, down at the bid. Leaves to others: all that happens
because of it.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from connectors.exchange.simulator.book import Book
from connectors.exchange.simulator.candles import Tape
from connectors.exchange.simulator.ladder import Ladder
from connectors.exchange.simulator.ports import PricePoint
from connectors.exchange.simulator.records import AlgoRow, OrderRow, Quote, Symbol, WorkingType


@dataclass(slots=True)
class Trailing:
    """A trailing stop that waits: whether it follows the price yet, and the best price it has followed it to."""

    algo: AlgoRow
    follows: bool
    best: Decimal


@dataclass(slots=True)
class Triggers:
    """Conditional orders that look at one kind of price."""

    rising: Ladder[AlgoRow] = field(default_factory=lambda: Ladder(rises=True))
    falling: Ladder[AlgoRow] = field(default_factory=lambda: Ladder(rises=False))
    trailing: dict[int, Trailing] = field(default_factory=dict)


@dataclass(slots=True)
class Pit:
    """One market, as it stands."""

    symbol: Symbol
    point: PricePoint
    book: Book
    tape: Tape
    last: Decimal
    next_funding_ms: int
    buys: Ladder[OrderRow] = field(default_factory=lambda: Ladder(rises=False))
    sells: Ladder[OrderRow] = field(default_factory=lambda: Ladder(rises=True))
    triggers: dict[WorkingType, Triggers] = field(
        default_factory=lambda: {"MARK_PRICE": Triggers(), "CONTRACT_PRICE": Triggers()}
    )
    safe: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    """Between which marks an account needs no look at its margin."""
    trades: int = 0
    """Trade ids are a market's own, as on the exchange: two markets use the same ones."""

    def move(self, point: PricePoint, passed_ms: int, now_ms: int) -> None:
        """Go to a new price."""
        before = self.last
        rises = point.mark >= self.point.mark
        self.point = point
        self.book.move(point, now_ms)
        self.last = self.book.best("BUY" if rises else "SELL")
        self.tape.moved(before, self.last, passed_ms, now_ms)

    def price(self, working_type: WorkingType) -> Decimal:
        """Give the price conditional orders of a kind look at."""
        return self.point.mark if working_type == "MARK_PRICE" else self.last

    def waiting(self, row: OrderRow) -> Ladder[OrderRow]:
        """Give where an order rests."""
        return self.buys if row.side == "BUY" else self.sells

    def quote(self, now_ms: int) -> Quote:
        """Show the price."""
        point = self.point
        return Quote(
            self.symbol.symbol, point.mark, point.index_price, self.last, self.book.best("SELL"), self.book.best("BUY"), point.funding_rate,
            self.next_funding_ms, now_ms,
        )  # fmt: skip


def open_pit(symbol: Symbol, seed: int, point: PricePoint, now_ms: int) -> Pit:
    """Open a market at its first price."""
    book, interval_ms = Book(symbol, seed, point, now_ms), symbol.funding_interval_ms
    pit = Pit(symbol, point, book, Tape(symbol, now_ms), book.best("BUY"), (now_ms // interval_ms + 1) * interval_ms)
    pit.tape.traded(pit.last, symbol.step_size, now_ms)
    return pit
