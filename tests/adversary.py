"""Tapes nobody would wish for: a rough market, with operators and payments that come in any order.

Decides: what the small numbers of an `Act` mean to a desk in its present state: commands, corrections and records sent again, by anybody at any time.
A list of acts is a tape. Leaves to others: the market (rough_market), and what must hold whatever happens (invariants).
"""

from typing import Any

from streams.desk.messages import (
    AccountEvent,
    CloseAccount,
    ClosePosition,
    Command,
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
    Trip,
    Unreadable,
)  # fmt: skip
from streams.desk.policy_check import document_hash
from streams.simulation.policies import PHASE
from tests.acts import Act
from tests.desk_kit import SYMBOLS, dec
from tests.hurried_policy import TIGHT, VARIANTS, policy_document
from tests.rough_market import ACCOUNTS, CENT, PRICES, STEP, Observer, RoughMarket


class Adversary(RoughMarket):
    """Plays acts of all kinds."""

    def __init__(self, *observers: Observer) -> None:
        """Start with an empty desk."""
        super().__init__(*observers)
        self.adjusted: list[tuple[str, str]] = []
        self.versions = 0

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
        written = policy_document(VARIANTS[self.versions * 7 % 4])
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
        symbol, nan = self._symbol(act.a), dec("NaN")
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
