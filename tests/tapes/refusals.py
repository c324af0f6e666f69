"""The tape with every refusal: one desk, an account for each case, and each "no" the desk can say at least once.

Decides: what is done to be refused. Every step says which code it expects, so that building fails where the desk no longer says it.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from streams.desk.account_events import ADJUSTMENTS_MAX
from streams.desk.desk import Outcome, step
from streams.desk.messages import (
    CloseAccount,
    ClosePosition,
    Disable,
    Enable,
    EquityReport,
    ManualOrder,
    OpenAccount,
    PhaseChange,
    PolicyUpdate,
    Promotion,
    Reset,
    TapeEvent,
    Trip,
    VersionChange,
)  # fmt: skip
from streams.desk.outputs import DeadLetter, Output
from streams.desk.policy_check import canonical, document_hash
from streams.desk.policy_commands import SOURCES_MAX
from streams.desk.portfolio import COINS_OWED_MAX
from streams.desk.state import DESK_VERSION, State, new_state
from streams.simulation.policies import PHASE, document
from tests.desk_kit import SYMBOLS, Rig, codes, dec, one_order

PRICED = (*SYMBOLS, "XRPUSDT")
"""XRPUSDT has exchange filters and no mark."""


def policy(**changes: Any) -> PolicyUpdate:
    """Publish phases that differ in the one limit a case needs."""
    whole = document(PRICED, **changes)
    usual = whole["phases"][PHASE]
    variants: dict[str, dict[str, dict[str, str]]] = {
        "single": {"size": {"positions_max": "1"}},
        "exposed": {"size": {"max_exposure_usd": "2000"}},
        "slow": {"orders": {"per_10s_max": "1"}},
        "few": {"orders": {"open_max": "1"}},
        "queue": {"throttle": {"signals_per_cycle": "1", "queue_max": "1"}},
    }
    for name, sections in variants.items():
        whole["phases"][name] = deepcopy(usual)
        for section, figures in sections.items():
            whole["phases"][name][section].update(figures)
    for name in ("phase1", "phase2"):
        whole["phases"][name] = {**deepcopy(usual), "min_days": "14", "trading_mode": "limited", "symbols": ["BTCUSDT"]}
    written = canonical(whole)
    return PolicyUpdate(1, document_hash(written), written)


class Refused:
    """A desk that is asked for what it refuses."""

    def __init__(self) -> None:
        """Start with an empty desk."""
        self.rig = Rig()
        self.said: list[str] = []

    def no(self, code: str, outputs: list[Output]) -> None:
        """Note a refusal; it has to be among what was just said."""
        if code not in codes(outputs):
            raise AssertionError(f"{code} was expected, {codes(outputs)} was said")
        self.said.append(code)

    def buried(self, error: str, outputs: list[Output]) -> None:
        """Note a dead letter; it has to be among what was just said."""
        if error not in [output.error for output in outputs if isinstance(output, DeadLetter)]:
            raise AssertionError(f"{error} was expected, {outputs} was said")
        self.said.append(error)

    def open(self, name: str, phase: str = "", balance: str = "10000", leverage: str = "10") -> str:
        """Open an account that may trade, in a phase of its own where one is named."""
        rig = self.rig
        rig.command(name, OpenAccount("sim", f"keys/{name}", dec(leverage), dec(balance)))
        if phase:
            rig.command(name, PhaseChange(phase, True))
        rig.command(name, Enable())
        rig.refresh()
        return name

    def signal(self, account: str, side: str = "LONG", symbol: str = "BTCUSDT", **fields: Any) -> list[Output]:
        """Send a signal that is good but for the fields given."""
        return self.rig.signal(side, symbol, account, **fields)

    def order(
        self, account: str, quantity: str, limit: str | None = "100", stop: str | None = "99", symbol: str = "BTCUSDT"
    ) -> list[Output]:
        """Give an operator's order to buy."""
        wanted = ManualOrder(
            symbol, "BUY", "LIMIT", dec(quantity), dec(limit) if limit else None, dec(stop) if stop else None, False
        )
        return self.rig.command(account, wanted)


def without_policy(at: Refused) -> None:
    """Ask before there are any limits."""
    rig = at.rig
    rig.command("*", Promotion("heuristic", "LIVE"))
    rig.instrument("BTCUSDT")
    rig.mark("BTCUSDT", "100")
    at.open("early")
    at.no("POLICY_MISSING", at.signal("early"))
    at.no("POLICY_MISSING", rig.command("*", PhaseChange(PHASE, True)))
    rig.fill("nobodys-order", "1", account="early")
    at.no("POLICY_ABSENT", rig.tick())
    rig.fill("nobodys-order", "1", account="early", side="SELL")


def get_ready(at: Refused) -> None:
    """Make everything known and switched on."""
    rig = at.rig
    rig.command("*", policy())
    rig.command("*", PhaseChange(PHASE, True))
    rig.command("*", Enable())
    for symbol in PRICED:
        rig.instrument(symbol)
    for symbol in SYMBOLS:
        rig.mark(symbol, "100")
    rig.tick()


def signals(at: Refused) -> None:
    """Send signals that are wrong, unknown, late, early, unsure."""
    rig, account = at.rig, at.open("signals")
    at.no("SIGNAL_INVALID", at.signal(account, confidence=dec("1.2")))
    at.no("UNKNOWN_ACCOUNT", at.signal("nobody"))
    at.no("INSTRUMENT_UNKNOWN", at.signal(account, symbol="ADAUSDT"))
    at.no("SOURCE_NOT_LIVE", at.signal(account, source="newcomer"))
    at.no("SIGNAL_STALE", at.signal(account, ts=rig.now_ms - 10_001))
    at.no("SIGNAL_AHEAD", at.signal(account, ts=rig.now_ms + 2_001))
    at.no("SIGNAL_DEGRADED", at.signal(account, degraded=True))
    at.no("CONFIDENCE_LOW", at.signal(account, confidence=dec("0.44")))
    at.no("AGREEMENT_LOW", at.signal(account, model_agreement=dec("0.59")))
    at.no("NO_POSITION", at.signal(account, "CLOSE"))
    at.no("SYMBOL_NOT_IN_PHASE", at.signal(at.open("narrow", "phase1"), symbol="ETHUSDT"))
    at.no("MARK_MISSING", at.signal(account, symbol="XRPUSDT"))
    at.no("STOP_INVALID", at.signal(account, atr=dec("60")))
    at.no("SIZE_ZERO", at.signal(at.open("poor", balance="0.01")))
    rig.mark("ETHUSDT", "100", funding_rate="0.0004")
    at.no("FUNDING_COST", at.signal(account, symbol="ETHUSDT"))
    rig.mark("ETHUSDT", "100", bid="99.9", ask="100.1")
    at.no("SPREAD_WIDE", at.signal(account, symbol="ETHUSDT"))
    rig.mark("ETHUSDT", "100", depth="1000")
    at.no("DEPTH_THIN", at.signal(account, symbol="ETHUSDT"))
    rig.mark("ETHUSDT", "100")
    rig.now_ms += 5_001
    at.no("MARK_STALE", at.signal(account))


def limits(at: Refused) -> None:
    """Hold and order as much as allowed, and ask for more."""
    rig = at.rig
    one = at.open("single", "single")
    rig.open(account=one)
    at.no("POSITIONS_MAX", at.signal(one, symbol="ETHUSDT"))
    two = at.open("opposite")
    at.signal(two)
    at.no("OPPOSITE_OPEN", at.signal(two, "SHORT"))
    three = at.open("limited", "phase1")
    rig.open(account=three)
    at.no("MODE_LIMITED", at.signal(three))
    four = at.open("closing")
    rig.open(account=four)
    rig.command(four, ClosePosition("BTCUSDT"))
    at.no("POSITION_CLOSING", at.signal(four))
    at.no("ALREADY_CLOSING", at.signal(four, "CLOSE"))
    five, six, seven = at.open("full"), at.open("exposed", "exposed"), at.open("levered", balance="1000", leverage="2")
    for account in (five, six):
        rig.open(account=account)
    rig.open("SOLUSDT", account=seven, atr=dec("0.5"))
    rig.mark("BTCUSDT", "100.5")
    rig.mark("SOLUSDT", "99.5")
    at.no("POSITION_USD", at.signal(five))
    at.no("EXPOSURE_USD", at.signal(six, symbol="ETHUSDT"))
    at.no("LEVERAGE", at.signal(seven, symbol="ETHUSDT"))
    eight, nine = at.open("slow", "slow"), at.open("few", "few")
    at.signal(eight)
    at.no("ORDER_RATE", at.signal(eight, symbol="ETHUSDT"))
    at.signal(nine)
    at.no("OPEN_ORDERS_MAX", at.signal(nine, symbol="ETHUSDT"))


def manual_orders(at: Refused) -> None:
    """Give orders by hand that no exchange or limit takes."""
    rig, account = at.rig, at.open("manual")
    rig.mark("BTCUSDT", "100")
    at.no("STOP_MISSING", at.order(account, "1", stop=None))
    at.no("ROOM_EXCEEDED", at.order(account, "50"))
    at.no("QUANTITY_MIN", at.order(account, "0.0001"))
    at.no("NOTIONAL_MIN", at.order(account, "0.01"))
    at.no("PRICE_TICK", at.order(account, "1", limit="100.005"))
    at.no("PRICE_COLLAR", at.order(account, "1", limit="102"))
    rig.instrument("BNBUSDT", price_up_ratio=dec("1.001"))
    at.no("PRICE_BAND", at.order(account, "1", limit="101", symbol="BNBUSDT"))


def throttle(at: Refused) -> None:
    """Send more than a second's budget, and let the rest wait too long."""
    rig, account = at.rig, at.open("queue", "queue")
    at.signal(account, confidence=dec("0.3"))
    at.signal(account, confidence=dec("0.6"))
    at.no("QUEUE_FULL", at.signal(account, confidence=dec("0.5")))
    rig.now_ms += 10_001
    at.no("SIGNAL_EXPIRED", rig.tick())
    rig.refresh()


def commands(at: Refused) -> None:
    """Give commands that are wrong, unsigned, late, of another scope."""
    rig, account = at.rig, at.open("commands")
    at.no("COMMAND_INVALID", rig.command(account, Enable(), control_id=""))
    at.no("COMMAND_SCOPE", rig.command("*", ClosePosition(None)))
    at.no("COMMAND_STALE", rig.command(account, Enable(), ts=rig.now_ms - 60_001))
    at.no("COMMAND_UNSIGNED", rig.command(account, Enable(), user=""))
    at.no("UNKNOWN_ACCOUNT", rig.command("nobody", Enable()))
    at.no("ACCOUNT_EXISTS", rig.command(account, OpenAccount("sim", "keys", dec(1), dec(1))))
    at.no("ACCOUNT_NAME", rig.command("no name!", OpenAccount("sim", "keys", dec(1), dec(1))))
    at.no("NO_POSITION", rig.command(account, ClosePosition(None)))
    at.no("VERSION_SAME", rig.command("*", VersionChange(DESK_VERSION)))
    rig.command(account, Disable())
    at.no("TRADING_DISABLED", at.signal(account))
    rig.command(account, CloseAccount())
    at.no("ACCOUNT_CLOSED", at.signal(account))
    for number in range(SOURCES_MAX - len(rig.state.stages)):
        rig.command("*", Promotion(f"s{number}", "SHADOW"))
    at.no("SOURCES_FULL", rig.command("*", Promotion("one-too-many", "SHADOW")))


def policies(at: Refused) -> None:
    """Publish policies that are old, wrong or another under the same version, and ask for phases too early."""
    rig, account = at.rig, at.open("phases", "phase1")
    now = policy()
    other = policy(entry={"confidence_min": "0.46"})
    rig.command("*", now._replace(version=2))
    at.no("POLICY_OLD", rig.command("*", now))
    at.no("POLICY_INVALID", rig.command("*", now._replace(version=3, hash="0" * 32)))
    at.no("POLICY_INVALID", rig.command("*", PolicyUpdate(3, document_hash("{}"), "{}")))
    at.no("POLICY_CONFLICT", rig.command("*", other._replace(version=2)))
    at.no("PHASE_UNKNOWN", rig.command(account, PhaseChange("phase9", False)))
    at.no("PHASE_MIN_DAYS", rig.command(account, PhaseChange("phase2", False)))
    at.no("PHASE_LEAP", rig.command(account, PhaseChange("phase3", False)))


def emergency_stop(at: Refused) -> None:
    """Trip by hand, and try to go on or to reset before it is time."""
    rig, account = at.rig, at.open("stopped")
    at.no("ESS_NOT_TRIPPED", rig.command(account, Reset(False)))
    rig.command(account, Trip())
    at.no("ESS_TRIPPED", at.signal(account))
    at.no("ESS_NOT_SETTLED", rig.command(account, Reset(False)))
    at.no("RESET_UNSIGNED", rig.command(account, Reset(True), user=" "))
    rig.tick()
    rig.refresh()
    at.no("ESS_COOLDOWN", at.signal(account))
    at.no("ESS_COOLDOWN", rig.command(account, Reset(False)))
    blind = at.open("blind")
    rig.fill("nobodys-order", "1", "0.5", account=blind, symbol="XRPUSDT")
    rig.command(blind, Trip())
    at.no("EQUITY_UNKNOWN", rig.command(blind, Reset(True)))


def reports(at: Refused) -> None:
    """Hear of orders nobody knows, of fills that contradict each other, of corrections nobody made."""
    rig, account = at.rig, at.open("reports")
    order = one_order(at.signal(account))
    rig.fill(order, trade_id="known")
    at.no("ORDER_OVER", rig.event(order, "EXPIRED", account))
    at.no("ORDER_UNKNOWN", rig.event("q1-nobody", "CANCELLED", account))
    at.no("FILL_CONFLICT", rig.fill(order, "2", trade_id="known"))
    rig.event(order, "EXPIRED", account, event_id="known")
    at.no("ORDER_EVENT_CONFLICT", rig.event(order, "CANCELLED", account, event_id="known"))
    rig.money("FUNDING", "1", account, event_id="known")
    at.no("ACCOUNT_EVENT_CONFLICT", rig.money("FUNDING", "-1", account, event_id="known"))
    at.no("OVERFILL", rig.fill(order, "0.001"))
    cancelled = one_order(at.signal(account, symbol="SOLUSDT"))
    at.no("ORDER_FATE_UNKNOWN", rig.event(cancelled, "UNKNOWN", account))
    rig.event(cancelled, "CANCELLED", account)
    at.no("FILL_AFTER_END", rig.fill(cancelled, "1"))
    at.no("FILL_MISMATCH", rig.fill(one_order(at.signal(account, symbol="BNBUSDT")), "1", symbol="SOLUSDT"))
    at.no("FILL_ADOPTED", rig.fill("nobodys-order", "0.5", account=account, symbol="SOLUSDT"))
    at.no("FILL_INVALID", rig.fill(order, "-1"))
    at.no("ADJUSTMENT_UNKNOWN", rig.money("ADJUSTMENT", "-1", account, reverses="nothing"))
    at.no("ACCOUNT_EVENT_INVALID", rig.money("DEPOSIT", "-5", account))
    rig.money("ADJUSTMENT", "1.5", account)
    at.no("ACCOUNT_IN_DOUBT", at.signal(account, symbol="ETHUSDT"))


def feeds(at: Refused) -> None:
    """Feed what cannot be true or comes late: dead letters, each with its code."""
    rig, account = at.rig, at.open("feeds")
    at.buried("MARK_INVALID", rig.mark("BTCUSDT", "100", low="101"))
    at.buried("MARK_LATE", rig.mark("BTCUSDT", "100", ts=rig.now_ms - 10_000))
    at.buried("INSTRUMENT_INVALID", rig.instrument("BTCUSDT", tick_size=dec(0)))
    at.buried("INSTRUMENT_LATE", rig.instrument("BTCUSDT", ts=rig.now_ms - 60_000))
    at.buried("ORDER_EVENT_INVALID", rig.event("q1-nobody", "CANCELLED", account, ts=0))
    report = EquityReport("r1", 7, 1, rig.state.second, dec(1), dec(1), 1, True, rig.now_ms)
    at.buried("REPORT_INVALID", rig.feed(report))


def silence(at: Refused) -> None:
    """Let the exchange say nothing of an order that closes."""
    rig, account = at.rig, at.open("silent")
    rig.open(account=account)
    at.signal(account, "CLOSE")
    outputs: list[Output] = []
    for _ in range(25):
        outputs += rig.tick()
        rig.refresh()
    at.no("ORDER_SILENT", outputs)


def full_books(at: Refused) -> None:
    """Correct and charge more than an account's books hold, and leave a rest too small to sell."""
    rig, account = at.rig, at.open("books")
    at.no("ADJUSTED", rig.money("ADJUSTMENT", "1", account, event_id="first"))
    at.no("ADJUSTMENT_REVERSED", rig.money("ADJUSTMENT", "-1", account, reverses="first"))
    for _ in range(ADJUSTMENTS_MAX):
        rig.money("ADJUSTMENT", "0.01", account)
    at.no("ADJUSTMENTS_FULL", rig.money("ADJUSTMENT", "0.01", account))
    dusty, owing = at.open("dusty"), at.open("owing")
    at.no("DUST", rig.fill("nobodys-order", "0.0005", account=dusty) + rig.tick())
    for number in range(COINS_OWED_MAX):
        rig.fill("nobodys-order", "0.01", account=owing, fee=dec(1), fee_currency=f"COIN{number}")
    at.no("FEE_COINS_FULL", rig.fill("nobodys-order", "0.01", account=owing, fee=dec(1), fee_currency="COINS"))


def time_passes(at: Refused) -> None:
    """Let nobody confirm the policy, and let reports come after their ids have been forgotten."""
    rig, account = at.rig, at.open("last")
    early_ms = rig.now_ms
    order = rig.open(account=account)
    rig.now_ms += 600_001
    rig.refresh()
    at.no("POLICY_STALE", at.signal(account, symbol="ETHUSDT"))
    rig.now_ms += 3_600_001
    rig.event("q1-nobody", "CANCELLED", account)
    at.no("FILL_TOO_OLD", rig.fill(order, "1", ts=early_ms))
    at.no("ACCOUNT_EVENT_TOO_OLD", rig.money("DEPOSIT", "5", account, ts=early_ms))
    rig.tick()
    rig.command("*", policy()._replace(version=2))
    at.no("POLICY_FRESH", rig.tick())


def every_refusal() -> tuple[State, Iterator[tuple[TapeEvent, Outcome]], list[str]]:
    """Ask for everything that is refused: where to start, what to step, and which codes that gives."""
    at = Refused()
    for chapter in (
        without_policy, get_ready, signals, throttle, manual_orders, limits, commands, policies, emergency_stop, reports, feeds,
        silence, full_books, time_passes,
    ):  # fmt: skip
        chapter(at)
        at.rig.tick()
        at.rig.refresh()
    start = new_state(1, 0)
    return start, ((event, step(start, event)) for event in at.rig.tape), at.said
