"""A desk that looks at everybody: with every mark at every holder, whether an edge was reached or not.

Decides: nothing the real desk would not; it replaces only who is looked at (desk.watch) by the one answer that cannot be wrong. Slow on purpose:
whatever the watch saves must not be seen in a single answer.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streams.desk import watch
from streams.desk.messages import Mark
from streams.desk.state import Account, Position, State


def everybody(state: State, mark: Mark) -> list[Position]:
    """Name every holder of the symbol, in account order, as the desk does."""
    watch.woken(state, mark)  # what was reached is drawn anew either way
    holders = state.index.holders.get(mark.symbol, {})
    return [holders[name] for name in sorted(holders)]


def never_inside(_state: State, _account: Account, _position: Position, _mark: Mark) -> bool:
    """Let no estimate stand in for the exact valuation."""
    return False


@contextmanager
def eager() -> Iterator[None]:
    """Make every desk look at everybody until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.desk.marks.woken", everybody)
        patch.setattr("streams.desk.valuation.inside", never_inside)
        yield
