"""A turn: outputs are numbered, decisions are chained, and the state's hash is of what it holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streams.desk.messages import Disable, Reset, Trip
from streams.desk.outputs import Cancel, DeadLetter, Decision, Order, Portfolio
from streams.desk.state import START_OF_CHAIN
from streams.desk.turn import figures_hash
from tests.desk_kit import SYMBOLS, Rig, dec, decisions, one_order

QUIET = dict.fromkeys(SYMBOLS, "100")


def told() -> Rig:
    """Play enough for every kind of output."""
    rig = Rig().ready("alice", "bob")
    rig.open(account="alice")
    rig.signal("SHORT", "ETHUSDT", "bob")
    rig.signal(confidence=dec("0.1"))
    rig.command("bob", Disable())
    rig.mark("BTCUSDT", "98")
    rig.fill("elsewhere", "0")
    rig.tick(3, QUIET)
    return rig


def test_outputs_of_an_event_are_numbered_from_zero() -> None:
    rig = Rig().ready()
    rig.open()
    outputs = rig.mark("BTCUSDT", "98") + rig.tick()
    numbered = [one for one in outputs if isinstance(one, Decision | Order | Cancel | Portfolio | DeadLetter)]
    assert [(one.offset, one.n) for one in numbered if one.offset == rig.offset] == [
        (rig.offset, n) for n in range(len(numbered) - 2)
    ]
    assert [one.n for one in numbered[:2]] == [0, 1]


def test_decisions_of_an_account_are_chained() -> None:
    said = decisions(told().said)
    for account in ("alice", "bob", "*"):
        own = [one for one in said if one.account == account]
        assert len(own) > 1
        assert [one.previous for one in own] == [START_OF_CHAIN, *[one.hash for one in own[:-1]]]
    assert len({one.hash for one in said}) == len(said)


def test_the_end_of_the_chain_is_in_the_state() -> None:
    rig = told()
    for name in ("alice", "bob"):
        assert rig.account(name).chain == [one for one in decisions(rig.said) if one.account == name][-1].hash
    assert rig.state.chain == [one for one in decisions(rig.said) if one.account == "*"][-1].hash


def test_the_same_tape_says_the_same() -> None:
    assert told().said == told().said


def test_one_figure_more_changes_every_later_hash() -> None:
    one, other = Rig().ready(), Rig().ready()
    one.money("FUNDING", "0.01")
    assert decisions(one.signal())[0].hash != decisions(other.signal())[0].hash


CHANGES: list[Callable[[Rig], object]] = [
    lambda rig: rig.money("FUNDING", "-0.0000000001"),
    lambda rig: rig.fill("elsewhere", "0.0000000001"),
    lambda rig: rig.fill("elsewhere", "1", symbol="ETHUSDT", fee=dec(1), fee_currency="XYZ"),
    Rig.signal,
    lambda rig: rig.command("alice", Disable()),
    lambda rig: rig.command("alice", Trip()),
    lambda rig: [rig.command("alice", Trip()), rig.command("alice", Reset(True))],
    lambda rig: rig.mark("BTCUSDT", "103"),
    lambda rig: rig.mark("BTCUSDT", "95"),
    lambda rig: rig.event(one_order(rig.signal("LONG", "ETHUSDT")), "UNKNOWN"),
    lambda rig: rig.money("ADJUSTMENT", "0"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_states_hash_is_of_everything_that_counts(change: Callable[[Rig], object]) -> None:
    rig = Rig().ready()
    rig.fill("elsewhere", "1")
    before = figures_hash(rig.account())
    change(rig)
    assert figures_hash(rig.account()) != before


def test_the_states_hash_does_not_remember_a_look() -> None:
    rig = Rig().ready()
    rig.fill("elsewhere", "1")
    before = figures_hash(rig.account())
    rig.signal(confidence=dec("0.1"))
    rig.mark("BTCUSDT", "99.9")
    assert figures_hash(rig.account()) == before
