"""A desk to test with: says inputs in the words of the domain and keeps the tape's order, stamps and positions by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from streams.desk.desk import Outcome, step
from streams.desk.messages import (
    AccountEvent,
    Body,
    Command,
    Control,
    Enable,
    Fill,
    Instrument,
    Mark,
    OpenAccount,
    OrderEvent,
    PhaseChange,
    PolicyUpdate,
    Promotion,
    Signal,
    TapeEvent,
    Tick,
)  # fmt: skip
from streams.desk.outputs import Cancel, Decision, Order, Output, Portfolio
from streams.desk.policy_check import canonical, document_hash
from streams.desk.state import Account, State, new_state
from streams.flow import TOPIC_OF
from streams.simulation.policies import PHASE, document

START_MS = 1_760_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")


def dec(value: str | int | Decimal) -> Decimal:
    """Make a Decimal of a literal."""
    return Decimal(value)


class Rig:
    """A desk with a virtual clock; `said` collects every output."""

    def __init__(self, state: State | None = None, **limits: dict[str, str]) -> None:
        """Start with an empty desk, or one that is given."""
        self.state = state or new_state(1, 0)
        self.limits = limits
        self.now_ms = max(START_MS, self.state.now_ms)
        self.offset = self.state.offset
        self.numbers = 0
        self.last: Outcome
        self.tape: list[TapeEvent] = []
        self.said: list[Output] = []

    def feed(self, body: Body, topic: str = "", source_offset: int | None = None) -> list[Output]:
        """Step one input at the present time."""
        self.offset += 1
        where = self.offset if source_offset is None else source_offset
        return self.feed_event(TapeEvent(self.offset, self.now_ms, topic or TOPIC_OF.get(type(body), "raw"), 0, where, body))

    def feed_event(self, event: TapeEvent) -> list[Output]:
        """Step one tape event as it is."""
        self.tape.append(event)
        self.last = step(self.state, event)
        self.said += self.last.outputs
        return self.last.outputs

    def number(self) -> int:
        """Give a number that was not given before."""
        self.numbers += 1
        return self.numbers

    def ready(self, *accounts: str, balance: str = "10000", leverage: str = "10", symbols: tuple[str, ...] = SYMBOLS) -> Rig:
        """Make everything known and switched on: policy, phase, instruments, marks, accounts."""
        self.policy(**self.limits)
        self.command("*", PhaseChange(PHASE, True))
        self.command("*", Enable())
        self.command("*", Promotion("heuristic", "LIVE"))
        for symbol in symbols:
            self.instrument(symbol)
            self.mark(symbol, "100")
        for account in accounts or ("alice",):
            self.command(account, OpenAccount("sim", "keys/alice", dec(leverage), dec(balance)))
            self.command(account, Enable())
        self.tick()
        return self

    def policy(self, version: int = 1, /, **limits: dict[str, str]) -> list[Output]:
        """Publish a policy."""
        written = canonical(document(SYMBOLS, **limits))
        return self.command("*", PolicyUpdate(version, document_hash(written), written))

    def command(self, account: str, command: Command, user: str = "ann", reason: str = "test", **fields: Any) -> list[Output]:
        """Give a command."""
        control = Control(f"c{self.number()}", account, user, reason, self.now_ms, command)
        return self.feed(control._replace(**fields))

    def instrument(self, symbol: str, **fields: Any) -> list[Output]:
        """Say what the exchange demands: ticks of 0.01, steps of 0.001, at least 5 USD."""
        base = symbol.removesuffix("USDT")
        given = Instrument(
            f"i{self.number()}", symbol, base, "USDT", dec("0.01"), dec("0.001"), dec("0.001"), dec(10000), dec(5000), dec(5), dec("1.15"),
            dec("0.85"), 200, dec("0.0002"), dec("0.0005"), 28800, self.now_ms + 28_800_000, self.now_ms,
        )  # fmt: skip
        return self.feed(given._replace(**fields))

    def mark(self, symbol: str, price: str | Decimal, **fields: Any) -> list[Output]:
        """Say a price, with a spread of 0.02 and a deep book."""
        self.now_ms += 1
        mark = dec(price)
        given = Mark(
            f"m{self.number()}",
            symbol,
            mark,
            mark,
            mark,
            mark - dec("0.01"),
            mark + dec("0.01"),
            dec(1_000_000),
            dec("0.0001"),
            self.now_ms,
        )
        changes: dict[str, Any] = {
            key: dec(value) if isinstance(value, str) and key != "mark_id" else value for key, value in fields.items()
        }
        return self.feed(given._replace(**changes))

    def tick(self, seconds: int = 1, marks: dict[str, str] | None = None) -> list[Output]:
        """Let seconds pass, one tick each; marks, where given, are said before each tick so that they stay fresh."""
        outputs: list[Output] = []
        for _ in range(seconds):
            self.now_ms = (self.now_ms // 1000 + 1) * 1000
            for symbol, price in (marks or {}).items():
                outputs += self.mark(symbol, price)
            outputs += self.feed(Tick(self.now_ms // 1000))
        return outputs

    def refresh(self) -> None:
        """Say every known price again."""
        for symbol, mark in list(self.state.marks.items()):
            self.mark(symbol, mark.mark)

    def signal(self, side: str = "LONG", symbol: str = "BTCUSDT", account: str = "alice", **fields: Any) -> list[Output]:
        """Wish for something, with everything about the signal good."""
        given = Signal(
            f"s{self.number()}", account, symbol, side, dec("0.9"), {"lstm": 0.8, "trees": 0.7}, dec("0.9"), "heuristic", False, "TREND",  # type: ignore[arg-type]  # sides outside the vocabulary are tested too
            dec("1"), self.now_ms,
        )  # fmt: skip
        return self.feed(given._replace(**fields))

    def fill(
        self, order: Order | str, quantity: str | Decimal | None = None, price: str | None = None, **fields: Any
    ) -> list[Output]:
        """Trade for an order, all of it unless told otherwise, at its limit or at 100."""
        known = order if isinstance(order, Order) else None
        given = Fill(
            "sim", f"t{self.number()}", known.account if known else "alice", known.symbol if known else "BTCUSDT",
            known.order_id if known else str(order), known.side if known else "BUY", dec(price or (known.limit_price if known else None) or "100"),
            dec(quantity) if quantity is not None else known.quantity if known else dec(1), dec(0), "USDT", self.now_ms,
        )  # fmt: skip
        return self.feed(given._replace(**fields))

    def event(self, order: Order | str, kind: str, account: str = "alice", **fields: Any) -> list[Output]:
        """Say what the exchange said of an order."""
        order_id = order.order_id if isinstance(order, Order) else order
        given = OrderEvent(f"e{self.number()}", account, order_id, kind, 0, "x", "", self.now_ms)  # type: ignore[arg-type]  # kinds outside the vocabulary are tested too
        return self.feed(given._replace(**fields))

    def money(self, kind: str, amount: str, account: str = "alice", **fields: Any) -> list[Output]:
        """Move money without a trade."""
        given = AccountEvent(f"a{self.number()}", account, kind, None, dec(amount), dec(0), dec(0), None, "", self.now_ms)  # type: ignore[arg-type]  # as above
        return self.feed(given._replace(**fields))

    def open(self, symbol: str = "BTCUSDT", side: str = "LONG", account: str = "alice", **fields: Any) -> Order:
        """Open a position: a signal, its order, its fill."""
        order = one_order(self.signal(side, symbol, account, **fields))
        self.fill(order)
        return order

    def account(self, name: str = "alice") -> Account:
        """Give an account's state."""
        return self.state.accounts[name]


def one_order(outputs: list[Output]) -> Order:
    """Give the only order among outputs."""
    (order,) = orders(outputs)
    return order


def orders(outputs: list[Output]) -> list[Order]:
    """Give the orders among outputs."""
    return [output for output in outputs if isinstance(output, Order)]


def cancels(outputs: list[Output]) -> list[Cancel]:
    """Give the cancels among outputs."""
    return [output for output in outputs if isinstance(output, Cancel)]


def decisions(outputs: list[Output]) -> list[Decision]:
    """Give the decisions among outputs."""
    return [output for output in outputs if isinstance(output, Decision)]


def portfolios(outputs: list[Output]) -> list[Portfolio]:
    """Give the portfolios among outputs."""
    return [output for output in outputs if isinstance(output, Portfolio)]


def codes(outputs: list[Output]) -> list[str]:
    """Give the first word of every decision's reason."""
    return [decision.code for decision in decisions(outputs)]
