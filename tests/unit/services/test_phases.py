"""Phases: what is read, and how everything that is wrong is told, with its line."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from streams.desk.policy import Phase, Policy
from streams.desk.policy_check import check_policy
from streams.services.phases import load_phases
from streams.services.policy_source import PHASES_FOLDER


def complaints(folder: Path) -> list[str]:
    loaded = load_phases(folder)
    return [str(problem).removeprefix(f"{folder}/") for problem in loaded] if isinstance(loaded, list) else []


def spoil(folder: Path, old: str, new: str, name: str = "phase1.yaml") -> int:
    """Replace a text that occurs once, and give its line."""
    text = (folder / name).read_text()
    assert text.count(old) == 1, (old, text.count(old))
    (folder / name).write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


def phase(document: dict[str, Any], name: str) -> Phase:
    policy = check_policy(1, document, "")
    assert isinstance(policy, Policy)
    return policy.phases[name]


@pytest.mark.parametrize(
    ("name", "symbols", "positions", "position_usd", "drawdown", "confidence", "days", "looks", "mode"),
    [
        ("phase1", 3, 3, "1000", "3.0", "0.60", 14, "1h", "limited"),
        ("phase2", 10, 10, "2000", "5.0", "0.50", 14, "4h", "full"),
        ("phase3", 20, 20, "2000", "5.0", "0.45", None, "daily", "full"),
    ],
)
def test_the_phases_have_the_figures_of_the_project(  # noqa: PLR0913, PLR0917 - one row of the project's table each
    document: dict[str, Any],
    name: str,
    symbols: int,
    positions: int,
    position_usd: str,
    drawdown: str,
    confidence: str,
    days: int | None,
    looks: str,
    mode: str,
) -> None:
    found = phase(document, name)
    assert len(found.symbols) == symbols
    assert (found.size.positions_max, found.size.max_position_usd) == (positions, Decimal(position_usd))
    assert (found.ess.drawdown_pct, found.ess.cooldown_s) == (Decimal(drawdown), 900)
    assert found.entry.confidence_min == Decimal(confidence)
    assert (found.min_days, found.monitoring_frequency, found.trading_mode) == (days, looks, mode)
    assert (found.throttle.signals_per_cycle, found.throttle.queue_max) == (10, 100)
    assert (found.age.policy_s_max, found.size.risk_per_trade_pct) == (600, Decimal("10.00"))


def test_each_phase_keeps_the_symbols_of_the_phase_before(document: dict[str, Any]) -> None:
    first, second, third = (phase(document, name).symbols for name in ("phase1", "phase2", "phase3"))
    assert first == ("BTCUSDT", "ETHUSDT", "BNBUSDT")
    assert second[:3] == first
    assert third[:10] == second


def test_numbers_stay_as_they_were_written(document: dict[str, Any]) -> None:
    assert document["phases"]["phase1"]["size"]["risk_per_trade_pct"] == "10.00"
    assert document["phases"]["phase1"]["ess"]["drawdown_pct"] == "3.0"


def test_a_phase_may_leave_out_its_risk_per_trade_and_gets_ten_per_cent(phases: Path) -> None:
    spoil(phases, "  risk_per_trade_pct: 10.00\n", "")
    loaded = load_phases(phases)
    assert isinstance(loaded, dict)
    assert loaded["phases"]["phase1"]["size"]["risk_per_trade_pct"] == "10.00"


LIMITS_OF_GATES = [
    "mark_s_max", "signal_s_max", "policy_s_max", "max_exposure_usd", "leverage_max", "funding_pay_pct_max", "spread_bps_max",
    "collar_pct_max", "per_10s_max", "max_position_usd", "confidence_min",
]  # fmt: skip


@pytest.mark.parametrize("limit", LIMITS_OF_GATES)
@pytest.mark.parametrize("infinite", [".inf", "inf", "Infinity", ".nan", "nan", "1e999"])
def test_an_infinite_limit_is_refused_with_its_line(phases: Path, limit: str, infinite: str) -> None:
    lines = (phases / "phase1.yaml").read_text().split("\n")
    number = next(number for number, line in enumerate(lines, start=1) if line.strip().startswith(f"{limit}:"))
    lines[number - 1] = f"  {limit}: {infinite}"
    (phases / "phase1.yaml").write_text("\n".join(lines))
    (complaint,) = complaints(phases)
    assert complaint.startswith(f"phase1.yaml:{number}: ")
    assert limit in complaint


def test_every_limit_that_is_left_out_is_named_at_the_table_it_belongs_to(phases: Path) -> None:
    text = (phases / "phase1.yaml").read_text()
    for line in text.split("\n"):
        key, colon, _ = line.strip().partition(": ")
        if not colon or key.startswith("#") or key in {"risk_per_trade_pct", "depth_cut"} or not line.startswith("  "):
            continue
        (phases / "phase1.yaml").write_text(text.replace(f"{line}\n", "", 1))
        (complaint,) = complaints(phases)
        where, _, said = complaint.partition(": ")
        table = text.split("\n")[int(where.split(":")[1]) - 1].strip()
        path = said.removesuffix(": is missing").split(".")
        assert path[-1] == key
        assert table == f"{path[-2]}:"


def test_a_table_that_is_left_out_is_named(phases: Path) -> None:
    text = (phases / "phase1.yaml").read_text()
    (phases / "phase1.yaml").write_text(text[: text.index("\norders:")] + text[text.index("\ness:") :])
    (complaint,) = complaints(phases)
    assert complaint.endswith("orders: is missing")


def test_every_error_is_reported_not_only_the_first(phases: Path) -> None:
    expected = {
        (spoil(phases, "trading_mode: limited", "trading_mode: careful"), "trading_mode"),
        (spoil(phases, "positions_max: 3", "positions_max: three"), "size.positions_max"),
        (spoil(phases, "drawdown_pct: 3.0", "drawdown_pct: -3.0"), "ess.drawdown_pct"),
        (spoil(phases, "allow_degraded: false", "allow_degraded: maybe"), "entry.allow_degraded"),
        (spoil(phases, "adopted_stop_pct: 2.0", "adopted_stop_pc: 2.0"), "exits.adopted_stop_pc"),
    }
    parts = [complaint.replace(": ", ":").split(":") for complaint in complaints(phases)]
    told = {(int(line), path) for _, line, path, *_ in parts}
    assert expected < told
    assert len(told) == 6  # and adopted_stop_pct is missing


def test_errors_of_all_files_are_reported_together(phases: Path) -> None:
    spoil(phases, "trading_mode: limited", "trading_mode: careful")
    (phases / "phase2.yaml").write_text("a: [")
    (phases / "shared.yaml").write_text("")
    told = complaints(phases)
    assert [complaint.split(":")[0] for complaint in told] == ["phase1.yaml", "phase2.yaml", "shared.yaml"]


def test_a_shared_limit_is_checked_like_the_others(phases: Path) -> None:
    line = spoil(phases, "fall_pct: 20", "fall_pct: 0", "shared.yaml")
    assert complaints(phases) == [f"shared.yaml:{line}: crash.fall_pct: 0 is not above 0 and up to 100"]


@pytest.mark.parametrize("name", ["shared.yaml", "phase2.yaml"])
def test_a_table_nobody_knows_is_refused(phases: Path, name: str) -> None:
    text = (phases / name).read_text()
    (phases / name).write_text(text + "phases:\n  phase9: {}\n")
    assert complaints(phases) == [f"{name}:{text.count(chr(10)) + 1}: phases: is not known"]


def test_limits_that_contradict_each_other_are_refused(phases: Path) -> None:
    line = spoil(phases, "max_position_usd: 1000", "max_position_usd: 3001")
    assert complaints(phases) == [f"phase1.yaml:{line}: size.max_position_usd: is above max_exposure_usd"]


def test_a_phase_that_asks_for_more_risk_than_ten_per_cent_is_refused(phases: Path) -> None:
    line = spoil(phases, "risk_per_trade_pct: 10.00", "risk_per_trade_pct: 10.01")
    assert complaints(phases)[0].startswith(f"phase1.yaml:{line}: size.risk_per_trade_pct: ")


def test_a_symbol_no_exchange_has_is_refused_on_its_own_line(phases: Path) -> None:
    line = spoil(phases, "- AVAXUSDT", "- avaxusdt", "phase3.yaml")
    assert complaints(phases) == [
        f"phase3.yaml:{line}: symbols.9: 'avaxusdt' is not a symbol: 5 to 20 capital letters and digits"
    ]


def test_a_symbol_written_twice_is_refused(phases: Path) -> None:
    line = spoil(phases, "[BTCUSDT, ETHUSDT, BNBUSDT]", "[BTCUSDT, ETHUSDT, BTCUSDT]")
    assert complaints(phases) == [f"phase1.yaml:{line}: symbols: names something twice"]


@pytest.mark.parametrize("name", ["phase4.yml", "Phase1.yaml", "phase10.yaml", "phase.yaml", "share.yaml"])
def test_a_yaml_file_nobody_would_read_is_refused(phases: Path, name: str) -> None:
    (phases / name).write_text("a: b\n")
    assert complaints(phases) == [f"{name}:1: is neither shared.yaml nor phase1.yaml to phase9.yaml"]


@pytest.mark.parametrize("name", ["phase1.yaml", "phase2.yaml", "shared.yaml"])
def test_a_missing_file_is_refused(phases: Path, name: str) -> None:
    (phases / name).unlink()
    (complaint,) = complaints(phases)
    assert complaint.startswith(f"{name}:1: ")


def test_the_last_phase_may_be_left_out(phases: Path) -> None:
    (phases / "phase3.yaml").unlink()
    assert complaints(phases) == []


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    loaded = load_phases(tmp_path / "nowhere")
    assert isinstance(loaded, list)
    assert "No such file or directory" in str(loaded[0])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert [complaint.split(":")[0] for complaint in complaints(tmp_path)] == ["phase1.yaml", "shared.yaml"]


def test_a_folder_in_place_of_a_file_is_refused(phases: Path) -> None:
    (phases / "phase1.yaml").unlink()
    (phases / "phase1.yaml").mkdir()
    assert complaints(phases) == ["phase1.yaml:1: cannot be read: Is a directory"]


def test_every_value_of_every_phase_has_a_reason_above_it() -> None:
    for file in PHASES_FOLDER.glob("*.yaml"):
        lines = file.read_text().split("\n")
        for number, line in enumerate(lines):
            if ": " in line and not line.strip().startswith("#"):
                assert lines[number - 1].strip().startswith("#"), f"{file.name}:{number + 1}: no reason"
