"""Environment variables that decide: where they go, which way they may move a limit, and that none is ignored."""

from copy import deepcopy
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from streams.desk.policy import Policy
from streams.desk.policy_check import canonical, check_policy, document_hash
from streams.services.policy_environment import VARIABLES, Applied, apply_environment, environment_problems

PHASES = ("phase1", "phase2", "phase3")


def applied(document: dict[str, Any], **environ: str) -> Applied:
    result = apply_environment(document, environ)
    assert isinstance(result, Applied), result
    return result


def refused(document: dict[str, Any], **environ: str) -> list[str]:
    result = apply_environment(document, environ)
    assert isinstance(result, list), result.changes
    return [str(problem) for problem in result]


def test_an_empty_environment_changes_nothing(document: dict[str, Any]) -> None:
    assert apply_environment(document, {"PATH": "/bin"}) == Applied(document, ())


def test_every_variable_leads_to_a_limit_of_every_phase_or_of_the_stop_over_all_accounts(document: dict[str, Any]) -> None:
    for variable in VARIABLES:
        starts = [document["phases"][name] for name in PHASES] if variable.path[0] == "phases" else [document["total"]]
        for start in starts:
            place: Any = start
            for key in variable.path[2:] if variable.path[0] == "phases" else variable.path[1:]:
                place = place[key]
            assert isinstance(apply_environment(document, {variable.name: str(place)}), Applied)


def test_no_two_variables_move_the_same_limit() -> None:
    assert len({variable.path for variable in VARIABLES}) == len({variable.name for variable in VARIABLES}) == len(VARIABLES)


def test_a_variable_goes_into_every_phase_and_says_what_it_changed(document: dict[str, Any]) -> None:
    result = applied(document, QT_MAX_SIGNALS_PER_CYCLE="25")
    assert [result.document["phases"][name]["throttle"]["signals_per_cycle"] for name in PHASES] == ["25", "25", "25"]
    assert [(change.path[1], change.before, change.after) for change in result.changed] == [(name, "10", "25") for name in PHASES]


def test_the_document_given_is_left_as_it_was(document: dict[str, Any]) -> None:
    before = deepcopy(document)
    applied(document, QT_SIGNAL_QUEUE_MAX="7")
    assert document == before


def test_a_variable_changes_the_hash_so_the_tape_shows_it(document: dict[str, Any]) -> None:
    after = applied(document, QT_SIGNAL_QUEUE_MAX="7").document
    assert document_hash(canonical(after)) != document_hash(canonical(document))
    checked = check_policy(1, after, "")
    assert isinstance(checked, Policy)
    assert checked.phases["phase1"].throttle.queue_max == 7


def test_risk_per_trade_is_lowered_where_a_phase_has_more_and_nowhere_raised(document: dict[str, Any]) -> None:
    document["phases"]["phase1"]["size"]["risk_per_trade_pct"] = "2"
    result = applied(document, QT_RISK_PER_TRADE_PCT="5.0")
    assert [result.document["phases"][name]["size"]["risk_per_trade_pct"] for name in PHASES] == ["2", "5.0", "5.0"]
    assert [change.path[1] for change in result.changed] == ["phase2", "phase3"]
    assert len(result.changes) == 3  # what had no effect is told too


@pytest.mark.parametrize(
    "variable", [variable for variable in VARIABLES if variable.may != "set"], ids=lambda variable: variable.name
)
def test_a_limit_on_risk_cannot_be_loosened_from_the_environment(document: dict[str, Any], variable: Any) -> None:
    for value in ("1", "2", "59", "60", "61", "0.5", "0.99", "9", "10", "300", "3600", "86400", "100"):
        result = apply_environment(document, {variable.name: value})
        for change in result.changes if isinstance(result, Applied) else ():
            before, after = Decimal(change.before), Decimal(change.after)
            assert after <= before if variable.may == "lower" else after >= before


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
@pytest.mark.parametrize("value", ["", " ", "ten", "1_0", "nan", "inf", "-1", "1e3", "0x10", "9999999999999", " 5", "5;"])
def test_a_variable_that_cannot_be_used_is_an_error_with_its_name(document: dict[str, Any], variable: Any, value: str) -> None:
    (problem,) = refused(document, **{variable.name: value})
    assert problem.startswith(f"{variable.name}: ")


def test_risk_above_ten_per_cent_is_out_of_range(document: dict[str, Any]) -> None:
    assert refused(document, QT_RISK_PER_TRADE_PCT="10.01") == ["QT_RISK_PER_TRADE_PCT: 10.01 is not above 0 and up to 10.00"]


def test_every_wrong_variable_is_named_not_only_the_first(document: dict[str, Any]) -> None:
    problems = refused(document, QT_SIGNAL_QUEUE_MAX="many", QT_ESS_COOLDOWN_S="-1", QT_MAX_SIGNAL_PER_CYCLE="3")
    assert {problem.partition(":")[0] for problem in problems} == {
        "QT_SIGNAL_QUEUE_MAX",
        "QT_ESS_COOLDOWN_S",
        "QT_MAX_SIGNAL_PER_CYCLE",
    }


def test_variables_that_make_a_policy_contradict_itself_are_named(document: dict[str, Any]) -> None:
    problems = refused(document, QT_MAX_EXPOSURE_USD="500")
    assert problems[0] == "QT_MAX_EXPOSURE_USD: then phases.phase1.size.max_position_usd is above max_exposure_usd"
    assert len(problems) == 3
    assert applied(document, QT_MAX_EXPOSURE_USD="500", QT_MAX_POSITION_USD="500").changed


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("QT_MAX_SIGNAL_PER_CYCLE", "QT_MAX_SIGNALS_PER_CYCLE"),
        ("QTS_MAX_SIGNALS_PER_CYCLE", "QT_MAX_SIGNALS_PER_CYCLE"),
        ("qt_risk_per_trade_pct", "QT_RISK_PER_TRADE_PCT"),
        ("QT_RISK_PCT", "QT_RISK_PER_TRADE_PCT"),
        ("QT_RISK_PER_TRADE", "QT_RISK_PER_TRADE_PCT"),
        ("QT_COOLDOWN_ESS_S", "QT_ESS_COOLDOWN_S"),
        ("QT_ESS_COOLDWN_S", "QT_ESS_COOLDOWN_S"),
        ("QT_POLICY_AGE_MAX_S", "QT_POLICY_MAX_AGE_S"),
    ],
)
def test_a_misspelt_variable_is_reported_with_what_was_meant(document: dict[str, Any], misspelt: str, meant: str) -> None:
    assert refused(document, **{misspelt: "5"}) == [f"{misspelt}: is not known: did you mean {meant}? Nobody reads it as it is"]


def test_variables_of_others_are_left_alone() -> None:
    toolkit = (
        "QPA_PLATFORM SCALE_FACTOR AUTO_SCREEN_SCALE_FACTOR PLUGIN_PATH LOGGING_RULES IM_MODULE STYLE_OVERRIDE DEBUG_PLUGINS"
    )
    settings = "SCHEMA_REGISTRY_URL KAFKA_BROKERS LOG_LEVEL MODE POLICY_STORE"
    others = [f"QT_{name}" for name in toolkit.split()] + [f"QTS_{name}" for name in settings.split()] + ["QTDIR"]
    assert environment_problems(dict.fromkeys(others, "x")) == []


def test_applying_the_same_environment_again_changes_nothing(document: dict[str, Any]) -> None:
    environ = {
        "QT_MAX_SIGNALS_PER_CYCLE": "5",
        "QT_RISK_PER_TRADE_PCT": "1.5",
        "QT_ESS_COOLDOWN_S": "1800",
        "QT_CONFIDENCE_MIN": "0.7",
    }
    once = applied(document, **environ).document
    again = applied(once, **environ)
    assert again.document == once
    assert again.changed == ()


def test_the_desk_reads_the_whole_policy_after_every_variable_is_used(document: dict[str, Any]) -> None:
    tightest = {"lower": "1", "raise": "1", "set": "1"}
    values = {variable.name: tightest[variable.may] for variable in VARIABLES}
    values |= {"QT_POLICY_MAX_AGE_S": "60", "QT_ESS_COOLDOWN_S": "7200", "QT_TOTAL_COOLDOWN_S": "7200"}
    checked = check_policy(1, applied(document, **values).document, "")
    assert isinstance(checked, Policy)
    assert {slot.name for slot in fields(checked)} == {"version", "hash", "crash", "total", "phases"}
