"""A rough market: an exchange and models that do everything at the wrong time.

Decides: what the small numbers of an `Act` mean to prices, signals, orders and trades: fills early, late, twice, over, in parts, for orders nobody
knows; cancels that get no answer; marks that jump, come late or not at all. Leaves to others: operators and money (adversary), and what must hold
whatever happens (invariants).
"""

from decimal import Decimal
from typing import Any

from streams.desk.desk import Outcome
from streams.desk.messages import Control, EquityReport, Fill, TapeEvent
from streams.desk.outputs import Cancel, Order, Output
from streams.desk.state import State
from tests.acts import Act
from tests.desk_kit import SYMBOLS, Rig, dec

ACCOUNTS = ("bob", "carl", "alice")  # not in the order of their names: nothing may depend on who came first
PRICES = {"BTCUSDT": dec("100"), "ETHUSDT": dec("50"), "SOLUSDT": dec("1"), "BNBUSDT": dec("10")}
CENT, STEP = dec("0.0001"), dec("0.001")


class Observer:
    """Sees every state before and every outcome after an event is stepped."""

    def before(self, state: State) -> None:
        """Look at the state the next event is going to meet."""

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Judge what came of it."""


class RoughMarket(Rig):
    """Plays what happens on an exchange. Three accounts; BNB has no price until somebody marks it, so fees in it are owed at first."""

    def __init__(self, *observers: Observer) -> None:
        """Start with an empty desk."""
        super().__init__()
        self.observers = observers
        self.price = dict(PRICES)
        self.unmarked = {"BNBUSDT"}
        self.placed: list[Order] = []
        self.cancelled: list[str] = []
        self.fills: list[Fill] = []
        self.own: list[Control | EquityReport] = []

    def feed_event(self, event: TapeEvent) -> list[Output]:
        """Step, and remember what can be answered."""
        for observer in self.observers:
            observer.before(self.state)
        outputs = super().feed_event(event)
        for output in outputs:
            if isinstance(output, Order):
                self.placed.append(output)
            elif isinstance(output, Cancel):
                self.cancelled = [*self.cancelled[-24:], output.order_id]
            elif isinstance(output, Control | EquityReport):
                self.own.append(output)
        del self.placed[:-24], self.fills[:-12], self.own[:-2]
        for observer in self.observers:
            observer.after(event, self.last)
        return outputs

    def _account(self, number: int) -> str:
        return ACCOUNTS[number % 3]

    def _symbol(self, number: int) -> str:
        return SYMBOLS[number % 4]

    def _move(self, symbol: str, permille: int, up: int, down: int) -> None:
        base = PRICES[symbol]
        price = self.price[symbol] * (1000 + permille) / 1000
        price = min(max(price, base / 10), base * 10).quantize(CENT)
        self.price[symbol] = price
        self.unmarked.discard(symbol)
        half = price / 4000
        self.mark(
            symbol, price, high=(price * (1000 + up) / 1000).quantize(CENT) + CENT, low=(price * (1000 - down) / 1000).quantize(CENT) - CENT,
            bid=(price - half).quantize(CENT), ask=(price + half).quantize(CENT) + CENT, funding_rate=dec(permille) / 50_000,
        )  # fmt: skip

    def do_mark(self, act: Act) -> None:
        self._move(self._symbol(act.a), act.b % 31 - 15, act.c % 7, act.c // 7 % 9)

    def do_gap(self, act: Act) -> None:
        self._move(self._symbol(act.a), act.b % 500 - 250, act.c % 60, act.c // 60 % 16 * 20)

    def do_tick(self, act: Act) -> None:
        """Let a second pass, with or without prices."""
        known = (
            {} if act.a % 4 == 0 else {symbol: str(price) for symbol, price in self.price.items() if symbol not in self.unmarked}
        )
        self.tick(1 + act.b % 2, known)

    def do_wait(self, act: Act) -> None:
        """Let nothing happen, ticks or not."""
        if act.b % 3 == 0:
            self.now_ms += act.a % 90 * 1000
        self.tick(1 + act.a % 12)

    def do_signal(self, act: Act) -> None:
        side = ("LONG", "LONG", "SHORT", "SHORT", "CLOSE")[act.b % 5]
        sure = dec(500 + act.c % 500) / 1000
        symbol = self._symbol(act.a // 3)
        atr = (self.price[symbol] * (1 + act.c % 40) / 1000).quantize(CENT) or CENT
        regime = ("TREND", "RANGE", "VOLATILE")[act.c % 3]
        self.signal(
            side,
            symbol,
            self._account(act.a),
            confidence=sure,
            atr=atr,
            regime=regime,
            ts=self.now_ms - (0, 0, 0, 0, 0, 0, 1, 2, 6)[act.b // 5 % 9] * 1000,
        )

    def do_flood(self, act: Act) -> None:
        """Wish for more than a second takes."""
        for number in range(4 + act.a % 5):
            self.do_signal(Act("signal", act.a + 3 * number, act.b + number, act.c + 37 * number))

    def _order(self, act: Act) -> Order | None:
        """Choose an order, rather one that is open."""
        still_open = [order for order in self.placed if order.order_id in self.state.accounts[order.account].orders]
        among = self.placed if act.a % 7 == 0 else still_open
        return among[act.a % len(among)] if among else None

    def do_fill(self, act: Act) -> None:
        """Fill an order in a part, whole, or too much."""
        order = self._order(act)
        if order is not None:
            share = (1, 2, 3, 4, 4, 4, 4, 6)[act.b % 8]
            quantity = max(STEP, (order.quantity * share / 4).quantize(STEP))
            self._trade(order.order_id, order.account, order.symbol, order.side, quantity, act.c, order.limit_price)

    def do_fill_all(self, act: Act) -> None:
        """Fill every open order of an account to its end."""
        for order in list(self.state.accounts[self._account(act.a)].orders.values()):
            if order.rest:
                self._trade(order.order_id, self._account(act.a), order.symbol, order.side, order.rest, act.c, order.limit_price)

    def _trade(
        self, order_id: str, account: str, symbol: str, side: Any, quantity: Decimal, chance: int, price: Decimal | None = None
    ) -> None:
        base = symbol.removesuffix("USDT")
        price = ((price or self.price[symbol]) * (2000 + chance % 3 - 1) / 2000).quantize(CENT)
        value = quantity * price
        fees = (
            ("0", "BNB" if chance % 4 == 0 else "USDT"),
            (value / 2500, "USDT"),
            (quantity / 1000, base),
            (value / 30000, "BNB"),
            (-value / 9000, "USDT"),
            ("0.01", "BNB"),
        )
        fee, currency = Decimal(fees[chance % 6][0]).quantize(CENT), fees[chance % 6][1]
        fill = Fill("sim", f"t{self.number()}", account, symbol, order_id, side, price, quantity, fee, currency, self.now_ms)
        self.fills.append(fill)
        self.feed(fill)

    def do_again(self, act: Act) -> None:
        """Report a trade again: as it was, or as something else."""
        if self.fills:
            fill = self.fills[act.a % len(self.fills)]
            self.feed(fill if act.b % 2 else fill._replace(quantity=fill.quantity + STEP))

    def do_external(self, act: Act) -> None:
        """Trade without an order of ours, or under the id of an order of something else."""
        order = self._order(act) if act.c % 4 == 0 else None
        order_id = order.order_id if order else f"x{act.c % 5}"
        symbol = self._symbol(act.b)
        quantity = (dec(50 + act.b % 900) / PRICES[symbol]).quantize(STEP)
        self._trade(order_id, self._account(act.a), symbol, "BUY" if act.a % 2 else "SELL", quantity, act.c)

    def do_event(self, act: Act) -> None:
        order = self._order(act)
        if order is not None:
            kinds = ("ACKNOWLEDGED", "REJECTED", "CANCELLED", "EXPIRED", "UNKNOWN", "CANCEL_REJECTED")
            self.event(order, kinds[act.b % 6], order.account)

    def do_answer(self, act: Act) -> None:
        """Answer every cancel an account waits for."""
        for order in list(self.state.accounts[self._account(act.a)].orders.values()):
            if order.order_id in self.cancelled:
                self.event(order.order_id, "CANCELLED", self._account(act.a))
