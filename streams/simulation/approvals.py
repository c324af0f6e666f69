"""Orders as a desk approves them, without a desk: for proving what execution makes of them.

Decides, all of it from one seed and the marks handed in: whose order is next, in which symbol and direction, whether it opens or reduces, at the
market or at a limit, how large (some larger than the book), and which are taken back. An order that reduces counts on all orders before it to fill:
some find nothing to reduce at the exchange, as happens. Leaves to others: when (the caller's clock), sending.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from streams.desk.messages import Instrument, Mark, OrderSide
from streams.desk.outputs import Cancel, Order
from streams.desk.turn import order_id
from streams.desk.values import AMOUNT_MAX, ZERO

EPOCH: Final = 1
LIMITS_PCT, REDUCING_PCT, LARGE_PCT, TAKEN_BACK_PCT = 40, 35, 12, 60
"""Shares of all orders: at a limit; of those that could reduce; larger than what is near; of the limits, taken back before they expire."""
USD = (200, 20_000)
LARGE_USD = (600_000, 1_500_000)
"""The thinnest market of the simulator holds some 900,000 USD a side, in 60 levels, and after a fall a quarter of it: these fill in many parts, and
some not whole."""
COLLAR = (Decimal("0.98"), Decimal("1.02"))
OUT_OF_REACH = (Decimal("1.5"), Decimal("1.6"))
"""A collar the price has left long ago."""
STOP_SHARE = Decimal("0.3")
"""How far away protective stops are: further than prices go in an hour."""
LIFE_MS = (4_000, 12_000)
NEAR_TICKS = (-3, 6)
"""Where limits are beside the best price: those beyond it take what is there and rest with what is left."""


class _Due(NamedTuple):
    at_ms: int
    cancel: Cancel


class Approvals:
    """Approves orders."""

    def __init__(self, seed: int, accounts: Sequence[str], symbols: Sequence[str], every_ms: int) -> None:
        """Begin with none. On the average one comes every so often; nothing comes before all symbols have a price."""
        self._chance = Random(f"{seed}/approvals")
        self._accounts, self._symbols, self._every_ms = accounts, symbols, every_ms
        self._marks: dict[str, Mark] = {}
        self._instruments: dict[str, Instrument] = {}
        self._counted_on: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self._due: list[_Due] = []
        self._offset = 0
        self._next_ms: int | None = None

    def take(self, news: Mark | Instrument) -> None:
        """Hear of a market."""
        if isinstance(news, Mark):
            self._marks[news.symbol] = news
        else:
            self._instruments[news.symbol] = news

    @property
    def ready(self) -> bool:
        """Tell whether all symbols are known."""
        return all(symbol in self._marks and symbol in self._instruments for symbol in self._symbols)

    def advance(self, now_ms: int) -> list[Order | Cancel]:
        """Give what is due."""
        if not self.ready:
            return []
        said: list[Order | Cancel] = self._taken_back(now_ms)
        self._next_ms = now_ms if self._next_ms is None else self._next_ms
        while self._next_ms <= now_ms:
            said.append(self._order(now_ms, COLLAR))
            self._next_ms += self._chance.randrange(2 * self._every_ms) + 1
        return said

    def out_of_reach(self, now_ms: int, each: int) -> list[Order]:
        """Give so many orders of every account whose prices have gone: they are refused before they are sent."""
        return [self._order(now_ms, OUT_OF_REACH, account) for account in self._accounts for _ in range(each)]

    def take_all_back(self, now_ms: int) -> list[Cancel]:
        """Take back all limits that may be open."""
        left, self._due = self._due, []
        return [self._cancel(one.cancel, now_ms) for one in left]

    def _order(self, now_ms: int, collar: tuple[Decimal, Decimal], account: str = "") -> Order:
        chance = self._chance
        account = account or chance.choice(self._accounts)
        mark = self._marks[chance.choice(self._symbols)]
        instrument = self._instruments[mark.symbol]
        counted_on = self._counted_on[account, mark.symbol]
        reduces = collar is COLLAR and bool(counted_on) and self._one_in_hundred(REDUCING_PCT)
        limit = self._one_in_hundred(LIMITS_PCT)
        side: OrderSide = ("SELL" if counted_on > ZERO else "BUY") if reduces else chance.choice(("BUY", "SELL"))
        quantity = self._quantity(mark, instrument, abs(counted_on) if reduces else None)
        self._offset += chance.randrange(1, 9)
        if collar is COLLAR:
            self._counted_on[account, mark.symbol] += quantity if side == "BUY" else -quantity
        away = STOP_SHARE if side == "SELL" else -STOP_SHARE
        life_ms = chance.randrange(*LIFE_MS)
        order = Order(
            order_id(EPOCH, account, self._offset, 1), account, self._offset, 1, mark.symbol, side, "LIMIT" if limit else "MARKET", quantity,
            self._limit_price(mark, instrument, side) if limit else None, reduces,
            None if reduces else _on_grid(mark.mark * (1 + away), instrument.tick_size), "crash", 0, 1, now_ms + life_ms if limit else 0,
            ZERO if reduces else mark.mark * collar[0], AMOUNT_MAX if reduces else mark.mark * collar[1], -1, -1, now_ms,
        )  # fmt: skip
        if limit:
            early_ms = chance.randrange(life_ms) if self._one_in_hundred(TAKEN_BACK_PCT) else life_ms
            self._due.append(_Due(now_ms + early_ms, Cancel(order.order_id, account, 0, 0, mark.symbol, "EXPIRED", now_ms)))
        return order

    def _quantity(self, mark: Mark, instrument: Instrument, held: Decimal | None) -> Decimal:
        """Choose a size: of what is held a part or all of it, else for some money."""
        large = self._one_in_hundred(LARGE_PCT)
        usd = self._chance.randrange(*(LARGE_USD if large else USD))
        wanted = usd / mark.mark if held is None else held * self._chance.choice((25, 50, 100)) / 100
        least = max(instrument.min_quantity, _on_grid(instrument.min_notional * 2 / mark.mark, instrument.step_size))
        return min(max(least, _on_grid(wanted, instrument.step_size)), instrument.max_quantity, instrument.max_market_quantity)

    def _limit_price(self, mark: Mark, instrument: Instrument, side: OrderSide) -> Decimal:
        ticks = self._chance.randrange(*NEAR_TICKS) * instrument.tick_size
        return mark.ask + ticks if side == "BUY" else mark.bid - ticks

    def _taken_back(self, now_ms: int) -> list[Order | Cancel]:
        due = [one for one in self._due if one.at_ms <= now_ms]
        self._due = [one for one in self._due if one.at_ms > now_ms]
        return [self._cancel(one.cancel, now_ms) for one in due]

    def _cancel(self, cancel: Cancel, now_ms: int) -> Cancel:
        self._offset += 1
        return cancel._replace(offset=self._offset, ts=now_ms)

    def _one_in_hundred(self, share_pct: int) -> bool:
        return self._chance.randrange(100) < share_pct


def _on_grid(value: Decimal, grid: Decimal) -> Decimal:
    """Round down to a grid."""
    return value // grid * grid
