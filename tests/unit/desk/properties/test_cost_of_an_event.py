"""An event costs what it touches and not what exists, counted in calls: a clock would measure the machine."""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from streams.desk.messages import OpenAccount, TapeEvent
from streams.desk.outputs import Output
from tests.desk_kit import Rig, dec

FEW, MANY = 10, 2_000
PRICES = {"BTCUSDT": "100", "ETHUSDT": "100", "SOLUSDT": "100", "BNBUSDT": "100"}


class CountingRig(Rig):
    """Counts every call, of Python and of C, that the last step made, once it is told to."""

    calls = 0
    counting = False

    def feed_event(self, event: TapeEvent) -> list[Output]:
        if not self.counting:
            return super().feed_event(event)
        self.calls = 0
        gc.disable()  # what it would collect now is somebody else's, and so are the calls that end it
        sys.setprofile(self._count)
        try:
            return super().feed_event(event)
        finally:
            sys.setprofile(None)
            gc.enable()

    def _count(self, _frame: FrameType, what: str, _argument: Any) -> None:
        self.calls += what in ("call", "c_call")


def desk_with(accounts: int, bystanders_hold: str = "") -> CountingRig:
    """Open accounts of which three hold BTC. The others hold nothing, or another symbol."""
    names = [f"a{number:05d}" for number in range(accounts)]
    rig = CountingRig(age={"signal_s_max": "60", "mark_s_max": "30"}).ready(*names)
    assert isinstance(rig, CountingRig)
    for number, name in enumerate(names):
        symbol = "BTCUSDT" if number < 3 else bystanders_hold
        if symbol:
            rig.fill("external", "10", "100", account=name, symbol=symbol)
    rig.tick(1, PRICES)
    rig.offset = 10**6  # order ids count in base 36: a longer number would cost a call more
    rig.counting = True
    return rig


EVENTS: dict[str, Callable[[Rig], object]] = {
    "a mark within all edges": lambda rig: rig.mark("BTCUSDT", "100.01"),
    "a signal": lambda rig: rig.signal(account="a00001", symbol="SOLUSDT"),
    "a fill": lambda rig: rig.fill("external", "1", "100", account="a00001"),
    "a transfer": lambda rig: rig.money("DEPOSIT", "5", account="a00001"),
    "a command": lambda rig: rig.command("newcomer", OpenAccount("sim", "keys/x", dec(1), dec(1))),
    "a new high of three": lambda rig: rig.mark("BTCUSDT", "101"),
    "a target of three": lambda rig: rig.mark("BTCUSDT", "104.5"),
    "a stop of three": lambda rig: rig.mark("BTCUSDT", "94"),
    "a crash of three": lambda rig: rig.mark("BTCUSDT", "60"),
}


@pytest.mark.parametrize("bystanders_hold", ["", "ETHUSDT"], ids=["who-hold-nothing", "who-hold-another-symbol"])
def test_an_event_makes_the_same_calls_among_ten_accounts_and_among_two_thousand(bystanders_hold: str) -> None:
    few, many = desk_with(FEW, bystanders_hold), desk_with(MANY, bystanders_hold)
    differ = {}

    for name, happens in EVENTS.items():
        happens(few)
        happens(many)
        if few.calls != many.calls:
            differ[name] = (few.calls, many.calls)

    assert differ == {}


def test_a_tick_with_nothing_due_makes_the_same_calls_among_ten_accounts_and_among_two_thousand() -> None:
    few, many = desk_with(FEW), desk_with(MANY)

    few.tick()
    many.tick()

    assert few.calls == many.calls


def test_a_mark_that_matters_to_nobody_looks_at_nobody() -> None:
    rig = desk_with(500, "BTCUSDT")
    rig.mark("BTCUSDT", "100.01")

    rig.mark("BTCUSDT", "100.01")

    assert rig.calls < 60
