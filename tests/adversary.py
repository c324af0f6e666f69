"""Tapes nobody would wish for: an exchange, operators and models that do everything at the wrong time.

Decides: what the small numbers of an `Act` mean to a desk in its present state: fills early, late, twice, over, in parts, for orders nobody knows;
cancels that get no answer; marks that jump, come late or not at all; commands in any order. A list of acts is a tape that hypothesis can
shrink. Leaves to others: what must hold whatever happens (invariants).
"""

from copy import deepcopy
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from streams.desk.desk import Outcome
from streams.desk.messages import (
    AccountEvent,
    CloseAccount,
    ClosePosition,
    Command,
    Control,
    Disable,
    Enable,
    EquityReport,
    Fill,
    ManualOrder,
    OpenAccount,
    PhaseChange,
    PolicyUpdate,
    Promotion,
    Reset,
    TapeEvent,
    Trip,
    Unreadable,
)  # fmt: skip
from streams.desk.outputs import Cancel, Order, Output
from streams.desk.policy_check import canonical, document_hash
from streams.desk.state import State
from streams.simulation.policies import PHASE, document
from tests.desk_kit import SYMBOLS, Rig, dec

ACCOUNTS = ("bob", "carl", "alice")  # not in the order of their names: nothing may depend on who came first
PRICES = {"BTCUSDT": dec("100"), "ETHUSDT": dec("50"), "SOLUSDT": dec("1"), "BNBUSDT": dec("10")}
TIGHT = "tight"
CENT, STEP = dec("0.0001"), dec("0.001")

_HURRIED: dict[str, dict[str, Any]] = {
    "throttle": {"signals_per_cycle": "3", "queue_max": "4"},
    "age": {"signal_s_max": "4", "mark_s_max": "4", "policy_s_max": "60"},
    "size": {"positions_max": "3", "max_exposure_usd": "5000", "leverage_max": "2"},
    "market": {"collar_pct_max": "3"},
    "orders": {"lifetime_s": "5", "retry_s": "2", "per_10s_max": "12", "open_max": "6"},
    "ess": {"cooldown_s": "6", "stale_mark_s": "9", "on_trip": "flatten"},
    "total": {"drawdown_pct": "9", "cooldown_s": "4", "report_s_max": "20"},
}
"""Everything that takes hours takes seconds here."""
_VARIANTS: tuple[dict[str, dict[str, Any]], ...] = (
    {},
    {"ess": {"on_trip": "hold", "drawdown_pct": "3"}, "orders": {"retry_s": "5"}},
    {
        "total": {"on_trip": "flatten", "drawdown_pct": "4"},
        "size": {"positions_max": "1", "max_position_usd": "700", "max_exposure_usd": "900"},
    },
    {"orders": {"retry_s": "1", "lifetime_s": "2"}, "crash": {"fall_pct": "6", "window_s": "8"}, "ess": {"stale_mark_s": "20"}},
)


class Act(NamedTuple):
    """Something that happens; what the numbers choose depends on the kind."""

    kind: str
    a: int = 0
    b: int = 0
    c: int = 0


class Observer:
    """Sees every state before and every outcome after an event is stepped."""

    def before(self, state: State) -> None:
        """Look at the state the next event is going to meet."""

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Judge what came of it."""


class Adversary(Rig):
    """Plays acts. Three accounts; BNB has no price until somebody marks it, so fees in it are owed at first."""

    def __init__(self, *observers: Observer) -> None:
        """Open the desk for business."""
        super().__init__()
        self.observers = observers
        self.price = dict(PRICES)
        self.unmarked = {"BNBUSDT"}
        self.placed: list[Order] = []
        self.cancelled: list[str] = []
        self.fills: list[Fill] = []
        self.adjusted: list[tuple[str, str]] = []
        self.own: list[Control | EquityReport] = []
        self.versions = 0

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

    def begin(self) -> None:
        """Make the desk ready, but for the price of BNB."""
        self.do_policy(Act("policy"))
        self.command("*", PhaseChange(PHASE, True))
        self.command("*", Enable())
        self.command("*", Promotion("heuristic", "LIVE"))
        for symbol in SYMBOLS:
            self.instrument(symbol, max_market_quantity=dec(900) if symbol == "SOLUSDT" else dec(5000))
            if symbol not in self.unmarked:
                self.mark(symbol, self.price[symbol])
        for account, balance in zip(ACCOUNTS, ("10000", "3000", "800"), strict=True):
            self.command(account, OpenAccount("sim", "keys/one", dec(3), dec(balance)))
            self.command(account, Enable())
        self.tick()

    def play(self, acts: list[Act]) -> None:
        """Let it all happen."""
        self.begin()
        for act in acts:
            getattr(self, f"do_{act.kind}")(act)

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

    def _whom(self, number: int) -> str:
        return "*" if number % 4 == 3 else self._account(number)

    def _say(self, account: str, command: Command, chance: int) -> None:
        """Give a command, seldom without a name or too late."""
        self.command(
            account, command, user="" if chance % 11 == 0 else "ann", ts=self.now_ms - (90_000 if chance % 13 == 0 else 0)
        )

    def do_switch(self, act: Act) -> None:
        self._say(self._whom(act.a), Disable() if act.b % 4 == 0 else Enable(), act.c)

    def do_trip(self, act: Act) -> None:
        self._say(self._whom(act.a), Trip(), act.c)

    def do_reset(self, act: Act) -> None:
        self._say(self._whom(act.a), Reset(bool(act.b % 4)), act.c)

    def do_policy(self, act: Act) -> None:
        """Publish limits: new ones, or the present ones again."""
        self.versions += act.b % 3 != 2 or not self.versions
        written = policy_document(_VARIANTS[self.versions * 7 % 4])
        self.command("*", PolicyUpdate(self.versions, document_hash(written), written))

    def do_phase(self, act: Act) -> None:
        self._say(self._whom(act.a), PhaseChange((PHASE, TIGHT, "nowhere")[act.b % 3], bool(act.b % 5)), act.c)

    def do_manual(self, act: Act) -> None:
        symbol = self._symbol(act.a // 4)
        price = self.price[symbol]
        quantity = (dec(20 + act.b % 1500) / price).quantize(STEP)
        limit = None if act.c % 2 else (price * (1000 + act.c % 9 - 4) / 1000).quantize(dec("0.01"))
        side: Any = "BUY" if act.b % 2 else "SELL"
        stop = (price * (90 if side == "BUY" else 110) / 100).quantize(dec("0.01")) if act.c % 5 else None
        order = ManualOrder(symbol, side, "MARKET" if limit is None else "LIMIT", quantity, limit, stop, act.c % 7 == 0)
        self._say(self._account(act.a), order, act.c)

    def do_close(self, act: Act) -> None:
        self._say(self._account(act.a), ClosePosition(None if act.b % 2 else self._symbol(act.b)), act.c)

    def do_service(self, act: Act) -> None:
        """Take an account out of service or back, or decide who may trade."""
        account = self._account(act.a)
        commands = (
            CloseAccount(),
            OpenAccount("sim", "keys/two", dec(2), dec(5)),
            Promotion("heuristic", "SHADOW"),
            Promotion("heuristic", "LIVE"),
        )
        self._say("*" if act.b % 4 > 1 else account, commands[act.b % 4], act.c)
        if act.c % 3:
            self._say("*" if act.b % 4 > 1 else account, commands[act.b % 4 | 1], act.a)

    def do_money(self, act: Act) -> None:
        """Move money or coins without a trade."""
        account, amount = self._account(act.a), dec(1 + act.b % 700) / 7
        amount = amount.quantize(CENT)
        kind = ("FUNDING", "FUNDING", "DEPOSIT", "WITHDRAWAL", "ADJUSTMENT", "ADJUSTMENT", "LIQUIDATION")[act.c % 7]
        body = AccountEvent(f"a{self.number()}", account, kind, None, amount, dec(0), dec(0), None, "", self.now_ms)  # type: ignore[arg-type]  # one of the seven above
        if kind == "FUNDING" and act.c % 2:
            body = body._replace(amount=-amount)
        if kind in ("ADJUSTMENT", "LIQUIDATION"):
            symbol = self._symbol(act.b)
            quantity = (amount / PRICES[symbol]).quantize(STEP)
            body = body._replace(
                symbol=symbol, quantity=-quantity if act.b % 2 else quantity, price=self.price[symbol], amount=dec(0)
            )
        self.feed(self._reversal(body) if kind == "ADJUSTMENT" and act.c % 2 else body)
        if kind == "ADJUSTMENT":
            self.adjusted = [*self.adjusted[-3:], (account, body.event_id)]

    def _reversal(self, body: AccountEvent) -> AccountEvent:
        for account, event_id in self.adjusted:
            if account == body.account:
                return body._replace(reverses=event_id)
        return body

    def do_loop(self, act: Act) -> None:
        """Bring back what the desk said to itself."""
        if self.own:
            body = self.own.pop(act.a % len(self.own))
            if isinstance(body, EquityReport) and act.b % 9 == 0:
                body = body._replace(equity=body.equity - 1_200)
            self.feed(body)

    def do_junk(self, act: Act) -> None:
        """Say what means nothing."""
        symbol, nan = self._symbol(act.a), Decimal("NaN")
        if act.b % 6 == 0:
            self.feed(Unreadable("NOT_AVRO", "x", None, b"\x00\xff"))
        elif act.b % 6 == 1:
            self.mark(symbol, nan)
        elif act.b % 6 == 2:
            self.mark(symbol, "7", ts=self.now_ms - 60_000)
        elif act.b % 6 == 3:
            self.signal("LONG", symbol, self._account(act.a), confidence=dec("1.5"))
        elif act.b % 6 == 4:
            self.signal("LONG", symbol, "mallory")
        else:
            self.feed(Fill("sim", "", "alice", symbol, "x", "BUY", nan, dec(1), dec(0), "USDT", self.now_ms))

    def do_resend(self, act: Act) -> None:
        """Send something again that was sent a little while ago: the same record, by a producer that did not know it had arrived."""
        self.feed(self.tape[-1 - act.a % min(12, len(self.tape))].body)

    def do_repeat(self, act: Act) -> None:
        """Forward a record again, as it stood or at a new place on the tape."""
        event = self.tape[-1]
        if act.a % 2 == 0:
            self.offset += 1
            event = event._replace(offset=self.offset)
        self.feed_event(event)


def policy_document(changes: dict[str, dict[str, Any]]) -> str:
    """Write limits of two phases, the second with less of everything."""
    written = document(SYMBOLS, **_HURRIED)
    for section, figures in changes.items():
        (written if section in written else written["phases"][PHASE])[section].update(figures)
    for rules in written["phases"][PHASE]["exits"].values():
        if isinstance(rules, dict):
            rules["hold_s_max"] = "25"
    tight = deepcopy(written["phases"][PHASE])
    tight["size"].update(positions_max="1", max_position_usd="300", max_exposure_usd="300")
    tight["ess"].update(drawdown_pct="1", on_trip="hold")
    tight["symbols"] = ["BTCUSDT", "SOLUSDT"]
    written["phases"][TIGHT] = tight
    return canonical(written)


WEIGHTS = {
    "mark": 20, "gap": 2, "tick": 14, "wait": 3, "signal": 22, "flood": 2, "fill": 12, "fill_all": 8, "again": 2, "external": 2, "event": 6,
    "answer": 4, "switch": 2, "trip": 1, "reset": 5, "policy": 2, "phase": 1, "manual": 4, "close": 2, "service": 1, "money": 4, "loop": 3,
    "junk": 1, "repeat": 2, "resend": 2,
}  # fmt: skip
KINDS = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]


def random_acts(seed: int, length: int, but_for: str = "") -> list[Act]:
    """Draw a tape by chance alone: longer ones than hypothesis would try."""
    chance = Random(seed)
    kinds = [kind for kind in KINDS if kind != but_for]
    return [
        Act(chance.choice(kinds), chance.randrange(1000), chance.randrange(1000), chance.randrange(1000)) for _ in range(length)
    ]
