"""The desk: `step`, the one pure function everything hangs on.

Decides: that an input is stepped once and only in its turn, and which handler it belongs to. What it returns is a function of the state and
the event alone: no I/O, no clock, no chance, no environment. The state handed in is changed and handed back; whoever needs the old one
keeps a snapshot.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from streams.desk.account_events import on_account_event
from streams.desk.commands import on_control
from streams.desk.fills import on_fill
from streams.desk.marks import on_instrument, on_mark
from streams.desk.messages import (
    AccountEvent,
    Control,
    EquityReport,
    Fill,
    Instrument,
    Mark,
    OrderEvent,
    Signal,
    TapeEvent,
    Tick,
    Unreadable,
)
from streams.desk.orders import on_order_event
from streams.desk.outputs import Fate, Output
from streams.desk.signals import on_signal
from streams.desk.state import DESK_VERSION, State
from streams.desk.ticks import on_tick
from streams.desk.total import on_report
from streams.desk.turn import Turn
from streams.desk.valuation import revalue_touched
from streams.desk.values import exact


class Outcome(NamedTuple):
    """What a step led to."""

    state: State
    fate: Fate
    outputs: list[Output]


class WrongReign(Exception):
    """This desk version may not step this offset: another one reigns there."""


def step(state: State, event: TapeEvent) -> Outcome:
    """Apply one input of the tape."""
    if state.version != DESK_VERSION or state.next_version:
        raise WrongReign(
            f"offset {event.offset} is for desk version {state.next_version or state.version}, this is {DESK_VERSION}"
        )
    turn = Turn(state, event)
    if not _in_turn(state, event):
        return Outcome(state, Fate.DUPLICATE, turn.outputs)
    state.now_ms = turn.now_ms = max(state.now_ms, event.stamp_ms)
    with exact():
        _HANDLERS[type(event.body)](turn, event.body)
        if turn.touched:
            revalue_touched(turn)
    return Outcome(state, turn.fate, turn.outputs)


def assume_reign(state: State) -> State:
    """Take over a state whose reign has ended in favour of this desk version."""
    if state.next_version != DESK_VERSION:
        raise WrongReign(f"the state is for desk version {state.next_version or state.version}, this is {DESK_VERSION}")
    state.version, state.next_version = DESK_VERSION, ""
    return state


def _in_turn(state: State, event: TapeEvent) -> bool:
    """Tell whether this comes after the last of the tape and of its source; if so, it now is the last.

    Offsets may leave gaps out (a broker's own markers take some); whether records are missing is for whoever reads the tape to know.
    """
    if event.offset <= state.offset:
        return False
    state.offset = event.offset
    source = (event.topic, event.partition)
    if event.source_offset <= state.sources.get(source, -1):
        return False
    state.sources[source] = event.source_offset
    return True


def _on_unreadable(turn: Turn, body: Unreadable) -> None:
    turn.bury(body.error, body.detail, body.schema_id)


_HANDLERS: dict[type, Callable[[Turn, Any], None]] = {
    Mark: on_mark, Signal: on_signal, OrderEvent: on_order_event, Fill: on_fill, Tick: on_tick, Control: on_control, Instrument: on_instrument,
    AccountEvent: on_account_event, EquityReport: on_report, Unreadable: _on_unreadable,
}  # fmt: skip
