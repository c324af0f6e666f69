"""Policies, phases, promotions and versions: which counts, which is refused, and from when on."""

from __future__ import annotations

from typing import Any

import pytest

from streams.desk.desk import WrongReign, assume_reign
from streams.desk.messages import OpenAccount, PhaseChange, PolicyUpdate, Promotion, Tick, VersionChange
from streams.desk.outputs import Output
from streams.desk.policy_check import canonical, document_hash
from streams.desk.policy_commands import SOURCES_MAX
from streams.desk.state import DESK_VERSION
from streams.simulation.policies import document
from tests.desk_kit import SYMBOLS, Rig, codes, dec, decisions
from tests.desk_records import substance

DAY_MS = 86_400_000


def update(version: int, written: dict[str, Any]) -> PolicyUpdate:
    text = canonical(written)
    return PolicyUpdate(version, document_hash(text), text)


def three_phases(**days: int) -> dict[str, Any]:
    """Write a policy of phases a, b and c, each with its own days and its own lowest confidence."""
    written = document(SYMBOLS)
    phases = {}
    for number, name in enumerate(("a", "b", "c")):
        phase = document(SYMBOLS)["phases"]["phase3"]
        phase["min_days"] = str(days[name]) if name in days else "none"
        phase["entry"]["confidence_min"] = f"0.{8 - number}"
        phases[name] = phase
    return {**written, "phases": phases}


class TestNoPolicyAtAll:
    def held(self) -> Rig:
        rig = Rig()
        rig.command("alice", OpenAccount("sim", "keys/alice", dec(10), dec(10_000)))
        rig.mark("BTCUSDT", "100")
        rig.fill("elsewhere", "1")
        return rig

    def test_is_said_once_where_something_is_held(self) -> None:
        (said,) = [one for one in decisions(self.held().tick(90)) if one.kind == "ALERT"]
        assert (said.account, said.verdict, said.code) == ("*", "ALERT", "POLICY_ABSENT")

    def test_is_not_worth_a_word_where_nothing_is_held(self) -> None:
        rig = Rig()
        rig.command("alice", OpenAccount("sim", "keys/alice", dec(10), dec(10_000)))
        assert codes(rig.tick(90)) == []

    def test_ends_with_the_first_one(self) -> None:
        rig = self.held()
        rig.tick()
        rig.policy()
        assert codes(rig.tick()) == ["POLICY_FRESH"]


class TestAPolicy:
    def refused(self, rig: Rig, given: PolicyUpdate) -> str:
        before = substance(rig.state, "control_position")
        (said,) = decisions(rig.command("*", given))
        assert said.verdict == "REFUSED"
        assert substance(rig.state, "control_position") == before
        return said.reason

    def test_counts_from_the_moment_it_comes(self) -> None:
        rig = Rig().ready()
        assert codes(rig.policy(2, entry={"confidence_min": "0.95"})) == ["POLICY"]
        assert codes(rig.signal()) == ["CONFIDENCE_LOW"]
        assert decisions(rig.signal())[0].policy_version == 2

    def test_said_again_is_fresh_again(self) -> None:
        rig = Rig().ready()
        rig.now_ms += 500_000
        assert codes(rig.policy(1)) == ["POLICY"]
        assert rig.state.policy_ms == rig.now_ms

    def test_said_late_is_only_as_fresh_as_it_was_said(self) -> None:
        rig = Rig().ready()
        said_ms = rig.now_ms + 100_000
        rig.now_ms += 500_000
        written = canonical(document(SYMBOLS))
        rig.command("*", PolicyUpdate(1, document_hash(written), written), ts=said_ms)
        assert rig.state.policy_ms == said_ms

    def test_an_old_version_is_refused(self) -> None:
        rig = Rig().ready()
        rig.policy(5)
        assert self.refused(rig, update(4, document(SYMBOLS))) == "POLICY_OLD version=4 present=5"

    def test_the_same_version_with_other_content_is_refused(self) -> None:
        rig = Rig().ready()
        changed = document(SYMBOLS, ess={"drawdown_pct": "99"})
        assert self.refused(rig, update(1, changed)).startswith("POLICY_CONFLICT version=1 ")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "null",
            "{}",
            '{"crash":null}',
            "[" * 100_000,
            '{"phases":{"p":null}}',
            '"\\ud800"',
            '{"\\ud800":1}',
            " " * 600_000,
        ],
    )
    def test_what_is_none_is_refused_and_the_last_good_one_stays(self, text: str) -> None:
        rig = Rig().ready()
        assert self.refused(rig, PolicyUpdate(2, document_hash(text), text)).startswith("POLICY_INVALID version=2 errors=")
        rig.refresh()
        assert codes(rig.signal()) == ["LONG"]

    @pytest.mark.parametrize(
        "value", ["0.1234567", "NaN", "Infinity", "-0.1", "1.1", "1e-30", "1e400", "abc", None, True, [], {}]
    )
    def test_a_figure_that_cannot_be_is_named_with_its_path(self, value: Any) -> None:
        rig = Rig().ready()
        written = document(SYMBOLS)
        written["phases"]["phase3"]["entry"]["confidence_min"] = value
        reason = self.refused(rig, update(2, written))
        assert reason.startswith("POLICY_INVALID version=2 errors=1 first=phases.phase3.entry.confidence_min ")

    def test_a_hash_that_does_not_fit_is_refused(self) -> None:
        rig = Rig().ready()
        given = update(2, document(SYMBOLS))
        assert self.refused(rig, given._replace(hash="0" * 32)) == "POLICY_INVALID version=2 hash does not fit"

    def test_one_without_a_phase_that_is_in_use_is_refused(self) -> None:
        rig = Rig().ready()
        assert "phase in use is missing: phase3" in self.refused(rig, update(2, three_phases()))

    def test_tighter_limits_are_held_against_what_is_already_lost(self) -> None:
        rig = Rig().ready()
        rig.money("FUNDING", "-400")
        assert rig.account().stop.armed
        rig.policy(2, ess={"drawdown_pct": "4"})
        assert rig.account().stop.trip_reason.startswith("DRAWDOWN equity=9600 floor=9600 ")


class TestAPhase:
    def rig(self, **days: int) -> Rig:
        rig = Rig()
        rig.command("*", update(1, three_phases(**days)))
        return rig

    def change(self, rig: Rig, phase: str, override: bool = False, account: str = "*") -> list[str]:
        return codes(rig.command(account, PhaseChange(phase, override)))

    def test_the_first_is_the_lowest(self) -> None:
        rig = self.rig()
        assert self.change(rig, "b") == ["PHASE_LEAP"]
        assert self.change(rig, "a") == ["PHASE"]
        assert rig.state.phase == "a"

    def test_needs_a_policy(self) -> None:
        assert self.change(Rig(), "a", True) == ["POLICY_MISSING"]

    def test_one_the_policy_does_not_have_is_refused_even_with_override(self) -> None:
        assert self.change(self.rig(), "d", True) == ["PHASE_UNKNOWN"]

    def test_lasts_its_days_to_the_millisecond(self) -> None:
        rig = self.rig(a=14)
        self.change(rig, "a")
        rig.now_ms += 14 * DAY_MS - 1
        (said,) = decisions(rig.command("*", PhaseChange("b", False)))
        assert said.reason == "PHASE_MIN_DAYS present=a served_days=13 min_days=14"
        rig.now_ms += 1
        assert self.change(rig, "b") == ["PHASE"]

    def test_said_again_does_not_start_its_days_again(self) -> None:
        rig = self.rig(a=14)
        self.change(rig, "a")
        rig.now_ms += 13 * DAY_MS
        assert self.change(rig, "a") == ["PHASE"]
        rig.now_ms += DAY_MS
        assert self.change(rig, "b") == ["PHASE"]

    def test_said_again_to_an_account_does_not_start_its_days_again_either(self) -> None:
        rig = Rig().ready()
        written = three_phases(a=14)
        written["phases"]["phase3"] = document(SYMBOLS)["phases"]["phase3"]
        rig.command("*", update(2, written))
        self.change(rig, "a", True, "alice")
        since_ms = rig.account().phase_since_ms
        rig.now_ms += 13 * DAY_MS
        self.change(rig, "a", False, "alice")
        assert (rig.account().phase, rig.account().phase_since_ms) == ("a", since_ms)

    def test_none_is_leapt_over(self) -> None:
        rig = self.rig()
        self.change(rig, "a")
        assert self.change(rig, "c") == ["PHASE_LEAP"]

    def test_override_leaps_and_does_not_wait(self) -> None:
        rig = self.rig(a=14, b=14)
        self.change(rig, "a")
        assert self.change(rig, "b", override=True) == ["PHASE"]
        assert self.change(rig, "c", override=True) == ["PHASE"]

    def test_the_way_back_is_always_open(self) -> None:
        rig = self.rig(a=14, b=14, c=14)
        self.change(rig, "c", override=True)
        assert self.change(rig, "a") == ["PHASE"]

    def test_of_an_account_goes_before_everybodys(self) -> None:
        rig = Rig().ready()
        written = three_phases()
        written["phases"]["phase3"] = document(SYMBOLS)["phases"]["phase3"]
        rig.command("*", update(2, written))
        assert self.change(rig, "a", True, "alice") == ["PHASE"]
        assert (rig.account().phase, rig.state.phase) == ("a", "phase3")
        assert codes(rig.signal(confidence=dec("0.7"))) == ["CONFIDENCE_LOW"]

    def test_other_limits_are_held_against_what_is_held(self) -> None:
        rig = Rig().ready()
        written = document(SYMBOLS)
        written["phases"]["strict"] = document(SYMBOLS, ess={"drawdown_pct": "3"})["phases"]["phase3"]
        rig.command("*", update(2, written))
        rig.money("FUNDING", "-350")
        assert rig.account().stop.armed
        rig.command("*", PhaseChange("strict", True))
        assert not rig.account().stop.armed


class TestAPromotion:
    def test_says_whose_signals_may_trade(self) -> None:
        rig = Rig().ready()
        assert codes(rig.signal(source="new")) == ["SOURCE_NOT_LIVE"]
        for stage, code in (("SHADOW", "SOURCE_NOT_LIVE"), ("LIVE", "LONG"), ("RETIRED", "SOURCE_NOT_LIVE")):
            rig.command("*", Promotion("new", stage))  # type: ignore[arg-type]  # one of three words
            assert codes(rig.signal(source="new")) == [code]

    def test_a_source_that_may_not_trade_may_not_close_either(self) -> None:
        rig = Rig().ready()
        rig.open()
        assert codes(rig.signal("CLOSE", source="new")) == ["SOURCE_NOT_LIVE"]

    def test_sources_are_bounded(self) -> None:
        rig = Rig().ready()
        for number in range(SOURCES_MAX - len(rig.state.stages)):
            rig.command("*", Promotion(f"source{number}", "SHADOW"))
        assert codes(rig.command("*", Promotion("one-more", "LIVE"))) == ["SOURCES_FULL"]
        assert codes(rig.command("*", Promotion("source0", "LIVE"))) == ["PROMOTED"]


class TestAVersion:
    def ended(self) -> Rig:
        rig = Rig().ready()
        assert codes(rig.command("*", VersionChange("2"))) == ["REIGN_ENDS"]
        return rig

    def test_ends_the_reign_of_this_one_at_its_offset(self) -> None:
        rig = self.ended()
        with pytest.raises(WrongReign, match=f"offset {rig.offset + 1} is for desk version 2, this is {DESK_VERSION}"):
            rig.feed(Tick(rig.now_ms // 1000 + 1))

    def test_nothing_at_all_is_stepped_any_more(self) -> None:
        rig = self.ended()
        said: list[Output] = list(rig.said)
        before = substance(rig.state)
        with pytest.raises(WrongReign):
            rig.signal()
        assert (rig.said, substance(rig.state)) == (said, before)

    def test_the_same_version_is_no_change(self) -> None:
        assert codes(Rig().ready().command("*", VersionChange(DESK_VERSION))) == ["VERSION_SAME"]

    def test_only_the_version_that_was_named_takes_over(self) -> None:
        rig = self.ended()
        with pytest.raises(WrongReign):
            assume_reign(rig.state)
        rig.state.version, rig.state.next_version = "0", DESK_VERSION
        with pytest.raises(WrongReign):
            rig.feed(Tick(rig.now_ms // 1000 + 1))
        assume_reign(rig.state)
        assert rig.tick() != []
