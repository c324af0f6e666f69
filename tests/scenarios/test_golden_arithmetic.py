"""Every figure of every golden decision, worked out again in exact fractions, by nothing of the desk's own arithmetic.

The tables beside the tapes show some of these by hand; here all of them are done: sizes and their roundings, limits, collars, drawdowns, cooldowns,
and equity and holdings from the fills, fees, funding and transfers on the tape.
"""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest

from schemas.registry import BundledRegistry
from streams.desk.messages import AccountEvent, Control, Fill, Mark, OpenAccount, TapeEvent
from streams.desk.outputs import Decision
from streams.replay.replay import recorded
from streams.replay.tape_file import TapeReader
from streams.simulation.market import market_for
from tests.tapes.build import STORIES, path_of

TOLD = [name for name in STORIES if name not in {"refusals", "liquidity"}]
"""The stories of a whole market; the refusals and thin markets have made-up instruments and fills that are not believed."""
RISK_PCT = {"ess-life-cycle": 10}
COOLDOWN_MS = {"flash-crash": 300_000}
STOP_ATR = {"TREND": Fraction(2), "RANGE": Fraction(3, 2), "VOLATILE": Fraction(3)}
FEE_COIN = "BNB"


class Ledger:
    """An account's books from the tape alone."""

    def __init__(self) -> None:
        self.flow: dict[str, Fraction] = defaultdict(Fraction)
        self.held: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        self.marks: dict[str, Mark] = {}
        self._newest: dict[str, int] = {}

    def take(self, event: TapeEvent) -> None:
        """Book an event once."""
        if event.source_offset <= self._newest.get(event.topic, -1):
            return
        self._newest[event.topic] = event.source_offset
        body = event.body
        if isinstance(body, Mark):
            self.marks[body.symbol] = body
        elif isinstance(body, Fill):
            self._fill(body)
        elif isinstance(body, AccountEvent):
            self.flow[body.account] += (-1 if body.kind == "WITHDRAWAL" else 1) * Fraction(body.amount)
        elif isinstance(body, Control) and isinstance(body.command, OpenAccount):
            self.flow[body.account] += Fraction(body.command.opening_balance)

    def _fill(self, fill: Fill) -> None:
        signed = Fraction(fill.quantity) * (1 if fill.side == "BUY" else -1)
        self.held[fill.account, fill.symbol] += signed
        self.flow[fill.account] -= signed * Fraction(fill.price)
        if fill.fee_currency == fill.symbol.removesuffix("USDT"):
            self.held[fill.account, fill.symbol] -= Fraction(fill.fee)
        elif fill.fee_currency == FEE_COIN:
            self.flow[fill.account] -= Fraction(fill.fee) * Fraction(self.marks["BNBUSDT"].mark)
        else:
            self.flow[fill.account] -= Fraction(fill.fee)

    def equity(self, account: str) -> Fraction:
        """Value everything at the last marks."""
        worth = (
            quantity * Fraction(self.marks[symbol].mark) for (name, symbol), quantity in self.held.items() if name == account
        )
        return self.flow[account] + sum(worth)


def told(name: str) -> Iterator[tuple[Ledger, TapeEvent, Decision]]:
    """Give every decision of a tape with the books as they were."""
    ledger = Ledger()
    with TapeReader(path_of(name)) as tape:
        codec = tape.codec(BundledRegistry())
        for one in recorded(tape):
            event = codec.decode_event(one.event, one.offset)
            ledger.take(event)
            for raw in one.decisions:
                yield ledger, event, codec.decode(raw)


def figures(decision: Decision, gate: str) -> dict[str, str]:
    """Give what a gate compared."""
    found = [check.figures for check in decision.checks if check.gate == gate]
    return dict(word.split("=", 1) for word in found[0].split()) if found else {}


def number(found: dict[str, str], *names: str) -> Any:
    """Read figures exactly."""
    read = tuple(Fraction(found[name]) for name in names)
    return read[0] if len(read) == 1 else read


def words(decision: Decision) -> dict[str, str]:
    """Give the key=value words of a reason."""
    return dict(word.split("=", 1) for word in decision.reason.split() if "=" in word)


@pytest.mark.parametrize("name", TOLD)
def test_equity_is_what_the_fills_fees_and_payments_on_the_tape_come_to(name: str) -> None:
    seen = 0
    for ledger, _, decision in told(name):
        found = figures(decision, "exposure")
        if found and decision.kind == "SIGNAL":
            seen += 1
            assert number(found, "equity") == ledger.equity(decision.account), decision
    assert seen > 5


@pytest.mark.parametrize("name", TOLD)
def test_what_is_closed_is_what_the_fills_come_to(name: str) -> None:
    seen = 0
    for ledger, event, decision in told(name):
        found = figures(decision, "reduces")
        if found:
            seen += 1
            symbol = decision.subject if decision.kind == "EXIT" else getattr(event.body, "symbol", "")
            symbol = words(decision).get("symbol", symbol)
            if symbol:
                assert number(found, "held") == ledger.held[decision.account, symbol], decision
    assert seen > 0 or name == "signal-flood"


@pytest.mark.parametrize("name", TOLD)
def test_sizes_are_risk_over_distance_in_whole_steps_within_the_room(name: str) -> None:
    seen = 0
    for ledger, event, decision in told(name):
        found, limits = figures(decision, "size"), figures(decision, "exposure")
        if "by_risk" not in found:
            continue
        seen += 1
        risk, atr, price, stop, distance, room = number(found, "risk_usd", "atr", "price", "stop", "distance", "room_usd")
        equity, own, total, leverage = number(limits, "equity", "position_usd", "exposure_usd", "leverage_max")
        symbol = words(decision).get("symbol") or getattr(event.body, "symbol", None)
        if decision.verdict != "APPROVED" or symbol is None:
            continue
        market, mark = market_for(symbol), ledger.marks[symbol]
        tick, step, long = Fraction(market.tick), Fraction(market.step), words(decision)["side"] == "BUY"
        assert risk == equity * RISK_PCT.get(name, 2) / 100
        assert room == min(Fraction(2_000) - own, Fraction(24_000) - total, leverage * equity - total)
        assert price == Fraction(mark.ask if long else mark.bid)
        away = atr * STOP_ATR[regime_of(event, atr, abs(price - stop))]
        assert stop == (floor((price - away) / tick) * tick if long else ceil((price + away) / tick) * tick)
        assert distance == abs(price - stop)
        value_price = max(price, Fraction(mark.mark))
        assert number(found, "by_risk") == floor(risk / (distance * step)) * step
        assert number(found, "by_room") == floor(room / (value_price * step)) * step
        wanted, quantity, value = number(figures(decision, "filters"), "wanted", "quantity", "value")
        assert wanted == quantity == min(number(found, "by_risk", "by_room"))
        assert value == quantity * price
        low, high = number(figures(decision, "collar"), "low", "high")
        assert (low, high) == (Fraction(mark.mark) * Fraction(985, 1000), Fraction(mark.mark) * Fraction(1015, 1000))
        assert own + quantity * value_price <= 2_000
    assert seen > 5


def regime_of(event: TapeEvent, atr: Fraction, distance: Fraction) -> str:
    """Give the signal's regime; a signal that waited in the queue is told by its distance."""
    regime: str | None = getattr(event.body, "regime", None)
    return regime or min(STOP_ATR, key=lambda name: abs(STOP_ATR[name] * atr - distance))


@pytest.mark.parametrize("name", TOLD)
def test_stops_trip_exactly_where_their_limits_are(name: str) -> None:
    for _, _, decision in told(name):
        if decision.kind != "ESS" or not decision.reason.startswith("TRIPPED"):
            continue
        found = words(decision)
        if "cause=DRAWDOWN" in decision.reason:
            equity, least, high, limit = number(found, "equity", "floor", "high_water", "limit_pct")
            assert least == high * (100 - limit) / 100 >= equity
        elif "cause=FLASH_CRASH" in decision.reason:
            peak, low, fall = number(found, "peak", "low", "fall_pct_max")
            assert (peak - low) / peak * 100 >= fall == 20
        elif "cause=STALE_MARK" in decision.reason:
            assert int(found["age_ms"]) > int(found["age_s_max"]) * 1_000 == 30_000


@pytest.mark.parametrize("name", TOLD)
def test_cooldowns_are_counted_from_the_second_they_began(name: str) -> None:
    began: dict[str, int] = {}
    for _, _, decision in told(name):
        if decision.kind == "ESS" and decision.reason == "COOLDOWN":
            began[decision.account] = decision.time_ms
        elif decision.reason.startswith("ESS_COOLDOWN left_ms="):
            left_ms = began[decision.account] + COOLDOWN_MS.get(name, 600_000) - decision.time_ms
            assert int(words(decision)["left_ms"]) == left_ms
        elif decision.kind == "COMMAND" and decision.reason.startswith("RESET override=False"):
            assert decision.time_ms >= began[decision.account] + COOLDOWN_MS.get(name, 600_000)


@pytest.mark.parametrize("name", TOLD)
def test_ages_are_the_stamp_less_the_signals_own_time(name: str) -> None:
    for _, event, decision in told(name):
        found = figures(decision, "fresh")
        ts = getattr(event.body, "ts", None)
        if found and ts is not None and decision.kind == "SIGNAL" and getattr(event.body, "signal_id", "") == decision.subject:
            assert int(found["age_ms"]) == decision.time_ms - ts
