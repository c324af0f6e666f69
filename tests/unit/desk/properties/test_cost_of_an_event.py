"""An event costs what it touches and not what exists, counted in calls: a clock would measure the machine."""

import sys
from types import FrameType
from typing import Any

import pytest

from streams.desk.desk import step
from streams.desk.messages import Body, OpenAccount, TapeEvent
from tests.desk_kit import SYMBOLS, TOPICS, Rig, dec

FEW, MANY = 10, 2_000


def calls_of(rig: Rig, event: TapeEvent) -> int:
    """Count every call, of Python and of C, that a step makes."""
    calls = 0

    def count(_frame: FrameType, what: str, _argument: Any) -> None:
        nonlocal calls
        calls += what in ("call", "c_call")

    sys.setprofile(count)
    try:
        step(rig.state, event)
    finally:
        sys.setprofile(None)
    return calls


def desk_with(accounts: int, bystanders_hold: str = "") -> Rig:
    """Open accounts of which three hold BTC. The others hold nothing, or another symbol."""
    names = [f"a{number:05d}" for number in range(accounts)]
    rig = Rig(age={"signal_s_max": "60", "mark_s_max": "30"}).ready(*names)
    for number, name in enumerate(names):
        symbol = "BTCUSDT" if number < 3 else bystanders_hold
        if symbol:
            rig.fill("external", "10", "100", account=name, symbol=symbol)
    rig.tick(1)
    return rig


def next_event(rig: Rig, body: Body) -> TapeEvent:
    return TapeEvent(rig.state.offset + 1, rig.now_ms, TOPICS[type(body)], 0, rig.state.offset + 1, body)


def event_of(rig: Rig, kind: str) -> TapeEvent:
    """Let the kit make an input for the next step, without stepping it here."""
    other = Rig()
    other.now_ms, other.numbers, other.offset = rig.now_ms, rig.numbers + 7, rig.state.offset
    if kind == "tick":
        other.tick()
    elif kind == "signal":
        other.signal(account="a00001", symbol="ETHUSDT")
    elif kind == "fill":
        other.fill("external", "1", "100", account="a00001")
    else:
        other.mark("BTCUSDT", {"quiet mark": "100.01", "new high": "103", "stop": "95", "crash": "70"}[kind])
    return other.tape[-1]._replace(source_offset=other.tape[-1].offset + 10**6)


@pytest.mark.parametrize("kind", ["quiet mark", "new high", "stop", "crash", "signal", "fill", "tick"])
def test_an_event_makes_the_same_calls_among_ten_accounts_and_among_two_thousand(kind: str) -> None:
    few, many = desk_with(FEW), desk_with(MANY)

    assert calls_of(many, event_of(many, kind)) == calls_of(few, event_of(few, kind))


@pytest.mark.parametrize("kind", ["quiet mark", "new high", "stop", "signal", "fill"])
def test_who_holds_another_symbol_costs_an_event_nothing(kind: str) -> None:
    few, many = desk_with(FEW, "ETHUSDT"), desk_with(MANY, "ETHUSDT")

    # The heaps of timers and edges are deeper: a few comparisons in C, which are no calls.
    assert calls_of(many, event_of(many, kind)) == calls_of(few, event_of(few, kind))


def test_nobody_is_looked_at_while_prices_stay_between_the_edges() -> None:
    rig = desk_with(MANY, "BTCUSDT")
    settled = [calls_of(rig, next_event(rig, event_of(rig, "quiet mark").body)) for _ in range(1)]

    again = calls_of(rig, next_event(rig, event_of(rig, "quiet mark").body._replace(mark_id="again", ts=rig.now_ms + 1)))  # type: ignore[union-attr]  # a mark

    assert again < 60, f"{again} calls for a mark that matters to nobody, {settled} for the one before"


def test_opening_the_two_thousandth_account_costs_what_the_tenth_did() -> None:
    few, many = desk_with(FEW), desk_with(MANY)
    costs = []
    for rig in (few, many):
        other = Rig()
        other.now_ms, other.offset = rig.now_ms, rig.state.offset
        other.command("newcomer", OpenAccount("sim", "keys/x", dec(1), dec(1)))
        costs.append(calls_of(rig, other.tape[-1]._replace(source_offset=10**6)))

    assert costs[0] == costs[1]


def test_all_the_symbols_of_the_kit_are_marked() -> None:
    assert set(desk_with(FEW).state.marks) == set(SYMBOLS)
