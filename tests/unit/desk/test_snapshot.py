"""Snapshots: a state written and read back is the same state, and answers the rest of the tape identically."""

from __future__ import annotations

import ast
from dataclasses import fields
from inspect import getmodule, getsource

import pytest

from streams.desk import state
from streams.desk.desk import step
from streams.desk.emergency_stop import Stop
from streams.desk.messages import Reset, Trip
from streams.desk.snapshot import account_record, shared_record, volumes_record
from streams.desk.state import Account, Adjustment, ClosedOrder, OpenOrder, Plan, Position, State, Total
from streams.desk.turn import figures_hash
from tests.desk_kit import SYMBOLS, Rig, dec, one_order, orders
from tests.desk_records import records, restored

QUIET = dict.fromkeys(SYMBOLS, "100")
ELSEWHERE = {
    Account: {"queue"},
    Position: {"account"},
    State: {"epoch", "partition", "partitions", "offset", "sources", "accounts", "mark_ms", "policy"},
    OpenOrder: set(),
    ClosedOrder: set(),
    Plan: set(),
    Total: set(),
    Stop: set(),
    Adjustment: set(),
}
"""Written under another name: the queue, whose position it is, what the marker has, beside each mark, the policy's document."""


def derived(kind: type) -> set[str]:
    """Name the fields whose text in the source says that they are derived, and those below one that says so of all below it."""
    (body,) = [
        node.body
        for node in ast.walk(ast.parse(getsource(getmodule(kind) or state)))
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    ]
    found, rest = set(), False
    for field, said in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            words = said.value.value if isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant) else ""
            rest = rest or (isinstance(words, str) and words.startswith("Derived, as all below"))
            if rest or (isinstance(words, str) and words.startswith("Derived")):
                found.add(field.target.id)
    return found


def busy_day() -> Rig:
    """Play a day in which everything a snapshot holds comes to be."""
    rig = Rig(throttle={"signals_per_cycle": "4"}, total={"drawdown_pct": "50"}).ready("alice", "bob", "carol")
    rig.open("BTCUSDT", account="alice")
    rig.open("ETHUSDT", "SHORT", account="alice", regime="RANGE")
    part = one_order(rig.signal("LONG", "SOLUSDT", "alice"))
    rig.fill(part, "3", fee=dec("0.0007"), fee_currency="SOL")
    rig.tick(marks=QUIET)
    rig.event(one_order(rig.signal("LONG", "BNBUSDT", "alice")), "UNKNOWN")
    for number in range(7):
        rig.signal("LONG", "BTCUSDT", "bob", confidence=dec("0.4") + dec(number) / 100)
    rig.mark("BTCUSDT", "101.7", high="102", low="99")
    rig.money("ADJUSTMENT", "-3", "carol", symbol="BTCUSDT", quantity=dec("0.0005"), price=dec(100))
    rig.fill("elsewhere", "2", "100", account="carol", fee=dec("0.01"), fee_currency="XYZ")
    rig.event(one_order(rig.signal("CLOSE", "ETHUSDT", "alice")), "REJECTED")
    rig.command("bob", Trip())
    rig.tick(marks=QUIET | {"BTCUSDT": "101.5"})
    for _ in range(6):
        rig.signal(confidence=dec("0.1"), account="alice")
    return rig


def rest_of_the_day(rig: Rig) -> None:
    """Go on with everything that was begun, by what the desk itself has open."""
    for symbol, price in (("BTCUSDT", "98"), ("ETHUSDT", "103"), ("XYZUSDT", "7"), ("SOLUSDT", "96")):
        rig.mark(symbol, price)
        rig.tick(marks={"BNBUSDT": "100"})
    for name in ("alice", "bob", "carol"):
        for order in list(rig.account(name).orders.values()):
            rig.fill(
                order.order_id,
                order.rest,
                "99",
                account=name,
                symbol=order.symbol,
                side=order.side,
                fee=dec("0.001"),
                fee_currency="BNB",
            )
        rig.signal("LONG", "BNBUSDT", name)
        rig.fill("nobodys", "1", "97", account=name)
    rig.command("bob", Reset(True), reason="seen")
    rig.tick(40, QUIET)
    rig.tick(3)


def test_the_record_made_again_is_the_record() -> None:
    rig = busy_day()
    assert records(restored(rig.state)) == records(rig.state)


def test_the_busy_day_really_has_something_of_everything() -> None:
    rig = busy_day()
    rows = {key: value for name in ("alice", "bob", "carol") for key, value in account_record(rig.account(name)).items() if value}
    lists = {
        "positions",
        "orders",
        "closed_orders",
        "adjustments",
        "fees_owed",
        "waiting",
        "order_times",
        "signals_seen",
        "inputs_seen",
    }
    assert lists - rows.keys() == set()
    shared = shared_record(rig.state)
    assert all(shared[key] for key in ("marks", "windows", "instruments", "stages", "seen", "policy_document"))


def test_it_answers_the_rest_of_a_tape_identically() -> None:
    live = busy_day()
    again = Rig(restored(live.state))
    again.numbers, again.now_ms = live.numbers, live.now_ms
    live.said.clear()
    rest_of_the_day(live)
    rest_of_the_day(again)
    assert len(orders(live.said)) > 3
    assert again.said == live.said
    assert records(again.state) == records(live.state)


@pytest.mark.parametrize("every", [1, 7])
def test_from_any_point_of_the_tape(every: int) -> None:
    live = busy_day()
    rest_of_the_day(live)
    again = Rig().state
    said = []
    for number, event in enumerate(live.tape):
        said += step(again, event).outputs
        if number % every == 0:
            again = restored(again)
    assert said == live.said
    assert records(again) == records(live.state)


@pytest.mark.parametrize("kind", list(ELSEWHERE), ids=lambda kind: kind.__name__)
def test_nothing_of_the_state_is_forgotten(kind: type) -> None:
    rig = busy_day()
    account = account_record(rig.account("alice"))
    written = {
        Account: set(account), Position: set(account["positions"][0]), OpenOrder: set(account["orders"][0]),
        Plan: set(account["positions"][0]["plan"]),
        ClosedOrder: set(account["closed_orders"][0]),
        Total: set(shared_record(rig.state)["total"]),
        Stop: set(account["stop"]),
        Adjustment: set(account_record(rig.account("carol"))["adjustments"][0]), State: set(shared_record(rig.state)),
    }[kind]  # fmt: skip
    assert {slot.name for slot in fields(kind)} - written - derived(kind) == ELSEWHERE[kind]


def test_volumes_are_written_beside_the_marks_so_that_a_state_without_any_is_written_as_ever() -> None:
    rig = Rig().ready()
    assert volumes_record(rig.state) is None
    rig.mark("ETHUSDT", "100", volume_24h="7.5")
    assert volumes_record(rig.state) == {"volumes": [{"symbol": "ETHUSDT", "volume_24h": dec("7.5")}]}
    again = restored(rig.state)
    assert again.marks == rig.state.marks
    assert (again.marks["ETHUSDT"].volume_24h, again.marks["BTCUSDT"].volume_24h) == (dec("7.5"), None)


def test_an_empty_desk_can_be_written_too() -> None:
    assert records(restored(Rig().state)) == records(Rig().state)


def test_a_policy_version_that_is_none_is_not_in_force_before_nor_after() -> None:
    rig = Rig()
    rig.policy(0)
    assert (rig.state.policy, restored(rig.state).policy) == (None, None)
    rig.policy(1)
    assert restored(rig.state).policy == rig.state.policy is not None
    assert records(restored(rig.state)) == records(rig.state)


def test_a_hash_that_is_kept_is_never_of_an_older_state() -> None:
    live = busy_day()
    live.fill("nobodys", "1", "100")
    rest_of_the_day(live)
    again, kept = Rig().state, 0
    for event in live.tape:
        step(again, event)
        for account in again.accounts.values():
            before, account.figures = account.figures, ""
            assert before in ("", figures_hash(account))
            kept += bool(before)
    assert kept > 100


def test_no_account_changes_without_a_new_version() -> None:
    live = busy_day()
    rest_of_the_day(live)
    again = Rig().state
    known: dict[str, tuple[int, dict[str, object]]] = {}
    for event in live.tape:
        step(again, event)
        for name, account in again.accounts.items():
            now = account.version, account_record(account)
            if name in known and known[name][0] == now[0]:
                assert now[1] == known[name][1]
            known[name] = now
