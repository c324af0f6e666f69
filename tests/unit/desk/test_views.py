"""Views: what is shown of an account, and when."""

from __future__ import annotations

import pytest

from streams.desk.messages import Disable, Enable, Reset, Trip
from streams.desk.outputs import Output, Portfolio
from tests.desk_kit import SYMBOLS, Rig, dec, one_order, portfolios

QUIET = dict.fromkeys(SYMBOLS, "100")


def shown(outputs: list[Output], account: str = "alice") -> list[Portfolio]:
    return [one for one in portfolios(outputs) if one.account == account]


@pytest.fixture
def rig() -> Rig:
    rig = Rig().ready()
    rig.tick()
    return rig


class TestAPortfolio:
    def test_has_every_figure_of_the_books(self, rig: Rig) -> None:
        rig.fill("elsewhere", "10", "100", fee=dec("0.5"))
        rig.fill("elsewhere", "4", "103", side="SELL")
        rig.money("FUNDING", "-1")
        rig.signal(symbol="ETHUSDT")
        rig.mark("BTCUSDT", "102")
        (one,) = shown(rig.tick())
        assert (one.cash, one.realised_pnl, one.fees, one.funding) == (dec("10010.5"), dec(12), dec("0.5"), dec(-1))
        assert one.equity == dec("10022.5")
        assert one.exposure == dec(612) + dec("19.998") * 100
        assert (one.high_water, one.day_start_equity, one.drawdown_pct) == (dec("10022.5"), dec(10_000), dec(0))
        assert (one.open_orders, one.queued, one.phase, one.mode) == (1, 0, "phase3", "NORMAL")
        (held,) = one.positions
        assert (held.symbol, held.quantity, held.entry_price, held.cost, held.mark) == (
            "BTCUSDT",
            dec(6),
            dec(100),
            dec(600),
            dec(102),
        )
        assert (held.unrealised_pnl, held.realised_pnl, held.stop) == (dec(12), dec(12), dec(98))

    def test_says_where_and_when(self, rig: Rig) -> None:
        rig.fill("elsewhere", "1")
        (one,) = shown(rig.tick())
        assert (one.offset, one.time_ms) == (rig.offset, rig.now_ms)
        assert rig.last.outputs[one.n] is one

    def test_shows_the_drawdown_in_per_cent(self, rig: Rig) -> None:
        rig.money("FUNDING", "-123")
        (one,) = shown(rig.tick())
        assert one.drawdown_pct == dec("1.23")

    def test_says_that_it_does_not_know(self, rig: Rig) -> None:
        rig.fill("elsewhere", "1", symbol="NEWUSDT")
        (one,) = shown(rig.tick())
        assert (one.equity, one.exposure, one.drawdown_pct) == (None, None, None)
        assert (one.positions[0].mark, one.positions[0].unrealised_pnl) == (None, None)


class TestWhen:
    def test_nothing_is_shown_while_nothing_changes(self, rig: Rig) -> None:
        assert shown(rig.tick(30)) == []

    @pytest.mark.parametrize("what", ["fill", "signal", "command", "money"])
    def test_a_change_is_shown_at_the_next_tick_and_once(self, rig: Rig, what: str) -> None:
        if what == "fill":
            rig.fill("elsewhere", "1")
        elif what == "signal":
            rig.event(one_order(rig.signal()), "REJECTED")
        elif what == "command":
            rig.command("alice", Disable())
        else:
            rig.money("DEPOSIT", "5")
        assert len(shown(rig.tick(marks=QUIET))) == 1
        assert shown(rig.tick(marks=QUIET)) == []

    def test_who_holds_something_is_shown_once_a_minute(self, rig: Rig) -> None:
        rig.open()
        rig.tick(marks=QUIET)
        assert len(shown(rig.tick(180, QUIET))) == 3

    def test_each_in_its_own_second(self) -> None:
        names = [f"account{number}" for number in range(12)]
        rig = Rig().ready(*names)
        for name in names:
            rig.fill("elsewhere", "1", account=name)
        rig.tick(marks=QUIET)
        seconds = {name: {one.time_ms // 1000 % 60 for one in shown(rig.said, name)} for name in names}
        rig.said.clear()
        rig.tick(60, QUIET)
        seconds = {name: {one.time_ms // 1000 % 60 for one in shown(rig.said, name)} for name in names}
        assert all(len(each) == 1 for each in seconds.values())
        assert len(set().union(*seconds.values())) > 6

    @pytest.mark.parametrize("command", [Trip(), Disable(), Enable()], ids=lambda command: type(command).__name__)
    def test_what_concerns_all_shows_every_account_at_the_next_tick(self, command: Trip | Disable | Enable) -> None:
        rig = Rig().ready("alice", "bob")
        rig.tick(marks=QUIET)
        rig.command("*", command)
        outputs = rig.tick(marks=QUIET)
        assert [len(shown(outputs, name)) for name in ("alice", "bob", "*")] == [1, 1, 1]
        assert shown(rig.tick(marks=QUIET)) == []

    def test_the_stop_over_all_is_shown_when_it_begins_to_cool_down(self, rig: Rig) -> None:
        entering = one_order(rig.signal())
        rig.command("*", Trip())
        assert [one.ess_state for one in shown(rig.tick(marks=QUIET), "*")] == ["TRIPPED"]
        rig.event(entering, "CANCELLED")
        assert [one.ess_state for one in shown(rig.tick(marks=QUIET), "*")] == ["COOLDOWN"]

    def test_the_partition_as_a_whole_is_shown_every_minute_and_when_it_changes(self, rig: Rig) -> None:
        assert len(shown(rig.tick(120), "*")) == 2
        rig.command("*", Disable())
        (one,) = shown(rig.tick(), "*")
        assert one.mode == "HALTED"


class TestAllTogether:
    def test_shows_the_stop_over_all_accounts(self) -> None:
        rig = Rig().ready("alice", "bob")
        rig.open(account="alice")
        rig.open("ETHUSDT", "SHORT", account="bob")
        rig.command("*", Trip(), reason="drill")
        one = shown(rig.tick(marks=QUIET), "*")[-1]
        assert (one.cash, one.ess_trip_reason, one.mode) == (dec(20_000), "COMMAND user=ann reason=drill", "REDUCING")
        assert one.ess_state in ("TRIPPED", "COOLDOWN")
        assert one.ess_left_s == 900
        rig.tick(2, QUIET)
        rig.command("*", Reset(True))
        one = shown(rig.tick(marks=QUIET), "*")[-1]
        assert (one.ess_state, one.ess_reset_count, one.mode) == ("ARMED", 1, "NORMAL")

    @pytest.mark.parametrize(("commands", "mode"), [((), "HALTED"), ((Enable(),), "REDUCING")])
    def test_without_a_policy_nothing_may_grow(self, commands: tuple[Enable, ...], mode: str) -> None:
        rig = Rig()
        for command in commands:
            rig.command("*", command)
        assert [one.mode for one in shown(rig.tick(60), "*")][-1] == mode

    def test_sums_equity_and_exposure(self) -> None:
        rig = Rig().ready("alice", "bob")
        rig.fill("elsewhere", "10", "100", account="alice")
        rig.fill("elsewhere", "4", "100", account="bob", symbol="ETHUSDT", side="SELL")
        one = shown(rig.tick(60, QUIET | {"BTCUSDT": "101", "ETHUSDT": "99"}), "*")[-1]
        assert (one.equity, one.exposure) == (dec(20_014), dec(1_406))
