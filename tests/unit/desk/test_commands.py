"""Commands: who may say what to whom, how old it may be, whose name it needs, and what it does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from streams.desk.messages import (
    EVERY_ACCOUNT,
    CloseAccount,
    ClosePosition,
    Command,
    Control,
    Disable,
    Enable,
    ManualOrder,
    OpenAccount,
    PhaseChange,
    PolicyUpdate,
    Promotion,
    Reset,
    Trip,
    VersionChange,
)  # fmt: skip
from streams.desk.outputs import Fate
from tests.desk_kit import SYMBOLS, Rig, cancels, codes, dec, decisions, one_order, orders
from tests.desk_records import substance

ORDER = ManualOrder("BTCUSDT", "BUY", "MARKET", dec(1), None, dec(97), False)
OPEN = OpenAccount("sim", "keys/bob", dec(5), dec(500))
POLICY = PolicyUpdate(9, "x", "{}")
ALLOWS_MORE: list[tuple[str, Command]] = [
    ("*", Enable()), ("alice", Enable()), ("*", Reset(True)), ("alice", Reset(True)), ("*", PhaseChange("phase3", True)),
    ("alice", PhaseChange("phase3", True)), ("alice", ORDER), ("bob", OPEN), ("*", Promotion("new", "LIVE")),
    ("*", VersionChange("2")),
]  # fmt: skip
SAFER: list[tuple[str, Command]] = [
    ("*", Disable()), ("alice", Disable()), ("*", Trip()), ("alice", Trip()), ("alice", ClosePosition(None)), ("alice", CloseAccount()),
]  # fmt: skip


def name(case: object) -> str | None:
    return type(case).__name__ if isinstance(case, tuple) and hasattr(case, "_fields") else None


@pytest.fixture
def rig() -> Rig:
    return Rig().ready()


class TestScope:
    @pytest.mark.parametrize("command", [ORDER, ClosePosition(None), OPEN, CloseAccount()], ids=name)
    def test_what_concerns_one_account_cannot_be_said_to_all(self, rig: Rig, command: Command) -> None:
        before = substance(rig.state, "control_position")
        assert codes(rig.command(EVERY_ACCOUNT, command)) == ["COMMAND_SCOPE"]
        assert substance(rig.state, "control_position") == before

    @pytest.mark.parametrize("command", [POLICY, VersionChange("2"), Promotion("new", "LIVE")], ids=name)
    def test_what_concerns_all_cannot_be_said_to_one(self, rig: Rig, command: Command) -> None:
        assert codes(rig.command("alice", command)) == ["COMMAND_SCOPE"]

    @pytest.mark.parametrize(("account", "command"), [case for case in ALLOWS_MORE + SAFER if case[0] == "alice"], ids=name)
    def test_an_account_nobody_opened_is_unknown(self, rig: Rig, account: str, command: Command) -> None:
        del account
        before = substance(rig.state)
        (said,) = decisions(rig.command("nobody", command))
        assert (said.account, said.code, rig.last.fate) == ("*", "UNKNOWN_ACCOUNT", Fate.REFUSED)
        assert substance(rig.state) == before


class TestAge:
    @pytest.mark.parametrize(("account", "command"), ALLOWS_MORE, ids=name)
    def test_what_allows_more_is_refused_after_a_minute(self, rig: Rig, account: str, command: Command) -> None:
        assert codes(rig.command(account, command, ts=rig.now_ms - 60_001)) == ["COMMAND_STALE"]
        assert "COMMAND_STALE" not in codes(rig.command(account, command, ts=rig.now_ms - 60_000))

    @pytest.mark.parametrize(("account", "command"), SAFER, ids=name)
    @pytest.mark.parametrize("control_id", ["", "x" * 5_000, "a\nb"], ids=["no id", "5,000 characters", "unprintable"])
    @pytest.mark.parametrize("ts", [0, -(2**62), 2**62])
    def test_what_makes_things_safer_is_taken_with_any_id_and_any_time(
        self, rig: Rig, account: str, command: Command, control_id: str, ts: int
    ) -> None:
        rig.open()
        outputs = rig.command(account, command, control_id=control_id, ts=ts)
        assert (decisions(outputs)[0].verdict, rig.last.fate) == ("APPLIED", Fate.APPLIED)
        assert all(len(key) <= 130 for memory in (rig.state.seen, rig.account().inputs_seen) for key in memory.entries)

    @pytest.mark.parametrize(("account", "command"), SAFER, ids=name)
    def test_what_makes_things_safer_is_never_too_old(self, rig: Rig, account: str, command: Command) -> None:
        rig.open()
        assert decisions(rig.command(account, command, ts=rig.now_ms - 10**9))[0].verdict != "REFUSED"


class TestSignature:
    @pytest.mark.parametrize("user", ["", " ", "\t\n"])
    @pytest.mark.parametrize(("account", "command"), [*ALLOWS_MORE, ("*", POLICY)], ids=name)
    def test_what_allows_more_needs_a_name(self, rig: Rig, account: str, command: Command, user: str) -> None:
        code = "RESET_UNSIGNED" if isinstance(command, Reset) else "COMMAND_UNSIGNED"
        assert codes(rig.command(account, command, user=user)) == [code]

    @pytest.mark.parametrize(("user", "reason"), [("ann", ""), ("ann", " \t"), ("", "an upgrade"), (" ", "an upgrade")])
    def test_another_version_needs_a_name_and_a_reason(self, rig: Rig, user: str, reason: str) -> None:
        assert codes(rig.command(EVERY_ACCOUNT, VersionChange("2"), user=user, reason=reason)) == ["COMMAND_UNSIGNED"]
        assert rig.state.next_version == ""
        assert codes(rig.command(EVERY_ACCOUNT, VersionChange("2"), user="ann", reason="an upgrade")) == ["REIGN_ENDS"]

    @pytest.mark.parametrize(("account", "command"), SAFER, ids=name)
    def test_what_makes_things_safer_needs_none(self, rig: Rig, account: str, command: Command) -> None:
        rig.open()
        assert decisions(rig.command(account, command, user="", reason=""))[0].verdict != "REFUSED"

    def test_who_and_why_are_in_the_verdict(self, rig: Rig) -> None:
        (said,) = decisions(rig.command("alice", Disable(), user="bea", reason="a break"))
        assert (said.kind, said.verdict, said.reason) == ("COMMAND", "APPLIED", "DISABLED user=bea reason=a break")


class TestOnce:
    def test_the_same_command_again_is_a_duplicate(self, rig: Rig) -> None:
        for account in ("*", "alice"):
            rig.command(account, Disable(), control_id="same")
            rig.command(account, Enable())
            assert rig.command(account, Disable(), control_id="same") == []
            assert rig.last.fate is Fate.DUPLICATE
        assert (rig.state.enabled, rig.account().enabled) == (True, True)

    @pytest.mark.parametrize("ts", [0, 10**13])
    def test_a_command_from_the_future_does_not_make_the_present_old(self, rig: Rig, ts: int) -> None:
        rig.command("alice", Disable(), ts=ts)
        rig.now_ms += 3_600_001
        rig.money("FUNDING", "1")
        rig.fill("elsewhere", "1")
        assert rig.last.fate is Fate.APPLIED
        assert rig.account().doubt == ""

    def test_opening_an_account_twice_with_one_id_is_a_duplicate(self, rig: Rig) -> None:
        for _ in range(2):
            rig.command("bob", OPEN, control_id="open-bob")
        assert rig.last.fate is Fate.DUPLICATE


class TestThePositionsOrdersName:
    """The executor compares them with the trips it has read itself, so they may never run ahead."""

    def send(self, rig: Rig, account: str, command: Command, offset: int) -> None:
        rig.feed(Control(f"c{rig.number()}", account, "ann", "test", rig.now_ms, command), "control-of-" + account, offset)

    def test_are_those_of_the_accounts_and_of_everybodys_commands(self, rig: Rig) -> None:
        self.send(rig, "alice", Enable(), 700)
        self.send(rig, "*", Enable(), 900)
        order = one_order(rig.signal())
        assert (order.control_position, order.every_control_position) == (700, 900)

    def test_a_new_accounts_command_is_none_of_everybodys(self, rig: Rig) -> None:
        before = rig.state.control_position
        self.send(rig, "bob", OPEN, 10**9)
        assert rig.state.control_position == before
        assert rig.account("bob").control_position == 10**9

    def test_a_refused_command_has_been_read_all_the_same(self, rig: Rig) -> None:
        self.send(rig, "alice", Reset(False), 800)
        assert rig.account().control_position == 800
        self.send(rig, EVERY_ACCOUNT, ORDER, 900)
        assert rig.state.control_position == 900


class TestAccounts:
    def test_a_new_account_starts_disabled_with_its_balance(self, rig: Rig) -> None:
        (said,) = decisions(rig.command("bob", OPEN))
        bob = rig.account("bob")
        assert said.reason.startswith("ACCOUNT_OPENED venue=sim leverage=5 opening_balance=500 ")
        assert (bob.cash, bob.high_water, bob.day_start, bob.enabled, bob.in_service) == (
            dec(500),
            dec(500),
            dec(500),
            False,
            True,
        )

    def test_one_that_exists_is_not_opened_again(self, rig: Rig) -> None:
        assert codes(rig.command("alice", OPEN)) == ["ACCOUNT_EXISTS"]
        assert rig.account().cash == dec(10_000)

    def test_closing_takes_it_out_of_service_and_opening_puts_it_back(self, rig: Rig) -> None:
        order = one_order(rig.signal())
        outputs = rig.command("alice", CloseAccount())
        assert [cancel.order_id for cancel in cancels(outputs)] == [order.order_id]
        assert codes(outputs) == ["ACCOUNT_CLOSED"]
        assert codes(rig.signal()) == ["ACCOUNT_CLOSED"]
        assert codes(rig.command("alice", OpenAccount("sim", "keys/new", dec(7), dec(1)))) == ["ACCOUNT_REOPENED"]
        assert (rig.account().cash, rig.account().credentials, rig.account().leverage) == (dec(10_000), "keys/new", dec(7))
        assert rig.last.fate is Fate.APPLIED

    def test_one_that_is_put_back_does_not_trade_until_it_is_enabled(self, rig: Rig) -> None:
        rig.command("alice", CloseAccount())
        rig.command("alice", OpenAccount("sim", "keys/new", dec(7), dec(1)))
        assert codes(rig.signal(symbol="ETHUSDT")) == ["TRADING_DISABLED"]
        rig.command("alice", Enable())
        assert codes(rig.signal(symbol="ETHUSDT")) == ["LONG"]

    def test_it_cannot_come_back_at_another_venue(self, rig: Rig) -> None:
        rig.command("alice", CloseAccount())
        assert codes(rig.command("alice", OpenAccount("elsewhere", "keys/a", dec(5), dec(1)))) == ["ACCOUNT_EXISTS"]

    @pytest.mark.parametrize("account", ["", " ", "a b", "-a", "x" * 65, "ä", "a\n"])
    def test_some_names_are_none(self, rig: Rig, account: str) -> None:
        assert codes(rig.command(account, OPEN)) == ["ACCOUNT_NAME"]
        assert list(rig.state.accounts) == ["alice"]


class TestClosing:
    def test_closes_one_symbol_or_all_and_takes_back_entries(self, rig: Rig) -> None:
        rig.open("BTCUSDT")
        rig.open("ETHUSDT", "SHORT")
        waiting = one_order(rig.signal(symbol="SOLUSDT"))
        assert [(order.symbol, order.side) for order in orders(rig.command("alice", ClosePosition("ETHUSDT")))] == [
            ("ETHUSDT", "BUY")
        ]
        outputs = rig.command("alice", ClosePosition(None))
        assert [order.symbol for order in orders(outputs)] == ["BTCUSDT"]
        assert [cancel.order_id for cancel in cancels(outputs)] == [waiting.order_id]

    def test_is_refused_where_nothing_is_held_but_takes_back_entries_all_the_same(self, rig: Rig) -> None:
        waiting = one_order(rig.signal())
        outputs = rig.command("alice", ClosePosition("BTCUSDT"))
        assert codes(outputs) == ["NO_POSITION"]
        assert [cancel.order_id for cancel in cancels(outputs)] == [waiting.order_id]


class TestManualOrders:
    def manual(self, **fields: Any) -> ManualOrder:
        return ORDER._replace(**fields)

    def test_a_market_order_passes_the_gates_and_carries_its_stop(self, rig: Rig) -> None:
        order = one_order(rig.command("alice", ORDER))
        assert (order.type, order.quantity, order.protective_stop, order.reduce_only) == ("MARKET", dec(1), dec(97), False)
        rig.fill(order, price="100")
        plan = rig.account().positions["BTCUSDT"].plan
        assert plan is not None
        assert (plan.stop, plan.regime) == (dec(97), "VOLATILE")

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"stop_price": None}, "STOP_MISSING"),
            ({"stop_price": dec(101)}, "STOP_MISSING"),
            ({"quantity": dec(30)}, "ROOM_EXCEEDED"),
            ({"symbol": "DOGEUSDT"}, "INSTRUMENT_UNKNOWN"),
            ({"type": "LIMIT", "limit_price": dec("100.005")}, "PRICE_TICK"),
            ({"type": "LIMIT", "limit_price": dec(110)}, "PRICE_COLLAR"),
            ({"reduce_only": True}, "NO_POSITION"),
        ],
    )
    def test_is_refused_like_any_other(self, rig: Rig, fields: dict[str, Any], code: str) -> None:
        (said,) = decisions(rig.command("alice", self.manual(**fields)))
        assert (said.verdict, said.code, rig.last.fate) == ("REFUSED", code, Fate.REFUSED)

    def test_is_refused_while_the_stop_has_tripped(self, rig: Rig) -> None:
        rig.command("alice", Trip())
        assert codes(rig.command("alice", ORDER)) == ["ESS_TRIPPED"]

    @pytest.mark.parametrize(("limit", "works"), [(None, False), (dec(100), True)])
    def test_a_limit_belongs_to_a_limit_order_and_to_no_other(self, rig: Rig, limit: Decimal | None, works: bool) -> None:
        for kind, fits in (("LIMIT", works), ("MARKET", not works)):
            said = codes(rig.command("alice", self.manual(type=kind, limit_price=limit)))
            assert said == (["MANUAL"] if fits else ["COMMAND_INVALID"])

    def test_a_sale_against_a_position_only_closes_it(self, rig: Rig) -> None:
        rig.fill("elsewhere", "2")
        order = one_order(rig.command("alice", self.manual(side="SELL", quantity=dec(5), stop_price=dec(103))))
        assert (order.quantity, order.reduce_only) == (dec(2), True)


class TestSwitching:
    def test_enabling_an_account_says_that_somebody_has_looked_at_its_doubts(self, rig: Rig) -> None:
        rig.account().doubt = "FILL_TOO_OLD"
        rig.command("alice", Enable())
        assert rig.account().doubt == ""

    def test_disabling_keeps_positions(self, rig: Rig) -> None:
        rig.open()
        assert orders(rig.command("*", Disable()) + rig.tick(5, dict.fromkeys(SYMBOLS, "100"))) == []


class TestASaferCommandWithAnOddId:
    """Nobody's stop may be taken for a repeat of somebody else's."""

    @pytest.mark.parametrize("ids", [("", ""), ("x" * 200 + "1", "x" * 200 + "2")])
    def test_counts_each_time(self, ids: tuple[str, str]) -> None:
        rig = Rig().ready()
        rig.command("alice", Trip(), control_id=ids[0])
        rig.command("alice", Reset(True))
        assert rig.account().stop.armed
        rig.command("alice", Trip(), control_id=ids[1])
        assert not rig.account().stop.armed
