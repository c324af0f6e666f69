"""One wish and one gate: what tests of single gates are made with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from streams.desk import gates
from streams.desk.messages import Signal
from streams.desk.outputs import Check
from streams.desk.request import Request
from streams.desk.state import OpenOrder
from streams.desk.values import exact
from tests.desk_kit import Rig, dec


def a_signal(**fields: Any) -> Signal:
    """Make a signal that is good but for the fields given."""
    given = Signal("s", "alice", "BTCUSDT", "LONG", dec("0.9"), {}, dec("0.9"), "heuristic", False, "TREND", dec(1), 0)
    return given._replace(**fields)


def wish(rig: Rig, **changes: Any) -> Request:
    """Make a wish to buy one BTC at the ask, as of now, with everything about it good."""
    state = rig.state
    account = rig.account()
    mark = state.marks["BTCUSDT"]
    asked = Request(
        state, account, state.now_ms, state.now_ms, "BTCUSDT", "BUY", "LIMIT", True, dec(1), mark.ask, dec(98), a_signal(),
        state.phase_of(account), mark, state.instruments["BTCUSDT"], mark.ask, dec(2000), dec(10000),
    )  # fmt: skip
    return replace(asked, **changes)


def look(gate: gates.Gate, request: Request) -> Check:
    """Hold a wish against one gate, in the arithmetic of the desk."""
    with exact():
        return gate(request)


def remember(
    rig: Rig, order_id: str, symbol: str = "BTCUSDT", side: Any = "BUY", quantity: str = "1", reduce_only: bool = False
) -> None:
    """Put an open order into alice's books."""
    order = OpenOrder(order_id, symbol, side, "LIMIT", dec(quantity), dec(100), reduce_only, "LONG", 0, None)
    rig.account().orders[order_id] = order
