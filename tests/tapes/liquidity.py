"""The tape of thin markets: orders cut to what a book holds, and refused where that is not worth sending or too little is traded.

Decides: what a desk is asked whose policy cuts and asks for a volume. Every step says what it expects, so that building fails where the desk no
longer says it. Leaves to others: a policy without these keys (tests/tapes/refusals.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from streams.desk.desk import Outcome, step
from streams.desk.messages import ManualOrder, TapeEvent
from streams.desk.outputs import Output
from streams.desk.state import State, new_state
from tests.desk_kit import Rig, codes, dec, one_order

DEEP, BUSY = "1000000", "5000000"
BUY = ManualOrder("BTCUSDT", "BUY", "LIMIT", dec(5), dec(100), dec(98), False)


def thin_markets() -> tuple[State, Iterator[tuple[TapeEvent, Outcome]], list[str]]:
    """Ask in thin markets: where to start, what to step, and which codes that gives."""
    rig = Rig(market={"depth_cut": "true", "volume_24h_usd_min": BUSY}).ready()
    said: list[str] = []

    def no(code: str, outputs: list[Output]) -> None:
        if code not in codes(outputs):
            raise AssertionError(f"{code} was expected, {codes(outputs)} was said")
        said.append(code)

    no("VOLUME_LOW", rig.signal())
    rig.mark("BTCUSDT", "100", volume_24h="4999999.99")
    no("VOLUME_LOW", rig.signal())
    rig.mark("BTCUSDT", "100", volume_24h=BUSY, depth="10000")
    no("DEPTH_THIN", rig.command("alice", BUY))
    cut = one_order(rig.signal())
    if cut.quantity != dec("3.999"):
        raise AssertionError(f"an order of 3.999 was expected, {cut.quantity} was sent")
    rig.fill(cut)
    rig.mark("ETHUSDT", "100", volume_24h=BUSY, depth="124")
    no("DEPTH_THIN", rig.signal(symbol="ETHUSDT"))
    rig.mark("ETHUSDT", "100", volume_24h=BUSY, depth="0")
    no("DEPTH_THIN", rig.signal(symbol="ETHUSDT"))
    rig.mark("SOLUSDT", "100", volume_24h=BUSY, ask="100.12", depth="10000")
    no("SPREAD_WIDE", rig.signal(symbol="SOLUSDT"))
    rig.mark("SOLUSDT", "100", volume_24h=BUSY, depth=DEEP)
    one_order(rig.signal(symbol="SOLUSDT"))
    rig.mark("BNBUSDT", "100", volume_24h=BUSY, depth="0")
    one_order(rig.mark("BTCUSDT", "98", volume_24h="1", depth="0"))
    rig.tick()
    start = new_state(1, 0)
    return start, ((event, step(start, event)) for event in rig.tape), said
