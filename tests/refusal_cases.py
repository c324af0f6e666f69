"""One tape for every way the desk can say no: `cases()` gives, by code, what makes a desk that has said it.

Decides: the shortest story that ends in each refusal, drop, dead letter and alert. Leaves to others: that the list is whole and each story true
(tests/unit/desk/test_refusal_codes.py), and the golden tape made of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streams.desk.account_events import ADJUSTMENTS_MAX
from streams.desk.marks import SYMBOLS_MAX
from streams.desk.messages import (
    CloseAccount,
    ClosePosition,
    Command,
    Disable,
    EquityReport,
    ManualOrder,
    OpenAccount,
    PhaseChange,
    PolicyUpdate,
    Promotion,
    Reset,
    Trip,
    VersionChange,
)
from streams.desk.policy_check import canonical, document_hash
from streams.desk.policy_commands import SOURCES_MAX
from streams.desk.portfolio import COINS_OWED_MAX
from streams.desk.state import DESK_VERSION
from streams.simulation.policies import PHASE, document
from tests.desk_kit import SYMBOLS, Rig, dec, one_order

Story = Callable[[Rig], object]
BUY = ManualOrder("BTCUSDT", "BUY", "MARKET", dec(1), None, dec(97), False)
HOUR_MS = 3_600_000


def cases() -> dict[str, Callable[[], Rig]]:
    """Give, by code, what makes a desk that has said it."""
    return {**_signals(), **_markets(), **_limits(), **_orders_and_fills(), **_commands(), **_limit_commands(), **_records()}


def _told(story: Story, **limits: dict[str, str]) -> Callable[[], Rig]:
    """Tell a story to a desk that is ready."""

    def tell() -> Rig:
        rig = Rig(None, **limits).ready()
        story(rig)
        return rig

    return tell


def _commanded(command: Command, account: str = "alice", **fields: Any) -> Callable[[], Rig]:
    """Give one command to a desk that is ready."""
    return _told(lambda rig: rig.command(account, command, **fields))


def _then(*steps: Story) -> Story:
    """Tell one step after the other."""
    return lambda rig: [step(rig) for step in steps]


def _unready() -> Rig:
    """Open an account on a desk that has no policy."""
    rig = Rig()
    rig.command("*", Promotion("heuristic", "LIVE"))
    rig.instrument("BTCUSDT")
    rig.command("alice", OpenAccount("sim", "keys/alice", dec(10), dec(10_000)))
    rig.signal()
    return rig


def _unlimited() -> Rig:
    """Hold something on a desk that was never given a policy."""
    rig = Rig()
    rig.command("alice", OpenAccount("sim", "keys/alice", dec(10), dec(10_000)))
    rig.fill("elsewhere", "1")
    rig.tick()
    return rig


def _limited(rig: Rig) -> None:
    written = document(SYMBOLS)
    written["phases"][PHASE]["trading_mode"] = "limited"
    _publish(rig, written)
    rig.open()
    rig.signal()


def _publish(rig: Rig, written: dict[str, Any], version: int = 2) -> None:
    text = canonical(written)
    rig.command("*", PolicyUpdate(version, document_hash(text), text))


def _later(milliseconds: int) -> Story:
    def wait(rig: Rig) -> None:
        rig.now_ms += milliseconds

    return wait


def _signals() -> dict[str, Callable[[], Rig]]:
    queue = {"signals_per_cycle": "1", "queue_max": "1"}
    return {
        "SIGNAL_INVALID": _told(lambda rig: rig.signal(confidence=dec("1.1"))),
        "UNKNOWN_ACCOUNT": _told(lambda rig: rig.signal(account="nobody")),
        "SIGNAL_STALE": _told(lambda rig: rig.signal(ts=rig.now_ms - 10_001)),
        "SIGNAL_AHEAD": _told(lambda rig: rig.signal(ts=rig.now_ms + 2_001)),
        "QUEUE_FULL": _told(lambda rig: [rig.signal() for _ in range(3)], throttle=queue),
        "SIGNAL_EXPIRED": _told(
            _then(lambda rig: [rig.signal(confidence=dec("0.1")) for _ in range(12)], lambda rig: rig.tick(11)),
            throttle={"signals_per_cycle": "1"},
        ),
        "ACCOUNT_CLOSED": _told(_then(lambda rig: rig.command("alice", CloseAccount()), Rig.signal)),
        "INSTRUMENT_UNKNOWN": _told(lambda rig: rig.signal(symbol="DOGEUSDT")),
        "SOURCE_NOT_LIVE": _told(lambda rig: rig.signal(source="newcomer")),
        "POLICY_MISSING": _unready,
        "TRADING_DISABLED": _told(_then(lambda rig: rig.command("alice", Disable()), Rig.signal)),
        "ESS_TRIPPED": _told(_then(lambda rig: rig.command("alice", Trip()), Rig.signal)),
        "POLICY_STALE": _told(lambda rig: rig.tick(601)),
        "POLICY_ABSENT": _unlimited,
        "POLICY_FRESH": _told(_then(lambda rig: rig.tick(601), lambda rig: rig.policy(1), Rig.tick)),
        "ACCOUNT_IN_DOUBT": _told(_then(lambda rig: rig.money("ADJUSTMENT", "-1"), Rig.signal)),
        "SYMBOL_NOT_IN_PHASE": _told(_then(lambda rig: rig.instrument("DOGEUSDT"), lambda rig: rig.signal(symbol="DOGEUSDT"))),
        "SIGNAL_DEGRADED": _told(lambda rig: rig.signal(degraded=True)),
        "CONFIDENCE_LOW": _told(lambda rig: rig.signal(confidence=dec("0.44"))),
        "AGREEMENT_LOW": _told(lambda rig: rig.signal(model_agreement=dec("0.59"))),
    }  # fmt: skip


def _markets() -> dict[str, Callable[[], Rig]]:
    return {
        "MARK_MISSING": _told(_then(lambda rig: rig.fill("elsewhere", symbol="NEWUSDT"), Rig.signal)),
        "MARK_STALE": _told(_then(_later(5_001), Rig.signal)),
        "FUNDING_COST": _told(_then(lambda rig: rig.mark("BTCUSDT", "100", funding_rate="0.0004"), Rig.signal)),
        "SPREAD_WIDE": _told(_then(lambda rig: rig.mark("BTCUSDT", "100", ask="100.2"), Rig.signal)),
        "VOLUME_LOW": _told(Rig.signal, market={"volume_24h_usd_min": "1000000"}),
        "DEPTH_THIN": _told(_then(lambda rig: rig.mark("BTCUSDT", "100", depth="1000"), Rig.signal)),
        "PRICE_COLLAR": _told(Rig.signal, market={"collar_pct_max": "0.005"}),
        "PRICE_BAND": _told(_then(lambda rig: rig.instrument("BTCUSDT", price_up_ratio=dec("1.00005")), Rig.signal)),
        "PRICE_TICK": _commanded(BUY._replace(type="LIMIT", limit_price=dec("100.005"))),
        "QUANTITY_MIN": _told(_then(lambda rig: rig.instrument("BTCUSDT", min_quantity=dec(50)), Rig.signal)),
        "NOTIONAL_MIN": _told(_then(lambda rig: rig.instrument("BTCUSDT", min_notional=dec(5_000)), Rig.signal)),
    }


def _limits() -> dict[str, Callable[[], Rig]]:
    small = {"risk_per_trade_pct": "0.1"}
    too_much: Story = lambda rig: rig.fill("elsewhere", "21", symbol="ETHUSDT")  # noqa: E731 - one step of several stories
    return {
        "POSITIONS_MAX": _told(_then(lambda rig: rig.open("ETHUSDT"), Rig.signal), size={"positions_max": "1"}),
        "POSITION_CLOSING": _told(_then(Rig.open, lambda rig: rig.mark("BTCUSDT", "98"), Rig.signal), size=small),
        "OPPOSITE_OPEN": _told(_then(Rig.signal, lambda rig: rig.signal("SHORT"))),
        "MODE_LIMITED": _told(_limited),
        "POSITION_USD": _told(_then(too_much, lambda rig: rig.signal(symbol="ETHUSDT"))),
        "EXPOSURE_USD": _told(_then(too_much, Rig.signal), size={"max_exposure_usd": "2000"}),
        "LEVERAGE": _told(_then(too_much, Rig.signal), size={"leverage_max": "0.2"}),
        "STOP_INVALID": _told(lambda rig: rig.signal(atr=dec(60))),
        "SIZE_ZERO": _told(Rig.signal, size={"max_position_usd": "0.05"}),
        "STOP_MISSING": _commanded(BUY._replace(stop_price=None)),
        "ROOM_EXCEEDED": _commanded(BUY._replace(quantity=dec(30))),
        "ORDER_RATE": _told(_then(Rig.signal, lambda rig: rig.signal(symbol="ETHUSDT")), orders={"per_10s_max": "1"}),
        "OPEN_ORDERS_MAX": _told(_then(Rig.signal, lambda rig: rig.signal(symbol="ETHUSDT")), orders={"open_max": "1"}),
        "NO_POSITION": _told(lambda rig: rig.signal("CLOSE")),
        "ALREADY_CLOSING": _told(_then(Rig.open, lambda rig: rig.signal("CLOSE"), lambda rig: rig.signal("CLOSE"))),
        "DUST": _told(_then(lambda rig: rig.fill("elsewhere", "0.0005"), lambda rig: rig.command("alice", ClosePosition(None)))),
    }


def _orders_and_fills() -> dict[str, Callable[[], Rig]]:
    def forgotten(rig: Rig) -> None:
        """Let an hour pass, so that the first of two inputs is forgotten."""
        rig.fill("elsewhere", "0.01")
        rig.now_ms += HOUR_MS + 1
        rig.money("FUNDING", "1")

    return {
        "ORDER_UNKNOWN": _told(lambda rig: rig.event("nobodys", "CANCELLED")),
        "ORDER_OVER": _told(lambda rig: rig.event(rig.open(), "CANCELLED")),
        "ORDER_FATE_UNKNOWN": _told(lambda rig: rig.event(one_order(rig.signal()), "UNKNOWN")),
        "ORDER_SILENT": _told(_then(Rig.open, lambda rig: rig.signal("CLOSE"), lambda rig: rig.tick(21))),
        "ORDER_EVENT_CONFLICT": _told(
            lambda rig: [rig.event("nobodys", kind, event_id="e") for kind in ("ACKNOWLEDGED", "CANCELLED")]
        ),
        "FILL_CONFLICT": _told(lambda rig: [rig.fill("elsewhere", quantity, trade_id="t1") for quantity in ("1", "2")]),
        "FILL_TOO_OLD": _told(_then(forgotten, lambda rig: rig.fill("elsewhere", "1", ts=rig.now_ms - 2 * HOUR_MS))),
        "FILL_ADOPTED": _told(lambda rig: rig.fill("nobodys", "1")),
        "FILL_MISMATCH": _told(lambda rig: rig.fill(one_order(rig.signal()), "1", side="SELL")),
        "FILL_AFTER_END": _told(lambda rig: _late_fill(rig, one_order(rig.signal()).order_id)),
        "OVERFILL": _told(lambda rig: rig.fill(one_order(rig.signal()), "20")),
        "FEE_COINS_FULL": _told(
            lambda rig: [rig.fill("elsewhere", "0.01", fee=dec(1), fee_currency=f"COIN{n}") for n in range(COINS_OWED_MAX + 1)]
        ),
        "ACCOUNT_EVENT_TOO_OLD": _told(_then(forgotten, lambda rig: rig.money("FUNDING", "1", ts=rig.now_ms - 2 * HOUR_MS))),
        "ACCOUNT_EVENT_CONFLICT": _told(lambda rig: [rig.money("FUNDING", amount, event_id="a") for amount in ("1", "2")]),
        "ADJUSTED": _told(lambda rig: rig.money("ADJUSTMENT", "-1")),
        "ADJUSTMENT_REVERSED": _told(
            _then(lambda rig: rig.money("ADJUSTMENT", "-1", event_id="a"), lambda rig: rig.money("ADJUSTMENT", "0", reverses="a"))
        ),
        "ADJUSTMENT_UNKNOWN": _told(lambda rig: rig.money("ADJUSTMENT", "0", reverses="nobodys")),
        "ADJUSTMENTS_FULL": _told(lambda rig: [rig.money("ADJUSTMENT", "0.01") for _ in range(ADJUSTMENTS_MAX + 1)]),
    }


def _late_fill(rig: Rig, order_id: str) -> None:
    rig.event(order_id, "CANCELLED")
    rig.fill(order_id, "1")


def _commands() -> dict[str, Callable[[], Rig]]:
    def unpriced(rig: Rig) -> None:
        rig.fill("elsewhere", "0.01", symbol="NEWUSDT")
        rig.command("alice", Trip())
        rig.command("alice", Reset(True))

    return {
        "COMMAND_INVALID": _commanded(BUY._replace(quantity=dec(-1))),
        "COMMAND_SCOPE": _commanded(BUY, "*"),
        "COMMAND_STALE": _told(lambda rig: rig.command("alice", BUY, ts=rig.now_ms - 60_001)),
        "COMMAND_UNSIGNED": _commanded(BUY, user=" "),
        "RESET_UNSIGNED": _commanded(Reset(True), reason=" "),
        "ESS_NOT_TRIPPED": _commanded(Reset(True)),
        "ESS_NOT_SETTLED": _told(
            _then(Rig.signal, lambda rig: rig.command("alice", Trip()), lambda rig: rig.command("alice", Reset(False)))
        ),
        "ESS_COOLDOWN": _told(
            _then(lambda rig: rig.command("alice", Trip()), Rig.tick, lambda rig: rig.command("alice", Reset(False)))
        ),
        "EQUITY_UNKNOWN": _told(unpriced),
        "ACCOUNT_EXISTS": _commanded(OpenAccount("sim", "keys/alice", dec(5), dec(5))),
        "ACCOUNT_NAME": _commanded(OpenAccount("sim", "keys/alice", dec(5), dec(5)), "no name"),
    }


def _limit_commands() -> dict[str, Callable[[], Rig]]:
    def phases(rig: Rig, first_days: str = "none") -> None:
        """Publish three phases beside the present one, and begin with the first of them."""
        written = document(SYMBOLS)
        for name in ("a", "b", "c"):
            written["phases"][name] = document(SYMBOLS)["phases"][PHASE]
        written["phases"]["a"]["min_days"] = first_days
        _publish(rig, written)
        rig.command("*", PhaseChange("a", True))

    return {
        "POLICY_OLD": _told(_then(lambda rig: rig.policy(3), lambda rig: rig.policy(2))),
        "POLICY_CONFLICT": _told(lambda rig: rig.policy(1, ess={"drawdown_pct": "4"})),
        "POLICY_INVALID": _commanded(PolicyUpdate(2, document_hash("{}"), "{}"), "*"),
        "PHASE_UNKNOWN": _commanded(PhaseChange("phase9", True), "*"),
        "PHASE_LEAP": _told(_then(phases, lambda rig: rig.command("*", PhaseChange("c", False)))),
        "PHASE_MIN_DAYS": _told(_then(lambda rig: phases(rig, "14"), lambda rig: rig.command("*", PhaseChange("b", False)))),
        "SOURCES_FULL": _told(lambda rig: [rig.command("*", Promotion(f"source{n}", "SHADOW")) for n in range(SOURCES_MAX)]),
        "VERSION_SAME": _commanded(VersionChange(DESK_VERSION), "*"),
    }


def _records() -> dict[str, Callable[[], Rig]]:
    def report(rig: Rig) -> None:
        rig.feed(EquityReport("r", 7, 8, rig.now_ms // 1000, dec(1), dec(1), 1, True, rig.now_ms))

    return {
        "MARK_INVALID": _told(lambda rig: rig.mark("BTCUSDT", "100", low="101")),
        "MARK_LATE": _told(lambda rig: rig.mark("BTCUSDT", "100", ts=rig.now_ms - 10_000)),
        "SYMBOLS_FULL": _told(lambda rig: [rig.mark(f"S{n}", "1") for n in range(SYMBOLS_MAX)]),
        "INSTRUMENT_INVALID": _told(lambda rig: rig.instrument("BTCUSDT", tick_size=dec(0))),
        "INSTRUMENT_LATE": _told(lambda rig: rig.instrument("BTCUSDT", ts=rig.now_ms - 10_000)),
        "FILL_INVALID": _told(lambda rig: rig.fill("elsewhere", "0")),
        "ORDER_EVENT_INVALID": _told(lambda rig: rig.event("nobodys", "MAYBE")),
        "ACCOUNT_EVENT_INVALID": _told(lambda rig: rig.money("DEPOSIT", "-1")),
        "REPORT_INVALID": _told(report),
    }
