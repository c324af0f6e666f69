"""A plain exchange in this process: takes orders and cancels, answers with order events, fills and payments.

Decides: which orders are accepted, when and at what price they trade, in which parts, what fee is taken in which coin, and how long every
answer takes, all from one seed and the marks it is shown. Nothing happens twice and nothing is lost here; repeats and gaps are made by the
world. Leaves to others: the books' arithmetic (books), when answers reach the tape (world).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from random import Random
from typing import Literal, NamedTuple, Protocol

from connectors.exchange.simulator.records import QUOTE
from streams.desk.messages import AccountEvent, Body, Fill, Mark, OrderEvent, OrderSide
from streams.desk.outputs import Cancel, Order
from streams.simulation.books import Books
from streams.simulation.market import Market, below

VENUE = "SIM"
BNB = "BNB"
MAKER_FEE, TAKER_FEE = Decimal("0.0002"), Decimal("0.0005")
FeeCurrency = Literal["USDT", "BASE", "BNB"]
"""What an account's fees are taken in. BNB falls back to USDT while it has no price."""
_FEE_GRID = Decimal("0.00000001")
_ROUND = Context(prec=60, rounding=ROUND_HALF_EVEN)
_SETTLE_MS = 4_000
"""After this long an unknown order's fate is known."""
_SLOW_FILL_MS = 2_500
"""How late a slow trade report is: later than the answer to a cancel, so that fills come after it."""

Reply = tuple[int, Body]
"""When an answer reaches the tape, and the answer."""


class FillStyle(NamedTuple):
    """How an order is going to trade: how long it queues, in how many parts, and after how many parts it gets stuck."""

    wait_ms: int
    parts: int
    stuck_after: int | None = None


class Odds(NamedTuple):
    """How often, in 10,000, an order meets trouble."""

    rejected: int = 60
    unknown: int = 40
    expired: int = 30
    cancel_rejected: int = 60
    slow_fill: int = 80


ORDINARY = Odds()


class Exchange(Protocol):
    """What the world needs of an exchange."""

    books: Books

    def place(self, order: Order, now_ms: int) -> Sequence[Reply]:
        """Take an order."""
        ...

    def cancel(self, cancel: Cancel, now_ms: int) -> Sequence[Reply]:
        """Take a wish to cancel."""
        ...

    def match(self, mark: Mark, now_ms: int) -> Sequence[Reply]:
        """See a new price."""
        ...

    def pay_funding(self, symbol: str, now_ms: int) -> Sequence[Reply]:
        """Let the funding time of a symbol pass."""
        ...


Style = Callable[[Random, Order], FillStyle]


def natural_style(chance: Random, order: Order) -> FillStyle:
    """Trade as a middling exchange does: most orders whole, some in parts, some limit orders never."""
    parts = 1 + (0, 0, 0, 0, 1, 1, 2, 4)[chance.getrandbits(3)]
    if order.type == "MARKET":
        return FillStyle(0, parts)
    luck = below(chance, 100)
    if luck < 25:
        return FillStyle(0, parts, stuck_after=0 if luck < 18 else 1)
    return FillStyle(below(chance, 1_200), parts)


def _in_quote(_account: str) -> FeeCurrency:
    return QUOTE


@dataclass(slots=True, eq=False)
class _Resting:
    order: Order
    exchange_id: str
    rest: Decimal
    style: FillStyle
    from_ms: int
    """Its place in the queue is reached then."""
    parts_done: int = 0


@dataclass(slots=True)
class Venue:
    """The exchange. Holds open orders only: what is terminal is forgotten, so its size is the desk's open orders."""

    seed: int
    markets: Mapping[str, Market]
    fee_currency: Callable[[str], FeeCurrency] = _in_quote
    style: Style = natural_style
    odds: Odds = ORDINARY
    books: Books = field(default_factory=Books)
    _chance: Random = field(init=False)
    _open: dict[str, _Resting] = field(default_factory=dict)
    _by_symbol: dict[str, list[_Resting]] = field(default_factory=dict)
    _marks: dict[str, Mark] = field(default_factory=dict)
    _serial: int = 0

    def __post_init__(self) -> None:
        """Seed the exchange's own chance."""
        self._chance = Random(f"{self.seed}/venue")

    @property
    def open_orders(self) -> int:
        """Count what rests."""
        return len(self._open)

    def place(self, order: Order, now_ms: int) -> Sequence[Reply]:
        """Take an order: reject it, lose sight of it, trade it, or let it rest."""
        luck = below(self._chance, 10_000)
        exchange_id = self._next("x")
        answered_ms = now_ms + self._latency_ms()
        mark = self._marks.get(order.symbol)
        if order.symbol not in self.markets or mark is None or luck < self.odds.rejected:
            return [(answered_ms, self._event(order, "REJECTED", "", "insufficient margin" if mark else "no market", now_ms))]
        luck -= self.odds.rejected
        if luck < self.odds.unknown:
            found = luck * 2 < self.odds.unknown
            replies: list[Reply] = [(answered_ms, self._event(order, "UNKNOWN", "", "time-out", now_ms))]
            settled_ms = now_ms + _SETTLE_MS
            if not found:
                return [*replies, (settled_ms, self._event(order, "REJECTED", "", "not found twice", settled_ms))]
            return replies + self._accept(order, exchange_id, mark, now_ms, settled_ms)
        return self._accept(order, exchange_id, mark, now_ms, answered_ms)

    def cancel(self, cancel: Cancel, now_ms: int) -> Sequence[Reply]:
        """Cancel what rests. What is no longer open answers by the reports that are under way."""
        resting = self._open.get(cancel.order_id)
        if resting is None:
            return []
        answered_ms = now_ms + self._latency_ms()
        if below(self._chance, 10_000) < self.odds.cancel_rejected:
            return [(answered_ms, self._event(resting.order, "CANCEL_REJECTED", resting.exchange_id, "try again", now_ms))]
        self._forget(resting)
        return [(answered_ms, self._event(resting.order, "CANCELLED", resting.exchange_id, cancel.reason, now_ms))]

    def match(self, mark: Mark, now_ms: int) -> Sequence[Reply]:
        """Trade the resting orders that this price reaches, one part each."""
        self._marks[mark.symbol] = mark
        resting = self._by_symbol.get(mark.symbol)
        if not resting:
            return ()
        replies: list[Reply] = []
        low, high = min(mark.low, mark.ask), max(mark.high, mark.bid)
        for one in list(resting):
            limit = one.order.limit_price
            assert limit is not None
            if limit < low if one.order.side == "BUY" else limit > high:
                continue
            if now_ms >= one.from_ms and (one.style.stuck_after is None or one.parts_done < one.style.stuck_after):
                replies += self._trade_part(one, limit, MAKER_FEE, now_ms, now_ms + self._latency_ms())
        return replies

    def pay_funding(self, symbol: str, now_ms: int) -> Sequence[Reply]:
        """Make every holder of a symbol pay or receive its funding."""
        mark = self._marks.get(symbol)
        if mark is None:
            return []
        replies: list[Reply] = []
        for account in self.books.accounts():
            held = self.books.position(account, symbol)
            amount = _ROUND.quantize(-held * mark.mark * mark.funding_rate, _FEE_GRID)
            if amount:
                note = f"funding {mark.funding_rate}"
                event = AccountEvent(
                    self._next("f"), account, "FUNDING", symbol, amount, Decimal(0), mark.mark, None, note, now_ms
                )
                self.books.note(event)
                replies.append((now_ms + self._latency_ms(), event))
        return replies

    def _accept(self, order: Order, exchange_id: str, mark: Mark, now_ms: int, answered_ms: int) -> list[Reply]:
        style = self.style(self._chance, order)
        resting = _Resting(order, exchange_id, order.quantity, style, now_ms + style.wait_ms)
        replies: list[Reply] = [(answered_ms, self._event(order, "ACKNOWLEDGED", exchange_id, "", now_ms))]
        if order.type == "MARKET":
            return replies + self._sweep(resting, mark, now_ms, answered_ms)
        if below(self._chance, 10_000) < self.odds.expired:
            return [*replies, (answered_ms + 500, self._event(order, "EXPIRED", exchange_id, "self-match", now_ms))]
        self._open[order.order_id] = resting
        self._by_symbol.setdefault(order.symbol, []).append(resting)
        return replies

    def _sweep(self, resting: _Resting, mark: Mark, now_ms: int, answered_ms: int) -> list[Reply]:
        """Trade a market order against the book, each part a little worse; what cannot reduce expires."""
        order, tick = resting.order, self.markets[resting.order.symbol].tick
        replies: list[Reply] = []
        self._open[order.order_id] = resting
        reached_ms = answered_ms + (self._latency_ms() // 2 if below(self._chance, 16) else -10)
        while order.order_id in self._open:
            away = tick * (resting.parts_done + below(self._chance, 2))
            price = mark.ask + away if order.side == "BUY" else max(tick, mark.bid - away)
            part = self._trade_part(resting, price, TAKER_FEE, now_ms, reached_ms)
            if not part:
                self._forget(resting)
                replies.append((reached_ms + 5, self._event(order, "EXPIRED", resting.exchange_id, "nothing to reduce", now_ms)))
            replies += part
            reached_ms += 3 + below(self._chance, 40)
        return replies

    def _trade_part(self, resting: _Resting, price: Decimal, rate: Decimal, now_ms: int, reached_ms: int) -> list[Reply]:
        order, market = resting.order, self.markets[resting.order.symbol]
        most = resting.rest
        if order.reduce_only:
            held = self.books.position(order.account, order.symbol)
            most = min(most, max(Decimal(0), -held if order.side == "BUY" else held))
            if not most:
                return []
        quantity = self._part(most, market.step, resting.style.parts - resting.parts_done)
        resting.rest -= quantity
        resting.parts_done += 1
        if not resting.rest:
            self._forget(resting)
        fee, currency = self._fee(order.account, market, quantity, price, rate)
        self.books.trade(order.account, order.symbol, quantity if order.side == "BUY" else -quantity, price)
        if currency == QUOTE:
            self.books.pay(order.account, fee)
        elif currency == market.base:
            self.books.shrink(order.account, order.symbol, fee)
        if below(self._chance, 10_000) < self.odds.slow_fill:
            reached_ms += _SLOW_FILL_MS
        side: OrderSide = order.side
        trade_id = str(self._serial_up())
        fill = Fill(VENUE, trade_id, order.account, order.symbol, order.order_id, side, price, quantity, fee, currency, now_ms)
        return [(reached_ms, fill)]

    def _part(self, most: Decimal, step: Decimal, parts_left: int) -> Decimal:
        """Cut off a part of seeded size on the quantity grid."""
        steps = int(most / step)
        if parts_left <= 1 or steps <= 1:
            return most
        return step * max(1, steps * (60 + below(self._chance, 81)) // (100 * parts_left))

    def _fee(self, account: str, market: Market, quantity: Decimal, price: Decimal, rate: Decimal) -> tuple[Decimal, str]:
        wanted = self.fee_currency(account)
        if wanted == "BASE":
            return _ROUND.quantize(quantity * rate, _FEE_GRID), market.base
        fee = quantity * price * rate
        coin = self._marks.get(f"{BNB}{QUOTE}")
        if wanted == BNB and coin is not None:
            return _ROUND.quantize(_ROUND.divide(fee, coin.mark), _FEE_GRID), BNB
        return _ROUND.quantize(fee, _FEE_GRID), QUOTE

    def _forget(self, resting: _Resting) -> None:
        if self._open.pop(resting.order.order_id, None) is not None and resting.order.type == "LIMIT":
            self._by_symbol[resting.order.symbol].remove(resting)

    def _event(self, order: Order, kind: str, exchange_id: str, reason: str, ts: int) -> OrderEvent:
        return OrderEvent(self._next("e"), order.account, order.order_id, kind, order.attempt, exchange_id, reason, ts)  # type: ignore[arg-type]  # callers pass literals

    def _latency_ms(self) -> int:
        return 15 + (self._chance.getrandbits(32) & 63)

    def _serial_up(self) -> int:
        self._serial += 1
        return self._serial

    def _next(self, prefix: str) -> str:
        return f"{prefix}{self._serial_up()}"
